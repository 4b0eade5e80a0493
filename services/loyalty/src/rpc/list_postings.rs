//! ListPostings: the statement of a wallet, settled first.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, problem};
use super::wire::{only_id, period, timestamp, uuid, uuid_text};
use crate::domain::{Account, Program, Reason};
use crate::store::postings::{self, Recorded, Selection};
use rpc::page::number;

const METHOD: &str = "ListPostings";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListPostingsRequest>,
) -> Result<pb::ListPostingsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let (owner, _, program) = api.settled(&caller, member_id).await?;
    let filter = message.filter.clone().unwrap_or_default();
    let selection = selection(&filter, &program)?;
    // Numbers are those of one wallet: whoever moves meanwhile begins again.
    let asked = format!("{} {} {:?}", message.member_id, owner.id(), filter.encode_to_vec());
    let list = caller.list(&api.pages, METHOD, &asked, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let before = cursor.map_or(i64::MAX, |bytes| number(&bytes));
    let found = postings::page(api.db.reader(), &owner, &selection, before, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |of| of.posting.seq.to_be_bytes().to_vec());
    let postings = found.iter().map(|p| posting_message(owner.id(), p, &program)).collect();
    Ok(pb::ListPostingsResponse { postings, next_page_token })
}

fn selection(filter: &pb::PostingFilter, program: &Program) -> Result<Selection, Status> {
    let (path, mut found) = (Path::ROOT.field("filter"), Violations::default());
    let mut id = |given: &str, field| (!given.is_empty()).then(|| uuid(given, &path, field, &mut found));
    let activity_id = id(&filter.activity_id, "activity_id");
    let redemption_id = id(&filter.redemption_id, "redemption_id");
    let request_id = id(&filter.request_id, "request_id");
    let effective =
        [(filter.effective_since, "effective_since"), (filter.effective_before, "effective_before")];
    let (since, before) = period(effective, &path, &mut found);
    let known = |given: &i32| Reason::ALL.into_iter().find(|of| i32::from(reason(*of)) == *given);
    let reasons: Option<Vec<Reason>> = filter.reasons.iter().map(known).collect();
    if reasons.is_none() {
        found.add(&path, "reasons", "must be known reasons");
    }
    found.into_result(DOMAIN)?;
    let code = filter.currency_code.as_str();
    let purse = (!code.is_empty()).then(|| program.spendable(code)).transpose();
    let purse = purse.map_err(|refusal| problem(&refusal).to_status())?;
    let reasons = reasons.unwrap_or_default();
    Ok(Selection { reasons, purse, since, before, activity_id, redemption_id, request_id })
}

pub(super) fn posting_message(wallet_id: Uuid, recorded: &Recorded, program: &Program) -> pb::Posting {
    let Recorded { posting, request_id } = recorded;
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
        request_id: uuid_text(*request_id),
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
