//! Configuration as the service shows it: checked, with every default in its place, and without what the
//! service sets by itself. For tools that compare what is wanted with what is there.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Validate as _, Violations};
use tonic::Status;

use super::create_program;
use super::program_wire::program_message;
use super::refusal::DOMAIN;
use super::reward_wire;
use super::rule_wire::{compiled, rule_set_message};
use crate::store::rule_sets::Stored;

/// A program as GetProgram shows it.
///
/// # Errors
/// INVALID_ARGUMENT as CreateProgram answers it.
pub fn program(given: &pb::Program) -> Result<pb::Program, Status> {
    let mut found = Violations::default();
    given.validate(&Path::ROOT.field("program"), &mut found);
    let decoded = create_program::decode(Some(given), Time::MIN, &mut found);
    found.into_result(DOMAIN)?;
    let decoded = decoded.ok_or_else(|| rpc::error::internal_because("a valid program was not decoded"))?;
    Ok(bare_program(program_message(&decoded)))
}

/// A program without what the service sets by itself.
pub fn bare_program(shown: pb::Program) -> pb::Program {
    pb::Program { version: 0, create_time: None, etag: String::new(), ..shown }
}

/// A rule set of a program as GetRuleSet shows it.
///
/// # Errors
/// INVALID_ARGUMENT as CreateRuleSet and CreateProgram answer it.
pub fn rule_set(given: &pb::RuleSet, program: &pb::Program) -> Result<pb::RuleSet, Status> {
    let mut found = Violations::default();
    let root = Path::ROOT;
    let path = root.field("rule_set");
    given.validate(&path, &mut found);
    let decoded = create_program::decode(Some(program), Time::MIN, &mut found);
    let rules = decoded.as_ref().and_then(|program| compiled(given, program, &path, &mut found));
    found.into_result(DOMAIN)?;
    let (Some(program), Some(rules)) = (decoded, rules) else {
        return Err(rpc::error::internal_because("valid rules were not compiled"));
    };
    let stored = Stored {
        program_id: given.program_id.clone(),
        version: 0,
        display_name: given.display_name.clone(),
        active: false,
        start: Time::NEVER,
        end: Time::NEVER,
        rules: rules.source().clone(),
        create_time: Time::MIN,
    };
    Ok(bare_rule_set(rule_set_message(&stored, program.currency, Time::MIN)))
}

/// A rule set without what the service sets by itself.
pub fn bare_rule_set(shown: pb::RuleSet) -> pb::RuleSet {
    pb::RuleSet { version: 0, state: 0, start_time: None, end_time: None, create_time: None, ..shown }
}

/// A reward as GetReward shows it as long as nobody redeemed it.
///
/// # Errors
/// INVALID_ARGUMENT as CreateReward answers it.
pub fn reward(given: &pb::Reward) -> Result<pb::Reward, Status> {
    let mut found = Violations::default();
    let root = Path::ROOT;
    let path = root.field("reward");
    given.validate(&path, &mut found);
    let (decoded, stock) = reward_wire::decode(given, Time::MIN, &path, &mut found);
    found.into_result(DOMAIN)?;
    let shown = reward_wire::reward_message(&decoded, stock);
    Ok(pb::Reward { version: 0, create_time: None, etag: String::new(), ..shown })
}

/// A reward without what the service sets by itself, and without the units of a stock, which come and go.
pub fn bare_reward(shown: pb::Reward) -> pb::Reward {
    use pb::reward::Stock::{CodePool, Remaining, Unlimited};
    let stock = shown.stock.map(|stock| match stock {
        Remaining(_) => Remaining(0),
        CodePool(_) => CodePool(pb::CodePool::default()),
        Unlimited(_) => Unlimited(true),
    });
    pb::Reward { version: 0, create_time: None, etag: String::new(), stock, ..shown }
}
