//! ListLots: the lots of a wallet, settled first.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::wire::{only_id, opt_timestamp, uuid_text};
use crate::domain::{Lot, Program, Wallet};
use crate::store::lots;
use rpc::page::number;

const METHOD: &str = "ListLots";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListLotsRequest>,
) -> Result<pb::ListLotsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let (owner, wallet, program) = api.settled(&caller, member_id).await?;
    // Numbers are those of one wallet: whoever moves meanwhile begins again.
    let filter = format!("{} {} {}", message.member_id, owner.id(), message.open_only);
    let list = caller.list(&api.pages, METHOD, &filter, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let after = cursor.map_or(0, |bytes| number(&bytes));
    let mut found = lots::page(api.db.reader(), &owner, after, message.open_only, list.limit())
        .await
        .map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |l| l.key.number.to_be_bytes().to_vec());
    Ok(pb::ListLotsResponse {
        lots: found.iter().map(|lot| lot_message(&wallet, &program, lot)).collect(),
        next_page_token,
    })
}

pub(super) fn lot_message(wallet: &Wallet, program: &Program, lot: &Lot) -> pb::Lot {
    let lives_until = wallet.purse(lot.key.purse).alive.lives_until(lot.key.expire_time);
    pb::Lot {
        lot_number: lot.key.number,
        points: lot.points,
        remaining: lot.remaining,
        activate_time: opt_timestamp(lot.activate_time),
        expire_time: opt_timestamp(if lot.is_open() { lives_until } else { lot.key.expire_time }),
        activity_id: uuid_text(lot.activity_id),
        rule_version: lot.rule_version,
        pending: lot.pending,
        expired: lot.expired,
        origin_wallet_id: lot.origin.map_or_else(String::new, |origin| uuid_text(origin.wallet_id)),
        origin_lot_number: lot.origin.map_or(0, |origin| origin.lot_number),
        member_id: uuid_text(lot.member_id),
        currency_code: program.code_of(lot.key.purse).to_owned(),
        wallet_id: uuid_text(wallet.id),
    }
}
