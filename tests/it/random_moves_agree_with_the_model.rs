//! Random purchases, gifts, returns and jumps of time, while members are merged and told apart, join
//! households and leave them, give what a list of points with names and ends gives. Everything is done twice,
//! with points and with coins: the lots of the one are those of the other.

use std::collections::BTreeMap;

use ambient::Time;
use harness::calls::{
    PROGRAM, balance_of, create_program_like, enroll, program, purchase, reason, record, redeem, redemption,
    request_id,
};
use harness::house::{House, START};
use harness::moves::{household, join, leave, merge, merger, unmerge};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;

use crate::points_are_of_several_currencies::{COINS, coins, of, offer, take_back};
use crate::rules_say_what_activities_earn::{per_dollar, under};

in_process! {
    wherever_points_go_they_are_the_ones_of_the_model;
}

const STEPS: usize = 1_500;
const MEMBERS: usize = 6;
const HOUSEHOLDS: usize = 2;
const HOUR: i64 = 3_600_000_000;
const LIFE: i64 = 90 * 24 * HOUR;
const PRICE: i64 = 50;
const CODES: [&str; 2] = ["points", COINS];
const REWARDS: [&str; 2] = ["mug", "sticker"];

/// Points that end together: in which wallet, in whose name, the how-manieth there, and of which purchase.
struct Lot {
    wallet: usize,
    place: usize,
    name: usize,
    end: i64,
    left: i64,
    of: Option<usize>,
}

struct Purchase {
    name: usize,
    points: i64,
    expired: i64,
    id: String,
}

/// Where a member's points are: with another member, or in a household.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Self_,
    Member(usize),
    Household(usize),
}

struct Model {
    lots: Vec<Lot>,
    purchases: BTreeMap<usize, Purchase>,
    with: [With; MEMBERS],
    came: usize,
}

type Told = Result<i64, &'static str>;

impl Model {
    fn wallet(&self, mut name: usize) -> usize {
        while name < MEMBERS {
            match self.with[name] {
                With::Self_ => return name,
                With::Member(other) | With::Household(other) => name = other,
            }
        }
        name
    }

    fn names(&self, name: usize) -> Vec<usize> {
        let leads = |mut from: usize| loop {
            match self.with[from] {
                _ if from == name => return true,
                With::Member(other) => from = other,
                With::Self_ | With::Household(_) => return false,
            }
        };
        (0..MEMBERS).filter(|from| leads(*from)).collect()
    }

    fn add(&mut self, wallet: usize, name: usize, end: i64, left: i64, of: Option<usize>) {
        self.came += 1;
        self.lots.push(Lot { wallet, place: self.came, name, end, left, of });
    }

    fn expire(&mut self, now: i64) {
        for lot in self.lots.iter_mut().filter(|lot| lot.end <= now && lot.left > 0) {
            if let Some(purchase) = lot.of.and_then(|of| self.purchases.get_mut(&of)) {
                purchase.expired += lot.left;
            }
            lot.left = 0;
        }
        self.lots.retain(|lot| lot.left > 0);
    }

    fn available(&self, name: usize) -> i64 {
        let wallet = self.wallet(name);
        self.lots.iter().filter(|lot| lot.wallet == wallet).map(|lot| lot.left).sum()
    }

    /// Takes points from a wallet: those of a purchase first, then those that end first.
    fn take(&mut self, wallet: usize, of: Option<usize>, mut points: i64) -> Vec<(i64, i64)> {
        let mut taken = Vec::new();
        self.lots.sort_by_key(|lot| (of.is_none() || lot.of != of, lot.end, lot.place));
        for lot in self.lots.iter_mut().filter(|lot| lot.wallet == wallet) {
            let n = lot.left.min(points);
            (lot.left, points) = (lot.left - n, points - n);
            taken.push((lot.end, n));
        }
        self.lots.retain(|lot| lot.left > 0);
        taken.retain(|(_, n)| *n > 0);
        taken
    }

