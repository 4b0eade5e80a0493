//! SimulateActivity: what a series of activities would earn, with nothing written.

use std::collections::BTreeSet;

use ambient::Time;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::recorded;
use super::call::told;
use super::explanation::explanation;
use super::list_lots::lot_message;
use super::refusal::{DOMAIN, member_not_found, problem, program_not_found, rule_set_not_found};
use super::rule_wire::compiled;
use super::wire::{balance, further_balances, time, uuid};
use crate::domain::rules::Compiled;
use crate::domain::{
    Command, Member, Past, Profile, Program, RecordActivity, RuleSet, Simulation, State, Wallet, shares_as,
};
use crate::store::counters::{Counters, Key};
use crate::store::{Owner, Tenant, activities, due, members, programs, rule_sets, wallets};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::SimulateActivityRequest>,
) -> Result<pb::SimulateActivityResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = match message.who.as_ref() {
        Some(pb::simulate_activity_request::Who::MemberId(id)) => {
            Some(uuid(id, &Path::ROOT, "member_id", &mut found))
        }
        _ => None,
    };
    let now = time(message.now, &Path::ROOT, "now", &mut found);
    let ids = (Uuid::nil(), member_id.unwrap_or_default());
    let activity = |(n, given)| recorded(given, ids, &Path::ROOT.item("activities", n), &mut found);
    let commands: Vec<RecordActivity> = message.activities.iter().enumerate().map(activity).collect();
    found.into_result(DOMAIN)?;
    let member = match member_id {
        Some(id) => Some((id, api.located(&caller.tenant, id).await?)),
        None => None,
    };
    // The present of a wallet is never behind its last decision, whatever the clock says.
    let last = member.as_ref().map_or(Time::MIN, |(_, (_, found))| found.wallet.now);
    let now = now.unwrap_or_else(|| api.clock.now().max(last));
    let program_id = member.as_ref().map(|(_, (_, found))| found.wallet.program_id.clone());
    let program = program(api, &caller, &message, program_id).await?;
    let simulation = match &member {
        Some((id, (owner, _))) => of_member(api, (owner, *id), &program, &commands, now).await?,
        None => of_nobody(api, &caller.tenant, &program, &commands, now).await?,
    };
    answer(simulation, &program, &commands)
}

/// A member who is enrolled now.
async fn of_nobody(
    api: &Api,
    tenant: &Tenant,
    program: &Program,
    commands: &[RecordActivity],
    now: Time,
) -> Result<Simulation, Status> {
    let id = Uuid::nil();
    let counters = counters(&Owner::new(tenant, id), program, commands, now);
    let used = Counters::read(api.db.reader(), &counters).await.map_err(|e| told(&e))?;
    let wallet = Wallet::opened(id, program, now, 0);
    let state = State { past: Some(Past::default()), ..State::new(wallet) };
    let member = Some(Member::enrolled(id, &program.id, "", Profile::default(), now));
    Ok(Simulation { used: used.used(counters.into_iter().collect()), member, ..Simulation::new(state, now) })
}

/// What the series may count under.
fn counters(owner: &Owner, program: &Program, commands: &[RecordActivity], now: Time) -> BTreeSet<Key> {
    let occurred = commands.iter().filter_map(|command| command.occurred_time);
    let moments: BTreeSet<Time> = occurred.chain([now]).collect();
    let of_rules = moments.iter().filter_map(|at| Some((*at, program.rules_at(*at)?)));
    let of_rules = of_rules.flat_map(|(at, set)| set.rules.counters(at).into_keys());
    let commands = commands.iter().cloned().map(Command::RecordActivity);
    let of_limits = commands.flat_map(|command| {
        moments.iter().flat_map(move |at| program.velocity_counters(&command, now.max(*at)))
    });
    of_rules.chain(of_limits).map(|counter| Key::new(owner, &program.id, counter)).collect()
}

fn answer(
    mut simulation: Simulation,
    program: &Program,
    commands: &[RecordActivity],
) -> Result<pb::SimulateActivityResponse, Status> {
    use pb::simulated_activity::Result as Told;
    let mut results = Vec::with_capacity(commands.len());
    for command in commands {
        let result = match simulation.record(program, command) {
            Ok((activity, lots)) => {
                let wallet = &simulation.state.wallet;
                let lots = lots.iter().map(|lot| lot_message(wallet, program, lot)).collect();
                let told = explanation(program, &activity, lots)?;
                let rank = simulation.state.wallet.tier.rank;
                let tier_id_after = program.ladder.tier_id(rank).to_owned();
                Told::Explanation(pb::Explanation { tier_id_after, ..told })
            }
            Err(refusal) => Told::Error(rpc::to_proto(&problem(&refusal).to_status())),
        };
        results.push(pb::SimulatedActivity { result: Some(result) });
    }
    let wallet = &simulation.state.wallet;
    Ok(pb::SimulateActivityResponse {
        results,
        balance: Some(balance(wallet, program, 0)),
        further_balances: further_balances(wallet, program),
    })
}

