//! Random purchases, gifts, returns, holds, goodwill and jumps of time, while members are merged and told
//! apart, join households and leave them, give what a list of points with names and ends gives. Everything is
//! done twice, with points and with coins: the lots of the one are those of the other.

use ambient::Time;
use harness::calls::{PROGRAM, balance_of, create_program_like, enroll, program, reason, request_id};
use harness::crowd_client::ask;
use harness::holds::{capture, captured, held, hold, refund, refunded, void, voided};
use harness::house::{House, START};
use harness::model_client::COINS;
use harness::model_crowd::{Crowd, Deed, HOUR, PRICE};
use harness::model_kept::Keep;
use harness::model_rewards::{Limit, Offer};
use harness::moves::household;
use harness::reward_client::{offer, reward_id};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rand::RngExt;
use rand::rngs::StdRng;
use rpc::client::Client;

use crate::points_are_of_several_currencies::{coins, of};
use crate::random_commands_agree_with_the_model::seeded;
use crate::rules_say_what_activities_earn::{per_dollar, under};

in_process! {
    wherever_points_go_they_are_the_ones_of_the_model;
}

const STEPS: usize = 1_500;
const MEMBERS: usize = 6;
const HOUSEHOLDS: usize = 2;
/// How long points for what is bought are pending.
const DELAY_DAYS: i32 = 2;
/// How many units of a reward a wallet may have on a day.
const UNITS: i64 = 6;
const CODES: [&str; 2] = ["points", COINS];

/// Something that somebody does, and what was bought before.
pub(crate) fn any_deed(
    rng: &mut StdRng,
    (members, households): (usize, usize),
    bought: &mut Vec<usize>,
) -> Deed {
    let (name, step) = (rng.random_range(0..members), rng.random_range(1..members));
    let (other, points) = ((name + step) % members, rng.random_range(1..300));
    match rng.random_range(0..19) {
        0..5 => {
            bought.push(name);
            Deed::Buy(name, u32::try_from(bought.len()).unwrap(), points)
        }
        5..8 => Deed::Redeem(name),
        8..11 => Deed::Give(name, other, points),
        11 => Deed::Adjust(name, points),
        12 => Deed::Adjust(name, -points),
        13..15 if !bought.is_empty() => {
            let n = rng.random_range(bought.len().saturating_sub(40)..bought.len());
            let part = rng.random_bool(0.7).then(|| rng.random_range(1..150));
            Deed::Reverse(bought[n], u32::try_from(n + 1).unwrap(), part)
        }
        15 => Deed::Merge(name, other),
        16 => Deed::Unmerge(name),
        17 => Deed::Join(name, members + rng.random_range(0..households)),
        _ => Deed::Leave(name),
    }
}

/// Points live longer, or again. They end on the hour, as holds do not.
fn any_goodwill(rng: &mut StdRng, now: i64) -> Deed {
    let (name, mut hours) = (rng.random_range(0..MEMBERS), |range| rng.random_range(range) * HOUR);
    let (before, to, since) = (hours(0..2_000), hours(-50..3_000), hours(0..500));
    if rng.random() { Deed::Extend(name, now + before, now + to) } else { Deed::Reinstate(name, now - since) }
}

/// What was bought some time ago is waited for no longer.
fn any_end_of_waiting(rng: &mut StdRng, bought: &[usize]) -> Option<Deed> {
    let n = rng.random_range(bought.len().saturating_sub(30)..=bought.len());
    let (name, key) = (*bought.get(n)?, u32::try_from(n + 1).unwrap());
    Some(if rng.random() { Deed::Confirm(name, key) } else { Deed::Cancel(name, key) })
}

/// The suite beside its model.
struct Both {
    client: Client,
    model: Crowd,
    ids: Vec<String>,
    /// What was held, with points and with coins.
    kept: Vec<[String; 2]>,
}

impl Both {
    /// With points, and then with coins if it is about one currency.
    async fn run(&mut self, deed: Deed) {
        let expected = self.model.run(deed).map(|done| done.told);
        let named = match deed {
            Deed::Give(..) | Deed::Adjust(..) | Deed::Redeem(_) | Deed::Extend(..) | Deed::Reinstate(..) => {
                true
            }
            Deed::Buy(..)
            | Deed::Reverse(..)
            | Deed::Confirm(..)
            | Deed::Cancel(..)
            | Deed::Merge(..)
            | Deed::Unmerge(_)
            | Deed::Join(..)
            | Deed::Leave(_) => false,
        };
        for purse in 0..if named { CODES.len() } else { 1 } {
            let told = ask(&self.client, &self.ids, &request_id(), (purse, deed)).await;
            let wanted = expected.clone().map(|told| vec![told; if named { 1 } else { CODES.len() }]);
            // Nothing of a further currency is not told.
            let told = told.map(|(mut told, _)| {
                told.resize(if named { 1 } else { CODES.len() }, vec![0]);
                told
            });
            let told = told.map_err(|status| reason(&status));
            assert_eq!(told, wanted.map_err(str::to_owned), "{deed:?}");
        }
    }

    /// Holds points and then coins, or does something with what one of the last few holds took.
    async fn keep(&mut self, rng: &mut StdRng) {
        let (name, count) = (rng.random_range(0..MEMBERS), self.kept.len());
        let seconds = 60 + i64::try_from(count % 800).unwrap();
        let what = match rng.random_range(0..8) {
            0..4 => Keep::Hold(seconds),
            4 => Keep::Capture,
            5 => Keep::Void,
            _ => Keep::Refund,
        };
        let key = match what {
            Keep::Hold(_) => count,
            _ if count == 0 => return,
            _ => rng.random_range(count.saturating_sub(20)..count),
        };
        let expected = self.model.keep(name, key, what);
        let mut made: [String; 2] = Default::default();
        for (purse, id) in made.iter_mut().enumerate() {
            let told = self.ask_to_keep((name, key), purse, what).await;
            assert_eq!(told.as_ref().map(|_| ()).map_err(String::as_str), expected, "{what:?} {key}");
            *id = told.unwrap_or_default();
        }
        if expected.is_ok() && key == count {
            self.kept.push(made);
        }
    }

