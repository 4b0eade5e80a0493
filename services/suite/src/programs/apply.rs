//! `rapport programs diff` and `apply`: a program made to be what a file says.
//!
//! What is wanted is brought into the form in which the service shows it, and compared with what is there;
//! what differs is changed by the calls that anybody may make. An apply that was cut short is finished by the
//! next one.

use std::path::Path;

use loyalty::canonical;
use prost::Message as _;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use proto::rapport::loyalty::v1::reward_service_client::RewardServiceClient;
use proto::rapport::loyalty::v1::rule_service_client::RuleServiceClient;
use rpc::client::Client;
use serde::Serialize;
use tonic::{Code, Status};
use uuid::Uuid;

use super::difference::{Change, changes};
use super::file::Wanted;
use crate::cli::FileArgs;
use crate::output::{self, Format};
use crate::{Failure, target};

/// Namespace of request ids made from what is changed.
const REQUESTS: Uuid = Uuid::from_u128(0x1f0a_4c1e_93b7_5d02_a6e4_0b6f_58d2_c713);
/// Parts of a program that UpdateProgram changes.
const CHANGEABLE: [&str; 12] = [
    "redemption_policy",
    "tiers",
    "tier_policy",
    "further_currencies",
    "display_name",
    "point_currency.display_name",
    "point_currency.unit_cost",
    "expiry_policy",
    "release_policy",
    "return_policy",
    "referral_policy",
    "velocity_limits",
];

/// Fields of a reward that stay: its kind of stock.
const FIXED_OF_REWARD: [&str; 3] = ["unlimited", "remaining", "code_pool"];

/// What is there.
struct Present {
    program: Option<pb::Program>,
    /// The one that holds or will.
    rule_set: Option<pb::RuleSet>,
    latest_rules: Option<pb::RuleSet>,
    rewards: Vec<pb::Reward>,
}

/// What is wanted beside what is there.
struct Plan {
    wanted: Wanted,
    present: Present,
    program: Vec<Change>,
    rule_set: Vec<Change>,
    /// By reward.
    rewards: Vec<Vec<Change>>,
}

/// The result, for machines.
#[derive(Serialize)]
struct Told<'a> {
    program_id: &'a str,
    changes: Vec<&'a Change>,
    applied: bool,
}

pub(super) async fn diff(args: &FileArgs) -> Result<(), Failure> {
    let plan = Plan::make(&args.file, target::connect(&args.target.target).await?).await?;
    plan.tell(args.output.output, false)
}

pub(super) async fn apply(args: &FileArgs) -> Result<(), Failure> {
    let client = target::connect(&args.target.target).await?;
    let plan = Plan::make(&args.file, client.clone()).await?;
    plan.allowed()?;
    plan.carry_out(client).await?;
    plan.tell(args.output.output, true)
}

impl Plan {
    async fn make(file: &Path, client: Client) -> Result<Plan, Failure> {
        let mut wanted = Wanted::read(file)?;
        let wrong = |status: Status| {
            let line = crate::failure::line_of(&status);
            Failure::usage(format!("{}: {line}", file.display()))
        };
        wanted.program = canonical::program(&wanted.program).map_err(wrong)?;
        let rules = wanted.rule_set.map(|rules| canonical::rule_set(&rules, &wanted.program));
        wanted.rule_set = rules.transpose().map_err(wrong)?;
        let rewards = wanted.rewards.iter().map(canonical::reward).collect::<Result<Vec<_>, _>>();
        let canonical_rewards = rewards.map_err(wrong)?;
        let present = Present::read(client, &wanted).await?;
        let program = changes("Program", "program", present.program.as_ref(), Some(&wanted.program));
        let rule_set = match &wanted.rule_set {
            Some(rules) => changes("RuleSet", "rule_set", present.rule_set.as_ref(), Some(rules)),
            None => Vec::new(),
        };
        let reward = |wanted: &pb::Reward| {
            let there = present.reward(&wanted.reward_id);
            // Units of a stock come and go: only of a new one they are wanted.
            let wanted = there.map_or_else(|| wanted.clone(), |_| canonical::bare_reward(wanted.clone()));
            // When it may be had is left alone unless the file says so.
            let (start, end) = there.map(|there| (there.start_time, there.end_time)).unwrap_or_default();
            let (start_time, end_time) = (wanted.start_time.or(start), wanted.end_time.or(end));
            let wanted = pb::Reward { start_time, end_time, ..wanted };
            let there = there.cloned().map(canonical::bare_reward);
            changes("Reward", &format!("rewards[{}]", wanted.reward_id), there.as_ref(), Some(&wanted))
        };
        let rewards = canonical_rewards.iter().map(reward).collect();
        Ok(Plan { wanted, present, program, rule_set, rewards })
    }

    fn changes(&self) -> Vec<&Change> {
        self.program.iter().chain(&self.rule_set).chain(self.rewards.iter().flatten()).collect()
    }

