//! While 64 callers at once buy, give, return and spend for members who are merged and told apart, join
//! households and leave them, and bring each other, the running service answers as a simple model does that
//! is played in the order in which the wallets' postings were committed.

use std::collections::VecDeque;

use ambient::Time;
use db::sea_orm::{ConnectionTrait, QueryResult, Statement};
use futures::future::join_all;
use harness::calls::{self, PROGRAM, create_program_like, program, reason, request_id};
use harness::crowd_client::ask;
use harness::house::{House, START};
use harness::model_client::COINS;
use harness::model_crowd::{Crowd, Deed, Done, HOUR, PRICE};
use harness::model_rewards::Offer;
use harness::moves::household;
use harness::reward_client::offer;
use loyalty::domain::Reason;
use proto::rapport::loyalty::v1 as pb;
use rand::RngExt;
use rpc::client::Client;
use uuid::Uuid;

use crate::friends_are_rewarded::{joined, reward_of};
use crate::random_commands_agree_with_the_model::seeded;
use crate::random_moves_agree_with_the_model::any_deed;
use crate::rules_say_what_activities_earn::{per_dollar, under};

in_process! { sixty_four_callers_move_what_the_model_moves; }

const MEMBERS: usize = 8;
const HOUSEHOLDS: usize = 2;
const ROUNDS: usize = 10;
const CALLERS: usize = 64;
const PER_CALLER: usize = 3;
/// What a friend must spend, in dollars.
const QUALIFIES: i64 = 200;
const REWARDS: [i64; 2] = [200, 500];

/// What was done, and the version and the balance of the wallet after it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    told: Vec<i64>,
    version: i64,
    available: i64,
}

struct Asked {
    request_id: Uuid,
    deed: Deed,
    answer: Result<Told, String>,
}

/// The names of a friend and of who brought the friend, and what qualified: the key of a purchase, and when
/// both are due their reward.
struct Friend {
    name: usize,
    referrer: usize,
    qualified: Option<(u32, i64)>,
    rewarded: bool,
}

/// The suite beside its model, between two rounds.
struct Both {
    client: Client,
    ids: Vec<String>,
    crowd: Crowd,
    friends: Vec<Friend>,
    versions: Vec<i64>,
    posted: Vec<i64>,
    now: i64,
}

/// A posting: of which wallet, by whom, for which request, and since when it counts.
struct Posting {
    wallet: usize,
    seq: i64,
    request_id: Uuid,
    actor: Uuid,
    points: i64,
    effective: i64,
    earned: bool,
}

async fn sixty_four_callers_move_what_the_model_moves(house: House) {
    let mut rng = seeded();
    let mut both = Both::new(&house).await;
    let mut bought = Vec::new();
    for _ in 0..ROUNDS {
        let mut any = || (any_deed(&mut rng, (MEMBERS, HOUSEHOLDS), &mut bought), rng.random_bool(0.2));
        let callers: Vec<Vec<_>> = (0..CALLERS).map(|_| (0..PER_CALLER).map(|_| any()).collect()).collect();
        let callers = callers.into_iter().map(|deeds| call(&both.client, &both.ids, deeds));
        let asked: Vec<Asked> = join_all(callers).await.into_iter().flatten().collect();
        let postings = both.new_postings(&house).await;
        both.replay(asked, postings);
        both.check().await;
        both.now += rng.random_range(1..400) * HOUR;
        house.clock().advance_to(Time::from_micros(both.now));
        house.settle().await;
        both.wait(&house).await;
        both.check().await;
    }
    assert!(both.friends.iter().any(|friend| friend.rewarded), "nobody was rewarded");
    house.end().await;
}

/// One deed after the other; some are asked for twice at once.
async fn call(client: &Client, ids: &[String], deeds: Vec<(Deed, bool)>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (deed, twice) in deeds {
        let request_id = request_id();
        let ask = async || match ask(client, ids, &request_id, (0, deed)).await {
            Ok((told, balance)) => {
                let (told, version) = (told.into_iter().next().unwrap_or_default(), balance.version);
                Ok(Told { told, version, available: balance.available })
            }
            Err(status) => Err(reason(&status)),
        };
        let answer = if twice {
            let (first, second) = tokio::join!(ask(), ask());
            assert_eq!(first, second, "one request id, one answer");
            first
        } else {
            ask().await
        };
        asked.push(Asked { request_id: request_id.parse().unwrap(), deed, answer });
    }
    asked
}

