//! ApproveReview: does what waited, whatever limits say.

use std::collections::HashMap;

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Record, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::activity_message;
use super::call::{ledger_request, told};
use super::redemption_wire::redemption_message;
use super::refusal::{DOMAIN, problem, review_not_found};
use super::waiting::Waiting;
use super::wire::{balance_after, read_token, timestamp, uuid};
use super::{adjust_points, create_redemption, record_activity, redeem_reward, transfer_points};
use crate::domain::{Command, Review};
use crate::ledger::{self, Answered, Asked, Decides};
use crate::store::{Owner, reviews};

const METHOD: &str = "ApproveReview";

/// What is there of the reviews that requests name.
struct Known {
    reviews: HashMap<(Owner, Uuid), Review>,
    records: HashMap<(Owner, Uuid), Record>,
}

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ApproveReviewRequest>,
) -> Result<pb::ApproveReviewResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut requests = prepare(api, &caller, std::slice::from_ref(&message)).await?;
    let missing = || rpc::error::internal_because("an approval was not prepared");
    let (member_id, request) = requests.pop().ok_or_else(missing)??;
    let (response, replayed): (pb::ApproveReviewResponse, bool) =
        api.submit_request(&caller, member_id, request).await?;
    Ok(pb::ApproveReviewResponse { replayed, ..response })
}

/// What each approval asks of the ledger, or why it cannot.
pub(super) async fn prepare(
    api: &Api,
    caller: &Caller,
    messages: &[pb::ApproveReviewRequest],
) -> Result<Vec<Result<(Uuid, ledger::Request), Status>>, Status> {
    let decoded: Vec<_> = messages.iter().map(decode).collect();
    let owner = |member_id| Owner::new(&caller.tenant, member_id);
    let named = decoded.iter().flatten().map(|(_, member_id, review_id)| (owner(*member_id), *review_id));
    let named: Vec<(Owner, Uuid)> = named.collect();
    let db = api.db.reader();
    let reviews = reviews::find(db, &named).await.map_err(|e| told(&e))?;
    let records = requests::find(db, &named).await.map_err(|e| told(&e))?;
    let known = Known { reviews, records };
    let one = |(message, decoded): (&pb::ApproveReviewRequest, Result<_, Status>)| {
        let (request_id, member_id, review_id) = decoded?;
        let key = (owner(member_id), review_id);
        let command = known.command(api, caller, &key, &message.review_id)?;
        let call = Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode };
        let (by, note) = (message.approver.clone(), message.note.clone());
        let decides = Some(Decides { review_id, by, note });
        let request = ledger_request(caller, member_id, command, call);
        Ok((member_id, ledger::Request { decides, ..request }))
    };
    Ok(messages.iter().zip(decoded).map(one).collect())
}

fn decode(message: &pb::ApproveReviewRequest) -> Result<(Uuid, Uuid, Uuid), Status> {
    let mut found = Violations::default();
    let mut id = |text: &str, field| uuid(text, &Path::ROOT, field, &mut found);
    let request_id = id(&message.request_id, "request_id");
    let (member_id, review_id) = (id(&message.member_id, "member_id"), id(&message.review_id, "review_id"));
    found.into_result(DOMAIN)?;
    Ok((request_id, member_id, review_id))
}

impl Known {
    /// The command that waits.
    fn command(
        &self,
        api: &Api,
        caller: &Caller,
        key: &(Owner, Uuid),
        review_id: &str,
    ) -> Result<Command, Status> {
        let missing = || review_not_found(review_id).to_status();
        let review = self.reviews.get(key).ok_or_else(missing)?;
        let record = self.records.get(key).ok_or_else(missing)?;
        let (_, command, _) = match Waiting::of(record).ok_or_else(missing)? {
            Waiting::Activity(mut message) => {
                // It happened when it was told of, not when it is approved.
                if let Some(activity) = &mut message.activity {
                    activity.occurred_time.get_or_insert_with(|| timestamp(review.create_time));
                }
                record_activity::decode(api, caller, &message)?
            }
            Waiting::Redemption(message) => redeem_reward::decode(api, caller, &message)?,
            Waiting::Hold(message) => create_redemption::decode(api, caller, &message)?,
            Waiting::Transfer(message) => transfer_points::decode(caller, &message)?,
            Waiting::Adjustment(message) => adjust_points::decode(caller, &message)?,
        };
        Ok(command)
    }
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let response = pb::ApproveReviewResponse {
        balance: Some(balance_after(answered)),
        activity: reply.activity().map(|one| activity_message(answered.program, one)),
        redemption: reply.redemption().map(redemption_message),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