    /// Refuses before anything is done what cannot be done.
    fn allowed(&self) -> Result<(), Failure> {
        let changeable = |path: &str| part_of(path).is_some();
        let program = self.program.iter().filter(|_| self.present.program.is_some());
        let refused = program.filter(|change| !changeable(&change.path)).map(|change| change.path.clone());
        let rewards = self.wanted.rewards.iter().zip(&self.rewards);
        let rewards = rewards.filter(|(reward, _)| self.present.reward(&reward.reward_id).is_some());
        let fixed = rewards.flat_map(|(reward, changes)| {
            let fixed = changes.iter().filter(|change| part_of_reward(reward, &change.path).is_none());
            fixed.map(|change| change.path.clone())
        });
        let rewards = fixed.collect::<Vec<_>>();
        let refused: Vec<String> = refused.chain(rewards).collect();
        if refused.is_empty() {
            return Ok(());
        }
        let refused = refused.join(", ");
        Err(Failure::failed(format!("nothing was changed: {refused} cannot be changed once it is there")))
    }

    async fn carry_out(&self, client: Client) -> Result<(), Failure> {
        // Of the program. What was refused may be done once that has changed, so it is another request then.
        let version = match &self.present.program {
            None => self.create_program(client.clone()).await?,
            Some(there) if self.program.is_empty() => there.version,
            Some(there) => self.update_program(client.clone(), there).await?,
        };
        if let Some(rules) = self.wanted.rule_set.as_ref().filter(|_| !self.rule_set.is_empty()) {
            self.change_rules(client.clone(), rules, version).await?;
        }
        let differing =
            self.wanted.rewards.iter().zip(&self.rewards).filter(|(_, changes)| !changes.is_empty());
        for (reward, changes) in differing {
            if let Some(there) = self.present.reward(&reward.reward_id) {
                update_reward(client.clone(), (there, version), reward, changes).await?;
                continue;
            }
            let reward = Some(reward.clone());
            let request = pb::CreateRewardRequest { request_id: String::new(), reward };
            let request_id = id_of(&request.encode_to_vec(), version);
            let request = pb::CreateRewardRequest { request_id, ..request };
            RewardServiceClient::new(client.clone()).create_reward(request).await?;
        }
        Ok(())
    }

    /// Returns the version that it has then.
    async fn create_program(&self, client: Client) -> Result<i64, Failure> {
        let program = Some(self.wanted.program.clone());
        let request = pb::CreateProgramRequest { request_id: String::new(), program };
        let request_id = id_of(&request.encode_to_vec(), 0);
        let request = pb::CreateProgramRequest { request_id, ..request };
        let created = ProgramServiceClient::new(client).create_program(request).await?.into_inner();
        Ok(created.program.map_or(0, |program| program.version))
    }

    /// Returns the version that it has then.
    async fn update_program(&self, client: Client, there: &pb::Program) -> Result<i64, Failure> {
        let mut paths: Vec<String> = self.program.iter().filter_map(|change| part_of(&change.path)).collect();
        paths.dedup();
        let program = pb::Program { etag: there.etag.clone(), ..self.wanted.program.clone() };
        let request = pb::UpdateProgramRequest {
            request_id: String::new(),
            program: Some(program),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        let request_id = id_of(&request.encode_to_vec(), there.version);
        let request = pb::UpdateProgramRequest { request_id, ..request };
        let updated = ProgramServiceClient::new(client).update_program(request).await?.into_inner();
        Ok(updated.program.map_or(there.version, |program| program.version))
    }

    /// A draft that holds from now on: a new one, or the one that an apply made that was cut short.
    async fn change_rules(
        &self,
        client: Client,
        rules: &pb::RuleSet,
        program_version: i64,
    ) -> Result<(), Failure> {
        let mut client = RuleServiceClient::new(client);
        let latest = self.present.latest_rules.as_ref();
        let left = latest.filter(|latest| latest.state() == pb::RuleSetState::Draft);
        let left = left.filter(|draft| canonical::bare_rule_set((*draft).clone()) == *rules);
        let draft = match left {
            Some(draft) => draft.clone(),
            None => {
                let rule_set = Some(rules.clone());
                let request = pb::CreateRuleSetRequest { request_id: String::new(), rule_set };
                let request_id = id_of(&request.encode_to_vec(), latest.map_or(1, |latest| latest.version));
                let request = pb::CreateRuleSetRequest { request_id, ..request };
                client.create_rule_set(request).await?.into_inner().rule_set.unwrap_or_default()
            }
        };
        let request = pb::ActivateRuleSetRequest {
            request_id: String::new(),
            program_id: draft.program_id,
            version: draft.version,
            start_time: None,
        };
        let request_id = id_of(&request.encode_to_vec(), program_version);
        client.activate_rule_set(pb::ActivateRuleSetRequest { request_id, ..request }).await?;
        Ok(())
    }

    fn tell(&self, format: Format, applied: bool) -> Result<(), Failure> {
        let (program_id, changes) = (self.wanted.program.program_id.as_str(), self.changes());
        match format {
            Format::Json => output::json(&Told { program_id, changes, applied }),
            Format::Text if changes.is_empty() => {
                output::note(&format!("{program_id} is just as the file says; there is nothing to change."));
                Ok(())
            }
            Format::Text => {
                output::print(&changes.iter().map(|change| change.text()).collect::<String>());
                let count = changes.len();
                output::note(&if applied {
                    format!("{count} field(s) changed.")
                } else {
                    format!("{count} field(s) would change; `rapport programs apply` changes them.")
                });
                Ok(())
            }
        }
    }
}

impl Present {
    fn reward(&self, reward_id: &str) -> Option<&pb::Reward> {
        self.rewards.iter().find(|there| there.reward_id == reward_id)
    }