impl Both {
    /// Every other member was brought by the one before. Each has a coin, so that none moves without a trace.
    async fn new(house: &House) -> Both {
        let client = house.client();
        let coins = pb::FurtherCurrency { code: COINS.into(), ..Default::default() };
        let referral_policy = pb::ReferralPolicy {
            min_amount: Some(calls::usd(QUALIFIES, 0)),
            wait_days: 1,
            ..Default::default()
        };
        let wanted = pb::Program {
            further_currencies: vec![coins],
            referral_policy: Some(referral_policy),
            tiers: Vec::new(),
            ..program(PROGRAM)
        };
        create_program_like(&client, wanted).await;
        let [friend, referrer] = [("friend", REWARDS[0]), ("referrer", REWARDS[1])];
        under(&client, vec![per_dollar("points", 1), reward_of(friend), reward_of(referrer)]).await;
        offer(&client, PROGRAM, 0, &Offer::plain(0, PRICE)).await;
        let (mut ids, mut code) = (Vec::new(), String::new());
        for n in 0..MEMBERS {
            let brought_by = if n % 2 == 1 { std::mem::take(&mut code) } else { String::new() };
            let member = joined(&client, &format!("member {n}"), &brought_by).await;
            (code, _) = (member.referral_code, ids.push(member.member_id));
        }
        for n in 0..MEMBERS {
            ask(&client, &ids, &request_id(), (1, Deed::Adjust(n, 1))).await.expect("a coin");
        }
        for _ in 0..HOUSEHOLDS {
            ids.push(household(&client, PROGRAM).await);
        }
        let friend = |name| Friend { name, referrer: name - 1, qualified: None, rewarded: false };
        let friends = (1..MEMBERS).step_by(2).map(friend).collect();
        let (now, wallets) = (START.micros(), MEMBERS + HOUSEHOLDS);
        let crowd = Crowd::new(MEMBERS, now);
        let (versions, posted) = (vec![0; wallets], vec![0; wallets]);
        let mut both = Both { client, ids, crowd, friends, versions, posted, now };
        both.new_postings(house).await;
        both.read_versions(house).await;
        both
    }

    fn name(&self, id: Uuid) -> usize {
        self.ids.iter().position(|known| *known == id.to_string()).expect("a known id")
    }

    async fn read_versions(&mut self, house: &House) {
        for row in rows(house, "SELECT wallet_id, version FROM wallet").await {
            let wallet = self.name(row.try_get("", "wallet_id").unwrap());
            self.versions[wallet] = row.try_get("", "version").unwrap();
        }
    }

    /// Postings since the last look, by wallet and number.
    async fn new_postings(&mut self, house: &House) -> Vec<Posting> {
        let sql = "SELECT wallet_id, seq, request_id, actor_member_id, points, reason, effective_time \
                   FROM posting ORDER BY wallet_id, seq";
        let all = rows(house, sql).await.into_iter().map(|row| Posting {
            wallet: self.name(row.try_get("", "wallet_id").unwrap()),
            seq: row.try_get("", "seq").unwrap(),
            request_id: row.try_get("", "request_id").unwrap(),
            actor: row.try_get("", "actor_member_id").unwrap(),
            points: row.try_get("", "points").unwrap(),
            effective: row.try_get("", "effective_time").unwrap(),
            earned: row.try_get::<i32>("", "reason").unwrap() == Reason::Earn as i32,
        });
        let new: Vec<_> = all.filter(|posting| posting.seq > self.posted[posting.wallet]).collect();
        for posting in &new {
            self.posted[posting.wallet] = posting.seq;
        }
        new
    }

