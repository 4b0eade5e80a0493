//! Events of the domain as messages of the event log.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;

use crate::domain::{Event, Program, Wallet};
use crate::rpc::wire::{money, opt_timestamp, timestamp, uuid_text};
use crate::store::Owner;
use crate::store::members::Member;

/// Numbers the events of one command and encodes them. Moves the wallet's order key on.
pub(super) fn events<'a>(
    owner: &Owner,
    program: &Program,
    traceparent: &str,
    wallet: &mut Wallet,
    announced: &'a [Event],
    next_order_key: impl Fn(i64) -> i64,
) -> Vec<(&'a Event, events::Event)> {
    let count = i64::try_from(announced.len()).unwrap_or(0);
    let first = wallet.event_seq - count + 1;
    let numbered = announced.iter().zip(first..).map(|(event, aggregate_seq)| {
        wallet.order_key = next_order_key(wallet.order_key);
        let fact = fact(owner, &program.id, (aggregate_seq, wallet.order_key), event);
        (event, events::Event { traceparent: traceparent.to_owned(), ..fact })
    });
    numbered.collect()
}

/// An event that is not traced; as a fact of the service's state it has `aggregate_seq` 0 where that is not
/// kept.
pub(super) fn fact(
    owner: &Owner,
    program_id: &str,
    (aggregate_seq, order_key): (i64, i64),
    event: &Event,
) -> events::Event {
    let (kind, payload) = encode(owner, program_id, event);
    events::Event {
        tenant_id: owner.tenant().id().to_owned(),
        aggregate_id: owner.id(),
        aggregate_seq,
        order_key,
        kind,
        traceparent: String::new(),
        payload,
    }
}

/// The first event of a wallet.
pub fn enrolled(owner: &Owner, member: &Member, traceparent: String, order_key: i64) -> events::Event {
    let message = pb::MemberEnrolled {
        member_id: uuid_text(member.id),
        wallet_id: uuid_text(member.wallet_id),
        program_id: member.program_id.clone(),
        enroll_time: Some(timestamp(member.create_time)),
    };
    events::Event {
        tenant_id: owner.tenant().id().to_owned(),
        aggregate_id: owner.id(),
        aggregate_seq: 1,
        order_key,
        kind: "rapport.loyalty.v1.MemberEnrolled",
        traceparent,
        payload: message.encode_to_vec(),
    }
}

fn encode(owner: &Owner, program_id: &str, event: &Event) -> (&'static str, Vec<u8>) {
    let program_id = program_id.to_owned();
    match event {
        Event::ActivityRecorded { activity } => {
            let message = pb::ActivityRecorded {
                member_id: uuid_text(activity.member_id),
                program_id,
                activity_id: uuid_text(activity.id),
                r#type: activity.kind as i32,
                occurred_time: Some(timestamp(activity.occurred_time)),
                amount: activity.amount.map(money),
            };
            ("rapport.loyalty.v1.ActivityRecorded", message.encode_to_vec())
        }
        Event::PointsEarned { member_id, activity_id, lot_number, points, expire_time, available } => {
            let message = pb::PointsEarned {
                member_id: uuid_text(*member_id),
                program_id,
                activity_id: uuid_text(*activity_id),
                lot_number: *lot_number,
                points: *points,
                expire_time: opt_timestamp(*expire_time),
                available: *available,
            };
            ("rapport.loyalty.v1.PointsEarned", message.encode_to_vec())
        }
        Event::PointsExpired { lots, available } => {
            let message = expired(owner, program_id, lots, *available);
            ("rapport.loyalty.v1.PointsExpired", message.encode_to_vec())
        }
        Event::PointsExpiring { points, first_expire_time, last_expire_time, available } => {
            let times = (*first_expire_time, *last_expire_time);
            let message = expiring(owner, program_id, (*points, *available), times);
            ("rapport.loyalty.v1.PointsExpiring", message.encode_to_vec())
        }
        Event::PointsAdjusted { member_id, points, available } => {
            let member_id = uuid_text(*member_id);
            let message =
                pb::PointsAdjusted { member_id, program_id, points: *points, available: *available };
            ("rapport.loyalty.v1.PointsAdjusted", message.encode_to_vec())
        }
        Event::TierChanged { from_tier_id, to_tier_id, from_rank, to_rank, effective_time } => {
            let message = pb::TierChanged {
                wallet_id: uuid_text(owner.id()),
                program_id,
                from_tier_id: from_tier_id.clone(),
                to_tier_id: to_tier_id.clone(),
                effective_time: Some(timestamp(*effective_time)),
                from_rank: i32::try_from(*from_rank).unwrap_or(i32::MAX),
                to_rank: i32::try_from(*to_rank).unwrap_or(i32::MAX),
            };
            ("rapport.loyalty.v1.TierChanged", message.encode_to_vec())
        }
        Event::RewardRedeemed { redemption, available } => {
            let message = pb::RewardRedeemed {
                member_id: uuid_text(redemption.member_id),
                program_id,
                redemption_id: uuid_text(redemption.id),
                reward_id: redemption.reward_id.clone(),
                quantity: redemption.quantity,
                points: redemption.points,
                available: *available,
                redeem_time: Some(timestamp(redemption.create_time)),
            };
            ("rapport.loyalty.v1.RewardRedeemed", message.encode_to_vec())
        }
    }
}

fn expired(
    owner: &Owner,
    program_id: String,
    lots: &[(i64, i64, ambient::Time)],
    available: i64,
) -> pb::PointsExpired {
    let lot = |(lot_number, points, at): &(i64, i64, ambient::Time)| pb::ExpiredLot {
        lot_number: *lot_number,
        points: *points,
        expire_time: opt_timestamp(*at),
    };
    pb::PointsExpired {
        wallet_id: uuid_text(owner.id()),
        program_id,
        points: lots.iter().map(|(_, points, _)| points).sum(),
        lots: lots.iter().map(lot).collect(),
        available,
    }
}

fn expiring(
    owner: &Owner,
    program_id: String,
    (points, available): (i64, i64),
    (first, last): (ambient::Time, ambient::Time),
) -> pb::PointsExpiring {
    pb::PointsExpiring {
        wallet_id: uuid_text(owner.id()),
        program_id,
        points,
        first_expire_time: opt_timestamp(first),
        last_expire_time: opt_timestamp(last),
        available,
    }
}
