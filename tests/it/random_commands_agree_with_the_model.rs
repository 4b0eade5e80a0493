//! Random commands, with retries, races and jumps of time, are answered as a simple model answers them: the
//! rules alone many times over, and the running service with 64 callers at once. The seed is printed;
//! `RAPPORT_SEED` plays a run again.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use futures::future::join_all;
use harness::calls::{balance, create_program_like, enroll_in, request_id};
use harness::house::{House, START};
use harness::model::{DAY, Do, Model, Policy, Release, Returns, Told, Totals};
use harness::model_client::{call, offer, program_message, totals_in};
use harness::model_tiers::{Falls, Span, Tiers};
use loyalty::domain::{
    self, Activity, ActivityKind, ActivityRef, AdjustPoints, CancelActivity, Command, ConfirmActivity,
    Context, Currency, Detail, Downgrade, EarningRule, Expiry, ExtendExpiry, Ladder, Life, Money, Past,
    PointCurrency, Program, RecordActivity, RedeemReward, Refusal, ReinstatePoints, Reply, ReturnPolicy,
    Returned, ReverseActivity, Reward, State, Stock, Tier, TierPolicy, Wallet, Window,
};
use proto::rapport::loyalty::v1 as pb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;
use uuid::Uuid;

in_process! { sixty_four_callers_agree_with_the_model; }

const COMMANDS: usize = 120_000;
const PER_WALLET: usize = 240;

