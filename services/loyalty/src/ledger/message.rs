//! Events of the domain as messages.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;

use crate::domain::{
    Activity, ActivityState, AtRisk, Destination, Earned, Event, Left, MemberMoved, Money, Redemption,
    RedemptionState, Reversal, StateChange, Taken, Told, Transferred,
};
use crate::rpc::wire::{
    count, currency_points, money, opt_timestamp, reversal_message, spend, timestamp, uuid_text,
};
use crate::store::Owner;

/// The kind and the message of an event.
pub(super) fn encode(owner: &Owner, program_id: &str, event: &Event) -> (&'static str, Vec<u8>) {
    let program_id = program_id.to_owned();
    match event {
        Event::ActivityRecorded { activity } => {
            ("rapport.loyalty.v1.ActivityRecorded", recorded(program_id, activity).encode_to_vec())
        }
        Event::MemberStateChanged(of) => {
            ("rapport.loyalty.v1.MemberStateChanged", state_changed(program_id, of).encode_to_vec())
        }
        Event::MemberErased { member_id, erase_time } => {
            let (member_id, erase_time) = (uuid_text(*member_id), Some(timestamp(*erase_time)));
            let message = pb::MemberErased { member_id, program_id, erase_time };
            ("rapport.loyalty.v1.MemberErased", message.encode_to_vec())
        }
        Event::PointsEarned(earned) => {
            ("rapport.loyalty.v1.PointsEarned", points_earned(program_id, earned).encode_to_vec())
        }
        Event::PointsReleased { lots, left } => {
            let message = released(owner, program_id, lots, left);
            ("rapport.loyalty.v1.PointsReleased", message.encode_to_vec())
        }
        Event::ActivityReversed(of) => {
            ("rapport.loyalty.v1.ActivityReversed", reversed(program_id, of).encode_to_vec())
        }
        Event::PointsReinstated { lots, left } => {
            let message = reinstated(owner, program_id, lots, left);
            ("rapport.loyalty.v1.PointsReinstated", message.encode_to_vec())
        }
        Event::PointsExpired { lots, left } => {
            let message = expired(owner, program_id, lots, left);
            ("rapport.loyalty.v1.PointsExpired", message.encode_to_vec())
        }
        Event::PointsExpiring { points, first_expire_time, last_expire_time, left } => {
            let times = (*first_expire_time, *last_expire_time);
            let message = expiring(owner, program_id, (*points, left), times);
            ("rapport.loyalty.v1.PointsExpiring", message.encode_to_vec())
        }
        Event::PointsAdjusted { member_id, points, left } => {
            let (member_id, points) = (uuid_text(*member_id), *points);
            let Left { currency: currency_code, available } = left.clone();
            let message = pb::PointsAdjusted { member_id, program_id, points, available, currency_code };
            ("rapport.loyalty.v1.PointsAdjusted", message.encode_to_vec())
        }
        Event::PointsTransferred(of) => {
            ("rapport.loyalty.v1.PointsTransferred", transferred(program_id, of).encode_to_vec())
        }
        Event::MemberMoved(of) => moved(program_id, of),
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
        Event::TierAtRisk(of) => {
            ("rapport.loyalty.v1.TierAtRisk", tier_at_risk(owner, program_id, of).encode_to_vec())
        }
        Event::RedemptionHeld { redemption, left } => held(program_id, redemption, left),
        Event::RedemptionVoided { redemption, left } => voided(program_id, redemption, left),
        Event::RedemptionRefunded { redemption, points, refund_time, left } => {
            refunded(program_id, redemption, (*points, *refund_time), left)
        }
        Event::RewardRedeemed { redemption, left } => redeemed(program_id, redemption, left),
    }
}

fn state_changed(program_id: String, of: &StateChange) -> pb::MemberStateChanged {
    pb::MemberStateChanged {
        member_id: uuid_text(of.member_id),
        program_id,
        state: of.state as i32,
        reason: of.note.clone(),
        points_forfeited: of.forfeited.main,
        further_points: further(&of.forfeited),
        change_time: Some(timestamp(of.change_time)),
    }
}