    async fn read(client: Client, wanted: &Wanted) -> Result<Present, Failure> {
        let program_id = &wanted.program.program_id;
        let request = pb::GetProgramRequest { program_id: program_id.clone() };
        let program = match ProgramServiceClient::new(client.clone()).get_program(request).await {
            Ok(answer) => answer.into_inner().program,
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        let mut present = Present { program, rule_set: None, latest_rules: None, rewards: Vec::new() };
        if present.program.is_none() {
            return Ok(present);
        }
        if wanted.rule_set.is_some() {
            (present.rule_set, present.latest_rules) = rules_of(client.clone(), program_id).await?;
        }
        for reward in &wanted.rewards {
            let reward_id = reward.reward_id.clone();
            let program_id = program_id.clone();
            let request = pb::GetRewardRequest { program_id, reward_id, version: 0 };
            match RewardServiceClient::new(client.clone()).get_reward(request).await {
                Ok(answer) => {
                    present.rewards.extend(answer.into_inner().reward);
                }
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status.into()),
            }
        }
        Ok(present)
    }
}

/// The rule set that holds or is to follow the one that does, and the one that was created last.
async fn rules_of(
    client: Client,
    program_id: &str,
) -> Result<(Option<pb::RuleSet>, Option<pb::RuleSet>), Failure> {
    let mut client = RuleServiceClient::new(client);
    let (mut holds, mut latest, mut page_token) = (None, None, String::new());
    loop {
        let request =
            pb::ListRuleSetsRequest { program_id: program_id.to_owned(), page_size: 100, page_token };
        let page = client.list_rule_sets(request).await?.into_inner();
        for rules in page.rule_sets {
            latest = latest.or_else(|| Some(rules.clone()));
            match rules.state() {
                pb::RuleSetState::Scheduled => return Ok((Some(rules), latest)),
                pb::RuleSetState::Active => holds = Some(rules),
                _ => {}
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok((holds, latest));
        }
    }
}

async fn update_reward(
    client: Client,
    (there, program_version): (&pb::Reward, i64),
    wanted: &pb::Reward,
    changes: &[Change],
) -> Result<(), Failure> {
    let mut paths: Vec<String> =
        changes.iter().filter_map(|change| part_of_reward(wanted, &change.path)).collect();
    paths.dedup();
    let reward = pb::Reward { etag: there.etag.clone(), ..wanted.clone() };
    let request = pb::UpdateRewardRequest {
        request_id: String::new(),
        reward: Some(reward),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    // The etag tells the reward's own versions apart.
    let request_id = id_of(&request.encode_to_vec(), program_version);
    let request = pb::UpdateRewardRequest { request_id, ..request };
    RewardServiceClient::new(client).update_reward(request).await?;
    Ok(())
}

/// The part of a reward that UpdateReward changes if it changes this field.
fn part_of_reward(reward: &pb::Reward, path: &str) -> Option<String> {
    let field = path.strip_prefix(&format!("rewards[{}].", reward.reward_id))?;
    let part = field.split(['.', '[']).next()?;
    (!FIXED_OF_REWARD.contains(&part)).then(|| part.to_owned())
}

/// The part of a program that UpdateProgram changes if it changes this field.
fn part_of(path: &str) -> Option<String> {
    let below = |part: &str| {
        let rest = path.strip_prefix("program.")?.strip_prefix(part)?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then(|| part.to_owned())
    };
    CHANGEABLE.into_iter().find_map(below)
}

/// A request id that follows from the request and from what it changes.
fn id_of(request: &[u8], version: i64) -> String {
    let mut name = request.to_vec();
    name.extend(version.to_be_bytes());
    Uuid::new_v5(&REQUESTS, &name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_that_may_change_are_changed() {
        let part = |path| part_of(path);
        assert_eq!(part("program.expiry_policy.rolling_days").as_deref(), Some("expiry_policy"));
        assert_eq!(
            part("program.point_currency.display_name").as_deref(),
            Some("point_currency.display_name")
        );
        assert_eq!(part("program.point_currency.code"), None);
        assert_eq!(part("program.display_name_of_old"), None);
        assert_eq!(part("program.tiers[gold].threshold").as_deref(), Some("tiers"));
        assert_eq!(part("program.tier_policy.grace_days").as_deref(), Some("tier_policy"));
        assert_eq!(part("program.earning_rule.points"), None);
    }
}
