//! What a program owes is told month by month, to the point that its wallets hold: whatever moved, whenever
//! it was recorded, and while it moves.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program, create_program_like, create_reward, enroll, program, purchase, reason, record,
    redeem, redemption, request_id, timestamp, update_program,
};
use harness::holds::{capture, held, hold, refund, refunded, void, voided};
use harness::house::House;
use harness::moves::{buys, day, merge, merger, reverse};
use harness::process::rapport;
use pb::activity_service_client::ActivityServiceClient;
use pb::points_service_client::PointsServiceClient;
use pb::report_service_client::ReportServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::points_are_of_several_currencies::{COINS, coins};

in_process! {
    every_movement_is_in_its_month;
    a_month_is_told_in_the_zone_of_its_program;
    a_month_is_sealed_once_it_is_settled;
    every_report_ties_while_points_move;
    what_was_posted_is_summed_up_before_anybody_asks;
    what_will_be_lost_is_estimated_from_what_was;
    reports_that_make_no_sense;
    the_command_writes_pages_and_tables;
}

fn asked(first_month: &str, last_month: &str) -> pb::GetLiabilityReportRequest {
    pb::GetLiabilityReportRequest {
        program_id: PROGRAM.into(),
        first_month: first_month.into(),
        last_month: last_month.into(),
        ..Default::default()
    }
}

async fn report(
    client: &Client,
    request: pb::GetLiabilityReportRequest,
) -> Result<pb::GetLiabilityReportResponse, Status> {
    Ok(ReportServiceClient::new(client.clone()).get_liability_report(request).await?.into_inner())
}

/// The months of the main currency, once it is sure that they follow each other and tie.
async fn months(client: &Client, first: &str, last: &str) -> Vec<pb::LiabilityMonth> {
    let told = report(client, asked(first, last)).await.expect("a report");
    for currency in &told.currencies {
        ties(currency);
    }
    told.currencies.into_iter().next().expect("a currency").months
}

fn ties(currency: &pb::CurrencyLiability) {
    assert_eq!(currency.difference, 0, "{currency:?}");
    for pair in currency.months.windows(2) {
        assert_eq!(pair[0].closing, pair[1].opening);
    }
    for m in &currency.months {
        let more = m.issued + m.refunded + m.reinstated + m.adjusted + m.waived + m.transferred;
        assert_eq!(m.opening + more - m.reversed - m.redeemed - m.expired, m.closing, "{m:?}");
        assert_eq!(m.pending + m.available + m.held - m.arrears, m.closing, "{m:?}");
        assert_eq!(m.transferred, 0);
    }
}

/// What moved: issued, reversed, redeemed, refunded, expired, adjusted, waived.
fn moved(m: &pb::LiabilityMonth) -> [i64; 7] {
    [m.issued, m.reversed, m.redeemed, m.refunded, m.expired, m.adjusted, m.waived]
}

/// What was left: closing, pending, available, held, arrears.
fn left(m: &pb::LiabilityMonth) -> [i64; 5] {
    [m.closing, m.pending, m.available, m.held, m.arrears]
}

fn costing(nanos: i32) -> Option<pb::PointCurrency> {
    let unit_cost = Some(Money { currency_code: "USD".into(), units: 0, nanos });
    Some(pb::PointCurrency { unit_cost, ..Default::default() })
}

/// Points wait for 10 days, live for 90 and cost half a cent; there are coins, too, and no tiers.
fn wanted() -> pb::Program {
    let policy = Some(pb::release_policy::Policy::AfterDays(10));
    pb::Program {
        tiers: Vec::new(),
        point_currency: costing(5_000_000),
        further_currencies: vec![coins()],
        release_policy: Some(pb::ReleasePolicy { policy }),
        ..program(PROGRAM)
    }
}

async fn returns(client: &Client, policy: pb::ReturnPolicy) {
    let changed = pb::Program { return_policy: policy.into(), ..wanted() };
    update_program(client, changed, &["return_policy"]).await.unwrap();
}

/// A purchase whose points may be spent at once.
async fn buys_for_now(client: &Client, member_id: &str, units: i64) -> String {
    let activity_id = buys(client, member_id, units).await;
    let request = pb::ConfirmActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::confirm_activity_request::Activity::ActivityId(activity_id.clone())),
    };
    ActivityServiceClient::new(client.clone()).confirm_activity(request).await.expect("it is confirmed");
    activity_id
}

