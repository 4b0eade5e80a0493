//! One decision: settle, then one command.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, Outcome};
use super::{
    Activity, AdjustPoints, Lot, LotKey, Program, RecordActivity, RedeemReward, Redemption, Refusal, Reward,
    Stock, Wallet, adjust_points, record_activity, redeem_reward, settle, warn_expiry,
};

/// What a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The wallet.
    pub wallet: Wallet,
    /// Open lots in the order of debits, from the first on, if the wallet has something due or the command
    /// debits: all that are due, as many as cover the debit, and one more. Otherwise they may be absent.
    pub lots: BTreeMap<LotKey, Lot>,
}

/// What a command may look up.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The wallet's program.
    pub program: &'a Program,
    /// The activity of this wallet that already has the command's external id.
    pub activity_taken: Option<Uuid>,
    /// The reward that the command names, with its stock.
    pub reward: Option<(&'a Reward, Stock)>,
}

/// What can be done to a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply what is due; nothing else.
    Settle,
    /// Record an activity.
    RecordActivity(RecordActivity),
    /// Give or take points by hand.
    AdjustPoints(AdjustPoints),
    /// Spend points on a reward.
    RedeemReward(RedeemReward),
}

/// What a command that was done answers, beside the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing further.
    Done,
    /// The activity as recorded.
    Recorded(Activity),
    /// The redemption made.
    Redeemed(Redemption),
}

/// A command's outcome, which holds what was settled even if the command itself is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Everything to be written.
    pub outcome: Outcome,
    /// The answer.
    pub answer: Result<Reply, Refusal>,
}

impl Command {
    /// Up to which expiry this command needs lots at `now`, beyond those that cover its debit; `None` if it
    /// needs none.
    pub fn lots_until(&self, state: &State, program: &Program, now: Time) -> Option<Time> {
        let now = now.max(state.wallet.now);
        if matches!(self, Command::Settle) && warn_expiry::is_due(state, now) {
            return Some(warn_expiry::covered_until(program.time_zone, now).max(now));
        }
        state.has_due(now).then_some(now)
    }

    /// The most points this command may debit, given the reward's price; 0 if it debits none.
    pub fn debit_max(&self, reward: Option<&Reward>) -> i64 {
        match self {
            Command::Settle | Command::RecordActivity(_) => 0,
            Command::AdjustPoints(adjust) => adjust.points.saturating_neg().max(0),
            Command::RedeemReward(redeem) => {
                reward.map_or(0, |r| r.price_points.saturating_mul(redeem.quantity))
            }
        }
    }
}

/// Decides one command at `now`, which counts as the wallet's last `now` if that is later.
///
/// # Panics
/// If the state breaks an invariant: the caller guards each decision.
pub fn decide(state: &State, command: &Command, context: Context<'_>, now: Time) -> Decision {
    let mut settled = Book::open(state, context.program, now);
    settle::settle(&mut settled).expect("what is due was counted when it was credited");
    let mut book = settled.clone();
    let answer = match command {
        Command::Settle => warn_expiry::warn(&mut book).map(|()| Reply::Done),
        Command::RecordActivity(c) => record_activity::record(&mut book, c, context.activity_taken),
        Command::AdjustPoints(c) => adjust_points::adjust(&mut book, c),
        Command::RedeemReward(c) => redeem_reward::redeem(&mut book, c, context.reward),
    };
    match answer.and_then(|reply| Ok((reply, book.close()?))) {
        Ok((reply, outcome)) => Decision { outcome, answer: Ok(reply) },
        Err(refusal) => {
            let outcome = settled.close().expect("what is due was counted when it was credited");
            Decision { outcome, answer: Err(refusal) }
        }
    }
}

/// The wallet as it stands at `now`, with everything due applied but nothing written.
pub fn view(state: &State, program: &Program, now: Time) -> Wallet {
    let context = Context { program, activity_taken: None, reward: None };
    let mut wallet = decide(state, &Command::Settle, context, now).outcome.wallet;
    // Nothing was written, so this is still the stored version.
    wallet.version = state.wallet.version;
    wallet
}

impl State {
    /// The state after an outcome that was decided on this one.
    pub fn evolve(&mut self, outcome: &Outcome) {
        for (key, lot) in &outcome.lots {
            if lot.remaining > 0 {
                self.lots.insert(*key, lot.clone());
            } else {
                self.lots.remove(key);
            }
        }
        self.wallet = outcome.wallet.clone();
    }