fn moved(program_id: String, of: &MemberMoved) -> (&'static str, Vec<u8>) {
    let (member_id, points, at) = (uuid_text(of.member_id), of.points.main, Some(timestamp(of.move_time)));
    let (wallet_id, further_points) = (uuid_text(of.other_wallet_id), further(&of.points));
    match of.to {
        Destination::Member(id) => {
            let into_member_id = uuid_text(id);
            let merge_time = at;
            let message = pb::MembersMerged {
                member_id,
                program_id,
                into_member_id,
                wallet_id,
                points,
                merge_time,
                further_points,
            };
            ("rapport.loyalty.v1.MembersMerged", message.encode_to_vec())
        }
        Destination::Unmerged => {
            let unmerge_time = at;
            let message = pb::MembersUnmerged {
                member_id,
                program_id,
                wallet_id,
                points,
                unmerge_time,
                further_points,
            };
            ("rapport.loyalty.v1.MembersUnmerged", message.encode_to_vec())
        }
        Destination::Household(id, role) => {
            let (household_id, role, join_time) = (uuid_text(id), role as i32, at);
            let message = pb::HouseholdJoined {
                member_id,
                program_id,
                household_id,
                role,
                points,
                join_time,
                further_points,
            };
            ("rapport.loyalty.v1.HouseholdJoined", message.encode_to_vec())
        }
        Destination::OutOfHousehold => {
            let (household_id, leave_time) = (wallet_id, at);
            let message =
                pb::HouseholdLeft { member_id, program_id, household_id, points, leave_time, further_points };
            ("rapport.loyalty.v1.HouseholdLeft", message.encode_to_vec())
        }
    }
}

fn further(points: &Told) -> Vec<pb::CurrencyPoints> {
    points.further.iter().map(|(code, points)| currency_points(code, *points)).collect()
}

fn transferred(program_id: String, of: &Transferred) -> pb::PointsTransferred {
    pb::PointsTransferred {
        member_id: uuid_text(of.member_id),
        program_id,
        other_member_id: uuid_text(of.other_member_id),
        points: of.points,
        available: of.left.available,
        currency_code: of.left.currency.clone(),
    }
}

fn tier_at_risk(owner: &Owner, program_id: String, of: &AtRisk) -> pb::TierAtRisk {
    pb::TierAtRisk {
        wallet_id: uuid_text(owner.id()),
        program_id,
        tier_id: of.tier_id.clone(),
        rank: i32::try_from(of.rank).unwrap_or(i32::MAX),
        end_time: opt_timestamp(of.end_time),
        to_stay: spend(of.to_stay),
        to_stay_count: count(of.to_stay),
    }
}

fn recorded(program_id: String, activity: &Activity) -> pb::ActivityRecorded {
    pb::ActivityRecorded {
        member_id: uuid_text(activity.member_id),
        program_id,
        activity_id: uuid_text(activity.id),
        r#type: activity.kind as i32,
        occurred_time: Some(timestamp(activity.occurred_time)),
        amount: activity.amount.map(money),
    }
}

fn points_earned(program_id: String, earned: &Earned) -> pb::PointsEarned {
    pb::PointsEarned {
        member_id: uuid_text(earned.member_id),
        program_id,
        activity_id: uuid_text(earned.activity_id),
        lot_number: earned.lot_number,
        points: earned.points,
        activate_time: opt_timestamp(earned.activate_time),
        expire_time: opt_timestamp(earned.expire_time),
        available: earned.left.available,
        currency_code: earned.left.currency.clone(),
    }
}

fn redeemed(program_id: String, redemption: &Redemption, left: &Left) -> (&'static str, Vec<u8>) {
    let message = pb::RewardRedeemed {
        member_id: uuid_text(redemption.member_id),
        program_id,
        redemption_id: uuid_text(redemption.id),
        reward_id: redemption.reward_id.clone(),
        quantity: redemption.quantity_captured,
        points: redemption.captured,
        available: left.available,
        currency_code: redemption.currency.clone(),
        further_currency: redemption.purse > 0,
        redeem_time: opt_timestamp(redemption.resolve_time),
    };
    ("rapport.loyalty.v1.RewardRedeemed", message.encode_to_vec())
}

fn held(program_id: String, redemption: &Redemption, left: &Left) -> (&'static str, Vec<u8>) {
    let message = pb::RedemptionHeld {
        member_id: uuid_text(redemption.member_id),
        program_id,
        redemption_id: uuid_text(redemption.id),
        reward_id: redemption.reward_id.clone(),
        quantity: redemption.quantity,
        points: redemption.points,
        available: left.available,
        hold_time: Some(timestamp(redemption.create_time)),
        hold_expire_time: Some(timestamp(redemption.hold_expire_time)),
        currency_code: redemption.currency.clone(),
    };
    ("rapport.loyalty.v1.RedemptionHeld", message.encode_to_vec())
}