async fn adjust(client: &Client, member_id: &str, points: i64) {
    let request = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        points,
        reason: "gift".into(),
        approver: "chief".into(),
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).adjust_points(request).await.expect("it is adjusted");
}

async fn give(client: &Client, from: &str, to: &str, points: i64) {
    let request = pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: from.into(),
        to_member_id: to.into(),
        points,
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).transfer_points(request).await.expect("points are given");
}

async fn seal_as(
    client: &Client,
    request_id: String,
    month: &str,
) -> Result<pb::SealLiabilityPeriodResponse, Status> {
    let request =
        pb::SealLiabilityPeriodRequest { request_id, program_id: PROGRAM.into(), month: month.into() };
    Ok(ReportServiceClient::new(client.clone()).seal_liability_period(request).await?.into_inner())
}

async fn seal(client: &Client, month: &str) -> Result<pb::SealLiabilityPeriodResponse, Status> {
    seal_as(client, request_id(), month).await
}

/// January, with everything that has no history: returns what may be refunded, and what may be returned.
async fn january(house: &House, anna: &str, ben: &str) -> (pb::Redemption, String) {
    let client = house.client();
    buys_for_now(&client, anna, 1_000).await;
    let bought = buys(&client, ben, 500).await;
    let now = months(&client, "", "").await;
    assert_eq!(now.iter().map(left).collect::<Vec<_>>(), [[1_500, 500, 1_000, 0, 0]]);
    house.clock().advance_to(day(12));
    let spent = redeem(&client, redemption(anna, "mug")).await.unwrap().redemption.unwrap();
    let kept = held(&client, hold(ben, "mug", 600)).await.unwrap().redemption.unwrap();
    assert_eq!(left(&months(&client, "", "").await[0]), [1_200, 0, 900, 300, 0], "some of it is held");
    captured_whole(&client, &kept).await;
    adjust(&client, anna, 50).await;
    adjust(&client, ben, -20).await;
    (spent, bought)
}

async fn captured_whole(client: &Client, of: &pb::Redemption) {
    harness::holds::captured(client, capture(of)).await.expect("it is captured");
}

/// February, with debts, what is waived, gifts and a merger.
async fn february(house: &House, (anna, ben): (&str, &str), spent: &pb::Redemption, bought: &str) {
    let client = house.client();
    house.clock().advance_to(day(35));
    refunded(&client, refund(spent, Some(100))).await.unwrap();
    // Of 500 points 180 are left: 320 are owed.
    returns(&client, pb::ReturnPolicy::Unlimited).await;
    assert_eq!(reverse(&client, ben, bought).await.unwrap().points_in_arrears, 320);
    // Of 200 points 50 are left: 150 are waived.
    returns(&client, pb::ReturnPolicy::WithinBalance).await;
    let carl = enroll(&client, "carl").await;
    let order = buys_for_now(&client, &carl, 200).await;
    redeem(&client, redemption(&carl, "pin")).await.unwrap();
    assert_eq!(reverse(&client, &carl, &order).await.unwrap().points_waived, 150);
    let dora = enroll(&client, "dora").await;
    give(&client, anna, &dora, 40).await;
    let kept = held(&client, hold(anna, "mug", 600)).await.unwrap().redemption.unwrap();
    voided(&client, void(&kept)).await.unwrap();
    merge(&client, merger(&dora, anna)).await.unwrap();
    house.clock().advance_to(day(55));
    buys(&client, anna, 70).await;
}