fn seeded() -> StdRng {
    let given =
        std::env::var("RAPPORT_SEED").ok().map(|seed| seed.parse().expect("RAPPORT_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(rand::random);
    eprintln!("RAPPORT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn any_policy(rng: &mut StdRng) -> Policy {
    let release = match rng.random_range(0..4) {
        0 => Release::AtOnce,
        1 => Release::OnConfirmation,
        _ => Release::AfterDays(rng.random_range(1..40)),
    };
    let returns = [Returns::OnlyPending, Returns::WithinBalance, Returns::Unlimited];
    Policy {
        points_per_dollar: rng.random_range(1..4),
        release,
        life_days: rng.random_range(1..100),
        sliding: rng.random_bool(0.3),
        returns: returns[rng.random_range(0..3)],
        tiers: any_tiers(rng),
    }
}

fn any_tiers(rng: &mut StdRng) -> Tiers {
    let span = match rng.random_range(0..4) {
        0 => Span::CalendarYear,
        1 => Span::Anniversary,
        2 => Span::Months(rng.random_range(1..18)),
        _ => Span::Lifetime,
    };
    let falls = [Falls::Recalculate, Falls::OneDown, Falls::Never][rng.random_range(0..3)];
    let ends = span != Span::Lifetime && falls != Falls::Never;
    let grace_days = if ends && rng.random_bool(0.5) { rng.random_range(1..100) } else { 0 };
    Tiers { dollars: &[1_000, 2_500], span, falls, grace_days }
}

fn any_command(rng: &mut StdRng, now: i64) -> Do {
    let key = rng.random_range(0..24);
    match rng.random_range(0..22) {
        0..7 => {
            let cents = rng.random_range(0..60_000);
            let days_ago = if rng.random_bool(0.7) { 0 } else { rng.random_range(0..150) };
            Do::Buy { key, cents, at: now - days_ago * DAY - rng.random_range(0..2) }
        }
        7..9 => Do::Confirm(key),
        9 => Do::Cancel(key),
        10 | 11 => Do::Return(key, None),
        12..15 => Do::Return(key, Some(rng.random_range(0..20_000))),
        15 => Do::Adjust(rng.random_range(1..300)),
        16 => Do::Adjust(-rng.random_range(1..300)),
        17 | 18 => Do::Redeem(PRICES[rng.random_range(0..PRICES.len())]),
        19 => Do::Extend(now + rng.random_range(0..60) * DAY, now + rng.random_range(-1..90) * DAY),
        20 => Do::Reinstate(now - rng.random_range(0..90) * DAY),
        _ => Do::Settle,
    }
}

const PRICES: [i64; 3] = [7, 100, 450];

fn any_pause(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..10) {
        0..5 => 0,
        5..8 => rng.random_range(0..3 * DAY),
        8 => rng.random_range(0..60) * DAY,
        // The clock of another replica may be behind.
        _ => -rng.random_range(0..600_000_000),
    }
}

#[test]
fn the_rules_alone_agree_with_the_model() {
    let mut rng = seeded();
    for _ in 0..COMMANDS / PER_WALLET {
        let policy = any_policy(&mut rng);
        let mut now = START.micros();
        let mut model = Model::new(policy, now);
        let mut ledger = Ledger::new(policy, START);
        let mut story = Vec::new();
        for n in 0..PER_WALLET {
            now += any_pause(&mut rng);
            let command = any_command(&mut rng, now);
            story.push((now, command));
            let decided_at = now.max(ledger.state.wallet.now.micros());
            let (expected, told) = (model.run(command, decided_at), ledger.run(command, n, now));
            model.assert_sound();
            let rank = usize::try_from(ledger.state.wallet.tier.rank).unwrap();
            let found = (told, totals_of(&ledger.state.wallet), rank);
            assert_eq!(found, (expected, model.totals(), model.tier()), "{policy:?}: {story:?}");
        }
    }
}

/// The rules of the service on one wallet, all of whose lots are in memory.
struct Ledger {
    program: Program,
    state: State,
    activities: HashMap<Uuid, Activity>,
}

fn usd_currency() -> Currency {
    Currency::try_new("USD").unwrap()
}

fn cents(cents: i64) -> Money {
    Money { currency: usd_currency(), micros: cents * 10_000 }
}

pub(crate) fn program_of(policy: Policy) -> Program {
    let tier = |(n, dollars): (usize, &i64)| Tier::plain(format!("tier-{n}"), dollars * 1_000_000);
    let rule = EarningRule { points: policy.points_per_dollar, per_micros: 1_000_000 };
    Program {
        id: "club".into(),
        display_name: "Club".into(),
        time_zone: chrono_tz::UTC,
        currency: usd_currency(),
        points: PointCurrency { code: "points".into(), display_name: "Points".into() },
        rule: Some(rule),
        rule_sets: rule.rule_set(chrono_tz::UTC, Time::NEVER).into_iter().collect(),
        release: match policy.release {
            Release::AtOnce => domain::Release::AtOnce,
            Release::AfterDays(days) => domain::Release::AfterDays(u32::try_from(days).unwrap()),
            Release::OnConfirmation => domain::Release::OnConfirmation,
        },
        expiry: Expiry {
            life: Life::RollingDays(u32::try_from(policy.life_days).unwrap()),
            round_to: None,
            sliding: policy.sliding,
        },
        return_policy: match policy.returns {
            Returns::OnlyPending => ReturnPolicy::OnlyPending,
            Returns::WithinBalance => ReturnPolicy::WithinBalance,
            Returns::Unlimited => ReturnPolicy::Unlimited,
        },
        ladder: Ladder {
            tiers: [0].iter().chain(policy.tiers.dollars).enumerate().map(tier).collect(),
            policy: tier_policy_of(policy.tiers),
        },
        referral: None,
        velocity: Vec::new(),
        version: 1,
        create_time: Time::MIN,
    }
}

fn tier_policy_of(tiers: Tiers) -> TierPolicy {
    TierPolicy {
        window: match tiers.span {
            Span::CalendarYear => Window::CalendarYear,
            Span::Anniversary => Window::Anniversary,
            Span::Months(months) => Window::RollingMonths(months),
            Span::Lifetime => Window::Lifetime,
        },
        downgrade: match tiers.falls {
            Falls::Recalculate => Downgrade::Recalculate,
            Falls::OneDown => Downgrade::OneDown,
            Falls::Never => Downgrade::Never,
        },
        grace_days: tiers.grace_days,
        ..TierPolicy::default()
    }
}

fn id_of(key: u32) -> Uuid {
    Uuid::from_u128(u128::from(key) + 1)
}

impl Ledger {
    fn new(policy: Policy, now: Time) -> Ledger {
        let program = program_of(policy);
        let wallet = Wallet::opened(Uuid::from_u128(1), &program, now, 0);
        let state = State { past: Some(Past::default()), ..State::new(wallet) };
        Ledger { program, state, activities: HashMap::new() }
    }

    fn run(&mut self, command: Do, n: usize, now: i64) -> Told {
        let (command, reward) = command_of(command, n);
        let taken = match &command {
            Command::RecordActivity(record) => Some(record.activity_id),
            _ => None,
        };
        let activity = command.activity().and_then(|named| match named {
            ActivityRef::Id(id) => self.activities.get(id),
            ActivityRef::External(_) => None,
        });
        let context = Context {
            activity_taken: taken.filter(|id| self.activities.contains_key(id)),
            activity,
            reward: reward.as_ref().map(|reward| (reward, Stock::Unlimited)),
            ..Context::of(&self.program)
        };
        let now = Time::from_micros(now);
        let needs_past = command.needs_past(&self.state.wallet, &self.program, Time::MIN, now);
        let given = State { past: self.state.past.clone().filter(|_| needs_past), ..self.state.clone() };
        let decision = domain::decide(&given, &command, context, now);
        self.state.evolve(&decision.outcome);
        for activity in decision.outcome.recorded.into_iter().chain(decision.outcome.changed) {
            self.activities.insert(activity.id, activity);
        }
        self.check();
        match decision.answer {
            Ok(Reply::Done | Reply::Redeemed(_)) => Told::Done,
            Ok(Reply::Points(points)) => Told::Points(points),
            Ok(Reply::Recorded(activity)) => Told::Earned(activity.points),
            Ok(Reply::Confirmed(_, points)) => Told::Released(points),
            Ok(Reply::Reversed(_, r)) => {
                Told::Back([r.owed, r.from_pending, r.from_available, r.arrears, r.waived])
            }
            Ok(Reply::State { .. }) => unreachable!("no random command changes a state"),
            Err(refusal) => Told::Refused(name(&refusal)),
        }
    }

    fn check(&self) {
        let State { wallet, lots, pending, .. } = &self.state;
        let open: i64 = lots.values().map(|lot| lot.remaining).sum();
        let waiting: i64 = pending.values().map(|lot| lot.remaining).sum();
        assert_eq!((open, waiting), (wallet.totals.available, wallet.totals.pending));
        let first = lots.keys().next().map_or(Time::NEVER, |key| key.expire_time);
        let next = pending.keys().next().map_or(Time::NEVER, |(at, _)| *at);
        assert_eq!((first, next), (wallet.first_expire, wallet.next_release));
    }
}

/// The command, and the reward that it names.
fn command_of(command: Do, n: usize) -> (Command, Option<Reward>) {
    let member_id = Uuid::from_u128(1);
    let note = String::new();
    let mut reward = None;
    let named = |key: u32| ActivityRef::Id(id_of(key));
    let command = match command {
        Do::Settle => Command::Settle,
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
            note,
            expected_version: None,
            for_review: false,
        }),
        Do::Extend(before, to) => Command::ExtendExpiry(ExtendExpiry {
            expiring_before: Time::from_micros(before),
            expire_time: Time::from_micros(to),
        }),
        Do::Reinstate(since) => Command::ReinstatePoints(ReinstatePoints {
            member_id,
            expired_since: Time::from_micros(since),
            expire_time: None,
            note,
        }),
        Do::Redeem(price) => {
            reward = Some(priced(price));
            let redemption_id = Uuid::from_u128(n as u128);
            let reward_id = "mug".to_owned();
            Command::RedeemReward(RedeemReward { redemption_id, member_id, reward_id, quantity: 1 })
        }
    };
    (command, reward)
}

