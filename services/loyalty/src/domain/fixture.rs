//! A ledger of one wallet for the tests of the rules.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::rules::Counter;
use super::*;

pub(super) const DAY: i64 = 86_400_000_000;

pub(super) fn at(text: &str) -> Time {
    Time::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

pub(super) fn usd() -> Currency {
    Currency::try_new("USD").unwrap()
}

pub(super) fn program() -> Program {
    let tier = |id: &str, units: i64| Tier::plain(id, units * 1_000_000);
    Program {
        id: "club".into(),
        display_name: "Club".into(),
        time_zone: chrono_tz::UTC,
        currency: usd(),
        points: PointCurrency { code: "points".into(), display_name: "Points".into(), unit_cost_micros: 0 },
        further: Vec::new(),
        rule: None,
        rule_sets: EarningRule { points: 1, per_micros: 1_000_000 }
            .rule_set(chrono_tz::UTC, Time::NEVER)
            .into_iter()
            .collect(),
        release: Release::AtOnce,
        return_policy: ReturnPolicy::WithinBalance,
        expiry: Expiry { life: Life::RollingDays(90), round_to: None, sliding: false },
        redemption: RedemptionPolicy::DEFAULT,
        ladder: Ladder::of(vec![tier("base", 0), tier("silver", 1_000), tier("gold", 2_500)]),
        referral: None,
        velocity: Vec::new(),
        version: 1,
        create_time: Time::MIN,
    }
}

/// A wallet with all its lots, as a ledger of one.
#[derive(Clone)]
pub(super) struct Ledger {
    pub(super) program: Program,
    pub(super) state: State,
    pub(super) postings: Vec<Posting>,
    pub(super) events: Vec<Event>,
    activities: BTreeMap<Uuid, Activity>,
    redemptions: BTreeMap<Uuid, Redemption>,
    pub(super) used: BTreeMap<Counter, i64>,
    /// What is redeemed: 100 points each.
    pub(super) reward: Reward,
    /// The pool of its codes.
    pub(super) codes: Vec<String>,
    taken: i64,
}

impl Ledger {
    pub(super) fn opened(now: Time) -> Ledger {
        let program = program();
        let wallet = Wallet::opened(Uuid::from_u128(1), &program, now, 0);
        let state = State { past: Some(Past::default()), lots_until: Time::NEVER, ..State::new(wallet) };
        Ledger {
            program,
            state,
            postings: Vec::new(),
            events: Vec::new(),
            activities: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            used: BTreeMap::new(),
            reward: reward(100),
            codes: Vec::new(),
            taken: 0,
        }
    }

    pub(super) fn run(&mut self, command: &Command, now: Time) -> Result<Reply, Refusal> {
        let stock = match self.reward.supply {
            Supply::Unlimited => Stock::Unlimited,
            Supply::Counted | Supply::Codes => Stock::Remaining(self.codes.len() as i64 - self.taken),
        };
        let activity = command.activity().and_then(|named| match named {
            ActivityRef::Id(id) => self.activities.get(id),
            ActivityRef::External(_) => None,
        });
        let redemption = command.redemption().and_then(|id| self.redemptions.get(&id));
        let context = Context {
            activity,
            redemption,
            used: &self.used,
            reward: Some((&self.reward, stock)),
            codes: &self.codes,
            ..Context::of(&self.program)
        };
        let needs_past = command.needs_past(&self.state.wallet, &self.program, Time::MIN, now);
        let past = self.state.past.clone().filter(|_| needs_past);
        let given = State { past, counted: self.used.clone(), ..self.state.clone() };
        let decision = decide(&given, command, context, now);
        self.state.evolve(&decision.outcome);
        self.postings.extend(decision.outcome.postings);
        self.events = decision.outcome.events;
        self.taken += decision.outcome.stock.values().sum::<i64>();
        if let Some((_, handed_out)) = decision.outcome.handed_out {
            self.codes.drain(..handed_out);
            self.taken -= handed_out as i64;
        }
        for ((counter, _), points) in decision.outcome.counted {
            *self.used.entry(counter).or_default() += points;
        }
        for activity in decision.outcome.recorded.into_iter().chain(decision.outcome.changed.into_values()) {
            self.activities.insert(activity.id, activity);
        }
        for redemption in
            decision.outcome.redemption.into_iter().chain(decision.outcome.resolved.into_values())
        {
            self.redemptions.insert(redemption.id, redemption);
        }
        let held: i64 = self.state.holds.values().map(|hold| hold.points).sum();
        assert_eq!(held, self.state.wallet.main().totals.held);
        let ends = self.state.holds.keys().next().map_or(Time::NEVER, |(end, _)| *end);
        assert_eq!(ends, self.state.wallet.next_hold);
        let open: i64 = self.state.lots.values().map(|lot| lot.remaining).sum();
        assert_eq!(open, self.state.wallet.main().totals.available);
        let first = self.state.lots.keys().next().map_or(Time::NEVER, |key| key.expire_time);
        assert_eq!(first, self.state.wallet.main().first_expire);
        decision.answer
    }

    pub(super) fn earn(&mut self, units: i64, occurred: Time, now: Time) -> Result<Reply, Refusal> {
        self.run(&purchase(units * 1_000_000, Some(occurred)), now)
    }

    /// What was recorded.
    pub(super) fn activity(&self) -> &Activity {
        &self.activities[&Uuid::from_u128(7)]
    }

    pub(super) fn redemption(&self, id: u128) -> &Redemption {
        &self.redemptions[&Uuid::from_u128(id)]
    }

    /// As of activities that were granted when all periods of a rule had one counter.
    pub(super) fn forget_rooms_of_named_periods(&mut self) {
        let rooms = self.activities.values_mut().map(|activity| &mut activity.pinned.room);
        rooms.for_each(|room| room.retain(|counter, _| !counter.name.contains('/')));
    }

    pub(super) fn available(&self) -> i64 {
        self.state.wallet.main().totals.available
    }
}

pub(super) fn purchase(micros: i64, occurred_time: Option<Time>) -> Command {
    Command::RecordActivity(RecordActivity {
        activity_id: Uuid::from_u128(7),
        member_id: Uuid::from_u128(1),
        kind: ActivityKind::Purchase,
        occurred_time,
        amount: Some(Money { currency: usd(), micros }),
        external_id: String::new(),
        detail: Detail::default(),
    })
}

pub(super) fn reward(price_points: i64) -> Reward {
    Reward {
        program_id: "club".into(),
        id: "mug".into(),
        display_name: "Mug".into(),
        price: Price::of(price_points, ""),
        terms: RewardTerms::default(),
        supply: Supply::Unlimited,
        version: 5,
        create_time: Time::MIN,
    }
}

pub(super) fn redeem(quantity: i64) -> Command {
    Command::RedeemReward(mugs(9, quantity))
}

pub(super) fn hold(id: u128, quantity: i64, hold_seconds: i64) -> Command {
    let (what, hold_seconds) = (mugs(id, quantity), Some(hold_seconds));
    Command::CreateRedemption(CreateRedemption { what, hold_seconds })
}

fn mugs(id: u128, quantity: i64) -> RedeemReward {
    RedeemReward {
        redemption_id: Uuid::from_u128(id),
        member_id: Uuid::from_u128(1),
        reward_id: "mug".into(),
        price_id: String::new(),
        quantity,
        bill: None,
    }
}

pub(super) fn adjust(points: i64, expected_version: Option<i64>) -> Command {
    let note = "goodwill".to_owned();
    Command::AdjustPoints(AdjustPoints {
        member_id: Uuid::from_u128(1),
        points,
        currency: String::new(),
        note,
        expected_version,
        for_review: false,
    })
}

pub(super) fn reverse(returned: Returned) -> Command {
    let (member_id, activity) = (Uuid::from_u128(1), ActivityRef::Id(Uuid::from_u128(7)));
    Command::ReverseActivity(ReverseActivity { member_id, activity, returned, note: "broken".into() })
}

pub(super) fn usd_micros(micros: i64) -> Money {
    Money { currency: usd(), micros }
}
