//! The body of an answer: read to its end before the caller sees it (unary, so that a connection that breaks
//! in the middle is a failed attempt), or passed on as it comes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::{Code, Status};

use super::observe::Outgoing;
use crate::{DOMAIN, Problem};

/// The largest unary answer that is read; the generated client has a smaller limit of its own.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer that has arrived.
#[derive(Debug, Default)]
pub(super) struct Received {
    frames: VecDeque<Frame<Bytes>>,
}

/// Why an answer could not be read.
pub(super) enum Unread {
    Broken(Status),
    TooLarge(Status),
}

impl Received {
    pub(super) async fn read(mut body: Body) -> Result<Received, Unread> {
        let mut received = Received::default();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(Unread::Broken)?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > BYTES_MAX {
                let message = "the answer is larger than a client reads";
                let problem = Problem::exhausted(DOMAIN, "MESSAGE_TOO_LARGE", message);
                return Err(Unread::TooLarge(problem.with("bytes_max", BYTES_MAX).to_status()));
            }
            received.frames.push_back(frame);
        }
        Ok(received)
    }

    fn trailers(&self) -> Option<&HeaderMap> {
        self.frames.iter().rev().find_map(Frame::trailers_ref)
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct ClientBody {
    inner: Inner,
    watched: Option<Outgoing>,
}

#[derive(Debug)]
enum Inner {
    Received(Received),
    Streaming(Body),
}

impl ClientBody {
    pub(super) fn received(received: Received) -> ClientBody {
        ClientBody { inner: Inner::Received(received), watched: None }
    }

    pub(super) fn streaming(body: Body) -> ClientBody {
        ClientBody { inner: Inner::Streaming(body), watched: None }
    }

    /// The code of an answer that has arrived; none while it still streams.
    pub(super) fn code(&self, head: &HeaderMap) -> Option<Code> {
        let read =
            |headers: &HeaderMap| headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
        read(head).or_else(|| match &self.inner {
            Inner::Received(received) => Some(received.trailers().and_then(read).unwrap_or(Code::Unknown)),
            Inner::Streaming(_) => None,
        })
    }

    pub(super) fn watched(mut self, outgoing: Outgoing) -> ClientBody {
        self.watched = Some(outgoing);
        self
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let polled = match &mut this.inner {
            Inner::Received(received) => Poll::Ready(received.frames.pop_front().map(Ok)),
            Inner::Streaming(body) => Pin::new(body).poll_frame(task),
        };
        if let (Some(watched), Poll::Ready(Some(outcome))) = (&mut this.watched, &polled) {
            match outcome {
                Ok(frame) => {
                    if let Some(code) = frame.trailers_ref().and_then(|trailers| trailers.get("grpc-status"))
                    {
                        watched.end(Code::from_bytes(code.as_bytes()));
                    }
                }
                Err(status) => watched.end(status.code()),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Received(received) => received.frames.is_empty(),
            Inner::Streaming(body) => body.is_end_stream(),
        }
    }
}
