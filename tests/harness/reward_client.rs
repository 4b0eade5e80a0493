//! The model's rewards, and what becomes of them, as calls of the running service.

use std::collections::HashMap;
use std::sync::Mutex;

use pb::redemption_service_client::RedemptionServiceClient;
use pb::reward_service_client::RewardServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::{self, request_id, usd};
use crate::model::{Do, Told};
use crate::model_client::code;
use crate::model_rewards::{Bill, Limit, Offer, Part, Price, Rate, Receipt, Supply};

/// The redemptions of members, by the keys that the model has for them.
#[derive(Debug, Default)]
pub struct Redemptions(Mutex<HashMap<(String, u32), String>>);

impl Redemptions {
    fn keep(&self, member_id: &str, key: u32, redemption: Option<&pb::Redemption>) {
        let id = redemption.expect("a redemption").redemption_id.clone();
        self.0.lock().expect("unpoisoned").insert((member_id.to_owned(), key), id);
    }

    /// The id, or one that nobody has.
    fn id(&self, member_id: &str, key: u32) -> String {
        let known = self.0.lock().expect("unpoisoned").get(&(member_id.to_owned(), key)).cloned();
        known.unwrap_or_else(|| calls::named(&format!("{member_id} {key}")))
    }
}

/// The id of the reward with this number.
pub fn reward_id(n: usize) -> String {
    format!("reward-{n}")
}

/// The id of the price with this number; empty: the reward's own.
pub fn price_id(n: usize) -> String {
    if n == 0 { String::new() } else { format!("price-{n}") }
}

/// The code of a pool with this number.
pub fn reward_code(n: i64) -> String {
    format!("CODE-{n}")
}

/// The number of a code.
///
/// # Panics
/// If it is none of [`reward_code`].
pub fn code_number(code: &str) -> i64 {
    code.strip_prefix("CODE-").and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("the code {code}"))
}

fn money(cents: i64) -> Money {
    usd(cents / 100, i32::try_from(cents % 100).expect("cents"))
}

fn cents(money: &Money) -> i64 {
    assert_eq!(money.nanos % 10_000_000, 0, "{money:?} is no number of cents");
    money.units * 100 + i64::from(money.nanos / 10_000_000)
}

/// Offers what a shop has under this number.
pub async fn offer(client: &Client, program_id: &str, n: usize, offer: &Offer) {
    let beside = |price: &Price| (price.cents > 0).then(|| money(price.cents));
    let (own, rest) = offer.prices.split_first().expect("a price");
    let other = |(n, price): (usize, &Price)| pb::RewardPrice {
        price_id: price_id(n + 1),
        points: price.points,
        currency_code: code(price.purse),
        money: beside(price),
    };
    let rate = |Rate { cents, step }| pb::PaymentRate {
        per: Some(money(cents)),
        step: (step > 1).then(|| money(step)),
    };
    let daily = |daily| if daily { pb::RewardLimitPeriod::Day } else { pb::RewardLimitPeriod::Unspecified };
    let limit =
        |Limit { units, daily: each }| pb::RewardLimit { max_units: units, period: daily(each).into() };
    let reward = pb::Reward {
        program_id: program_id.into(),
        reward_id: reward_id(n),
        currency_code: code(own.purse),
        price_points: own.points,
        price_money: beside(own),
        other_prices: rest.iter().enumerate().map(other).collect(),
        payment_rate: offer.rate.map(rate),
        limit: offer.limit.map(limit),
        stock: Some(match offer.supply {
            Supply::Endless => pb::reward::Stock::Unlimited(true),
            Supply::Units(units) => pb::reward::Stock::Remaining(units),
            Supply::Codes(_) => pb::reward::Stock::CodePool(pb::CodePool::default()),
        }),
        ..Default::default()
    };
    let request = pb::CreateRewardRequest { request_id: request_id(), reward: Some(reward) };
    let mut rewards = RewardServiceClient::new(client.clone());
    rewards.create_reward(request).await.expect("the reward is created");
    if let Supply::Codes(codes) = offer.supply {
        upload(client, program_id, n, 0..codes).await;
    }
}

/// More of a reward come to the shop, of which so many came before. Codes of before are uploaded again.
pub async fn restock(client: &Client, program_id: &str, n: usize, supply: Supply, more: i64) {
    match supply {
        Supply::Endless => {}
        Supply::Codes(before) => upload(client, program_id, n, (before - 3).max(0)..before + more).await,
        Supply::Units(_) => {
            let (program_id, reward_id) = (program_id.to_owned(), reward_id(n));
            let request =
                pb::AdjustRewardStockRequest { request_id: request_id(), program_id, reward_id, units: more };
            let mut rewards = RewardServiceClient::new(client.clone());
            rewards.adjust_reward_stock(request).await.expect("there are more");
        }
    }
}

async fn upload(client: &Client, program_id: &str, n: usize, numbers: std::ops::Range<i64>) {
    let upload = pb::UploadRewardCodesRequest {
        program_id: program_id.into(),
        reward_id: reward_id(n),
        codes: numbers.map(reward_code).collect(),
    };
    let mut rewards = RewardServiceClient::new(client.clone());
    rewards.upload_reward_codes(futures::stream::iter([upload])).await.expect("the codes are uploaded");
}

/// Units that a shop has of a reward; none: enough.
pub async fn left(client: &Client, program_id: &str, n: usize) -> Option<i64> {
    let request = pb::GetRewardRequest { program_id: program_id.into(), reward_id: reward_id(n), version: 0 };
    let found = RewardServiceClient::new(client.clone()).get_reward(request).await.expect("the reward");
    match found.into_inner().reward.and_then(|reward| reward.stock).expect("a stock") {
        pb::reward::Stock::Unlimited(_) => None,
        pb::reward::Stock::Remaining(units) => Some(units),
        pb::reward::Stock::CodePool(pool) => Some(pool.remaining),
    }
}

