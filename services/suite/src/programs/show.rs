//! A program as people and machines read it.

use std::fmt::Write as _;

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::expiry_policy::Policy;
use proto::rapport::loyalty::v1::release_policy::Policy as Release;
use serde::Serialize;

use super::policies::{Friends, Holds, Limit};
use super::tiers::{Tier, TierPolicy};
use crate::money;

/// A program, ready to be written.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) program_id: String,
    display_name: String,
    currency: String,
    earning: Option<Earning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_months: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_round_to: Option<&'static str>,
    expiry_sliding: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_days: Option<i32>,
    release_on_confirmation: bool,
    return_policy: &'static str,
    tiers: Vec<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier_policy: Option<TierPolicy>,
    velocity_limits: Vec<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redemption_policy: Option<Holds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referral_policy: Option<Friends>,
    time_zone: String,
    points_currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_cost: Option<String>,
    further_currencies: Vec<Currency>,
    version: i64,
    create_time: Option<String>,
}

/// A points currency beside the main one.
#[derive(Debug, Serialize)]
struct Currency {
    code: String,
    /// Credits for tiers, which are never spent.
    qualifying: bool,
}

/// `points` for each `per`.
#[derive(Debug, Serialize)]
struct Earning {
    points: i64,
    per: String,
}

