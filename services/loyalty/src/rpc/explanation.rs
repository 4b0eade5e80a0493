//! Why an activity earned what it earned, rule by rule.

use proto::rapport::loyalty::v1 as pb;
use tonic::Status;

use super::activity_wire::activity_message;
use super::refusal::problem;
use super::rule_wire::cap_message;
use crate::domain::rules::{Compiled, Grant, Matched, evaluate_again};
use crate::domain::{Activity, Program};

/// Asks the rules that granted the activity once more, of what they saw then.
pub(super) fn explanation(
    program: &Program,
    activity: &Activity,
    lots: Vec<pb::Lot>,
) -> Result<pb::Explanation, Status> {
    let recorded = activity.as_recorded();
    let (results, tier_bonus) = match program.rule_set(activity.pinned.rule_version) {
        None => (Vec::new(), 0),
        Some(set) => {
            let facts = recorded.facts(program);
            let evaluation = evaluate_again(&set.rules, &facts, &activity.pinned.room);
            let evaluation = evaluation.map_err(|refusal| problem(&refusal).to_status())?;
            let results = evaluation.grants.iter().map(|grant| result(program, &set.rules, grant)).collect();
            (results, evaluation.tier_bonus)
        }
    };
    Ok(pb::Explanation {
        activity: Some(activity_message(program, activity)),
        rule_set_version: activity.pinned.rule_version,
        tier_id: program.ladder.tier_id(activity.pinned.tier_rank).to_owned(),
        tier_id_after: String::new(),
        results,
        lots,
        tier_bonus,
    })
}

fn result(program: &Program, rules: &Compiled, grant: &Grant) -> pb::RuleResult {
    use pb::RuleOutcome as O;
    let (outcome, error) = match &grant.outcome {
        Matched::Applied => (O::Applied, ""),
        Matched::StackedOut => (O::StackedOut, ""),
        Matched::Kind => (O::OtherType, ""),
        Matched::Window => (O::OutsideWindow, ""),
        Matched::Condition => (O::ConditionFalse, ""),
        Matched::Error(told) => (O::Error, told.as_str()),
    };
    let rule = &rules.rules()[grant.rule];
    pb::RuleResult {
        rule_id: rule.id.clone(),
        outcome: outcome.into(),
        error: error.to_owned(),
        items: grant.items.iter().map(|place| i32::try_from(*place).unwrap_or(i32::MAX)).collect(),
        points_desired: grant.desired,
        points_granted: grant.granted,
        capped_by: grant.capped_by.and_then(|place| rule.caps.get(place)).map(cap_message),
        point_currency_code: program.code_of(rules.purse(grant.rule)).to_owned(),
    }
}
