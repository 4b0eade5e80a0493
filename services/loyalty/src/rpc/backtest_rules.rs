//! BacktestRules: what other rules would have made of what happened, told as it is found.
//!
//! Nothing is written, and no transaction stays open: a few wallets are read at a time, and whoever goes away
//! ends the work.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ambient::Time;
use futures::stream::{self, BoxStream, StreamExt};
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, problem, program_not_found};
use super::simulate_activity::under;
use super::wire::{further_points, main_points, time, uuid_text};
use crate::domain::{Activity, Backtest, Findings, History, Mover, Program, Side};
use crate::store::unread::{Unread, Which};
use crate::store::wallets::{self, Versioned};
use crate::store::{Owner, activities, members, programs};

/// Wallets that are read at once.
const WALLETS: u64 = 200;
/// Wallets that are named as those that win or lose most, unless asked otherwise.
const MOVERS: usize = 20;

type Answer = Result<pb::BacktestRulesResponse, Status>;

/// A comparison that goes on from wallet to wallet.
struct Run {
    api: Api,
    program: Arc<Program>,
    backtest: Backtest,
    times: (Time, Time),
    total: u64,
    done: u64,
    unread: Unread,
}

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BacktestRulesRequest>,
) -> Result<BoxStream<'static, Answer>, Status> {
    let (caller, message) = Caller::open(request)?;
    let (mut found, now) = (Violations::default(), api.clock.now());
    let from = time(message.start_time, &Path::ROOT, "start_time", &mut found);
    let to = time(message.end_time, &Path::ROOT, "end_time", &mut found);
    let times = (from.unwrap_or(Time::MIN), to.map_or(now, |to| to.min(now)));
    if times.1 <= times.0 {
        found.add(&Path::ROOT, "end_time", "must lie after start_time, which must lie in the past");
    }
    found.into_result(DOMAIN)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let program = programs::find(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    let program = program.ok_or_else(|| program_not_found(program_id))?;
    let tried = under(api, &caller, &program, rules(&message)).await?;
    let total = wallets::count_of_program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    let movers = usize::try_from(message.max_movers).ok().filter(|most| *most > 0).unwrap_or(MOVERS);
    let backtest = Backtest::new(program.clone(), tried, times.1, movers);
    let unread = Unread::all(&caller.tenant, program_id, Which::DecidedSince(Time::MIN));
    let run = Run { api: api.clone(), program: Arc::new(program), backtest, times, total, done: 0, unread };
    let steps = stream::try_unfold(Some(run), |run| async move {
        let Some(run) = run else { return Ok(None) };
        run.step().await.map(Some)
    });
    Ok(steps.boxed())
}

/// The rules that are tried.
fn rules(message: &pb::BacktestRulesRequest) -> Option<pb::simulate_activity_request::Rules> {
    use pb::backtest_rules_request::Rules;
    use pb::simulate_activity_request::Rules as Asked;
    Some(match message.rules.clone()? {
        Rules::Version(version) => Asked::Version(version),
        Rules::RuleSet(rule_set) => Asked::RuleSet(rule_set),
    })
}

impl Run {
    /// Goes on by some wallets; the last step tells what was found.
    async fn step(mut self) -> Result<(pb::BacktestRulesResponse, Option<Run>), Status> {
        use pb::backtest_rules_response::Step;
        let histories = self.histories().await.map_err(|e| told(&e))?;
        let step = if histories.is_empty() {
            Step::Report(report(&self.backtest.findings, &self.program))
        } else {
            self.done = self.done.saturating_add(u64::try_from(histories.len()).unwrap_or(0));
            self.backtest = add(self.backtest, histories).await?;
            // Wallets may have been opened since they were counted.
            self.total = self.total.max(self.done);
            Step::Progress(pb::BacktestProgress {
                wallets_done: i64::try_from(self.done).unwrap_or(i64::MAX),
                wallets_total: i64::try_from(self.total).unwrap_or(i64::MAX),
            })
        };
        let over = matches!(step, Step::Report(_));
        Ok((pb::BacktestRulesResponse { step: Some(step) }, (!over).then_some(self)))
    }

    /// The next wallets, with all that happened in them.
    async fn histories(&mut self) -> Result<Vec<History>, db::Error> {
        let db = self.api.db.reader();
        let page = self.unread.next(db, WALLETS).await?;
        let owners: Vec<Owner> = page.iter().map(|(owner, _)| owner.clone()).collect();
        let mut happened = activities::of_wallets(db, &owners, self.times).await?;
        let known = match self.backtest.names_member() {
            true => members::find_many(db, &actors(&happened)).await?,
            false => HashMap::new(),
        };
        let history = |(owner, found): (Owner, Versioned)| {
            let activities = happened.remove(&owner).unwrap_or_default();
            let acting: BTreeSet<Uuid> = activities.iter().map(|one| one.member_id).collect();
            let member = |id: Uuid| Some((id, known.get(&Owner::new(owner.tenant(), id))?.clone()));
            let members = acting.into_iter().filter_map(member).collect();
            History { wallet_id: owner.id(), open_time: found.wallet.open_time, members, activities }
        };
        Ok(page.into_iter().map(history).collect())
    }
}

/// The members who did it: of a wallet that has what belongs to several, any of them.
fn actors(happened: &HashMap<Owner, Vec<Activity>>) -> Vec<Owner> {
    let acting = happened.iter().flat_map(|(owner, activities)| {
        activities.iter().map(|one| Owner::new(owner.tenant(), one.member_id))
    });
    let acting: BTreeSet<Owner> = acting.collect();
    acting.into_iter().collect()
}

/// Adds wallets on a thread of its own: it computes for a while.
async fn add(mut backtest: Backtest, histories: Vec<History>) -> Result<Backtest, Status> {
    let added = tokio::task::spawn_blocking(move || {
        histories.into_iter().try_for_each(|history| backtest.add(history))?;
        Ok(backtest)
    });
    let added = added.await.map_err(|_| rpc::error::internal_because("a comparison of rules broke"))?;
    added.map_err(|refusal| problem(&refusal).to_status())
}

fn report(found: &Findings, program: &Program) -> pb::BacktestReport {
    let mover = |one: &Mover| pb::BacktestMover {
        wallet_id: uuid_text(one.wallet_id),
        points_held: one.issued,
        points_tried: one.tried,
    };
    let tier = |((held, tried), wallets): (&(u32, u32), &i64)| pb::TierMigration {
        held_tier_id: program.ladder.tier_id(*held).to_owned(),
        tried_tier_id: program.ladder.tier_id(*tried).to_owned(),
        wallets: *wallets,
    };
    pb::BacktestReport {
        wallets: found.wallets,
        activities: found.activities,
        held: Some(side(&found.held, program)),
        tried: Some(side(&found.tried, program)),
        liability_delta: main_points(&found.tried.alive).saturating_sub(main_points(&found.held.alive)),
        winners: found.winners,
        losers: found.losers,
        most_won: found.most_won.iter().map(mover).collect(),
        most_lost: found.most_lost.iter().map(mover).collect(),
        tier_migrations: found.tiers.iter().map(tier).collect(),
    }
}

fn side(of: &Side, program: &Program) -> pb::BacktestSide {
    pb::BacktestSide {
        points_issued: main_points(&of.issued),
        further_issued: further_points(&of.issued, program),
        points_alive: main_points(&of.alive),
        further_alive: further_points(&of.alive, program),
        activities_refused: of.refused,
    }
}
