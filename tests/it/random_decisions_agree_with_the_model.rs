//! Random commands, with late purchases, clocks that lag and jumps of time, are decided by the rules of the
//! ledger as a simple model answers them, many times over. The seed is printed; `RAPPORT_SEED` plays a run
//! again.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use harness::house::START;
use harness::model::{Do, Model, Standing, Told, Totals};
use harness::model_client::{COINS, code};
use harness::model_program::{cents, program_of_shop, reward_of};
use harness::model_purses::{Purses, Shop};
use harness::model_rewards::{self, Offer, Part, Receipt, Wish};
use harness::reward_client::{code_number, price_id, reward_code, reward_id};
use loyalty::domain::{
    self, Activity, ActivityKind, ActivityRef, AdjustPoints, Bill, CancelActivity, CaptureRedemption,
    ChangeState, Command, ConfirmActivity, Context, CreateRedemption, Detail, ExtendExpiry, ExtendHold, Lot,
    MemberState, Past, Portion, Program, Purse, RecordActivity, RedeemReward, Redemption, RedemptionRefusal,
    RedemptionState, RefundRedemption, Refusal, ReinstatePoints, Reply, Returned, ReverseActivity, Reward,
    RewardRefusal, State, Stock, Supply, VoidRedemption, Wallet, rules,
};
use rand::RngExt;
use uuid::Uuid;

use crate::random_commands_agree_with_the_model::{any_command, any_pause, any_shop, seeded};

const COMMANDS: usize = 120_000;
const PER_WALLET: usize = 240;

#[test]
fn the_rules_alone_agree_with_the_model() {
    let mut rng = seeded();
    for _ in 0..COMMANDS / PER_WALLET {
        let shop = any_shop(&mut rng);
        let mut now = START.micros();
        let mut model = Purses::new(&shop, now);
        let mut ledger = Ledger::new(&shop, START);
        let (mut story, mut holds) = (Vec::new(), 0);
        for _ in 0..PER_WALLET {
            now += any_pause(&mut rng);
            let (purse, command) = any_command(&mut rng, &shop, now, &mut holds);
            story.push((now, purse, command));
            let decided_at = now.max(ledger.state.wallet.now.micros());
            let expected = model.run(purse, command, decided_at);
            let told = ledger.run((purse, command), now);
            model.assert_sound();
            let (wallet, models) = (&ledger.state.wallet, model.models());
            let numbers = 0..u32::try_from(models.len()).unwrap();
            let found: Vec<_> = numbers.map(|n| totals_of(wallet.purse(n))).collect();
            let totals: Vec<_> = models.iter().map(Model::totals).collect();
            assert_eq!((&told, found), (&expected, totals), "{shop:?}: {story:?}");
            let rank = usize::try_from(wallet.tier.rank).unwrap();
            assert_eq!(rank, models[0].tier(), "{shop:?}: {story:?}");
            if rng.random_bool(0.03) {
                let (reward, more) = (rng.random_range(0..shop.rewards.len()), rng.random_range(1..6));
                model.restock(reward, more);
                ledger.shelves[reward].restock(more);
            }
            let left: Vec<_> = (0..shop.rewards.len()).map(|n| model.left(n)).collect();
            let shelves: Vec<_> = ledger.shelves.iter().map(Shelf::left).collect();
            assert_eq!(shelves, left, "{shop:?}: {story:?}");
        }
    }
}

/// The rules of the service on one wallet, all of whose lots are in memory.
struct Ledger {
    program: Program,
    state: State,
    activities: HashMap<Uuid, Activity>,
    redemptions: HashMap<Uuid, Redemption>,
    counted: BTreeMap<rules::Counter, i64>,
    shelves: Vec<Shelf>,
}

/// A reward, and what there is of it.
struct Shelf {
    reward: Reward,
    remaining: i64,
    uploaded: i64,
    codes: Vec<String>,
}

impl Shelf {
    fn new(n: usize, offer: &Offer) -> Shelf {
        let reward = reward_of(n, offer);
        let mut shelf = Shelf { reward, remaining: 0, uploaded: 0, codes: Vec::new() };
        if let model_rewards::Supply::Units(units) | model_rewards::Supply::Codes(units) = offer.supply {
            shelf.restock(units);
        }
        shelf
    }

