//! What a program says of velocity, holds and friends, as it is shown.

use proto::rapport::loyalty::v1 as pb;
use serde::Serialize;

use crate::money;

/// How fast points may move.
#[derive(Debug, Serialize)]
pub(super) struct Limit {
    limit_id: String,
    movement: String,
    owner: &'static str,
    window: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count_max: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points_max: Option<i64>,
    breach: &'static str,
}

/// How long rewards are held, and what becomes of points that come back late.
#[derive(Debug, Serialize)]
pub(super) struct Holds {
    max_hold_seconds: i64,
    late_refunds: &'static str,
    grace_days: i32,
}

/// When friends are rewarded.
#[derive(Debug, Serialize)]
pub(super) struct Friends {
    activity_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_amount: Option<String>,
    wait_days: i32,
    within_days: i32,
}

/// The last word of a value's name, in small letters: of `MOVEMENT_EARN` it is `earn`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

impl Limit {
    pub(super) fn of(limit: &pb::VelocityLimit) -> Limit {
        Limit {
            limit_id: limit.limit_id.clone(),
            movement: word(limit.movement().as_str_name(), "MOVEMENT_"),
            owner: if limit.owner() == pb::CapOwner::Program { "program" } else { "member" },
            window: word(limit.window().as_str_name(), "VELOCITY_WINDOW_"),
            count_max: limit.count_max,
            points_max: limit.points_max,
            breach: if limit.breach() == pb::VelocityBreach::Review { "review" } else { "refuse" },
        }
    }

    pub(super) fn text(&self) -> String {
        let maxima = [(self.count_max, "times"), (self.points_max, "points")];
        let maxima = maxima.iter().filter_map(|(max, of)| max.map(|max| format!("{max} {of}")));
        let maxima = maxima.collect::<Vec<_>>().join(" and ");
        let Limit { limit_id, movement, owner, window, breach, .. } = self;
        format!("{limit_id}: a {owner} may {movement} {maxima} each {window}, otherwise {breach}")
    }
}

impl Holds {
    pub(super) fn of(policy: &pb::RedemptionPolicy) -> Holds {
        let gives = policy.late_refund_policy() == pb::LateRefundPolicy::Grace;
        Holds {
            max_hold_seconds: policy.max_hold_seconds,
            late_refunds: if gives { "grace" } else { "expire" },
            grace_days: policy.late_refund_grace_days,
        }
    }

    pub(super) fn text(&self) -> String {
        let late = match self.late_refunds {
            "grace" => format!("live for {} days", self.grace_days),
            _ => "expire".to_owned(),
        };
        format!("at most {} seconds; points that come back late {late}", self.max_hold_seconds)
    }
}

impl Friends {
    pub(super) fn of(policy: &pb::ReferralPolicy) -> Friends {
        let kind = |kind| word(pb::ActivityType::as_str_name(&kind), "ACTIVITY_TYPE_");
        Friends {
            activity_types: policy.activity_types().map(kind).collect(),
            min_amount: policy.min_amount.as_ref().map(money::text_of),
            wait_days: policy.wait_days,
            within_days: policy.within_days,
        }
    }

    pub(super) fn text(&self) -> String {
        let kinds = if self.activity_types.is_empty() {
            "purchase".to_owned()
        } else {
            self.activity_types.join(" or ")
        };
        let least = self.min_amount.as_ref().map(|least| format!(" of at least {least}")).unwrap_or_default();
        let within = match self.within_days {
            0 => String::new(),
            days => format!(" within {days} days of joining"),
        };
        format!("{kinds}{least}{within} that stands for {} days", self.wait_days)
    }
}
