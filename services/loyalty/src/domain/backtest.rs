//! What other rules would have made of what happened: every wallet lives its activities twice, from nothing,
//! by the rules that held and by those that are tried.
//!
//! Both lives have the program's tiers, caps, release and expiry, and nothing is spent in either: what
//! differs follows from the rules alone. Budgets of the program are shared by all wallets, in their order.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::rules::{CapOf, Counter};
use super::{
    Activity, ActivityState, Detail, Member, Past, Points, Program, RecordActivity, Refusal, Simulation,
    State, Wallet, view,
};

/// A wallet with what happened in it.
#[derive(Clone, Debug)]
pub struct History {
    /// Which.
    pub wallet_id: Uuid,
    /// When it was opened.
    pub open_time: Time,
    /// Who did it, by their ids, as far as rules ask.
    pub members: BTreeMap<Uuid, Member>,
    /// What happened.
    pub activities: Vec<Activity>,
}

/// One of the two lives, over all wallets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Points that were granted, by purse.
    pub issued: Points,
    /// Points that are alive at the end, by purse.
    pub alive: Points,
    /// Activities that a cap refuses.
    pub refused: i64,
}

/// A wallet that has other points by the rules that are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mover {
    /// Which.
    pub wallet_id: Uuid,
    /// Points of the main currency that the rules that held granted.
    pub issued: i64,
    /// Those that the rules that are tried grant.
    pub tried: i64,
}

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Wallets that something happened in.
    pub wallets: i64,
    /// What happened, but for what was cancelled or taken back as a whole.
    pub activities: i64,
    /// By the rules that held.
    pub held: Side,
    /// By the rules that are tried.
    pub tried: Side,
    /// Wallets with more points.
    pub winners: i64,
    /// Wallets with fewer points.
    pub losers: i64,
    /// Those that win most, the first one most of all.
    pub most_won: Vec<Mover>,
    /// Those that lose most.
    pub most_lost: Vec<Mover>,
    /// Wallets by their ranks at the end: by the rules that held, and by those that are tried.
    pub tiers: BTreeMap<(u32, u32), i64>,
}

/// A comparison under way.
#[derive(Clone, Debug)]
pub struct Backtest {
    lives: [(Program, BTreeMap<Counter, i64>); 2],
    end: Time,
    movers_max: usize,
    /// What was found so far.
    pub findings: Findings,
}

/// How one wallet ends.
struct Ending {
    issued: Points,
    alive: Points,
    refused: i64,
    rank: u32,
}

impl Backtest {
    /// Compares two programs that differ in their rules, up to a moment; remembers so many wallets that win
    /// or lose most.
    pub fn new(held: Program, tried: Program, end: Time, movers_max: usize) -> Backtest {
        // How often somebody may act is no question of rules.
        let life = |program| (Program { velocity: Vec::new(), ..program }, BTreeMap::new());
        let findings = Findings::default();
        Backtest { lives: [life(held), life(tried)], end, movers_max, findings }
    }

    /// True if one of them asks who a member is.
    pub fn names_member(&self) -> bool {
        let mut sets = self.lives.iter().flat_map(|(program, _)| &program.rule_sets);
        sets.any(|set| set.rules.names_member())
    }

