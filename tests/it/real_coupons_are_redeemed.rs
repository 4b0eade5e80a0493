//! 990 coupons that households really redeemed in 2017, as rewards: each in the days of its campaign, and for
//! the households that the campaign was for. Some redeemed a coupon of a campaign twice, and rightly so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use ambient::Time;
use chrono::{Datelike, NaiveDate, NaiveTime};
use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program_like, enroll, named, program, purchase, reason, record, redeem, redemption,
    request_id, timestamp,
};
use harness::house::House;
use harness::offers::{offer, offers, reward};
use pb::member_service_client::MemberServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

in_process! { every_coupon_is_redeemed_as_it_was; }

/// See tests/data/README.md.
const COUPONS: &[u8] = include_bytes!("../data/completejourney_coupons.csv.gz");
const CAMPAIGNS: &[u8] = include_bytes!("../data/completejourney_campaigns.csv.gz");
const DATES: &[u8] = include_bytes!("../data/completejourney_campaign_dates.csv.gz");
/// The coupons are of 2017; moved by eight years they keep their days of the month.
const YEARS_LATER: i32 = 8;

fn rows(packed: &[u8]) -> Vec<Vec<String>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn day(text: &str) -> NaiveDate {
    let day: NaiveDate = text.parse().unwrap();
    day.with_year(day.year() + YEARS_LATER).unwrap()
}

fn at(day: NaiveDate, hour: u32) -> Time {
    Time::from(day.and_time(NaiveTime::from_hms_opt(hour, 0, 0).unwrap()).and_utc())
}

/// Members by household, each with the campaigns that were for it.
async fn members(client: &Client, households: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut campaigns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(CAMPAIGNS) {
        campaigns.entry(row[1].clone()).or_default().push(row[0].clone());
    }
    let one = async |household: &String| {
        let attributes = campaigns.get(household).into_iter().flatten();
        let profile = pb::MemberProfile {
            attributes: attributes.map(|id| (format!("campaign_{id}"), "yes".to_owned())).collect(),
            ..Default::default()
        };
        let request = pb::EnrollMemberRequest {
            request_id: request_id(),
            program_id: PROGRAM.into(),
            external_id: household.clone(),
            profile: Some(profile),
            ..Default::default()
        };
        let done = MemberServiceClient::new(client.clone()).enroll_member(request).await.unwrap();
        let member_id = done.into_inner().member.unwrap().member_id;
        record(client, purchase(&member_id, 100)).await.unwrap();
        (household.clone(), member_id)
    };
    join_all(households.iter().map(one)).await.into_iter().collect()
}

/// Each coupon of a campaign as a reward.
async fn create_coupons(client: &Client, coupons: &BTreeSet<(String, String)>) {
    let dates: BTreeMap<String, (NaiveDate, NaiveDate)> =
        rows(DATES).into_iter().map(|row| (row[0].clone(), (day(&row[2]), day(&row[3])))).collect();
    let created = coupons.iter().map(|(campaign, upc)| {
        let (first, last) = dates[campaign];
        offer(
            client,
            pb::Reward {
                start_time: Some(timestamp(at(first, 0))),
                end_time: Some(timestamp(at(last.succ_opt().unwrap(), 0))),
                eligibility: format!("'campaign_{campaign}' in member.attributes"),
                fulfilment: pb::FulfilmentKind::Discount.into(),
                ..reward(&format!("{campaign}-{upc}"), 1)
            },
        )
    });
    for created in join_all(created).await {
        created.unwrap();
    }
}

async fn every_coupon_is_redeemed_as_it_was(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { expiry_policy: None, ..program(PROGRAM) }).await;
    let redeemed = rows(COUPONS);
    let [household, upc, campaign, date] = [0, 1, 2, 3].map(|n| move |row: &Vec<String>| row[n].clone());
    let coupons: BTreeSet<_> = redeemed.iter().map(|row| (campaign(row), upc(row))).collect();
    create_coupons(&client, &coupons).await;
    house.clock().advance_to(at(day("2017-01-01"), 0));
    let members = members(&client, &redeemed.iter().map(household).collect()).await;
    let stranger = enroll(&client, &named("stranger")).await;
    record(&client, purchase(&stranger, 10)).await.unwrap();
    let mut had: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for row in &redeemed {
        house.clock().advance_to(at(day(&date(row)), 12));
        let (member, id) = (&members[&household(row)], format!("{}-{}", campaign(row), upc(row)));
        let made = redeem(&client, redemption(member, &id)).await;
        let made = made.unwrap_or_else(|refused| panic!("{row:?}: {refused}")).redemption.unwrap();
        assert_eq!((made.points, made.reward_id.as_str()), (1, id.as_str()));
        *had.entry((household(row), campaign(row), upc(row))).or_default() += 1;
        let refused = redeem(&client, redemption(&stranger, &id)).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_ELIGIBLE", "{row:?}");
    }
    assert_eq!((redeemed.len(), had.len(), coupons.len()), (990, 975, 393));
    assert_eq!(had.values().filter(|times| **times == 2).count(), 15);

    // On the last day of the year a household sees what is left for it, and nothing of what is over.
    let member = &members[&household(redeemed.last().unwrap())];
    let left: Vec<_> = offers(&client, member).await.into_iter().filter(|one| one.eligible).collect();
    let now = at(day("2017-12-31"), 12);
    for one in left.iter().map(|one| one.reward.as_ref().unwrap()) {
        let (start, end) = (one.start_time.unwrap().seconds, one.end_time.unwrap().seconds);
        assert!(start <= now.micros() / 1_000_000 && now.micros() / 1_000_000 < end, "{one:?}");
    }
    house.end().await;
}