    fn spend(&mut self, name: usize, points: i64) -> Result<Vec<(i64, i64)>, &'static str> {
        if self.available(name) < points {
            return Err("INSUFFICIENT_POINTS");
        }
        Ok(self.take(self.wallet(name), None, points))
    }

    fn give(&mut self, from: usize, to: usize, points: i64) -> Result<(), &'static str> {
        if self.wallet(from) == self.wallet(to) {
            return Err("RECIPIENT_SHARES_WALLET");
        }
        for (end, points) in self.spend(from, points)? {
            self.add(self.wallet(to), to, end, points, None);
        }
        Ok(())
    }

    /// Returns what was taken; what is owed beyond that is waived.
    fn reverse(&mut self, purchase: usize) -> (i64, i64) {
        let Purchase { name, points, expired, .. } = self.purchases.remove(&purchase).unwrap();
        let owed = points - expired;
        let taken = self.take(self.wallet(name), Some(purchase), owed);
        (owed, taken.iter().map(|(_, n)| n).sum())
    }

    fn move_to(&mut self, name: usize, with: With) -> Told {
        let leaves = matches!((with, self.with[name]), (With::Self_, With::Self_));
        assert!(!leaves, "who leaves is somewhere");
        let (names, from) = (self.names(name), self.wallet(name));
        self.with[name] = with;
        let to = self.wallet(name);
        let mut points = 0;
        self.lots.sort_by_key(|lot| lot.place);
        for lot in self.lots.iter_mut().filter(|lot| lot.wallet == from && names.contains(&lot.name)) {
            self.came += 1;
            (lot.wallet, lot.place) = (to, self.came);
            points += lot.left;
        }
        Ok(points)
    }

    fn merge(&mut self, name: usize, into: usize) -> Told {
        self.stays(name)?;
        if self.wallet(into) == name {
            return Err("MERGE_LOOP");
        }
        self.move_to(name, With::Member(into))
    }

    fn join(&mut self, name: usize, household: usize) -> Told {
        self.stays(name)?;
        self.move_to(name, With::Household(household))
    }

    fn stays(&self, name: usize) -> Result<(), &'static str> {
        match self.with[name] {
            With::Self_ => Ok(()),
            With::Member(_) => Err("MEMBER_MERGED"),
            With::Household(_) => Err("MEMBER_IN_HOUSEHOLD"),
        }
    }

    fn unmerge(&mut self, name: usize) -> Told {
        match self.with[name] {
            With::Member(_) => self.move_to(name, With::Self_),
            _ => Err("MEMBER_NOT_MERGED"),
        }
    }

    fn leave(&mut self, name: usize) -> Told {
        match self.with[name] {
            With::Household(_) => self.move_to(name, With::Self_),
            _ => Err("MEMBER_NOT_IN_HOUSEHOLD"),
        }
    }
}

/// How many points and coins were moved.
macro_rules! told {
    ($moved:expr) => {
        ($moved.points_moved, $moved.further_points_moved.iter().map(|coins| coins.points).sum::<i64>())
    };
}

/// The suite beside its model.
struct Both {
    client: Client,
    model: Model,
    ids: Vec<String>,
    now: i64,
}

impl Both {
    async fn buy(&mut self, name: usize, units: i64) {
        let bought = record(&self.client, purchase(&self.ids[name], units)).await.unwrap();
        let (n, id) = (self.model.came + 1, bought.activity.unwrap().activity_id);
        let bought = Purchase { name, points: units, expired: 0, id };
        self.model.purchases.insert(n, bought);
        self.model.add(self.model.wallet(name), name, self.now + LIFE, units, Some(n));
    }

    async fn give(&mut self, from: usize, to: usize, points: i64) {
        let expected = self.model.give(from, to, points).map_err(str::to_owned);
        for code in CODES {
            let request = pb::TransferPointsRequest {
                request_id: request_id(),
                member_id: self.ids[from].clone(),
                to_member_id: self.ids[to].clone(),
                points,
                currency_code: code.into(),
                ..Default::default()
            };
            let given = PointsServiceClient::new(self.client.clone()).transfer_points(request).await;
            assert_eq!(given.map(|_| ()).map_err(|status| reason(&status)), expected, "{code}");
        }
    }

    async fn redeem(&mut self, name: usize) {
        let expected = self.model.spend(name, PRICE).map(|_| ()).map_err(str::to_owned);
        for reward in REWARDS {
            let spent = redeem(&self.client, redemption(&self.ids[name], reward)).await;
            assert_eq!(spent.map(|_| ()).map_err(|status| reason(&status)), expected, "{reward}");
        }
    }

    async fn adjust(&mut self, name: usize, points: i64) {
        let expected = if points > 0 {
            self.model.add(self.model.wallet(name), name, self.now + LIFE, points, None);
            Ok(())
        } else {
            self.model.spend(name, -points).map(|_| ()).map_err(str::to_owned)
        };
        for code in CODES {
            let request = pb::AdjustPointsRequest {
                request_id: request_id(),
                member_id: self.ids[name].clone(),
                points,
                reason: "random".into(),
                approver: "model".into(),
                currency_code: code.into(),
                ..Default::default()
            };
            let given = PointsServiceClient::new(self.client.clone()).adjust_points(request).await;
            assert_eq!(given.map(|_| ()).map_err(|status| reason(&status)), expected, "{code}");
        }
    }

    async fn reverse_one(&mut self, rng: &mut StdRng) {
        let count = self.model.purchases.len();
        let Some((n, bought)) = self.model.purchases.iter().nth(rng.random_range(0..count.max(1))) else {
            return;
        };
        let (n, name, id) = (*n, bought.name, bought.id.clone());
        let told = self.take_back(name, id).await;
        let (owed, taken) = self.model.reverse(n);
        let expected = (owed, taken, owed - taken);
        for (code, told) in CODES.into_iter().zip(&told) {
            assert_eq!(told.currency_code, code);
            assert_eq!(
                (told.points_owed, told.points_from_available, told.points_waived),
                expected,
                "{code}"
            );
        }
        assert_eq!(told.len(), CODES.len());
    }