    /// True if a decision at this moment needs the lots that are due.
    pub fn has_due(&self, now: Time) -> bool {
        settle::needs_lots(self, now)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        Account, ActivityKind, Currency, EarningRule, Event, Expiry, Ladder, Life, Money, PointCurrency,
        Posting, Reason, Tier,
    };

    const DAY: i64 = 86_400_000_000;

    fn at(text: &str) -> Time {
        Time::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    fn usd() -> Currency {
        Currency::try_new("USD").unwrap()
    }

    fn program() -> Program {
        let tier = |id: &str, units: i64| Tier {
            id: id.into(),
            display_name: id.into(),
            threshold_micros: units * 1_000_000,
        };
        Program {
            id: "club".into(),
            display_name: "Club".into(),
            time_zone: chrono_tz::UTC,
            currency: usd(),
            points: PointCurrency { code: "points".into(), display_name: "Points".into() },
            rule: Some(EarningRule { points: 1, per_micros: 1_000_000, version: 3 }),
            expiry: Expiry { life: Life::RollingDays(90), round_to: None },
            ladder: Ladder { tiers: vec![tier("base", 0), tier("silver", 1_000), tier("gold", 2_500)] },
            version: 1,
            create_time: Time::MIN,
        }
    }

    /// A wallet with all its lots, as a ledger of one.
    struct Ledger {
        program: Program,
        state: State,
        postings: Vec<Posting>,
        events: Vec<Event>,
    }

    impl Ledger {
        fn opened(now: Time) -> Ledger {
            let program = program();
            let wallet = Wallet::opened(Uuid::from_u128(1), &program, now, 0);
            let state = State { wallet, lots: BTreeMap::new() };
            Ledger { program, state, postings: Vec::new(), events: Vec::new() }
        }

        fn run(&mut self, command: &Command, now: Time) -> Result<Reply, Refusal> {
            let reward = reward(100);
            let context = Context {
                program: &self.program,
                activity_taken: None,
                reward: Some((&reward, Stock::Unlimited)),
            };
            let decision = decide(&self.state, command, context, now);
            self.state.evolve(&decision.outcome);
            self.postings.extend(decision.outcome.postings);
            self.events = decision.outcome.events;
            let open: i64 = self.state.lots.values().map(|lot| lot.remaining).sum();
            assert_eq!(open, self.state.wallet.totals.available);
            let first = self.state.lots.keys().next().map_or(Time::NEVER, |key| key.expire_time);
            assert_eq!(first, self.state.wallet.next_expire);
            decision.answer
        }

        fn earn(&mut self, units: i64, occurred: Time, now: Time) -> Result<Reply, Refusal> {
            self.run(&purchase(units * 1_000_000, Some(occurred)), now)
        }

        fn available(&self) -> i64 {
            self.state.wallet.totals.available
        }
    }

    fn purchase(micros: i64, occurred_time: Option<Time>) -> Command {
        Command::RecordActivity(RecordActivity {
            activity_id: Uuid::from_u128(7),
            member_id: Uuid::from_u128(1),
            kind: ActivityKind::Purchase,
            occurred_time,
            amount: Some(Money { currency: usd(), micros }),
            external_id: String::new(),
        })
    }

    fn reward(price_points: i64) -> Reward {
        Reward {
            program_id: "club".into(),
            id: "mug".into(),
            display_name: "Mug".into(),
            price_points,
            version: 5,
            create_time: Time::MIN,
            counted: false,
        }
    }

    fn redeem(quantity: i64) -> Command {
        Command::RedeemReward(RedeemReward {
            redemption_id: Uuid::from_u128(9),
            member_id: Uuid::from_u128(1),
            reward_id: "mug".into(),
            quantity,
        })
    }

    fn adjust(points: i64, expected_version: Option<i64>) -> Command {
        let note = "goodwill".to_owned();
        Command::AdjustPoints(AdjustPoints { member_id: Uuid::from_u128(1), points, note, expected_version })
    }

    #[test]
    fn points_live_until_the_microsecond_of_their_expiry() {
        let earned = at("2017-01-01T13:39:43Z");
        let expiry = earned.plus_micros(90 * DAY);
        for (shift, left) in [(-1, 100), (0, 0), (1, 0)] {
            let mut ledger = Ledger::opened(earned);
            ledger.earn(100, earned, earned).unwrap();
            let now = expiry.plus_micros(shift);
            assert_eq!(view(&ledger.state, &ledger.program, now).totals.available, left, "{shift} us");
            ledger.run(&Command::Settle, now).unwrap();
            assert_eq!(ledger.available(), left, "{shift} us");
            assert_eq!(ledger.state.wallet.totals.expired, 100 - left);
        }
    }

    #[test]
    fn expiry_takes_effect_at_its_own_moment_whenever_it_is_settled() {
        let earned = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(earned);
        ledger.earn(10, earned, earned).unwrap();
        ledger.earn(20, earned.plus_micros(DAY), earned.plus_micros(DAY)).unwrap();
        let late = earned.plus_micros(300 * DAY);
        ledger.run(&Command::Settle, late).unwrap();
        let expired: Vec<_> = ledger.postings.iter().filter(|p| p.reason == Reason::Expire).collect();
        let when: Vec<_> = expired.iter().map(|p| (p.points, p.effective_time, p.create_time)).collect();
        let due = |days: i64| earned.plus_micros(days * DAY);
        assert_eq!(when, [(10, due(90), late), (20, due(91), late)]);
        let [Event::PointsExpired { lots, available: 0 }] = ledger.events.as_slice() else {
            panic!("one event for all that expired: {:?}", ledger.events)
        };
        assert_eq!(lots.len(), 2);
    }

    #[test]
    fn an_activity_that_earns_nothing_is_an_activity_and_nothing_else() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.run(&purchase(990_000, None), now).unwrap();
        assert!(matches!(ledger.events.as_slice(), [Event::ActivityRecorded { .. }]));
        assert!(ledger.postings.is_empty() && ledger.state.lots.is_empty());
        assert_eq!(ledger.state.wallet.version, 2);
        assert_eq!(ledger.state.wallet.spend.current_micros, 990_000);
    }

