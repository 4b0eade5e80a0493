//! ExportLots: all lots of a program, chunk after chunk, each with the place behind it.

use ambient::Time;
use futures::stream::{self, BoxStream, StreamExt};
use proto::Violations;
use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::exporting::{Cursors, Place, Walk, chunk_size, member_id};
use super::list_lots::lot_message;
use super::refusal::DOMAIN;
use crate::store::lots;

const METHOD: &str = "ExportLots";

type Chunks = BoxStream<'static, Result<pb::ExportLotsResponse, Status>>;

/// An export under way.
struct Export {
    walk: Walk,
    cursors: Cursors,
    open_only: bool,
}

pub(super) async fn handle(api: &Api, request: Request<pb::ExportLotsRequest>) -> Result<Chunks, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = member_id(&message.member_id, &mut found);
    found.into_result(DOMAIN)?;
    let asked = pb::ExportLotsRequest { cursor: String::new(), chunk_size: 0, ..message.clone() };
    let cursors = Cursors::of(api, &caller, METHOD, &asked);
    let place = Place::of_bytes(cursors.open(&message.cursor)?)?;
    let whose = api.whose(&caller, &message.program_id, member_id, Time::MIN).await?;
    let rows = chunk_size(message.chunk_size);
    let walk = Walk::new(api, &caller, whose, |wallet| wallet.lot_seq, rows, place);
    let export = Export { walk, cursors, open_only: message.open_only };
    Ok(stream::try_unfold(export, next).boxed())
}

async fn next(mut export: Export) -> Result<Option<(pb::ExportLotsResponse, Export)>, Status> {
    let Some(part) = export.walk.next().await? else { return Ok(None) };
    let walk = &export.walk;
    let rows = lots::of_spans(walk.api.db.reader(), &part.spans, export.open_only).await;
    let mut rows = rows.map_err(|e| told(&e))?;
    rows.retain(|(wallet_id, lot)| walk.whose.has(*wallet_id, lot.member_id));
    let program = walk.program(&part).await?;
    let lot = |(wallet_id, lot)| Some(lot_message(part.wallet(wallet_id)?, &program, &lot));
    let lots = rows.into_iter().filter_map(lot).collect();
    let cursor = export.cursors.seal(&walk.place().bytes());
    Ok(Some((pb::ExportLotsResponse { lots, cursor }, export)))
}