impl Shown {
    pub(super) fn of(program: &pb::Program) -> Shown {
        let amount =
            |money: Option<&proto::google::r#type::Money>| money.map(money::text_of).unwrap_or_default();
        let policy = program.expiry_policy.as_ref().and_then(|expiry| expiry.policy);
        let (expiry_days, expiry_months, expiry_date) = match policy {
            Some(Policy::RollingDays(days)) => (Some(days), None, None),
            Some(Policy::RollingMonths(months)) => (None, Some(months), None),
            Some(Policy::Annual(annual)) => (None, None, Some(date_of(annual))),
            None => (None, None, None),
        };
        let release = program.release_policy.and_then(|release| release.policy);
        let created = program.create_time.as_ref();
        Shown {
            program_id: program.program_id.clone(),
            display_name: program.display_name.clone(),
            currency: program.money_currency_code.clone(),
            earning: program
                .earning_rule
                .as_ref()
                .map(|rule| Earning { points: rule.points, per: amount(rule.per.as_ref()) }),
            expiry_days,
            expiry_months,
            expiry_date,
            expiry_sliding: program.expiry_policy.is_some_and(|expiry| expiry.sliding),
            expiry_round_to: program.expiry_policy.as_ref().and_then(|expiry| period(expiry.round_to())),
            release_days: match release {
                Some(Release::AfterDays(days)) => Some(days),
                Some(Release::OnConfirmation(_)) | None => None,
            },
            release_on_confirmation: matches!(release, Some(Release::OnConfirmation(_))),
            return_policy: match program.return_policy() {
                pb::ReturnPolicy::OnlyPending => "only-pending",
                pb::ReturnPolicy::WithinBalance | pb::ReturnPolicy::Unspecified => "within-balance",
                pb::ReturnPolicy::Unlimited => "unlimited",
            },
            tiers: program.tiers.iter().map(Tier::of).collect(),
            tier_policy: program.tier_policy.as_ref().map(TierPolicy::of),
            velocity_limits: program.velocity_limits.iter().map(Limit::of).collect(),
            redemption_policy: program.redemption_policy.as_ref().map(Holds::of),
            referral_policy: program.referral_policy.as_ref().map(Friends::of),
            time_zone: program.time_zone.clone(),
            unit_cost: program.point_currency.as_ref().and_then(|p| p.unit_cost.as_ref()).map(money::text_of),
            further_currencies: program.further_currencies.iter().map(Currency::of).collect(),
            points_currency: program.point_currency.as_ref().map(|p| p.code.clone()).unwrap_or_default(),
            version: program.version,
            create_time: created
                .and_then(|at| Time::from_parts(at.seconds, at.nanos))
                .map(|at| at.to_string()),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let tiers: Vec<_> = self.tiers.iter().map(Tier::text).collect();
        let limits: Vec<_> = self.velocity_limits.iter().map(Limit::text).collect();
        let none = || "none".to_owned();
        let rows = [
            ("program", self.program_id.clone()),
            ("name", self.display_name.clone()),
            ("points are", self.currencies()),
            ("purchases earn", self.earns()),
            ("points wait", self.waits()),
            ("points live", self.lives()),
            ("returns take", self.return_policy.to_owned()),
            ("tiers", if tiers.is_empty() { none() } else { tiers.join(", ") }),
            ("tiers count", self.tier_policy.as_ref().map_or_else(|| "nothing".to_owned(), TierPolicy::text)),
            ("limits", if limits.is_empty() { none() } else { limits.join("; ") }),
            ("holds last", self.redemption_policy.as_ref().map_or_else(none, Holds::text)),
            ("friends count", self.referral_policy.as_ref().map_or_else(none, Friends::text)),
            ("time zone", self.time_zone.clone()),
            ("created", self.create_time.clone().unwrap_or_default()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        text
    }

    fn currencies(&self) -> String {
        let further = self
            .further_currencies
            .iter()
            .map(|one| if one.qualifying { format!("{} (for tiers)", one.code) } else { one.code.clone() });
        [self.points_currency.clone()].into_iter().chain(further).collect::<Vec<_>>().join(", ")
    }

    fn earns(&self) -> String {
        match &self.earning {
            Some(rule) => format!("{} point(s) for each {} {}", rule.points, rule.per, self.currency),
            None => "what rule sets say".to_owned(),
        }
    }

    fn waits(&self) -> String {
        match self.release_days {
            Some(days) => format!("{days} days, or for a confirmation"),
            None if self.release_on_confirmation => "for a confirmation".to_owned(),
            None => "not at all".to_owned(),
        }
    }

    fn lives(&self) -> String {
        let life = match (self.expiry_days, self.expiry_months, &self.expiry_date) {
            (Some(days), ..) => format!("{days} days"),
            (None, Some(months), _) => format!("{months} months"),
            (None, None, Some(date)) => format!("to {date}"),
            (None, None, None) => "for ever".to_owned(),
        };
        let life = if self.expiry_sliding { format!("{life} from the last activity on") } else { life };
        match self.expiry_round_to {
            Some(period) => format!("{life}, to the end of the {period}"),
            None => life,
        }
    }
}

impl Currency {
    fn of(further: &pb::FurtherCurrency) -> Currency {
        let qualifying = further.kind() == pb::CurrencyKind::Qualifying;
        Currency { code: further.code.clone(), qualifying }
    }
}

/// As `--expiry-date` takes it.
fn date_of(annual: pb::AnnualExpiry) -> String {
    let date = format!("{:02}-{:02}", annual.month, annual.day);
    if annual.years_later > 0 { format!("{date}+{}", annual.years_later) } else { date }
}

fn period(period: pb::ExpiryPeriod) -> Option<&'static str> {
    match period {
        pb::ExpiryPeriod::Unspecified => None,
        pb::ExpiryPeriod::Month => Some("month"),
        pb::ExpiryPeriod::Quarter => Some("quarter"),
        pb::ExpiryPeriod::Year => Some("year"),
    }
}

pub(super) fn table(programs: &[Shown]) -> String {
    let width = programs.iter().map(|program| program.program_id.len()).max().unwrap_or(0).max(7);
    let mut text = format!("{:<width$}  {:<40}  {:<10}  tiers\n", "program", "purchases earn", "live");
    for program in programs {
        let _ = writeln!(
            text,
            "{:<width$}  {:<40}  {:<10}  {}",
            program.program_id,
            program.earns(),
            program.lives(),
            program.tiers.len()
        );
    }
    text
}