    #[test]
    fn a_backdated_purchase_is_opened_and_expired_in_one_commit() {
        let now = at("2026-01-01T00:00:00Z");
        let occurred = at("2017-03-01T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(5, now, now).unwrap();
        ledger.earn(30, occurred, now).unwrap();
        assert_eq!(ledger.available(), 5);
        let effective: Vec<_> = ledger.postings[1..].iter().map(|p| (p.reason, p.effective_time)).collect();
        assert_eq!(effective, [(Reason::Earn, occurred), (Reason::Expire, occurred.plus_micros(90 * DAY))]);
        assert_eq!(ledger.state.wallet.spend.current_micros, 5_000_000, "2017 is not the current year");
    }

    #[test]
    fn debits_take_the_earliest_expiry_first_and_say_from_which_lots() {
        let now = at("2017-06-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(80, now, now).unwrap();
        ledger.earn(50, now.plus_micros(-DAY), now).unwrap();
        let context = Context {
            program: &ledger.program,
            activity_taken: None,
            reward: Some((&reward(100), Stock::Unlimited)),
        };
        let decision = decide(&ledger.state, &redeem(1), context, now);
        let taken: Vec<_> = decision.outcome.allocations.iter().map(|a| (a.lot_number, a.points)).collect();
        assert_eq!(taken, [(2, 50), (1, 50)]);
        assert_eq!(decision.outcome.wallet.totals.available, 30);
        assert_eq!(decision.outcome.postings[0].credit, Account::Redeemed);
        assert_eq!(decision.outcome.wallet.next_expire, now.plus_micros(90 * DAY));
    }

    #[test]
    fn a_refused_command_still_settles_what_was_due() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(150, now, now).unwrap();
        let refused = ledger.run(&redeem(1), now.plus_micros(90 * DAY));
        assert_eq!(refused, Err(Refusal::InsufficientPoints { needed: 100, available: 0 }));
        assert_eq!(ledger.state.wallet.totals.expired, 150);
        assert_eq!(ledger.state.wallet.totals.redeemed, 0);
    }

    #[test]
    fn business_time_never_goes_back_behind_the_last_decision() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(150, now, now).unwrap();
        ledger.run(&Command::Settle, now.plus_micros(90 * DAY)).unwrap();
        ledger.run(&adjust(1, None), now).unwrap();
        assert_eq!(ledger.postings.last().unwrap().create_time, now.plus_micros(90 * DAY));
    }

