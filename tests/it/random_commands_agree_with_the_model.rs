//! Random commands of 64 callers at once, with retries, races and jumps of time, are answered by the running
//! service as a simple model answers them. The seed is printed; `RAPPORT_SEED` plays a run again.

use std::collections::BTreeMap;

use ambient::Time;
use futures::future::join_all;
use harness::calls::{balance, enroll_in, request_id};
use harness::house::{House, START};
use harness::model::{DAY, Do, Model, Policy, Release, Returns, Standing, Told};
use harness::model_caps::{Anew, Cap};
use harness::model_client::{call, create_shop, totals_in};
use harness::model_life::{Lasts, Life};
use harness::model_purses::{Purses, Shop};
use harness::model_rewards::{Bill, Limit, Offer, Part, Price, Rate, Supply, Wish};
use harness::model_tiers::{Falls, Later, Span, Tiers};
use harness::reward_client::{Redemptions, left, quote, restock};
use proto::rapport::loyalty::v1 as pb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;

in_process! { sixty_four_callers_agree_with_the_model; }

pub(crate) fn seeded() -> StdRng {
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
    let (life, sliding) = any_life(rng);
    Policy {
        points_per_dollar: rng.random_range(1..4),
        release,
        cap: any_cap(rng),
        life,
        sliding,
        returns: returns[rng.random_range(0..3)],
        grace_days: rng.random_bool(0.5).then(|| rng.random_range(1..40)),
        tiers: any_tiers(rng),
    }
}

/// How long points live, and whether what the member does lets them live on.
fn any_life(rng: &mut StdRng) -> (Life, bool) {
    let (lasts, may_slide) = match rng.random_range(0..8) {
        0..4 => (Lasts::Days(rng.random_range(1..100)), true),
        4 | 5 => (Lasts::Months(rng.random_range(1..5)), true),
        6 => {
            let (month, day) = [(2, 29), (12, 31), (1, 1), (6, 30)][rng.random_range(0..4)];
            (Lasts::Until(month, day, rng.random_range(0..2)), false)
        }
        _ => (Lasts::Endless, false),
    };
    let rounded = rng.random_bool(0.3).then(|| [1, 3, 12][rng.random_range(0..3)]);
    (Life { lasts, rounded }, may_slide && rng.random_bool(0.4))
}

fn any_cap(rng: &mut StdRng) -> Option<Cap> {
    let anew = [Anew::Purchase, Anew::Day, Anew::Month, Anew::Never][rng.random_range(0..4)];
    let most = if anew == Anew::Never { 6_000 } else { 1_200 };
    rng.random_bool(0.4).then(|| Cap {
        points: rng.random_range(0..most),
        anew,
        rejects: rng.random_bool(0.3),
        of_program: anew != Anew::Purchase && rng.random_bool(0.4),
    })
}

pub(crate) fn any_shop(rng: &mut StdRng) -> Shop {
    let main = any_policy(rng);
    let coins = rng.random_bool(0.5).then(|| {
        let (life, sliding) = any_life(rng);
        Policy { points_per_dollar: rng.random_range(1..4), cap: any_cap(rng), life, sliding, ..main }
    });
    let purses: Vec<_> = [main].into_iter().chain(coins).collect();
    let rewards = (0..REWARDS).map(|_| any_offer(rng, purses.len())).collect();
    Shop { purses, by_credits: rng.random_bool(0.5), rewards }
}