/// The points that a member would pay of a bill, and the cents that are left of it.
///
/// # Errors
/// The reason of a refusal.
pub async fn quote(
    client: &Client,
    member_id: &str,
    reward: usize,
    bill: Bill,
) -> Result<(i64, i64), String> {
    let request = pb::QuotePaymentRequest {
        member_id: member_id.into(),
        reward_id: reward_id(reward),
        amount: Some(money(bill.cents)),
        max_points: bill.most.unwrap_or(0),
    };
    let quoted = RedemptionServiceClient::new(client.clone()).quote_payment(request).await;
    let quoted = quoted.map_err(|status| calls::reason(&status))?.into_inner();
    let [paid, rest] = [quoted.paid, quoted.money].map(|money| money.as_ref().map_or(0, cents));
    assert_eq!(paid + rest, bill.cents);
    Ok((quoted.points, rest))
}

/// Asks for what is wanted.
///
/// # Errors
/// What the service refused.
pub(crate) async fn have(
    client: &Client,
    request_id: String,
    member_id: String,
    command: Do,
    redemptions: &Redemptions,
) -> Result<(Told, Option<pb::Balance>), Status> {
    let mut service = RedemptionServiceClient::new(client.clone());
    let wish = command.wish().expect("a wish");
    let (reward_id, price_id) = (reward_id(wish.reward), price_id(wish.price));
    let (id, quantity, amount) = (member_id.clone(), wish.units, wish.bill.map(|bill| money(bill.cents)));
    let max_points = wish.bill.and_then(|bill| bill.most).unwrap_or(0);
    let (key, redemption, balance) = match command {
        Do::Hold(key, _, hold_seconds) => {
            let request = pb::CreateRedemptionRequest {
                request_id,
                member_id,
                reward_id,
                quantity,
                hold_seconds,
                price_id,
                amount,
                max_points,
            };
            let done = service.create_redemption(request).await?.into_inner();
            (key, done.redemption, done.balance)
        }
        Do::Redeem(key, _) => {
            let request = pb::RedeemRewardRequest {
                request_id,
                member_id,
                reward_id,
                quantity,
                price_id,
                amount,
                max_points,
            };
            let done = service.redeem_reward(request).await?.into_inner();
            (key, done.redemption, done.balance)
        }
        _ => panic!("{command:?} is no wish"),
    };
    redemptions.keep(&id, key, redemption.as_ref());
    Ok((redeemed(redemption), balance))
}

/// Asks for something that is about what somebody has, or holds.
///
/// # Errors
/// What the service refused.
pub(crate) async fn go_on(
    client: &Client,
    request_id: String,
    member_id: String,
    command: Do,
    redemptions: &Redemptions,
) -> Result<(Told, Option<pb::Balance>), Status> {
    let mut service = RedemptionServiceClient::new(client.clone());
    let named = |key: u32| redemptions.id(&member_id, key);
    match command {
        Do::Capture(key, part) => {
            use pb::capture_redemption_request::Portion;
            let (redemption_id, portion) = (named(key), portion(part, Portion::Points, Portion::Quantity));
            let request = pb::CaptureRedemptionRequest { request_id, member_id, redemption_id, portion };
            let done = service.capture_redemption(request).await?.into_inner();
            Ok((redeemed(done.redemption), done.balance))
        }
        Do::Void(key) => {
            let (redemption_id, reason) = (named(key), "changed".to_owned());
            let request = pb::VoidRedemptionRequest { request_id, member_id, redemption_id, reason };
            let done = service.void_redemption(request).await?.into_inner();
            Ok((redeemed(done.redemption), done.balance))
        }
        Do::Lengthen(key, hold_seconds) => {
            let redemption_id = named(key);
            let request = pb::ExtendHoldRequest { request_id, member_id, redemption_id, hold_seconds };
            let done = service.extend_hold(request).await?.into_inner();
            Ok((redeemed(done.redemption), done.balance))
        }
        Do::Refund(key, part) => {
            use pb::refund_redemption_request::Portion;
            let (redemption_id, portion) = (named(key), portion(part, Portion::Points, Portion::Quantity));
            let reason = "broken".to_owned();
            let request =
                pb::RefundRedemptionRequest { request_id, member_id, redemption_id, portion, reason };
            let done = service.refund_redemption(request).await?.into_inner();
            Ok((Told::Refunded(receipt(done.redemption), done.points_refunded), done.balance))
        }
        _ => panic!("{command:?} is not about a redemption"),
    }
}

fn portion<T>(part: Part, points: fn(i64) -> T, units: fn(i64) -> T) -> Option<T> {
    match part {
        Part::All => None,
        Part::Points(n) => Some(points(n)),
        Part::Units(n) => Some(units(n)),
    }
}

fn redeemed(of: Option<pb::Redemption>) -> Told {
    Told::Redeemed(receipt(of))
}

fn receipt(of: Option<pb::Redemption>) -> Receipt {
    let of = of.expect("a redemption");
    Receipt {
        points: of.points,
        captured: of.points_captured,
        refunded: of.points_refunded,
        units: of.quantity,
        units_captured: of.quantity_captured,
        bill: of.amount.as_ref().map(cents),
        cents: of.money.as_ref().map_or(0, cents),
        codes: of.codes.iter().map(|code| code_number(code)).collect(),
    }
}