fn priced(price_points: i64) -> Reward {
    Reward {
        program_id: "club".into(),
        id: "mug".into(),
        display_name: "Mug".into(),
        price_points,
        version: 1,
        create_time: Time::MIN,
        counted: false,
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
        other => panic!("no random command is refused so: {other:?}"),
    }
}

fn totals_of(wallet: &Wallet) -> Totals {
    let t = &wallet.totals;
    [t.pending, t.available, t.arrears, t.issued, t.reversed, t.redeemed, t.expired, t.adjusted, t.waived]
}

const MEMBERS: usize = 9;
const ROUNDS: usize = 12;
const CALLERS: usize = 64;
const PER_CALLER: usize = 4;

/// What a caller asked of a member and was told, with the balance after it.
struct Asked {
    member: usize,
    command: Do,
    told: Told,
    balance: Option<pb::Balance>,
}

async fn sixty_four_callers_agree_with_the_model(house: House) {
    let mut rng = seeded();
    let client = house.client();
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let policy = any_policy(&mut rng);
        let program_id = format!("program-{n}");
        create_program_like(&client, program_message(&program_id, policy)).await;
        for price in PRICES {
            offer(&client, &program_id, price).await;
        }
        let member_id = enroll_in(&client, &program_id, "anna").await;
        members.push((member_id, Model::new(policy, START.micros())));
    }
    let mut now = START.micros();
    for _ in 0..ROUNDS {
        let callers = (0..CALLERS).map(|_| {
            let commands: Vec<(usize, Do, bool)> = (0..PER_CALLER)
                .map(|_| (rng.random_range(0..MEMBERS), any_command(&mut rng, now), rng.random_bool(0.2)))
                .map(|(member, command, twice)| (member, command, twice && command != Do::Settle))
                .collect();
            call_one_after_the_other(&client, &members, commands)
        });
        let callers: Vec<_> = callers.collect();
        let asked: Vec<Asked> = join_all(callers).await.into_iter().flatten().collect();
        let mut by_member: BTreeMap<usize, Vec<Asked>> = BTreeMap::new();
        asked.into_iter().for_each(|one| by_member.entry(one.member).or_default().push(one));
        for (member, asked) in by_member {
            let (member_id, model) = &mut members[member];
            replay(model, asked, now);
            check_balance(&client, member_id, model, now).await;
        }
        now += any_pause(&mut rng).abs() + rng.random_range(0..20) * DAY;
        house.clock().advance_to(Time::from_micros(now));
    }
    house.end().await;
}