async fn every_movement_is_in_its_month(house: House) {
    let client = house.client();
    create_program_like(&client, wanted()).await;
    create_reward(&client, "mug", 300, None).await;
    create_reward(&client, "pin", 150, None).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let (spent, bought) = january(&house, &anna, &ben).await;
    february(&house, (&anna, &ben), &spent, &bought).await;
    house.clock().advance_to(day(70));
    buys_for_now(&client, &ben, 100).await;
    house.clock().advance_to(day(110));
    house.settle().await;
    let told = months(&client, "", "").await;
    let names: Vec<&str> = told.iter().map(|month| month.month.as_str()).collect();
    assert_eq!(names, ["2024-01", "2024-02", "2024-03", "2024-04"]);
    let expected = [
        [1_500, 0, 600, 0, 0, 30, 0],
        [270, 700, 150, 100, 0, 0, 150],
        [100, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 850, 0, 0],
    ];
    assert_eq!(told.iter().map(moved).collect::<Vec<_>>(), expected);
    let expected =
        [[930, 0, 930, 0, 0], [600, 70, 850, 0, 320], [700, 0, 920, 0, 220], [-150, 0, 70, 0, 220]];
    assert_eq!(told.iter().map(left).collect::<Vec<_>>(), expected);
    let cost = |month: &pb::LiabilityMonth| month.cost.clone().map(|cost| (cost.units, cost.nanos));
    assert_eq!((cost(&told[0]), cost(&told[3])), (Some((4, 650_000_000)), Some((0, -750_000_000))));
    assert_eq!(months(&client, "2024-02", "2024-03").await, told[1..3]);
    sealed_months_stay(&house, &anna, &told).await;
    house.end().await;
}

async fn sealed_months_stay(house: &House, anna: &str, before: &[pb::LiabilityMonth]) {
    let client = house.client();
    let refused = seal(&client, "2024-04").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "PERIOD_NOT_OVER"));
    let id = request_id();
    let sealed = seal_as(&client, id.clone(), "2024-02").await.unwrap();
    assert_eq!((sealed.sealed_month.as_str(), sealed.replayed), ("2024-02", false));
    let again = seal_as(&client, id, "2024-02").await.unwrap();
    assert_eq!(again, pb::SealLiabilityPeriodResponse { replayed: true, ..sealed });
    for month in ["2024-01", "2024-02"] {
        let refused = seal(&client, month).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "PERIOD_SEALED"));
    }
    // A purchase of January that nobody knew of, and a point that costs twice as much from now on.
    let mut late = purchase(anna, 30);
    late.activity.as_mut().unwrap().occurred_time = Some(timestamp(day(24)));
    record(&client, late).await.unwrap();
    let dearer = pb::Program { point_currency: costing(10_000_000), ..wanted() };
    update_program(&client, dearer, &["point_currency.unit_cost"]).await.unwrap();
    let after = months(&client, "", "").await;
    for (after, before) in after.iter().zip(before).take(2) {
        assert_eq!(*after, pb::LiabilityMonth { sealed: true, ..before.clone() });
    }
    assert_eq!(moved(&after[2]), [130, 0, 0, 0, 0, 0, 0], "the first month that is open");
    assert_eq!((left(&after[2]), left(&after[3])), ([730, 0, 950, 0, 220], [-120, 0, 100, 0, 220]));
    let costs = after.iter().map(|month| month.cost.as_ref().unwrap());
    let costs: Vec<(i64, i32)> = costs.map(|cost| (cost.units, cost.nanos)).collect();
    assert_eq!(costs, [(4, 650_000_000), (3, 0), (7, 300_000_000), (-1, -200_000_000)]);
    let told = report(&client, asked("", "")).await.unwrap();
    assert_eq!((told.sealed_month.as_str(), told.time_zone.as_str()), ("2024-02", "UTC"));
    let coins = &told.currencies[1];
    assert_eq!((coins.currency_code.as_str(), coins.ledger_points), (COINS, 0));
    assert!(coins.months.iter().all(|month| month.cost.is_none() && month.closing == 0));
}

async fn a_month_is_told_in_the_zone_of_its_program(house: House) {
    let client = house.client();
    let tokyo = pb::Program { time_zone: "Asia/Tokyo".into(), ..program(PROGRAM) };
    create_program_like(&client, tokyo).await;
    let anna = enroll(&client, "anna").await;
    // February begins there nine hours earlier.
    let hours = |n: i64| day(31).plus_micros(n * 3_600_000_000);
    house.clock().advance_to(hours(-9).plus_micros(-1));
    buys(&client, &anna, 10).await;
    house.clock().advance_to(hours(-9));
    buys(&client, &anna, 5).await;
    let told = months(&client, "", "").await;
    let told: Vec<_> = told.iter().map(|month| (month.month.as_str(), month.issued)).collect();
    assert_eq!(told, [("2024-01", 10), ("2024-02", 5)]);
    house.end().await;
}

