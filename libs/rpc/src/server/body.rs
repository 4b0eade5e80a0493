//! The body of an answer: ends the call's span, keeps the call's place, and ends a stream when its time is
//! over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::deadline;
use super::observe::Observation;
use crate::admission::Permit;
use crate::{DOMAIN, Problem, error};

/// What can end a stream before its handler does.
#[derive(Debug)]
pub(crate) struct Streamed {
    until: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Streamed {
    pub(crate) fn new(until: Instant, closing: CancellationToken) -> Streamed {
        let until = Box::pin(tokio::time::sleep_until(until));
        Streamed { until, closing: Box::pin(closing.cancelled_owned()) }
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Status> {
        if self.closing.as_mut().poll(task).is_ready() {
            let message = "the server is shutting down; call another";
            return Poll::Ready(Problem::unavailable(DOMAIN, "SHUTTING_DOWN", message).to_status());
        }
        ready!(self.until.as_mut().poll(task));
        Poll::Ready(deadline::exceeded().to_status())
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct CallBody {
    inner: Body,
    observation: Observation,
    /// Given back when the caller has everything.
    _permit: Option<Arc<Permit>>,
    streamed: Option<Streamed>,
    ended: bool,
}

impl CallBody {
    pub(crate) fn new(
        inner: Body,
        observation: Observation,
        permit: Option<Arc<Permit>>,
        streamed: Option<Streamed>,
    ) -> CallBody {
        CallBody { inner, observation, _permit: permit, streamed, ended: false }
    }

    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.ended = true;
        self.inner = Body::empty();
        self.observation.end(status.code());
        let mut trailers = HeaderMap::new();
        // Only a status with impossible metadata cannot be written, and these have none.
        let _ = status.add_header(&mut trailers);
        Frame::trailers(trailers)
    }

    /// Streams produce while they are polled, so they are polled in their call's context.
    fn poll_inner(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let _attached = self.streamed.is_some().then(|| self.observation.context.clone().attach());
        let inner = Pin::new(&mut self.inner);
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(task))) {
            Ok(polled) => polled,
            Err(panic) => {
                let _attached = self.observation.context.clone().attach();
                Poll::Ready(Some(Err(error::panicked(&*panic))))
            }
        }
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // First, or a stream that always has something to say would never end.
        if let Some(Poll::Ready(status)) = self.streamed.as_mut().map(|streamed| streamed.poll(task)) {
            return Poll::Ready(Some(Ok(self.end(&status))));
        }
        match self.poll_inner(task) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.observation.trailers(trailers);
                    self.ended = true;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(status))) => Poll::Ready(Some(Ok(self.end(&status)))),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