fn any_offer(rng: &mut StdRng, purses: usize) -> Offer {
    // What pays bills has one price, and no money beside it.
    let pays = rng.random_bool(0.3);
    let mut price = || Price {
        purse: rng.random_range(0..purses),
        points: PRICES[rng.random_range(0..PRICES.len())],
        cents: if pays || rng.random_bool(0.6) { 0 } else { rng.random_range(1..5_000) },
    };
    let prices = [price(), price(), price()];
    let others = if pays { 0 } else { rng.random_range(0..3) };
    let rate = Rate { cents: rng.random_range(1..1_000), step: [1, 5, 100][rng.random_range(0..3)] };
    let supply = match rng.random_range(0..4) {
        0 => Supply::Units(rng.random_range(0..9)),
        1 => Supply::Codes(rng.random_range(0..9)),
        _ => Supply::Endless,
    };
    let limit = Limit { units: rng.random_range(1..6), daily: rng.random_bool(0.7) };
    Offer {
        prices: prices[..=others].to_vec(),
        rate: pays.then_some(rate),
        supply,
        limit: rng.random_bool(0.4).then_some(limit),
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
    let later = rng.random_bool(0.5).then(|| {
        let steps: [&[i64]; 4] = [&[500, 3_000], &[2_000, 2_600, 4_000], &[900, 1_000], &[5_000, 6_000]];
        let falls = [Falls::Recalculate, Falls::OneDown, Falls::Never][rng.random_range(0..3)];
        Later {
            days: rng.random_range(1..250),
            dollars: steps[rng.random_range(0..4)],
            falls,
            grace_days: if ends && falls != Falls::Never { rng.random_range(0..100) } else { 0 },
        }
    });
    Tiers { dollars: &[1_000, 2_500], span, falls, grace_days, later }
}

/// A command, and the purse that it is about if it names one.
pub(crate) fn any_command(rng: &mut StdRng, shop: &Shop, now: i64, holds: &mut u32) -> (usize, Do) {
    let purse = rng.random_range(0..shop.purses.len());
    let redeems = rng.random_bool(0.35);
    (purse, if redeems { any_redemption(rng, &shop.rewards, holds) } else { any_deed(rng, now) })
}

/// Something about one of the last rewards that were had or held, or a new one, whose key is the next of
/// `holds`.
fn any_redemption(rng: &mut StdRng, rewards: &[Offer], holds: &mut u32) -> Do {
    let seconds = rng.random_range(1..2_592_001);
    let about = PRICES[rng.random_range(0..PRICES.len())];
    let key = holds.saturating_sub(rng.random_range(1..9));
    let part = match rng.random_range(0..5) {
        0 | 1 => Part::All,
        2 | 3 => Part::Points(rng.random_range(1..about + 20)),
        _ => Part::Units(rng.random_range(1..4)),
    };
    match rng.random_range(0..14) {
        n @ 0..8 => {
            *holds += 1;
            let (key, wish) = (*holds - 1, any_wish(rng, rewards));
            if n < 5 { Do::Hold(key, wish, seconds) } else { Do::Redeem(key, wish) }
        }
        8 | 9 => Do::Capture(key, part),
        10 => Do::Void(key),
        11 => Do::Lengthen(key, seconds),
        _ => Do::Refund(key, part),
    }
}

/// Some name a price that there is not, a bill that is not paid so, or none where one is.
fn any_wish(rng: &mut StdRng, rewards: &[Offer]) -> Wish {
    let reward = rng.random_range(0..rewards.len());
    let Offer { prices, rate, .. } = &rewards[reward];
    let prices = prices.len();
    let price = if rng.random_bool(0.02) { prices } else { rng.random_range(0..prices) };
    let pays = rate.is_some() != rng.random_bool(0.02);
    let bill = pays.then(|| any_bill(rng));
    let units = if bill.is_some() || rng.random_bool(0.7) { 1 } else { rng.random_range(2..5) };
    Wish { reward, price, units, bill }
}

fn any_bill(rng: &mut StdRng) -> Bill {
    let below = [50, 20_000][rng.random_range(0..2)];
    let most = rng.random_bool(0.4).then(|| rng.random_range(1..500));
    Bill { cents: rng.random_range(1..below), most }
}

fn any_deed(rng: &mut StdRng, now: i64) -> Do {
    if rng.random_bool(0.06) {
        return Do::Become(any_standing(rng));
    }
    let key = rng.random_range(0..24);
    match rng.random_range(0..20) {
        0..7 => {
            let cents = rng.random_range(0..60_000);
            let days_ago = if rng.random_bool(0.7) { 0 } else { rng.random_range(0..150) };
            Do::Buy { key, cents, at: now - days_ago * DAY - rng.random_range(0..2) }
        }
        7..9 => Do::Confirm(key),
        9 => Do::Cancel(key),
        10 | 11 => Do::Return(key, None),
        12..15 => Do::Return(key, Some(rng.random_range(1..20_000))),
        15 => Do::Adjust(rng.random_range(1..300)),
        16 => Do::Adjust(-rng.random_range(1..300)),
        17 => Do::Extend(now + rng.random_range(0..60) * DAY, now + rng.random_range(-1..90) * DAY),
        18 => Do::Reinstate(now - rng.random_range(0..90) * DAY),
        _ => Do::Settle,
    }
}

/// Few leave, and who is suspended is so for a while.
fn any_standing(rng: &mut StdRng) -> Standing {
    match rng.random_range(0..50) {
        0 => Standing::Closed,
        1..10 => Standing::Suspended,
        _ => Standing::Active,
    }
}

const PRICES: [i64; 4] = [7, 20, 100, 450];
const REWARDS: usize = 6;

pub(crate) fn any_pause(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..10) {
        0..5 => 0,
        5..8 => rng.random_range(0..3 * DAY),
        8 => rng.random_range(0..60) * DAY,
        // The clock of another replica may be behind.
        _ => -rng.random_range(0..600_000_000),
    }
}