async fn a_month_is_sealed_once_it_is_settled(house: House) {
    let client = house.client();
    create_program_like(&client, wanted()).await;
    let anna = enroll(&client, "anna").await;
    // Points of a purchase fall due in its month. The service may settle them before anybody asks: then the
    // next month is tried.
    let months_and_ends =
        [("2024-01", 31), ("2024-02", 60), ("2024-03", 91), ("2024-04", 121), ("2024-05", 152)];
    let (mut sealed, mut refused) = (String::new(), None);
    for (month, end) in months_and_ends {
        buys(&client, &anna, 10).await;
        house.clock().advance_to(day(end));
        let id = request_id();
        match seal_as(&client, id.clone(), month).await {
            Ok(done) => sealed = done.sealed_month,
            Err(status) => {
                refused = Some((id, month, status));
                break;
            }
        }
    }
    let (id, month, status) = refused.expect("a month of which something is due");
    let told = (status.code(), reason(&status));
    assert_eq!(told, (Code::FailedPrecondition, "PERIOD_NOT_SETTLED".to_owned()));
    assert_eq!(report(&client, asked("", "")).await.unwrap().sealed_month, sealed);
    house.settle().await;
    let again = seal_as(&client, id, month).await.unwrap_err();
    assert_eq!(reason(&again), "PERIOD_NOT_SETTLED", "one request id, one answer");
    assert_eq!(seal(&client, month).await.unwrap().sealed_month, month);
    assert_eq!(report(&client, asked("", "")).await.unwrap().sealed_month, month);
    house.end().await;
}

async fn every_report_ties_while_points_move(house: House) {
    let client = house.client();
    create_program(&client).await;
    let members = join_all((0..8).map(|n| {
        let client = client.clone();
        async move { enroll(&client, &format!("member {n}")).await }
    }))
    .await;
    let earn = join_all(members.iter().cycle().take(160).map(|member| buys(&client, member, 3)));
    let reports = async {
        let mut told = Vec::new();
        for _ in 0..6 {
            told.extend(join_all((0..3).map(|_| report(&client, asked("", "")))).await);
        }
        told
    };
    let (_, told) = tokio::join!(earn, reports);
    for told in told {
        told.unwrap().currencies.iter().for_each(ties);
    }
    assert_eq!(months(&client, "", "").await[0].closing, 480);
    assert_eq!(house.count("SELECT CAST(SUM(issued) AS BIGINT) AS n FROM liability_month").await, 480);
    house.end().await;
}

async fn what_was_posted_is_summed_up_before_anybody_asks(house: House) {
    let client = house.client();
    create_program_like(&client, wanted()).await;
    create_program_like(&client, pb::Program { program_id: "other".into(), ..wanted() }).await;
    let member = enroll(&client, "anna").await;
    for units in 1..=3 {
        buys(&client, &member, units).await;
    }
    let worker = house.suite().loyalty().expect("a ledger").roll_up();
    assert_eq!(worker.run_once(4).await.unwrap(), 0, "so few are not worth it");
    assert_eq!(worker.run_once(3).await.unwrap(), 1, "nothing was posted in the other program");
    assert_eq!(worker.run_once(1).await.unwrap(), 0, "each posting is added once");
    let before = months(&client, "", "").await;
    buys(&client, &member, 4).await;
    assert_eq!(worker.run_once(1).await.unwrap(), 1);
    let (before, after) = (before.last().unwrap(), months(&client, "", "").await);
    assert_eq!(after.last().unwrap().issued, before.issued + 4);
    house.end().await;
}