    #[test]
    fn a_tier_rises_at_once_and_falls_after_the_following_year() {
        let now = at("2017-05-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(2_500, now, now).unwrap();
        assert_eq!(ledger.state.wallet.tier_rank, 3);
        assert!(
            matches!(ledger.events.last(), Some(Event::TierChanged { to_tier_id: to, .. }) if to == "gold")
        );
        ledger.run(&Command::Settle, at("2018-12-31T23:59:59.999999Z")).unwrap();
        assert_eq!(ledger.state.wallet.tier_rank, 3);
        let end = at("2019-01-01T00:00:00Z");
        assert_eq!(ledger.state.wallet.next_due, end);
        ledger.run(&Command::Settle, at("2019-07-01T00:00:00Z")).unwrap();
        assert_eq!(ledger.state.wallet.tier_rank, 1);
        assert!(matches!(
            ledger.events.last(),
            Some(Event::TierChanged { effective_time, .. }) if *effective_time == end
        ));
    }

    #[test]
    fn refusals_leave_everything_as_it_was() {
        let now = at("2017-05-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(10, now, now).unwrap();
        let before = ledger.state.clone();
        let foreign = Money { currency: Currency::try_new("EUR").unwrap(), micros: 1 };
        let mut in_euro = purchase(0, None);
        if let Command::RecordActivity(record) = &mut in_euro {
            record.amount = Some(foreign);
        }
        let future = now.plus_micros(DAY);
        for (command, refusal) in [
            (redeem(1), Refusal::InsufficientPoints { needed: 100, available: 10 }),
            (redeem(i64::MAX), Refusal::AmountOverflow),
            (adjust(-11, None), Refusal::InsufficientPoints { needed: 11, available: 10 }),
            (adjust(1, Some(9)), Refusal::VersionMismatch { expected: 9, actual: 2 }),
            (in_euro, Refusal::CurrencyMismatch { expected: usd(), given: foreign.currency }),
            (purchase(1, Some(future)), Refusal::OccurredInFuture { occurred: future, now }),
        ] {
            assert_eq!(ledger.run(&command, now), Err(refusal));
            assert_eq!(ledger.state, before);
        }
    }

    #[test]
    fn totals_that_would_not_fit_are_refused() {
        let now = at("2017-05-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.expiry = Expiry::NEVER;
        ledger.run(&adjust(i64::MAX - 1, None), now).unwrap();
        assert_eq!(ledger.run(&adjust(2, None), now), Err(Refusal::AmountOverflow));
        assert_eq!(ledger.available(), i64::MAX - 1);
    }

    #[test]
    fn the_last_units_of_a_counted_stock() {
        let now = at("2017-05-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(500, now, now).unwrap();
        let reward = reward(100);
        let decide_with = |remaining: i64, quantity: i64| {
            let stock = Some((&reward, Stock::Remaining(remaining)));
            let context = Context { program: &ledger.program, activity_taken: None, reward: stock };
            decide(&ledger.state, &redeem(quantity), context, now)
        };
        assert_eq!(decide_with(2, 2).outcome.stock_taken, 2);
        let refused = decide_with(1, 2);
        let told = Refusal::OutOfStock { reward_id: "mug".into(), remaining: 1 };
        assert_eq!((refused.answer, refused.outcome.stock_taken), (Err(told), 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Earn { units: i64, days_ago: i64 },
        Redeem,
        Adjust(i64),
        Wait(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..400_i64, 0..200_i64).prop_map(|(units, days_ago)| Step::Earn { units, days_ago }),
            Just(Step::Redeem),
            (-200..200_i64).prop_filter("not zero", |p| *p != 0).prop_map(Step::Adjust),
            (0..120_i64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 1..60)
    }

    /// Plays the steps, settling before each one that `worker` says. Every decision asserts its own
    /// invariants.
    fn play(steps: &[Step], worker: impl Fn(usize) -> bool) -> (Ledger, Vec<Result<Reply, Refusal>>) {
        let mut now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        let mut answers = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            if worker(i) {
                ledger.run(&Command::Settle, now).unwrap();
            }
            match step {
                Step::Earn { units, days_ago } => {
                    answers.push(ledger.earn(*units, now.plus_micros(-days_ago * DAY), now));
                }
                Step::Redeem => answers.push(ledger.run(&redeem(1), now)),
                Step::Adjust(points) => answers.push(ledger.run(&adjust(*points, None), now)),
                Step::Wait(days) => now = now.plus_micros(days * DAY),
            }
        }
        ledger.run(&Command::Settle, now).unwrap();
        (ledger, answers)
    }

    proptest! {
        /// No answer depends on when a worker came by.
        #[test]
        fn workers_change_nothing_but_when(steps in steps(), seed in any::<u64>()) {
            let (alone, answers) = play(&steps, |_| false);
            let (helped, same) = play(&steps, |i| seed.rotate_left(u32::try_from(i % 64).unwrap()) & 1 == 1);
            prop_assert_eq!(answers, same);
            prop_assert_eq!(alone.state.wallet.totals, helped.state.wallet.totals);
            prop_assert_eq!(alone.state.wallet.tier_rank, helped.state.wallet.tier_rank);
            prop_assert_eq!(&alone.state.lots, &helped.state.lots);
        }
    }
}