    async fn ask_to_keep(
        &self,
        (name, key): (usize, usize),
        purse: usize,
        what: Keep,
    ) -> Result<String, String> {
        let (client, member_id) = (&self.client, self.ids[name].clone());
        let redemption_id = self.kept.get(key).map(|ids| ids[purse].clone()).unwrap_or_default();
        let of = pb::Redemption { member_id, redemption_id, ..Default::default() };
        let told = match what {
            Keep::Hold(seconds) => {
                let asked = hold(&of.member_id, &reward_id(purse), seconds);
                held(client, asked).await.map(|done| done.redemption)
            }
            Keep::Capture => captured(client, capture(&of)).await.map(|done| done.redemption),
            Keep::Void => voided(client, void(&of)).await.map(|done| done.redemption),
            Keep::Refund => refunded(client, refund(&of, None)).await.map(|done| done.redemption),
        };
        told.map(|redemption| redemption.unwrap().redemption_id).map_err(|status| reason(&status))
    }

    /// Nothing is left of what was bought when it is given back, but what is on hold, or is refunded later.
    async fn give_back_what_is_gone(&mut self, rng: &mut StdRng, bought: &[usize]) {
        let n = rng.random_range(bought.len().saturating_sub(20)..=bought.len());
        let Some(name) = bought.get(n).copied() else { return };
        let points = self.model.available(self.model.wallet(name));
        if points > 0 {
            self.run(Deed::Adjust(name, -points)).await;
        }
        self.run(Deed::Reverse(name, u32::try_from(n + 1).unwrap(), None)).await;
    }

    async fn check(&self, name: usize) {
        let wallet = self.model.wallet(name);
        let balance = balance_of(&self.client, &self.ids[name]).await;
        let wanted = (self.model.pending(wallet), self.model.available(wallet));
        assert_eq!((balance.pending, balance.available), wanted);
        let request = pb::ListLotsRequest {
            member_id: self.ids[name].clone(),
            open_only: true,
            page_size: 1_000,
            ..Default::default()
        };
        let lots = PointsServiceClient::new(self.client.clone()).list_lots(request).await.unwrap();
        let end =
            |lot: &pb::Lot| lot.expire_time.map(|at| at.seconds * 1_000_000 + i64::from(at.nanos / 1_000));
        let there = self.model.lots(wallet);
        let wanted: Vec<_> = there.iter().map(|lot| (Some(lot.end), lot.left, &self.ids[lot.name])).collect();
        for code in CODES {
            let lots = lots.get_ref().lots.iter().filter(|lot| lot.currency_code == code);
            let seen: Vec<_> = lots.map(|lot| (end(lot), lot.remaining, &lot.member_id)).collect();
            assert_eq!(seen, wanted, "{code}");
        }
    }
}

async fn wherever_points_go_they_are_the_ones_of_the_model(house: House) {
    let mut rng = seeded();
    let client = house.client();
    let coins = pb::FurtherCurrency { expiry_policy: program(PROGRAM).expiry_policy, ..coins() };
    let after = pb::release_policy::Policy::AfterDays(DELAY_DAYS);
    let wanted = pb::Program {
        further_currencies: vec![coins],
        release_policy: Some(pb::ReleasePolicy { policy: Some(after) }),
        ..program(PROGRAM)
    };
    create_program_like(&client, wanted).await;
    under(&client, vec![per_dollar("points", 1), of(COINS, per_dollar("coins", 1))]).await;
    for purse in 0..CODES.len() {
        let limit = Some(Limit { units: UNITS, daily: true });
        offer(&client, PROGRAM, purse, &Offer { limit, ..Offer::plain(purse, PRICE) }).await;
    }
    let mut ids = Vec::new();
    for n in 0..MEMBERS {
        ids.push(enroll(&client, &format!("member {n}")).await);
    }
    for _ in 0..HOUSEHOLDS {
        ids.push(household(&client, PROGRAM).await);
    }
    let mut now = START.micros();
    let model = Crowd::new(MEMBERS, now).limited(UNITS).delayed(24 * HOUR * i64::from(DELAY_DAYS));
    let mut both = Both { client, model, ids, kept: Vec::new() };
    let mut bought = Vec::new();
    for _ in 0..STEPS {
        // No two returns are made, and no two holds end, at the same moment.
        now += 1_000_001;
        if rng.random_bool(0.05) {
            now += rng.random_range(1..200) * HOUR;
        }
        house.clock().advance_to(Time::from_micros(now));
        both.model.wait_until(now);
        if rng.random_bool(0.3) {
            both.keep(&mut rng).await;
        } else if rng.random_bool(0.1) {
            both.give_back_what_is_gone(&mut rng, &bought).await;
        } else if rng.random_bool(0.1) {
            both.run(any_goodwill(&mut rng, now)).await;
        } else if rng.random_bool(0.1)
            && let Some(deed) = any_end_of_waiting(&mut rng, &bought)
        {
            both.run(deed).await;
        } else {
            both.run(any_deed(&mut rng, (MEMBERS, HOUSEHOLDS), &mut bought)).await;
        }
        both.check(rng.random_range(0..MEMBERS)).await;
    }
    for name in 0..MEMBERS + HOUSEHOLDS {
        both.check(name).await;
    }
    assert!(both.model.taken_late > 0, "nothing of what was given back came back");
    house.end().await;
}
