//! ListReferrals: the friends whom a member brought.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::member_not_found;
use super::wire::{only_id, opt_timestamp, timestamp, uuid_text};
use crate::store::members;
use crate::store::referrals::{self, Referral};

const METHOD: &str = "ListReferrals";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListReferralsRequest>,
) -> Result<pb::ListReferralsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let list = caller.list(&api.pages, METHOD, &message.member_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let after = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or_default();
    let db = api.db.reader();
    let member = members::find(db, &caller.tenant, member_id).await.map_err(|e| told(&e))?;
    member.ok_or_else(|| member_not_found(&message.member_id))?;
    let found = referrals::page(db, &caller.tenant, member_id, after, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |of| of.friend.id().as_bytes().to_vec());
    Ok(pb::ListReferralsResponse { referrals: found.iter().map(referral_message).collect(), next_page_token })
}

/// A friend whom a member brought.
pub(super) fn referral_message(referral: &Referral) -> pb::Referral {
    pb::Referral {
        friend_member_id: uuid_text(referral.friend.id()),
        state: referral.state as i32,
        create_time: Some(timestamp(referral.create_time)),
        activity_id: uuid_text(referral.activity_id),
        due_time: opt_timestamp(referral.due_time).filter(|_| referral.due_time != Time::NEVER),
    }
}
