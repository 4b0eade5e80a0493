//! ExportPostings: all postings of a program, chunk after chunk, each with the place behind it.

use ambient::Time;
use futures::stream::{self, BoxStream, StreamExt};
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::exporting::{Cursors, Place, Walk, chunk_size, member_id};
use super::list_postings::posting_message;
use super::refusal::DOMAIN;
use super::wire::time;
use crate::store::postings;

const METHOD: &str = "ExportPostings";

type Chunks = BoxStream<'static, Result<pb::ExportPostingsResponse, Status>>;

/// An export under way.
struct Export {
    walk: Walk,
    cursors: Cursors,
    /// Recorded from a moment on, and before another one.
    within: (Time, Time),
}

pub(super) async fn handle(api: &Api, request: Request<pb::ExportPostingsRequest>) -> Result<Chunks, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = member_id(&message.member_id, &mut found);
    let since = time(message.start_time, &Path::ROOT, "start_time", &mut found);
    let before = time(message.end_time, &Path::ROOT, "end_time", &mut found);
    if since.zip(before).is_some_and(|(since, before)| before <= since) {
        found.add(&Path::ROOT, "end_time", "must lie after start_time");
    }
    found.into_result(DOMAIN)?;
    let asked = pb::ExportPostingsRequest { cursor: String::new(), chunk_size: 0, ..message.clone() };
    let cursors = Cursors::of(api, &caller, METHOD, &asked);
    let place = Place::of_bytes(cursors.open(&message.cursor)?)?;
    let within = (since.unwrap_or(Time::MIN), before.unwrap_or(Time::MAX));
    let whose = api.whose(&caller, &message.program_id, member_id, within.0).await?;
    let rows = chunk_size(message.chunk_size);
    let walk = Walk::new(api, &caller, whose, |wallet| wallet.posting_seq, rows, place);
    Ok(stream::try_unfold(Export { walk, cursors, within }, next).boxed())
}

async fn next(mut export: Export) -> Result<Option<(pb::ExportPostingsResponse, Export)>, Status> {
    let Some(part) = export.walk.next().await? else { return Ok(None) };
    let walk = &export.walk;
    let rows = postings::of_spans(walk.api.db.reader(), &part.spans, export.within).await;
    let mut rows = rows.map_err(|e| told(&e))?;
    rows.retain(|(wallet_id, of)| walk.whose.has(*wallet_id, of.posting.source.actor_member_id));
    let program = walk.program(&part).await?;
    let posting = |(wallet_id, recorded)| {
        // What people wrote may be personal.
        pb::Posting { note: String::new(), ..posting_message(wallet_id, &recorded, &program) }
    };
    let postings = rows.into_iter().map(posting).collect();
    let cursor = export.cursors.seal(&walk.place().bytes());
    Ok(Some((pb::ExportPostingsResponse { postings, cursor }, export)))
}