async fn what_will_be_lost_is_estimated_from_what_was(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { tiers: Vec::new(), ..program(PROGRAM) }).await;
    create_reward(&client, "bike", 1_000, None).await;
    create_reward(&client, "bag", 500, None).await;
    let anna = enroll(&client, "anna").await;
    buys(&client, &anna, 2_000).await;
    redeem(&client, redemption(&anna, "bike")).await.unwrap();
    let told = report(&client, asked("", "")).await.unwrap();
    assert_eq!(told.currencies[0].breakage, None, "no lot has ended");
    house.clock().advance_to(day(40));
    redeem(&client, redemption(&anna, "bag")).await.unwrap();
    // 500 points expire in March.
    house.clock().advance_to(day(95));
    house.settle().await;
    buys(&client, &anna, 400).await;
    let told = report(&client, asked("", "")).await.unwrap();
    let breakage = told.currencies[0].breakage.clone().expect("an estimate");
    assert_eq!((breakage.points, breakage.open_points, breakage.share_basis_points), (100, 400, 2_500));
    assert_eq!((breakage.points_observed, breakage.points_observed_expired), (2_000, 500));
    let ages: Vec<_> =
        breakage.ages.iter().map(|age| (age.points_observed, age.share_basis_points)).collect();
    assert_eq!(ages, [(2_000, 2_500), (1_000, 5_000), (500, 10_000)]);
    let short = pb::GetLiabilityReportRequest { skip_breakage: true, ..asked("", "") };
    assert_eq!(report(&client, short).await.unwrap().currencies[0].breakage, None);
    house.end().await;
}

async fn reports_that_make_no_sense(house: House) {
    let client = house.client();
    create_program(&client).await;
    let fields = |status: &Status| -> Vec<String> {
        let details = status.get_details_bad_request();
        details.map(|d| d.field_violations.into_iter().map(|v| v.field).collect()).unwrap_or_default()
    };
    for (first, last, field) in [
        ("2024-13", "", "first_month"),
        ("", "24-01", "last_month"),
        ("", "2024-02", "last_month"),
        ("2024-01", "2023-12", "first_month"),
        ("2014-01", "", "first_month"),
    ] {
        let refused = report(&client, asked(first, last)).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
    let told = months(&client, "2014-02", "").await;
    assert_eq!((told.len(), told[119].month.as_str(), told[119].closing), (120, "2024-01", 0));
    let gems = pb::GetLiabilityReportRequest { currency_code: "gems".into(), ..asked("", "") };
    let nowhere = pb::GetLiabilityReportRequest { program_id: "nowhere".into(), ..asked("", "") };
    for (request, expected) in [(gems, "POINT_CURRENCY_NOT_FOUND"), (nowhere, "PROGRAM_NOT_FOUND")] {
        let refused = report(&client, request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, expected));
    }
    for month in ["", "0000-01", "1999-12"] {
        assert_eq!(fields(&seal(&client, month).await.unwrap_err()), ["month"]);
    }
    assert_eq!(fields(&seal_as(&client, "1".into(), "2023-12").await.unwrap_err()), ["request_id"]);
    let cost = Some(Money { currency_code: "EUR".into(), units: 1, nanos: 0 });
    let euros = pb::Program {
        program_id: "other".into(),
        point_currency: Some(pb::PointCurrency { unit_cost: cost, ..Default::default() }),
        ..program(PROGRAM)
    };
    let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(euros) };
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let refused = programs.create_program(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["program.point_currency.unit_cost"]);
    house.end().await;
}

async fn the_command_writes_pages_and_tables(house: House) {
    let client = house.client();
    let priced = pb::Program { point_currency: costing(5_000_000), ..program(PROGRAM) };
    create_program_like(&client, priced).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_234)).await.unwrap();
    let target = house.target();
    let write = async |format: &str, program: &str| {
        let command = ["report", "liability", "--program", program, "--format", format, "--target", &target];
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let run = move || rapport(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let output = tokio::task::spawn_blocking(run).await.expect("rapport runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, page) = write("html", PROGRAM).await;
    assert_eq!(code, Some(0));
    assert!(
        page.starts_with("<!doctype html>") && page.contains("1,234") && page.contains("<rect"),
        "{page}"
    );
    let (code, table) = write("csv", PROGRAM).await;
    let row = "points,2024-01,0,1234,0,0,0,0,0,0,0,0,1234,0,1234,0,0,0.005,6.17,USD,false";
    assert_eq!((code, table.lines().nth(1)), (Some(0), Some(row)));
    let (code, document) = write("json", PROGRAM).await;
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!((code, &document["currencies"][0]["ledger_points"]), (Some(0), &serde_json::json!(1_234)));
    assert_eq!(write("json", "nowhere").await.0, Some(1));
    house.end().await;
}