const MEMBERS: usize = 9;
const ROUNDS: usize = 12;
const CALLERS: usize = 64;
const PER_CALLER: usize = 4;

/// The program of a member.
fn program_id(member: usize) -> String {
    format!("program-{member}")
}

/// What a caller asked of a member and was told, with the balance after it.
struct Asked {
    member: usize,
    purse: usize,
    command: Do,
    told: Vec<Told>,
    balance: Option<pb::Balance>,
}

async fn sixty_four_callers_agree_with_the_model(house: House) {
    let mut rng = seeded();
    let client = house.client();
    let (mut members, mut holds) = (Vec::new(), [0; MEMBERS]);
    let redemptions = Redemptions::default();
    for n in 0..MEMBERS {
        let mut shop = any_shop(&mut rng);
        // The running service changes tiers from the next day on.
        for later in shop.purses.iter_mut().filter_map(|policy| policy.tiers.later.as_mut()) {
            later.days = 1;
        }
        let program_id = program_id(n);
        create_shop(&client, &program_id, &shop).await;
        let member_id = enroll_in(&client, &program_id, "anna").await;
        let model = Purses::new(&shop, START.micros());
        members.push((member_id, model, shop));
    }
    let mut now = START.micros();
    for _ in 0..ROUNDS {
        let callers = (0..CALLERS).map(|_| {
            let mut any = || {
                let (member, twice) = (rng.random_range(0..MEMBERS), rng.random_bool(0.2));
                let (purse, command) = any_command(&mut rng, &members[member].2, now, &mut holds[member]);
                // The rules of some of the programs hold only from then on.
                let command = match command {
                    Do::Buy { key, cents, at } => Do::Buy { key, cents, at: at.max(START.micros()) },
                    other => other,
                };
                (member, (purse, command), twice && command != Do::Settle)
            };
            let commands: Vec<_> = (0..PER_CALLER).map(|_| any()).collect();
            call_one_after_the_other(&client, &members, commands, &redemptions)
        });
        let callers: Vec<_> = callers.collect();
        let asked: Vec<Asked> = join_all(callers).await.into_iter().flatten().collect();
        let mut by_member: BTreeMap<usize, Vec<Asked>> = BTreeMap::new();
        asked.into_iter().for_each(|one| by_member.entry(one.member).or_default().push(one));
        for (member, asked) in by_member {
            let (member_id, model, _) = &mut members[member];
            replay(model, asked, now);
            check_balance(&client, member_id, model, now).await;
            for reward in 0..REWARDS {
                let found = left(&client, &program_id(member), reward).await;
                assert_eq!(found, model.left(reward), "{reward} of {member}");
                let bill = any_bill(&mut rng);
                let quoted = quote(&client, member_id, reward, bill).await;
                assert_eq!(quoted, model.quote(reward, bill).map_err(str::to_owned), "{bill:?}");
            }
            let (reward, more) = (rng.random_range(0..REWARDS), rng.random_range(1..6));
            restock(&client, &program_id(member), reward, model.supply(reward), more).await;
            model.restock(reward, more);
        }
        now += any_pause(&mut rng).abs() + rng.random_range(0..20) * DAY;
        house.clock().advance_to(Time::from_micros(now));
    }
    house.end().await;
}

