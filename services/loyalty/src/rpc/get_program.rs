//! GetProgram: one program by its id.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::program_not_found;
use super::wire::{money, timestamp};
use crate::domain::{Life, Money, Program, Release};
use crate::store::programs;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetProgramRequest>,
) -> Result<pb::GetProgramResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let found = programs::find(api.db.reader(), &caller.tenant, &message.program_id).await;
    let program = found.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&message.program_id))?;
    Ok(pb::GetProgramResponse { program: Some(program_message(&program)) })
}

pub(super) fn program_message(program: &Program) -> pb::Program {
    use pb::expiry_policy::Policy;
    let amount = |micros: i64| Some(money(Money { currency: program.currency, micros }));
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let policy = match program.expiry.life {
        Life::Never => None,
        Life::RollingDays(days) => Some(Policy::RollingDays(count(days))),
        Life::RollingMonths(months) => Some(Policy::RollingMonths(count(months))),
        Life::Annual { day, years_later } => Some(Policy::Annual(pb::AnnualExpiry {
            month: count(day.month()),
            day: count(day.day()),
            years_later: count(years_later),
        })),
    };
    let round_to = program.expiry.round_to.map_or(0, |period| period as i32);
    let release = match program.release {
        Release::AtOnce => None,
        Release::AfterDays(days) => Some(pb::release_policy::Policy::AfterDays(count(days))),
        Release::OnConfirmation => Some(pb::release_policy::Policy::OnConfirmation(true)),
    };
    let rule = |rule: crate::domain::EarningRule| pb::EarningRule {
        points: rule.points,
        per: amount(rule.per_micros),
        version: crate::domain::EarningRule::VERSION,
    };
    let tier = |tier: &crate::domain::Tier| pb::Tier {
        tier_id: tier.id.clone(),
        display_name: tier.display_name.clone(),
        threshold: amount(tier.threshold_micros),
    };
    pb::Program {
        program_id: program.id.clone(),
        display_name: program.display_name.clone(),
        time_zone: program.time_zone.name().to_owned(),
        money_currency_code: program.currency.code().to_owned(),
        point_currency: Some(pb::PointCurrency {
            code: program.points.code.clone(),
            display_name: program.points.display_name.clone(),
        }),
        earning_rule: program.rule.map(rule),
        expiry_policy: policy.map(|policy| pb::ExpiryPolicy { policy: Some(policy), round_to }),
        tiers: program.ladder.tiers.iter().map(tier).collect(),
        version: program.version,
        create_time: Some(timestamp(program.create_time)),
        release_policy: release.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: program.return_policy as i32,
    }
}