    fn restock(&mut self, units: i64) {
        self.remaining += units;
        self.codes.extend((self.uploaded..self.uploaded + units).map(reward_code));
        self.uploaded += units;
    }

    fn stock(&self) -> Stock {
        self.left().map_or(Stock::Unlimited, Stock::Remaining)
    }

    fn left(&self) -> Option<i64> {
        (self.reward.supply != Supply::Unlimited).then_some(self.remaining)
    }
}

fn id_of(key: u32) -> Uuid {
    Uuid::from_u128(u128::from(key) + 1)
}

impl Ledger {
    fn new(shop: &Shop, now: Time) -> Ledger {
        let program = program_of_shop(shop);
        let wallet = Wallet::opened(Uuid::from_u128(1), &program, now, 0);
        let state = State { past: Some(Past::default()), ..State::new(wallet) };
        let (activities, redemptions, counted) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let shelves = shop.rewards.iter().enumerate().map(|(n, offer)| Shelf::new(n, offer)).collect();
        Ledger { program, state, activities, redemptions, counted, shelves }
    }

    fn shelf(&mut self, reward_id: &str) -> &mut Shelf {
        let found = self.shelves.iter_mut().find(|shelf| shelf.reward.id == reward_id);
        found.expect("a reward that is offered")
    }

    fn run(&mut self, asked: (usize, Do), now: i64) -> Vec<Told> {
        let command = command_of(asked);
        let redemption = command.redemption().and_then(|id| self.redemptions.get(&id));
        let wanted = asked.1.wish().map(|wish| &self.shelves[wish.reward]);
        let had = redemption.map(|one| &one.reward_id);
        let pool = wanted.or_else(|| self.shelves.iter().find(|shelf| Some(&shelf.reward.id) == had));
        let taken = match &command {
            Command::RecordActivity(record) => Some(record.activity_id),
            _ => None,
        };
        let activity = command.activity().and_then(|named| match named {
            ActivityRef::Id(id) => self.activities.get(id),
            ActivityRef::External(_) => None,
        });
        let context = Context {
            used: &self.counted,
            activity_taken: taken.filter(|id| self.activities.contains_key(id)),
            activity,
            redemption,
            reward: wanted.map(|shelf| (&shelf.reward, shelf.stock())),
            codes: pool.map_or(&[], |shelf| &shelf.codes),
            ..Context::of(&self.program)
        };
        let now = Time::from_micros(now);
        let needs_past = command.needs_past(&self.state.wallet, &self.program, Time::MIN, now);
        let past = self.state.past.clone().filter(|_| needs_past);
        let given = State { past, counted: self.counted.clone(), ..self.state.clone() };
        let decision = domain::decide(&given, &command, context, now);
        self.state.evolve(&decision.outcome);
        for (reward_id, units) in &decision.outcome.stock {
            self.shelf(reward_id).remaining -= units;
        }
        if let Some((reward_id, codes)) = &decision.outcome.handed_out {
            self.shelf(reward_id).codes.drain(..codes);
        }
        for ((counter, _), units) in &decision.outcome.counted {
            *self.counted.entry(counter.clone()).or_default() += units;
        }
        for activity in decision.outcome.recorded.into_iter().chain(decision.outcome.changed.into_values()) {
            self.activities.insert(activity.id, activity);
        }
        let redemptions =
            decision.outcome.redemption.into_iter().chain(decision.outcome.resolved.into_values());
        self.redemptions.extend(redemptions.map(|one| (one.id, one)));
        self.check();
        let purses = || 0..=u32::from(self.program.further.iter().any(|one| one.points.code == COINS));
        let told = |of: &dyn Fn(u32) -> Told| purses().map(of).collect();
        match decision.answer {
            Ok(Reply::Done) if asked.1 == Do::Settle => told(&|_| Told::Done),
            Ok(Reply::Done) => vec![Told::Done],
            Ok(Reply::Redeemed(redemption)) => vec![Told::Redeemed(receipt_of(&redemption))],
            Ok(Reply::Refunded(redemption, points)) => {
                vec![Told::Refunded(receipt_of(&redemption), points)]
            }
            Ok(Reply::Points(points)) => points.values().map(|points| Told::Points(*points)).collect(),
            Ok(Reply::Recorded(activity)) => told(&|n| Told::Earned(activity.earning(n).points)),
            Ok(Reply::Confirmed(_, points)) => {
                told(&|n| Told::Released(points.get(&n).copied().unwrap_or(0)))
            }
            Ok(Reply::Reversed(_, reversals)) => told(&|n| {
                let r = reversals.iter().find(|one| one.purse == n).copied().unwrap_or_default();
                Told::Back([r.owed, r.from_pending, r.from_available, r.arrears, r.waived])
            }),
            Ok(Reply::State { forfeited, .. }) => {
                told(&|n| Told::Points(forfeited.get(&n).copied().unwrap_or(0)))
            }
            Err(refusal) => vec![Told::Refused(name(&refusal))],
        }
    }

