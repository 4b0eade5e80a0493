//! Random purchases, gifts, returns and jumps of time, while members are merged and told apart, join
//! households and leave them, give what a list of points with names and ends gives.

use std::collections::BTreeMap;

use ambient::Time;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
    request_id,
};
use harness::house::{House, START};
use harness::moves::{household, join, leave, merge, merger, reverse, unmerge};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;

in_process! {
    wherever_points_go_they_are_the_ones_of_the_model;
}

const STEPS: usize = 1_500;
const MEMBERS: usize = 6;
const HOUSEHOLDS: usize = 2;
const HOUR: i64 = 3_600_000_000;
const LIFE: i64 = 90 * 24 * HOUR;
const PRICE: i64 = 50;

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
        let request = pb::TransferPointsRequest {
            request_id: request_id(),
            member_id: self.ids[from].clone(),
            to_member_id: self.ids[to].clone(),
            points,
            ..Default::default()
        };
        let given = PointsServiceClient::new(self.client.clone()).transfer_points(request).await;
        let told = given.map(|_| ()).map_err(|status| reason(&status));
        assert_eq!(told, self.model.give(from, to, points).map_err(str::to_owned));
    }

    async fn adjust(&mut self, name: usize, points: i64) {
        let request = pb::AdjustPointsRequest {
            request_id: request_id(),
            member_id: self.ids[name].clone(),
            points,
            reason: "random".into(),
            approver: "model".into(),
            ..Default::default()
        };
        let given = PointsServiceClient::new(self.client.clone()).adjust_points(request).await;
        let told = given.map(|_| ()).map_err(|status| reason(&status));
        let expected = if points > 0 {
            self.model.add(self.model.wallet(name), name, self.now + LIFE, points, None);
            Ok(())
        } else {
            self.model.spend(name, -points).map(|_| ()).map_err(str::to_owned)
        };
        assert_eq!(told, expected);
    }

    async fn reverse_one(&mut self, rng: &mut StdRng) {
        let count = self.model.purchases.len();
        let Some((n, bought)) = self.model.purchases.iter().nth(rng.random_range(0..count.max(1))) else {
            return;
        };
        let (n, name, id) = (*n, bought.name, bought.id.clone());
        let told = reverse(&self.client, &self.ids[name], &id).await.unwrap();
        let (owed, taken) = self.model.reverse(n);
        let expected = (owed, taken, owed - taken);
        assert_eq!((told.points_owed, told.points_from_available, told.points_waived), expected);
    }

    async fn moves(&mut self, rng: &mut StdRng) {
        let (name, other) = (rng.random_range(0..MEMBERS), rng.random_range(0..MEMBERS - 1));
        let other = other + usize::from(other >= name);
        let home = MEMBERS + rng.random_range(0..HOUSEHOLDS);
        let (client, id) = (&self.client, self.ids[name].clone());
        let (told, expected) = match rng.random_range(0..4) {
            0 => {
                let merged = merge(client, merger(&id, &self.ids[other])).await;
                (merged.map(|m| m.points_moved), self.model.merge(name, other))
            }
            1 => (unmerge(client, &id).await.map(|m| m.points_moved), self.model.unmerge(name)),
            2 => {
                let joined = join(client, &self.ids[home], &id, pb::HouseholdRole::Redeemer).await;
                (joined.map(|m| m.points_moved), self.model.join(name, home))
            }
            _ => (leave(client, &id).await.map(|m| m.points_moved), self.model.leave(name)),
        };
        assert_eq!(told.map_err(|status| reason(&status)), expected.map_err(str::to_owned));
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
        let seen: Vec<_> =
            lots.get_ref().lots.iter().map(|lot| (end(lot), lot.remaining, &lot.member_id)).collect();
        let wallet = self.model.wallet(name);
        self.model.lots.sort_by_key(|lot| lot.place);
        let lots = self.model.lots.iter().filter(|lot| lot.wallet == wallet);
        let wanted: Vec<_> = lots.map(|lot| (Some(lot.end), lot.left, &self.ids[lot.name])).collect();
        assert_eq!(seen, wanted);
    }
}

async fn wherever_points_go_they_are_the_ones_of_the_model(house: House) {
    let given = std::env::var("RAPPORT_SEED").ok();
    let given = given.map(|seed| seed.parse().expect("RAPPORT_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(rand::random);
    eprintln!("RAPPORT_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", PRICE, None).await;
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
            5..8 => {
                let spent = redeem(&both.client, redemption(&both.ids[name], "mug")).await;
                let expected = both.model.spend(name, PRICE).map(|_| ()).map_err(str::to_owned);
                assert_eq!(spent.map(|_| ()).map_err(|status| reason(&status)), expected);
            }
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