fn voided(program_id: String, redemption: &Redemption, left: &Left) -> (&'static str, Vec<u8>) {
    let message = pb::RedemptionVoided {
        member_id: uuid_text(redemption.member_id),
        program_id,
        redemption_id: uuid_text(redemption.id),
        reward_id: redemption.reward_id.clone(),
        quantity: redemption.quantity,
        points: redemption.points,
        available: left.available,
        void_time: opt_timestamp(redemption.resolve_time),
        expired: redemption.state == RedemptionState::Expired,
        currency_code: redemption.currency.clone(),
    };
    ("rapport.loyalty.v1.RedemptionVoided", message.encode_to_vec())
}

fn refunded(
    program_id: String,
    redemption: &Redemption,
    (points, refund_time): (i64, ambient::Time),
    left: &Left,
) -> (&'static str, Vec<u8>) {
    let message = pb::RedemptionRefunded {
        member_id: uuid_text(redemption.member_id),
        program_id,
        redemption_id: uuid_text(redemption.id),
        reward_id: redemption.reward_id.clone(),
        points,
        points_refunded: redemption.refunded,
        points_captured: redemption.captured,
        available: left.available,
        refund_time: Some(timestamp(refund_time)),
        currency_code: redemption.currency.clone(),
    };
    ("rapport.loyalty.v1.RedemptionRefunded", message.encode_to_vec())
}

fn expired(
    owner: &Owner,
    program_id: String,
    lots: &[(i64, i64, ambient::Time)],
    left: &Left,
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
        available: left.available,
        currency_code: left.currency.clone(),
    }
}

fn reinstated(
    owner: &Owner,
    program_id: String,
    lots: &[(i64, i64, ambient::Time)],
    left: &Left,
) -> pb::PointsReinstated {
    let lot = |(lot_number, points, at): &(i64, i64, ambient::Time)| pb::ReinstatedLot {
        lot_number: *lot_number,
        points: *points,
        expire_time: opt_timestamp(*at),
    };
    pb::PointsReinstated {
        wallet_id: uuid_text(owner.id()),
        program_id,
        points: lots.iter().map(|(_, points, _)| points).sum(),
        lots: lots.iter().map(lot).collect(),
        available: left.available,
        currency_code: left.currency.clone(),
    }
}

fn expiring(
    owner: &Owner,
    program_id: String,
    (points, left): (i64, &Left),
    (first, last): (ambient::Time, ambient::Time),
) -> pb::PointsExpiring {
    pb::PointsExpiring {
        wallet_id: uuid_text(owner.id()),
        program_id,
        points,
        first_expire_time: opt_timestamp(first),
        last_expire_time: opt_timestamp(last),
        available: left.available,
        currency_code: left.currency.clone(),
    }
}

fn released(
    owner: &Owner,
    program_id: String,
    lots: &[(i64, i64, ambient::Time)],
    left: &Left,
) -> pb::PointsReleased {
    let lot = |(lot_number, points, at): &(i64, i64, ambient::Time)| pb::ReleasedLot {
        lot_number: *lot_number,
        points: *points,
        release_time: opt_timestamp(*at),
    };
    pb::PointsReleased {
        wallet_id: uuid_text(owner.id()),
        program_id,
        points: lots.iter().map(|(_, points, _)| points).sum(),
        lots: lots.iter().map(lot).collect(),
        available: left.available,
        currency_code: left.currency.clone(),
    }
}

fn reversed(program_id: String, of: &Taken) -> pb::ActivityReversed {
    let Taken { activity, returned, .. } = of;
    let reversals = of.reversals.iter();
    let further = reversals.clone().filter(|(_, reversal)| reversal.purse > 0);
    let main = reversals.map(|(_, reversal)| *reversal).find(|reversal| reversal.purse == 0);
    let reversal = main.unwrap_or(Reversal::default());
    let left = activity.amount.map(|amount| Money { micros: activity.residual_micros(), ..amount });
    pb::ActivityReversed {
        member_id: uuid_text(activity.member_id),
        program_id,
        activity_id: uuid_text(activity.id),
        r#type: activity.kind as i32,
        occurred_time: Some(timestamp(activity.occurred_time)),
        amount_returned: returned.map(money),
        amount_left: left.map(money),
        whole: matches!(activity.state, ActivityState::Reversed | ActivityState::Cancelled),
        points_owed: reversal.owed,
        points_taken: reversal.from_pending.saturating_add(reversal.from_available),
        points_in_arrears: reversal.arrears,
        points_waived: reversal.waived,
        reverse_time: Some(timestamp(of.reverse_time)),
        available: of.left.available,
        further_reversals: further.map(|(code, reversal)| reversal_message(reversal, code)).collect(),
    }
}
