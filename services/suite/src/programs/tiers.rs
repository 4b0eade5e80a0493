//! The tiers of a program, and how they are reached and lost, as they are shown.

use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::tier_policy::Window;
use serde::Serialize;

use crate::money;

#[derive(Debug, Serialize)]
pub(super) struct Tier {
    tier_id: String,
    threshold: String,
    keep: String,
    earn_percent: i32,
    reward_discount_percent: i32,
    perks: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct TierPolicy {
    basis: &'static str,
    window: String,
    downgrade: &'static str,
    grace_days: i32,
    warn_days: i32,
}

impl Tier {
    pub(super) fn of(tier: &pb::Tier) -> Tier {
        let text = |spend: Option<&proto::google::r#type::Money>, count: i64| {
            spend.map_or_else(|| count.to_string(), money::text_of)
        };
        Tier {
            tier_id: tier.tier_id.clone(),
            threshold: text(tier.threshold.as_ref(), tier.threshold_count),
            keep: text(tier.keep_threshold.as_ref(), tier.keep_count.unwrap_or(tier.threshold_count)),
            earn_percent: tier.earn_percent,
            reward_discount_percent: tier.reward_discount_percent,
            perks: tier.perks.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{} from {}", self.tier_id, self.threshold);
        if self.keep != self.threshold {
            text.push_str(&format!(" kept with {}", self.keep));
        }
        if self.earn_percent > 100 {
            text.push_str(&format!(" earning {} %", self.earn_percent));
        }
        if self.reward_discount_percent > 0 {
            text.push_str(&format!(" rewards -{} %", self.reward_discount_percent));
        }
        text
    }
}

impl TierPolicy {
    pub(super) fn of(policy: &pb::TierPolicy) -> TierPolicy {
        TierPolicy {
            basis: match policy.basis() {
                pb::TierBasis::Spend | pb::TierBasis::Unspecified => "spend",
                pb::TierBasis::Activities => "activities",
                pb::TierBasis::Units => "units",
                pb::TierBasis::Credits => "credits",
            },
            window: match policy.window {
                None | Some(Window::CalendarYear(_)) => "calendar year".to_owned(),
                Some(Window::Anniversary(_)) => "year since the member joined".to_owned(),
                Some(Window::RollingMonths(months)) => format!("last {months} months"),
                Some(Window::Lifetime(_)) => "lifetime".to_owned(),
            },
            downgrade: match policy.downgrade() {
                pb::TierDowngrade::Recalculate | pb::TierDowngrade::Unspecified => "recalculate",
                pb::TierDowngrade::OneDown => "one-down",
                pb::TierDowngrade::Never => "never",
            },
            grace_days: policy.grace_days,
            warn_days: policy.warn_days,
        }
    }

    pub(super) fn text(&self) -> String {
        let TierPolicy { basis, window, downgrade, grace_days, .. } = self;
        format!("{basis} of the {window}; downgrade {downgrade}, after {grace_days} day(s) of grace")
    }
}