    /// What became of the points and the coins.
    async fn take_back(&self, name: usize, activity_id: String) -> Vec<pb::Reversal> {
        use pb::reverse_activity_request::{Activity, Returned};
        let request = pb::ReverseActivityRequest {
            request_id: request_id(),
            member_id: self.ids[name].clone(),
            activity: Some(Activity::ActivityId(activity_id)),
            returned: Some(Returned::Whole(true)),
            reason: "random".into(),
        };
        let told = take_back(&self.client, request).await.unwrap();
        told.reversal.into_iter().chain(told.further_reversals).collect()
    }

    async fn moves(&mut self, rng: &mut StdRng) {
        let (name, other) = (rng.random_range(0..MEMBERS), rng.random_range(0..MEMBERS - 1));
        let other = other + usize::from(other >= name);
        let home = MEMBERS + rng.random_range(0..HOUSEHOLDS);
        let (client, id) = (&self.client, self.ids[name].clone());
        let (told, expected) = match rng.random_range(0..4) {
            0 => {
                let merged = merge(client, merger(&id, &self.ids[other])).await;
                (merged.map(|m| told!(m)), self.model.merge(name, other))
            }
            1 => (unmerge(client, &id).await.map(|m| told!(m)), self.model.unmerge(name)),
            2 => {
                let joined = join(client, &self.ids[home], &id, pb::HouseholdRole::Redeemer).await;
                (joined.map(|m| told!(m)), self.model.join(name, home))
            }
            _ => (leave(client, &id).await.map(|m| told!(m)), self.model.leave(name)),
        };
        let expected = expected.map(|points| (points, points)).map_err(str::to_owned);
        assert_eq!(told.map_err(|status| reason(&status)), expected);
    }

    async fn check(&mut self, name: usize) {
        assert_eq!(balance_of(&self.client, &self.ids[name]).await.available, self.model.available(name));
        let request = pb::ListLotsRequest {
            member_id: self.ids[name].clone(),
            open_only: true,
            page_size: 1_000,
            ..Default::default()
        };
        let lots = PointsServiceClient::new(self.client.clone()).list_lots(request).await.unwrap();
        let end =
            |lot: &pb::Lot| lot.expire_time.map(|at| at.seconds * 1_000_000 + i64::from(at.nanos / 1_000));
        let wallet = self.model.wallet(name);
        self.model.lots.sort_by_key(|lot| lot.place);
        let there = self.model.lots.iter().filter(|lot| lot.wallet == wallet);
        let wanted: Vec<_> = there.map(|lot| (Some(lot.end), lot.left, &self.ids[lot.name])).collect();
        for code in CODES {
            let lots = lots.get_ref().lots.iter().filter(|lot| lot.currency_code == code);
            let seen: Vec<_> = lots.map(|lot| (end(lot), lot.remaining, &lot.member_id)).collect();
            assert_eq!(seen, wanted, "{code}");
        }
    }
}

async fn wherever_points_go_they_are_the_ones_of_the_model(house: House) {
    let given = std::env::var("RAPPORT_SEED").ok();
    let given = given.map(|seed| seed.parse().expect("RAPPORT_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(rand::random);
    eprintln!("RAPPORT_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let client = house.client();
    let coins = pb::FurtherCurrency { expiry_policy: program(PROGRAM).expiry_policy, ..coins() };
    create_program_like(&client, pb::Program { further_currencies: vec![coins], ..program(PROGRAM) }).await;
    under(&client, vec![per_dollar("points", 1), of(COINS, per_dollar("coins", 1))]).await;
    for (reward, code) in REWARDS.into_iter().zip(CODES) {
        offer(&client, (reward, code), PRICE).await.unwrap();
    }
    let mut ids = Vec::new();
    for n in 0..MEMBERS {
        ids.push(enroll(&client, &format!("member {n}")).await);
    }
    for _ in 0..HOUSEHOLDS {
        ids.push(household(&client, PROGRAM).await);
    }
    let model = Model { lots: Vec::new(), purchases: BTreeMap::new(), with: [With::Self_; MEMBERS], came: 0 };
    let mut both = Both { client, model, ids, now: START.micros() };
    for _ in 0..STEPS {
        let (name, step) = (rng.random_range(0..MEMBERS), rng.random_range(1..MEMBERS));
        let points = rng.random_range(1..300);
        match rng.random_range(0..20) {
            0..5 => both.buy(name, points).await,
            5..8 => both.redeem(name).await,
            8..11 => both.give(name, (name + step) % MEMBERS, points).await,
            11 => both.adjust(name, points).await,
            12 => both.adjust(name, -points).await,
            13..15 => both.reverse_one(&mut rng).await,
            15 => {
                both.now += rng.random_range(1..200) * HOUR;
                house.clock().advance_to(Time::from_micros(both.now));
                both.model.expire(both.now);
            }
            _ => both.moves(&mut rng).await,
        }
        both.check(rng.random_range(0..MEMBERS)).await;
    }
    for name in 0..MEMBERS + HOUSEHOLDS {
        both.check(name).await;
    }
    house.end().await;
}