    fn check(&self) {
        let State { wallet, lots, pending, .. } = &self.state;
        for (number, purse) in wallet.numbered() {
            let of = |lot: &&Lot| lot.key.purse == number;
            let open: i64 = lots.values().filter(of).map(|lot| lot.remaining).sum();
            let waiting: i64 = pending.values().filter(of).map(|lot| lot.remaining).sum();
            assert_eq!((open, waiting), (purse.totals.available, purse.totals.pending));
            let first = lots.values().find(of).map_or(Time::NEVER, |lot| lot.key.expire_time);
            assert_eq!(first, purse.first_expire);
            let of = |hold: &&Redemption| hold.purse == number;
            let held: i64 = self.state.holds.values().filter(of).map(|hold| hold.points).sum();
            assert_eq!(held, purse.totals.held);
        }
        let ends = self.state.holds.keys().next().map_or(Time::NEVER, |(end, _)| *end);
        assert_eq!(ends, wallet.next_hold, "{:?}", self.state.holds);
        let next = pending.keys().next().map_or(Time::NEVER, |(at, _)| *at);
        assert_eq!(next, wallet.next_release);
    }
}

fn command_of((purse, command): (usize, Do)) -> Command {
    let member_id = Uuid::from_u128(1);
    let (note, currency) = (String::new(), code(purse));
    let named = |key: u32| ActivityRef::Id(id_of(key));
    match command {
        Do::Settle => Command::Settle,
        Do::Become(to) => {
            let to = match to {
                Standing::Active => MemberState::Active,
                Standing::Suspended => MemberState::Suspended,
                Standing::Closed => MemberState::Closed,
            };
            Command::ChangeState(ChangeState { member_id, to, note })
        }
        Do::Buy { key, cents: paid, at } => Command::RecordActivity(RecordActivity {
            activity_id: id_of(key),
            member_id,
            kind: ActivityKind::Purchase,
            occurred_time: Some(Time::from_micros(at)),
            amount: Some(cents(paid)),
            external_id: key.to_string(),
            detail: Detail::default(),
        }),
        Do::Confirm(key) => Command::ConfirmActivity(ConfirmActivity { member_id, activity: named(key) }),
        Do::Cancel(key) => Command::CancelActivity(CancelActivity { member_id, activity: named(key), note }),
        Do::Return(key, part) => {
            let returned = part.map_or(Returned::Whole, |part| Returned::Amount(cents(part)));
            Command::ReverseActivity(ReverseActivity { member_id, activity: named(key), returned, note })
        }
        Do::Adjust(points) => Command::AdjustPoints(AdjustPoints {
            member_id,
            points,
            currency,
            note,
            expected_version: None,
            for_review: false,
        }),
        Do::Extend(before, to) => Command::ExtendExpiry(ExtendExpiry {
            currency,
            expiring_before: Time::from_micros(before),
            expire_time: Time::from_micros(to),
        }),
        Do::Reinstate(since) => Command::ReinstatePoints(ReinstatePoints {
            member_id,
            currency,
            expired_since: Time::from_micros(since),
            expire_time: None,
            note,
        }),
        Do::Hold(key, wish, seconds) => {
            let (what, hold_seconds) = (what(key, wish), Some(seconds));
            Command::CreateRedemption(CreateRedemption { what, hold_seconds })
        }
        Do::Redeem(key, wish) => Command::RedeemReward(what(key, wish)),
        Do::Capture(key, part) => {
            let (redemption_id, portion) = (id_of(key), portion_of(part));
            Command::CaptureRedemption(CaptureRedemption { redemption_id, portion })
        }
        Do::Void(key) => Command::VoidRedemption(VoidRedemption { redemption_id: id_of(key), note }),
        Do::Lengthen(key, seconds) => {
            Command::ExtendHold(ExtendHold { redemption_id: id_of(key), hold_seconds: Some(seconds) })
        }
        Do::Refund(key, part) => {
            let (redemption_id, portion) = (id_of(key), portion_of(part));
            Command::RefundRedemption(RefundRedemption { redemption_id, portion, note })
        }
    }
}