    /// Adds a wallet.
    ///
    /// # Errors
    /// `AmountOverflow` if sums become too large to be counted.
    pub fn add(&mut self, mut history: History) -> Result<(), Refusal> {
        let gone = |state| matches!(state, ActivityState::Cancelled | ActivityState::Reversed);
        history.activities.retain(|activity| !gone(activity.state));
        if history.activities.is_empty() {
            return Ok(());
        }
        history.activities.sort_by_key(|activity| (activity.occurred_time, activity.id));
        let end = self.end;
        let [held, tried] = self.lives.each_mut().map(|(program, used)| live(program, used, &history, end));
        let findings = &mut self.findings;
        findings.wallets = findings.wallets.saturating_add(1);
        let count = i64::try_from(history.activities.len()).unwrap_or(i64::MAX);
        findings.activities = findings.activities.saturating_add(count);
        let alike = findings.tiers.entry((held.rank, tried.rank)).or_default();
        *alike = alike.saturating_add(1);
        let main = |ending: &Ending| ending.issued.get(&0).copied().unwrap_or(0);
        let mover = Mover { wallet_id: history.wallet_id, issued: main(&held), tried: main(&tried) };
        findings.held.add(&held)?;
        findings.tried.add(&tried)?;
        match mover.won() {
            0 => {}
            1.. => {
                findings.winners = findings.winners.saturating_add(1);
                keep(&mut findings.most_won, mover, self.movers_max, Mover::won);
            }
            _ => {
                findings.losers = findings.losers.saturating_add(1);
                keep(&mut findings.most_lost, mover, self.movers_max, |mover| mover.won().saturating_neg());
            }
        }
        Ok(())
    }
}

impl Mover {
    /// Points more by the rules that are tried.
    pub fn won(&self) -> i64 {
        self.tried.saturating_sub(self.issued)
    }
}

impl Side {
    fn add(&mut self, ending: &Ending) -> Result<(), Refusal> {
        self.refused = self.refused.saturating_add(ending.refused);
        for (sums, more) in [(&mut self.issued, &ending.issued), (&mut self.alive, &ending.alive)] {
            for (purse, points) in more {
                let sum = sums.entry(*purse).or_default();
                *sum = sum.checked_add(*points).ok_or(Refusal::AmountOverflow)?;
            }
        }
        Ok(())
    }
}

/// Keeps what is largest, and of equals what came first.
fn keep(kept: &mut Vec<Mover>, mover: Mover, most: usize, by: fn(&Mover) -> i64) {
    let place = kept.partition_point(|other| by(other) >= by(&mover));
    kept.insert(place, mover);
    kept.truncate(most);
}

/// Lets a wallet live what happened in it.
fn live(program: &Program, used: &mut BTreeMap<Counter, i64>, history: &History, end: Time) -> Ending {
    let first = history.activities.first().map_or(history.open_time, |first| first.occurred_time);
    let begun = history.open_time.min(first);
    let wallet = Wallet::opened(history.wallet_id, program, begun, 0);
    let wallet = Wallet { open_time: history.open_time, ..wallet };
    let state = State { past: Some(Past::default()), ..State::new(wallet) };
    let mut simulation = Simulation::new(state, first);
    simulation.used = std::mem::take(used);
    let (mut issued, mut refused) = (Points::new(), 0_i64);
    for activity in &history.activities {
        if simulation.member.as_ref().is_none_or(|member| member.id != activity.member_id) {
            simulation.member = history.members.get(&activity.member_id).cloned();
        }
        // Members who share a wallet may have used the same keys.
        simulation.external.clear();
        match simulation.record(program, &again(&activity.as_recorded())) {
            Ok((activity, _)) => {
                for earning in activity.earned {
                    let points = issued.entry(earning.purse).or_default();
                    *points = points.saturating_add(earning.points);
                }
            }
            Err(_) => refused = refused.saturating_add(1),
        }
    }
    let wallet = view(&simulation.state, program, end);
    let alive = wallet
        .numbered()
        .map(|(purse, held)| (purse, held.totals.available.saturating_add(held.totals.pending)));
    let ending = Ending { issued, alive: alive.collect(), refused, rank: wallet.tier.rank };
    // What members may have is theirs; what the program may give is shared with the next one.
    simulation.used.retain(|counter, _| counter.of == CapOf::Program);
    *used = simulation.used;
    ending
}