/// Plays what was done in the order in which it was committed; what was refused must have been refused in
/// one of the states between.
fn replay(model: &mut Purses, asked: Vec<Asked>, now: i64) {
    let (refused, mut done): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|one| matches!(one.told[0], Told::Refused(_)));
    let version = |one: &Asked| one.balance.as_ref().map_or(0, |balance| balance.version);
    // What changed nothing has the version of what it came after.
    let nothing = |told: &Told| matches!(told, Told::Released(0) | Told::Points(0));
    let changed_nothing = |one: &Asked| one.told.iter().all(nothing) || one.command == Do::Settle;
    done.sort_by_key(|one| (version(one), changed_nothing(one)));
    model.run(0, Do::Settle, now);
    let mut states = vec![model.clone()];
    for one in done {
        let expected = model.run(one.purse, one.command, now);
        model.assert_sound();
        let purse = if one.command.names_currency() { model.about(one.purse, one.command) } else { 0 };
        let totals = Some(model.models()[purse].totals());
        // Whoever changes a state is told no balance.
        let has_balance = !matches!(one.command, Do::Become(_));
        let found = if has_balance { one.balance.map(|balance| totals_in(&balance)) } else { totals };
        let told = with_nothing(one.told, expected.len());
        assert_eq!((told, found), (expected, totals), "{:?} of {}", one.command, one.purse);
        states.push(model.clone());
    }
    for one in refused {
        let same = |state: &Purses| state.clone().run(one.purse, one.command, now) == one.told;
        assert!(states.iter().any(same), "{:?} was never to be {:?}", one.command, one.told);
    }
}

/// What was nothing of a further currency is not told.
fn with_nothing(mut told: Vec<Told>, purses: usize) -> Vec<Told> {
    let nothing = match &told[0] {
        Told::Earned(_) => Told::Earned(0),
        Told::Released(_) => Told::Released(0),
        Told::Back(_) => Told::Back([0; 5]),
        other => other.clone(),
    };
    told.resize(purses.max(told.len()), nothing);
    told
}

async fn check_balance(client: &Client, member_id: &str, model: &Purses, now: i64) {
    for view in [pb::BalanceView::Basic, pb::BalanceView::Full] {
        let member_id = member_id.to_owned();
        let request = pb::GetBalanceRequest { member_id, view: view.into(), ..Default::default() };
        let read = balance(client, request).await.unwrap();
        let balances: Vec<_> = read.balance.into_iter().chain(read.further_balances).collect();
        let found: Vec<_> = balances.iter().map(totals_in).collect();
        let totals: Vec<_> = model.models().iter().map(Model::totals).collect();
        assert_eq!(found, totals, "{view:?} at {now}");
        let rank = usize::try_from(read.tier.unwrap().rank).unwrap();
        assert_eq!(rank, model.models()[0].tier(), "{view:?} at {now}");
        for balance in balances.iter().filter(|_| view == pb::BalanceView::Full) {
            let expiring: i64 = balance.expiries.iter().map(|bucket| bucket.points).sum();
            assert_eq!(expiring, balance.available);
        }
    }
}

fn call_one_after_the_other<'a>(
    client: &Client,
    members: &[(String, Purses, Shop)],
    commands: Vec<(usize, (usize, Do), bool)>,
    redemptions: &'a Redemptions,
) -> impl Future<Output = Vec<Asked>> + use<'a> {
    let client = client.clone();
    let ids: Vec<String> = commands.iter().map(|(member, ..)| members[*member].0.clone()).collect();
    async move {
        let mut asked = Vec::new();
        for ((member, command, twice), member_id) in commands.into_iter().zip(ids) {
            let request_id = request_id();
            let first = call(&client, &request_id, &member_id, command, redemptions);
            let (told, balance) = if twice {
                let second = call(&client, &request_id, &member_id, command, redemptions);
                let (first, second) = tokio::join!(first, second);
                assert_eq!(first, second, "one request id, one answer");
                first
            } else {
                first.await
            };
            let (purse, command) = command;
            asked.push(Asked { member, purse, command, told, balance });
        }
        asked
    }
}