/// Plays what was done in the order in which it was committed; what was refused must have been refused in
/// one of the states between.
fn replay(model: &mut Model, asked: Vec<Asked>, now: i64) {
    let (refused, mut done): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|one| matches!(one.told, Told::Refused(_)));
    let version = |one: &Asked| one.balance.as_ref().map_or(0, |balance| balance.version);
    // What changed nothing has the version of what it came after.
    let changed_nothing =
        |one: &Asked| matches!(one.told, Told::Released(0) | Told::Points(0)) || one.command == Do::Settle;
    done.sort_by_key(|one| (version(one), changed_nothing(one)));
    model.run(Do::Settle, now);
    let mut states = vec![model.clone()];
    for one in done {
        let expected = model.run(one.command, now);
        model.assert_sound();
        let found = one.balance.map(|balance| totals_in(&balance));
        assert_eq!((one.told, found), (expected, Some(model.totals())), "{:?}", one.command);
        states.push(model.clone());
    }
    for one in refused {
        let same = |state: &Model| state.clone().run(one.command, now) == one.told;
        assert!(states.iter().any(same), "{:?} was never to be {:?}", one.command, one.told);
    }
}

async fn check_balance(client: &Client, member_id: &str, model: &Model, now: i64) {
    for view in [pb::BalanceView::Basic, pb::BalanceView::Full] {
        let member_id = member_id.to_owned();
        let request = pb::GetBalanceRequest { member_id, view: view.into(), ..Default::default() };
        let read = balance(client, request).await.unwrap();
        let (balance, tier) = (read.balance.unwrap(), read.tier.unwrap());
        let rank = usize::try_from(tier.rank).unwrap();
        assert_eq!((totals_in(&balance), rank), (model.totals(), model.tier()), "{view:?} at {now}");
        if view == pb::BalanceView::Full {
            let expiring: i64 = balance.expiries.iter().map(|bucket| bucket.points).sum();
            assert_eq!(expiring, balance.available);
        }
    }
}

fn call_one_after_the_other(
    client: &Client,
    members: &[(String, Model)],
    commands: Vec<(usize, Do, bool)>,
) -> impl Future<Output = Vec<Asked>> + use<> {
    let client = client.clone();
    let ids: Vec<String> = commands.iter().map(|(member, ..)| members[*member].0.clone()).collect();
    async move {
        let mut asked = Vec::new();
        for ((member, command, twice), member_id) in commands.into_iter().zip(ids) {
            let request_id = request_id();
            let first = call(&client, &request_id, &member_id, command);
            let (told, balance) = if twice {
                let (first, second) = tokio::join!(first, call(&client, &request_id, &member_id, command));
                assert_eq!(first, second, "one request id, one answer");
                first
            } else {
                first.await
            };
            asked.push(Asked { member, command, told, balance });
        }
        asked
    }
}