fn again(activity: &Activity) -> RecordActivity {
    RecordActivity {
        activity_id: activity.id,
        member_id: activity.member_id,
        kind: activity.kind,
        occurred_time: Some(activity.occurred_time),
        amount: activity.amount,
        external_id: activity.external_id.clone(),
        detail: Detail::clone(&activity.detail),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests {
    use super::super::fixture::{DAY, Ledger, at, program, purchase};
    use super::super::rules::{LineItem, Rules, Scope};
    use super::super::{ActivityState, Command, Line, MemberState, Profile, RuleSet};
    use super::*;

    fn history(id: u128, dollars: &[i64]) -> History {
        let start = at("2026-01-01T00:00:00Z");
        let activities = dollars.iter().zip(0..).map(|(dollars, n)| {
            let occurred = start.plus_micros(n * DAY);
            let Command::RecordActivity(done) = purchase(dollars * 1_000_000, Some(occurred)) else {
                unreachable!()
            };
            let mut ledger = Ledger::opened(start);
            let reply = ledger.run(&Command::RecordActivity(done), occurred).unwrap();
            reply.activity().unwrap().clone()
        });
        let (wallet_id, activities) = (Uuid::from_u128(id), activities.collect());
        History { wallet_id, open_time: start, members: BTreeMap::new(), activities }
    }

    fn paying(points: i64) -> Program {
        let program = program();
        let rules = program.compile(Rules::per_purchase(points, 1_000_000)).unwrap();
        let set = RuleSet { version: 9, start: Time::MIN, end: Time::NEVER, rules };
        Program { rule_sets: vec![set], ..program }
    }

    #[test]
    fn the_same_rules_change_nothing() {
        let mut test = Backtest::new(program(), paying(1), at("2026-02-01T00:00:00Z"), 5);
        for (id, dollars) in [(1, vec![10, 20]), (2, vec![3_000]), (3, vec![])] {
            test.add(history(id, &dollars)).unwrap();
        }
        let found = test.findings;
        assert_eq!((found.wallets, found.activities, found.winners, found.losers), (2, 3, 0, 0));
        assert_eq!(found.held, found.tried);
        assert_eq!(found.held.issued, Points::from([(0, 3_030)]));
        assert_eq!(found.tiers, BTreeMap::from([((1, 1), 1), ((3, 3), 1)]));
    }

    #[test]
    fn other_rules_have_winners_and_losers() {
        let mut tried = paying(3);
        tried.ladder = program().ladder;
        let mut test = Backtest::new(program(), tried, at("2026-03-31T12:00:00Z"), 2);
        for (id, dollars) in [(1, vec![10]), (2, vec![40]), (3, vec![20]), (4, vec![40])] {
            test.add(history(id, &dollars)).unwrap();
        }
        let found = test.findings;
        assert_eq!((found.winners, found.losers), (4, 0));
        let won: Vec<_> = found.most_won.iter().map(|one| (one.wallet_id.as_u128(), one.won())).collect();
        assert_eq!(won, [(2, 80), (4, 80)]);
        assert_eq!((found.held.issued[&0], found.tried.issued[&0]), (110, 330));
        assert_eq!((found.held.alive[&0], found.tried.alive[&0]), (110, 330));
        let mut later = Backtest::new(program(), paying(3), at("2026-05-01T00:00:00Z"), 2);
        later.add(history(1, &[10])).unwrap();
        assert_eq!(later.findings.tried.alive[&0], 0, "expired by then");
    }

    #[test]
    fn what_was_returned_counts_as_it_was() {
        let mut rules = Rules::per_purchase(1, 1_000_000);
        rules.rules[0].scope = Scope::Item;
        rules.rules[0].condition = "item.category == 'B' && activity.external_id.startsWith('web-')".into();
        let rules = program().compile(rules).unwrap();
        let set = RuleSet { version: 9, start: Time::MIN, end: Time::NEVER, rules };
        let tried = Program { rule_sets: vec![set], ..program() };
        let mut returned = history(1, &[100, 100]);
        for activity in &mut returned.activities {
            let line = |category: &str, quantity: i64, returned: i64| {
                let (category, amount_micros) = (category.to_owned(), 50_000_000);
                let sku = String::new();
                Line { item: LineItem { sku, category, quantity, amount_micros }, returned }
            };
            activity.detail.lines = vec![line("A", 2, 1), line("B", 1, 0)];
            activity.external_id = "web-7".into();
            (activity.returned_micros, activity.state) = (25_000_000, ActivityState::PartlyReversed);
        }
        let mut test = Backtest::new(program(), tried, at("2026-02-01T00:00:00Z"), 2);
        test.add(returned).unwrap();
        assert_eq!((test.findings.held.issued[&0], test.findings.tried.issued[&0]), (200, 100));
        assert_eq!(test.findings.tried.refused, 0);
    }

    #[test]
    fn each_member_is_asked_for_what_it_did() {
        let mut rules = Rules::per_purchase(2, 1_000_000);
        rules.rules[0].condition = "member.external_id == 'ben'".into();
        let rules = program().compile(rules).unwrap();
        let set = RuleSet { version: 9, start: Time::MIN, end: Time::NEVER, rules };
        let tried = Program { rule_sets: vec![set], ..program() };
        let [anna, ben] = ["anna", "ben"].map(|name| named(name, name.len() as u128));
        let mut shared = history(1, &[10, 20, 40, 80]);
        for (activity, who) in shared.activities.iter_mut().zip([&anna, &ben, &anna, &ben]) {
            activity.member_id = who.id;
        }
        shared.members = [anna, ben].into_iter().map(|one| (one.id, one)).collect();
        let mut test = Backtest::new(program(), tried, at("2026-02-01T00:00:00Z"), 2);
        assert!(test.names_member());
        test.add(shared).unwrap();
        assert_eq!((test.findings.held.issued[&0], test.findings.tried.issued[&0]), (150, 200));
    }

    fn named(external_id: &str, id: u128) -> Member {
        let (id, now) = (Uuid::from_u128(id), at("2026-01-01T00:00:00Z"));
        Member {
            id,
            program_id: "club".into(),
            external_id: external_id.into(),
            wallet_id: Uuid::from_u128(1),
            state: MemberState::Active,
            profile: Profile::default(),
            referred_by: None,
            merged_into: None,
            role: None,
            version: 1,
            create_time: now,
            update_time: now,
        }
    }

    #[test]
    fn what_was_taken_back_does_not_count() {
        let mut one = history(1, &[10, 20]);
        one.activities[0].state = ActivityState::Reversed;
        let mut test = Backtest::new(program(), paying(2), at("2026-02-01T00:00:00Z"), 2);
        test.add(one).unwrap();
        assert_eq!((test.findings.activities, test.findings.tried.issued[&0]), (1, 40));
    }

    #[test]
    fn years_of_membership_begin_with_the_membership_whatever_came_before() {
        let window = super::super::tiers::Window::Anniversary;
        let of = |points| {
            let program = paying(points);
            let policy = super::super::TierPolicy { window, ..program.ladder.policy.clone() };
            Program { ladder: super::super::Ladder { policy, ..program.ladder.clone() }, ..program }
        };
        let days = ["2020-02-10T10:00:00Z", "2025-05-01T10:00:00Z", "2025-07-01T10:00:00Z"].map(at);
        let bought = history(1, &[10, 600, 600]);
        let activities = bought.activities.into_iter().zip(days);
        let activities = activities.map(|(of, occurred_time)| Activity { occurred_time, ..of }).collect();
        let open_time = at("2024-06-15T10:00:00Z");
        let mut test = Backtest::new(of(1), of(2), at("2025-08-01T00:00:00Z"), 5);
        test.add(History { open_time, activities, ..bought }).unwrap();
        assert_eq!(test.findings.tiers, BTreeMap::from([((1, 1), 1)]), "600 in each of two years");
    }
}
