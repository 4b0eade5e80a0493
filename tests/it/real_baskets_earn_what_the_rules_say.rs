//! 39,840 lines of real baskets under category rules: every basket earns what a count from the rules' text
//! gives, in the order in which it was bought.

use std::collections::BTreeMap;
use std::io::Read;

use ambient::Time;
use chrono::{Datelike, NaiveDateTime, Weekday};
use harness::calls::{PROGRAM, create_program_like, enroll, named, program, timestamp, usd};
use harness::house::House;
use pb::activity_service_client::ActivityServiceClient;
use pb::record_activity_result::Result as Told;
use pb::rule::Effect;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

use crate::rules_say_what_activities_earn::{cap, capped, item, of_items, on, per_dollar, rule, under};

in_process! {
    every_basket_earns_what_the_rules_say;
}

/// See tests/data/README.md.
const LINES: &[u8] = include_bytes!("../data/completejourney_lines.csv.gz");
/// The baskets are of 2017; moved by eight years they keep their days of the month.
const YEARS_LATER: i32 = 8;

struct Basket {
    id: String,
    household: String,
    at: NaiveDateTime,
    lines: Vec<(&'static str, i64, i64)>,
}

impl Basket {
    fn cents(&self, of: impl Fn(&str) -> bool) -> i64 {
        self.lines.iter().filter(|(category, ..)| of(category)).map(|(.., cents)| cents).sum()
    }
}

fn baskets() -> Vec<Basket> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(LINES).read_to_string(&mut text).unwrap();
    let mut baskets: Vec<Basket> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [id, household, _, ts, _, quantity, cents, discount, coupon] = fields[..] else {
            panic!("{line}")
        };
        let at: NaiveDateTime = ts.parse().unwrap();
        let at = at.with_year(at.year() + YEARS_LATER).unwrap();
        let number = |text: &str| text.parse::<i64>().unwrap();
        let category = match (number(coupon), number(discount)) {
            (1.., _) => "coupon",
            (_, 1..) => "sale",
            _ => "regular",
        };
        if baskets.last().is_none_or(|basket| basket.id != id) {
            baskets.push(Basket { id: id.into(), household: household.into(), at, lines: Vec::new() });
        }
        baskets.last_mut().unwrap().lines.push((category, number(quantity).max(1), number(cents)));
    }
    assert_eq!((baskets.len(), text.lines().count()), (4_356, 39_841));
    baskets
}

/// One point per dollar; two more per dollar at the regular price; five for each piece with a coupon, at most
/// 40 a day; 100 for a basket from 100 dollars on, once a month; on Saturdays and Sundays half of all that
/// again, at most 60 a week.
fn rules() -> Vec<pb::Rule> {
    let weekend = pb::RuleWindow {
        start: "2024-01-01T00:00:00".into(),
        recurrence: "FREQ=WEEKLY;BYDAY=SA,SU".into(),
        duration_minutes: 1_440,
        ..Default::default()
    };
    let half_again = rule("weekend", Effect::MultiplierPercent(150));
    let big = on("activity.amount >= 100", rule("big", Effect::FixedPoints(100)));
    vec![
        per_dollar("base", 1),
        of_items("item.category == 'regular'", per_dollar("regular", 2)),
        capped(
            of_items("item.category == 'coupon'", rule("coupon", Effect::FixedPoints(5))),
            cap(40, pb::CapPeriod::Day),
        ),
        capped(big, cap(100, pb::CapPeriod::Month)),
        capped(pb::Rule { window: Some(weekend), ..half_again }, cap(60, pb::CapPeriod::Week)),
    ]
}

/// The same, counted from the text above.
#[derive(Default)]
struct Count {
    granted: BTreeMap<(String, &'static str, String), i64>,
}

impl Count {
    fn up_to(&mut self, most: i64, household: &str, rule: &'static str, period: String, points: i64) -> i64 {
        let so_far = self.granted.entry((household.into(), rule, period)).or_default();
        let granted = points.min(most - *so_far);
        *so_far += granted;
        granted
    }

    fn points(&mut self, basket: &Basket) -> i64 {
        let (day, who) = (basket.at.date(), basket.household.as_str());
        let base = basket.cents(|_| true) / 100;
        let regular = basket.cents(|category| category == "regular") * 2 / 100;
        let coupons: i64 = basket
            .lines
            .iter()
            .filter(|(category, ..)| *category == "coupon")
            .map(|(_, pieces, _)| pieces * 5)
            .sum();
        let big = if basket.cents(|_| true) >= 10_000 { 100 } else { 0 };
        let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let weekend = if is_weekend { (base + regular + coupons + big) / 2 } else { 0 };
        let week = format!("{:?}", day.iso_week());
        base + regular
            + self.up_to(40, who, "coupon", day.to_string(), coupons)
            + self.up_to(100, who, "big", day.format("%Y-%m").to_string(), big)
            + self.up_to(60, who, "weekend", week, weekend)
    }
}

fn request(basket: &Basket, member_id: &str) -> pb::RecordActivityRequest {
    let cents = basket.cents(|_| true);
    let at = Time::from_micros(basket.at.and_utc().timestamp_micros());
    let item = |(category, pieces, cents): &(&str, i64, i64)| {
        item(category, *pieces, i32::try_from(*cents).unwrap())
    };
    pb::RecordActivityRequest {
        request_id: named(&basket.id),
        member_id: member_id.into(),
        activity: Some(pb::Activity {
            r#type: pb::ActivityType::Purchase.into(),
            occurred_time: Some(timestamp(at)),
            amount: Some(usd(cents / 100, i32::try_from(cents % 100).unwrap())),
            external_id: basket.id.clone(),
            items: basket.lines.iter().map(item).collect(),
            ..Default::default()
        }),
    }
}

async fn record_all(client: &Client, requests: Vec<pb::RecordActivityRequest>) -> Vec<i64> {
    let request = pb::BatchRecordActivitiesRequest { requests, mode: 0 };
    let response = ActivityServiceClient::new(client.clone()).batch_record_activities(request).await.unwrap();
    let points = response.into_inner().results.into_iter().map(|result| match result.result.unwrap() {
        Told::Response(response) => response.activity.unwrap().points,
        Told::Error(error) => panic!("{error:?}"),
    });
    points.collect()
}

async fn every_basket_earns_what_the_rules_say(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { expiry_policy: None, ..program(PROGRAM) }).await;
    under(&client, rules()).await;
    let baskets = baskets();
    let mut members: BTreeMap<&str, String> = BTreeMap::new();
    for basket in &baskets {
        if !members.contains_key(basket.household.as_str()) {
            members.insert(&basket.household, enroll(&client, &basket.household).await);
        }
    }
    assert_eq!(members.len(), 60);
    let later = NaiveDateTime::parse_from_str("2026-02-01 00:00:00", "%Y-%m-%d %H:%M:%S").unwrap();
    house.clock().advance_to(Time::from_micros(later.and_utc().timestamp_micros()));
    let (mut count, mut issued) = (Count::default(), 0);
    for chunk in baskets.chunks(200) {
        let requests =
            chunk.iter().map(|basket| request(basket, &members[basket.household.as_str()])).collect();
        let points = record_all(&client, requests).await;
        let expected: Vec<i64> = chunk.iter().map(|basket| count.points(basket)).collect();
        assert_eq!(points, expected, "from basket {} on", chunk[0].id);
        issued += points.iter().sum::<i64>();
    }
    let audit = house.audit().await;
    assert_eq!((audit.ledger_imbalance, audit.totals.unwrap().issued), (0, issued));
    house.end().await;
}