fn what(key: u32, wish: Wish) -> RedeemReward {
    RedeemReward {
        redemption_id: id_of(key),
        member_id: Uuid::from_u128(1),
        reward_id: reward_id(wish.reward),
        price_id: price_id(wish.price),
        quantity: wish.units,
        bill: wish.bill.map(|bill| Bill { amount: cents(bill.cents), points: bill.most }),
    }
}

fn portion_of(part: Part) -> Portion {
    match part {
        Part::All => Portion::Whole,
        Part::Points(points) => Portion::Points(points),
        Part::Units(units) => Portion::Quantity(units),
    }
}

fn receipt_of(redemption: &Redemption) -> Receipt {
    Receipt {
        points: redemption.points,
        captured: redemption.captured,
        refunded: redemption.refunded,
        units: redemption.quantity,
        units_captured: redemption.quantity_captured,
        bill: redemption.amount.map(|amount| amount.micros / 10_000),
        cents: redemption.money.map_or(0, |money| money.micros / 10_000),
        codes: redemption.codes.iter().map(|code| code_number(code)).collect(),
    }
}

fn name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ActivityExists { .. } => "ACTIVITY_EXISTS",
        Refusal::ActivityNotFound { .. } => "ACTIVITY_NOT_FOUND",
        Refusal::ActivityOver { .. } => "ACTIVITY_OVER",
        Refusal::ActivityReleased { .. } => "ACTIVITY_RELEASED",
        Refusal::ReturnExceedsActivity { .. } => "RETURN_EXCEEDS_ACTIVITY",
        Refusal::InsufficientPoints { .. } => "INSUFFICIENT_POINTS",
        Refusal::ExpiresInPast { .. } => "EXPIRES_IN_PAST",
        Refusal::MemberSuspended => "MEMBER_SUSPENDED",
        Refusal::MemberClosed => "MEMBER_CLOSED",
        Refusal::OutOfStock { .. } => "OUT_OF_STOCK",
        Refusal::LimitReached { .. } => "LIMIT_REACHED",
        Refusal::Reward(RewardRefusal::PriceNotFound { .. }) => "REWARD_PRICE_NOT_FOUND",
        Refusal::Reward(RewardRefusal::LimitReached { .. }) => "LIMIT_REACHED",
        Refusal::Reward(RewardRefusal::BillRequired) => "AMOUNT_REQUIRED",
        Refusal::Reward(RewardRefusal::NoPaymentRate) => "NO_PAYMENT_RATE",
        Refusal::Redemption(refusal) => match refusal {
            RedemptionRefusal::NotFound { .. } => "REDEMPTION_NOT_FOUND",
            RedemptionRefusal::Resolved { state: RedemptionState::Captured, .. } => "ALREADY_CAPTURED",
            RedemptionRefusal::Resolved { state: RedemptionState::Voided, .. } => "ALREADY_VOIDED",
            RedemptionRefusal::Resolved { .. } => "HOLD_EXPIRED",
            RedemptionRefusal::HoldEnds { .. } => "HOLD_ENDS",
            RedemptionRefusal::NotCaptured { .. } => "NOT_CAPTURED",
            RedemptionRefusal::CaptureExceedsHold { .. } => "CAPTURE_EXCEEDS_HOLD",
            RedemptionRefusal::RefundExceedsRedemption { .. } => "REFUND_EXCEEDS_REDEMPTION",
            RedemptionRefusal::HoldTooLong { .. } => panic!("no random hold is too long"),
        },
        other => panic!("no random command is refused so: {other:?}"),
    }
}

fn totals_of(purse: &Purse) -> Totals {
    let t = &purse.totals;
    let spent = [t.redeemed, t.expired, t.adjusted, t.waived, t.held];
    let [redeemed, expired, adjusted, waived, held] = spent;
    let owed = (t.arrears, t.issued, t.reversed);
    [t.pending, t.available, owed.0, owed.1, owed.2, redeemed, expired, adjusted, waived, held]
}
