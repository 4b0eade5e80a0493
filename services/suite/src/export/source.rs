//! Where exported rows come from: one server stream of the loyalty service for each kind of row.

use futures::stream::{BoxStream, StreamExt as _};
use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::member_service_client::MemberServiceClient;
use proto::rapport::loyalty::v1::points_service_client::PointsServiceClient;
use rpc::client::Client;
use tonic::{Status, Streaming};

use super::columns;
use super::rows::Row;

/// What is asked for; its cursor is left empty.
pub(super) enum Asked {
    Postings(pb::ExportPostingsRequest),
    Lots(pb::ExportLotsRequest),
    Members(pb::ExportMembersRequest),
}

/// Rows that arrived together, and where to go on from.
pub(super) struct Chunk {
    pub(super) rows: Vec<Row>,
    pub(super) cursor: String,
}

type Chunks = BoxStream<'static, Result<Chunk, Status>>;

impl Asked {
    /// The columns of its CSV, in their order.
    pub(super) fn columns(&self) -> &'static [&'static str] {
        match self {
            Asked::Postings(_) => &columns::POSTING,
            Asked::Lots(_) => &columns::LOT,
            Asked::Members(_) => &columns::MEMBER,
        }
    }

    /// What comes behind a cursor, or all.
    pub(super) async fn open(&self, client: &Client, cursor: &str) -> Result<Chunks, Status> {
        let (client, cursor) = (client.clone(), cursor.to_owned());
        Ok(match self {
            Asked::Postings(request) => {
                let request = pb::ExportPostingsRequest { cursor, ..request.clone() };
                let stream = PointsServiceClient::new(client).export_postings(request).await?;
                chunks(stream.into_inner(), "Posting", |chunk| (chunk.postings, chunk.cursor))
            }
            Asked::Lots(request) => {
                let request = pb::ExportLotsRequest { cursor, ..request.clone() };
                let stream = PointsServiceClient::new(client).export_lots(request).await?;
                chunks(stream.into_inner(), "Lot", |chunk| (chunk.lots, chunk.cursor))
            }
            Asked::Members(request) => {
                let request = pb::ExportMembersRequest { cursor, ..request.clone() };
                let stream = MemberServiceClient::new(client).export_members(request).await?;
                chunks(stream.into_inner(), "Member", |chunk| (chunk.members, chunk.cursor))
            }
        })
    }
}

fn chunks<R: Send + 'static, M: Message + 'static>(
    stream: Streaming<R>,
    name: &'static str,
    take: fn(R) -> (Vec<M>, String),
) -> Chunks {
    let chunk = move |answer: Result<R, Status>| {
        let (messages, cursor) = take(answer?);
        let rows = messages.iter().map(|message| Row::of(name, message)).collect::<Option<_>>();
        let rows = rows.ok_or_else(|| rpc::error::internal_because("a row has no descriptor"))?;
        Ok(Chunk { rows, cursor })
    };
    stream.map(chunk).boxed()
}
