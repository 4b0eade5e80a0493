//! ListPostings: the statement of a wallet, settled first.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::wire::{only_id, timestamp, uuid_text};
use crate::domain::{Account, Posting, Program, Reason};
use crate::store::postings;
use rpc::page::number;

const METHOD: &str = "ListPostings";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListPostingsRequest>,
) -> Result<pb::ListPostingsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let list = caller.list(&api.pages, METHOD, &message.member_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let before = cursor.map_or(i64::MAX, |bytes| number(&bytes));
    let (owner, _, program) = api.settled(&caller, member_id).await?;
    let mut found =
        postings::page(api.db.reader(), &owner, before, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |p| p.seq.to_be_bytes().to_vec());
    let postings = found.iter().map(|p| posting_message(owner.id(), p, &program)).collect();
    Ok(pb::ListPostingsResponse { postings, next_page_token })
}

pub(super) fn posting_message(wallet_id: Uuid, posting: &Posting, program: &Program) -> pb::Posting {
    let source = &posting.source;
    pb::Posting {
        seq: posting.seq,
        debit_account: account(posting.debit).into(),
        credit_account: account(posting.credit).into(),
        points: posting.points,
        currency_code: program.code_of(posting.purse).to_owned(),
        reason: reason(posting.reason).into(),
        effective_time: Some(timestamp(posting.effective_time)),
        create_time: Some(timestamp(posting.create_time)),
        actor_member_id: uuid_text(source.actor_member_id),
        activity_id: uuid_text(source.activity_id),
        redemption_id: uuid_text(source.redemption_id),
        rule_version: source.rule_version,
        note: source.note.clone(),
        other_wallet_id: uuid_text(source.other_wallet_id),
        wallet_id: uuid_text(wallet_id),
    }
}

fn account(account: Account) -> pb::Account {
    match account {
        Account::Pending => pb::Account::Pending,
        Account::Available => pb::Account::Available,
        Account::Held => pb::Account::Held,
        Account::Arrears => pb::Account::Arrears,
        Account::Issued => pb::Account::Issued,
        Account::Reversed => pb::Account::Reversed,
        Account::Redeemed => pb::Account::Redeemed,
        Account::Expired => pb::Account::Expired,
        Account::Adjusted => pb::Account::Adjusted,
        Account::Waived => pb::Account::Waived,
        Account::Transfer => pb::Account::Transfer,
    }
}

fn reason(reason: Reason) -> pb::PostingReason {
    match reason {
        Reason::Earn => pb::PostingReason::Earn,
        Reason::Expire => pb::PostingReason::Expire,
        Reason::Redeem => pb::PostingReason::Redeem,
        Reason::Hold => pb::PostingReason::Hold,
        Reason::Capture => pb::PostingReason::Capture,
        Reason::Void => pb::PostingReason::Void,
        Reason::Refund => pb::PostingReason::Refund,
        Reason::Adjust => pb::PostingReason::Adjust,
        Reason::Release => pb::PostingReason::Release,
        Reason::Reverse => pb::PostingReason::Reverse,
        Reason::Repay => pb::PostingReason::Repay,
        Reason::Cancel => pb::PostingReason::Cancel,
        Reason::Reinstate => pb::PostingReason::Reinstate,
        Reason::Forfeit => pb::PostingReason::Forfeit,
        Reason::Transfer => pb::PostingReason::Transfer,
        Reason::Move => pb::PostingReason::Move,
    }
}