/// The program, with the rules that are to be simulated.
async fn program(
    api: &Api,
    caller: &Caller,
    message: &pb::SimulateActivityRequest,
    of_member: Option<String>,
) -> Result<Program, Status> {
    use pb::simulate_activity_request::Who;
    let db = api.db.reader();
    let program_id = match (of_member, message.who.as_ref()) {
        (None, Some(Who::ProgramId(id))) => id.clone(),
        (of_member, _) => of_member.unwrap_or_default(),
    };
    let program = programs::find(db, &caller.tenant, &program_id).await.map_err(|e| told(&e))?;
    let program = program.ok_or_else(|| program_not_found(&program_id))?;
    under(api, caller, &program, message.rules.clone()).await
}

/// A program as if other rules always held; as it is if none are given.
pub(super) async fn under(
    api: &Api,
    caller: &Caller,
    program: &Program,
    rules: Option<pb::simulate_activity_request::Rules>,
) -> Result<Program, Status> {
    use pb::simulate_activity_request::Rules;
    let (version, rules) = match &rules {
        None => return Ok(program.clone()),
        Some(Rules::Version(version)) => match program.rule_set(*version) {
            Some(set) => (*version, set.rules.clone()),
            None => (*version, draft(api, caller, program, *version).await?),
        },
        Some(Rules::RuleSet(given)) => {
            let (path, mut found) = (Path::ROOT.field("rule_set"), Violations::default());
            if given.program_id != program.id {
                found.add(&path, "program_id", "must be the program that is simulated");
            }
            let rules = compiled(given, program, &path, &mut found);
            found.into_result(DOMAIN)?;
            (0, rules.ok_or_else(|| rpc::error::internal_because("valid rules were not compiled"))?)
        }
    };
    let always = RuleSet { version, start: Time::MIN, end: Time::NEVER, rules };
    Ok(Program { rule_sets: vec![always], ..program.clone() })
}

async fn draft(api: &Api, caller: &Caller, program: &Program, version: i64) -> Result<Compiled, Status> {
    let set = rule_sets::find(api.db.reader(), &caller.tenant, &program.id, version).await;
    let set = set.map_err(|e| told(&e))?.ok_or_else(|| rule_set_not_found(&program.id, version))?;
    let broken = |_| rpc::error::internal_because("a stored rule set does not compile");
    program.compile(set.rules).map_err(broken)
}

/// A member's wallet, with all that the series needs to know, from one look at the database.
async fn of_member(
    api: &Api,
    (owner, member_id): (&Owner, Uuid),
    program: &Program,
    commands: &[RecordActivity],
    now: Time,
) -> Result<Simulation, Status> {
    let end = commands.iter().filter_map(|command| command.occurred_time).fold(now, Time::max);
    let counters = counters(owner, program, commands, now);
    let external = commands.iter().filter(|command| !command.external_id.is_empty());
    let external: Vec<_> =
        external.map(|command| (owner.clone(), member_id, command.external_id.clone())).collect();
    let asked = (owner.clone(), counters, external);
    let look = api.db.snapshot(move |tx| {
        let (owner, counters, external) = asked.clone();
        async move {
            let Some(found) = wallets::find(tx, &owner).await? else { return Ok(None) };
            let mut simulation = Simulation::new(due::state(tx, &owner, found.wallet, end).await?, now);
            let keys: Vec<Key> = counters.iter().cloned().collect();
            simulation.used = Counters::read(tx, &counters).await?.used(keys);
            let known = activities::find_external(tx, &external).await?;
            simulation.member = members::find(tx, owner.tenant(), member_id).await?;
            let way = wallets::way(tx, &Owner::new(owner.tenant(), member_id)).await?;
            simulation.shares_as = shares_as(way.iter().map(|(_, found)| &found.wallet)).cloned();
            simulation.external = known.into_iter().map(|((.., external), id)| (external, id)).collect();
            Ok(Some(simulation))
        }
        .boxed()
    });
    let simulation = look.await.map_err(|e| told(&e))?;
    let simulation = simulation.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
    if now < simulation.state.wallet.now {
        let mut found = Violations::default();
        let last = simulation.state.wallet.now;
        found.add(&Path::ROOT, "now", format!("must not be before the wallet's last change at {last}"));
        found.into_result(DOMAIN)?;
    }
    Ok(simulation)
}