    /// Plays what was done in the order of the postings of every wallet; what was refused must have been
    /// refused in one of the states between.
    fn replay(&mut self, asked: Vec<Asked>, postings: Vec<Posting>) {
        let mut order = vec![VecDeque::new(); self.ids.len()];
        for posting in postings {
            if order[posting.wallet].back() != Some(&posting.request_id) {
                order[posting.wallet].push_back(posting.request_id);
            }
        }
        let (mut done, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(|one| one.answer.is_ok());
        let mut states = vec![self.crowd.clone()];
        while !done.is_empty() {
            let next = done.iter().position(|one| self.play(one, &mut order));
            let Some(next) = next else {
                let left: Vec<_> = done.iter().map(|one| (one.deed, &one.answer)).collect();
                panic!("none of these could be next, after {:?}: {left:?}", self.versions);
            };
            done.swap_remove(next);
            states.push(self.crowd.clone());
        }
        assert!(order.iter().all(VecDeque::is_empty), "postings of nothing that was asked");
        for one in refused {
            let reason = one.answer.unwrap_err();
            let same = |state: &Crowd| state.clone().run(one.deed).is_err_and(|refused| refused == reason);
            assert!(states.iter().any(same), "{:?} was never to be {reason}", one.deed);
        }
    }

    /// Does the next thing, if it is, and says so.
    fn play(&mut self, one: &Asked, order: &mut [VecDeque<Uuid>]) -> bool {
        let posted = |wallet: usize| order[wallet].front() == Some(&one.request_id);
        let nothing_posted = || order.iter().all(|requests| !requests.contains(&one.request_id));
        if !(0..order.len()).any(posted) && !nothing_posted() {
            return false;
        }
        let mut crowd = self.crowd.clone();
        let Ok(Done { told, wallet, other }) = crowd.run(one.deed) else { return false };
        let (version, available) = (self.versions[wallet] + 1, crowd.available(wallet));
        let touched = || [wallet].into_iter().chain(other);
        let in_order = touched().all(posted) || nothing_posted();
        if !in_order || one.answer != Ok(Told { told, version, available }) {
            return false;
        }
        for wallet in touched() {
            self.versions[wallet] += 1;
            order[wallet].pop_front_if(|request_id| *request_id == one.request_id);
        }
        if let Deed::Buy(name, key, dollars) = one.deed
            && dollars >= QUALIFIES
            && let Some(friend) = self.friends.iter_mut().find(|friend| friend.name == crowd.customer(name))
            && friend.qualified.is_none()
        {
            friend.qualified = Some((key, self.now + 24 * HOUR));
        }
        self.crowd = crowd;
        true
    }

    /// Time has gone on: points end, and friends are rewarded.
    async fn wait(&mut self, house: &House) {
        self.crowd.wait_until(self.now);
        let mut expected = Vec::new();
        for friend in &mut self.friends {
            let due = friend.qualified.filter(|(_, due)| *due <= self.now && !friend.rewarded);
            let Some((key, due)) = due else { continue };
            let wallets = [friend.name, friend.referrer].map(|name| self.crowd.wallet(name));
            let same_customer = self.crowd.customer(friend.name) == self.crowd.customer(friend.referrer);
            let stands = |(wallet, dollars): (usize, i64)| wallet == wallets[0] && dollars >= QUALIFIES;
            if self.crowd.stands(key).is_some_and(stands) && !same_customer {
                friend.rewarded = true;
                expected.extend([
                    (wallets[0], friend.name, REWARDS[0], due),
                    (wallets[1], friend.referrer, REWARDS[1], due),
                ]);
            } else {
                friend.qualified = None;
            }
        }
        let postings = self.new_postings(house).await;
        let earned = postings.iter().filter(|posting| posting.earned);
        let found: Vec<_> = earned.map(|p| (p.wallet, self.name(p.actor), p.points, p.effective)).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "wallet, name, points and time of rewards");
        for (_, name, points, due) in found {
            self.crowd.credit(name, points, due);
        }
        self.read_versions(house).await;
    }

    /// Everybody has the points, and the coin, of the model.
    async fn check(&self) {
        let mut points = pb::points_service_client::PointsServiceClient::new(self.client.clone());
        for (name, id) in self.ids.iter().enumerate() {
            let wallet = self.crowd.wallet(name);
            let request = pb::ListLotsRequest {
                member_id: id.clone(),
                open_only: true,
                page_size: 1_000,
                ..Default::default()
            };
            let lots = points.list_lots(request).await.unwrap().into_inner().lots;
            let (coins, lots): (Vec<_>, Vec<_>) = lots.iter().partition(|lot| lot.currency_code == COINS);
            let end = |lot: &pb::Lot| {
                lot.expire_time.map(|at| at.seconds * 1_000_000 + i64::from(at.nanos / 1_000))
            };
            let seen: Vec<_> = lots.iter().map(|lot| (end(lot), lot.remaining, &lot.member_id)).collect();
            let there = self.crowd.lots(wallet);
            let wanted: Vec<_> =
                there.iter().map(|lot| (Some(lot.end), lot.left, &self.ids[lot.name])).collect();
            assert_eq!(seen, wanted);
            let here = (0..MEMBERS).filter(|other| self.crowd.wallet(*other) == wallet).count();
            assert_eq!((coins.len(), coins.iter().all(|lot| lot.remaining == 1)), (here, true));
        }
    }
}

async fn rows(house: &House, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(house.db().backend(), sql.to_owned());
    house.db().reader().query_all_raw(statement).await.expect("the database answers")
}
