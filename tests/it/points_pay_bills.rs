//! Points pay bills, all of one or a part, at the rate of a reward: quoted, held, captured and given back.

use harness::calls::{balance_of, create_program, enroll, purchase, reason, record, redeem, redemption, usd};
use harness::holds::{capture, captured, held, hold, refund, refunded};
use harness::house::House;
use harness::offers::{change, offer, offers, redemption_of, reward};
use pb::redemption_service_client::RedemptionServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;
use tonic_types::StatusExt;

use crate::rewards_are_held::numbers;

everywhere! {
    a_bill_is_quoted_held_and_captured;
    a_rate_changes_with_its_version;
    a_step_is_the_least_that_is_paid_in_a_currency;
    what_pays_no_bill;
}

const INSUFFICIENT: pb::ObstacleReason = pb::ObstacleReason::InsufficientPoints;

/// 150 points are worth a dollar.
fn rate() -> pb::Reward {
    let payment_rate = Some(pb::PaymentRate { per: Some(usd(1, 0)), step: None });
    pb::Reward { payment_rate, ..reward("points-as-money", 150) }
}

async fn quote(
    client: &Client,
    member_id: &str,
    amount: Money,
    max_points: i64,
) -> Result<pb::QuotePaymentResponse, Status> {
    let request = pb::QuotePaymentRequest {
        member_id: member_id.into(),
        reward_id: "points-as-money".into(),
        amount: Some(amount),
        max_points,
    };
    Ok(RedemptionServiceClient::new(client.clone()).quote_payment(request).await?.into_inner())
}

fn bill(member_id: &str, amount: Money, max_points: i64) -> pb::CreateRedemptionRequest {
    let amount = Some(amount);
    pb::CreateRedemptionRequest { amount, max_points, ..hold(member_id, "points-as-money", 600) }
}

async fn a_bill_is_quoted_held_and_captured(house: House) {
    let client = house.client();
    create_program(&client).await;
    offer(&client, rate()).await.unwrap();
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 500)).await.unwrap();
    let told = quote(&client, &anna, usd(10, 0), 0).await.unwrap();
    assert_eq!((told.points, told.paid, told.money), (500, Some(usd(3, 33)), Some(usd(6, 67))));
    assert_eq!((told.available, told.reward_version), (500, 1));
    let whole = quote(&client, &anna, usd(2, 0), 0).await.unwrap();
    assert_eq!((whole.points, whole.paid, whole.money), (300, Some(usd(2, 0)), Some(usd(0, 0))));
    let some = quote(&client, &anna, usd(10, 0), 100).await.unwrap();
    assert_eq!((some.points, some.paid, some.money), (99, Some(usd(0, 66)), Some(usd(9, 34))));

    let made = held(&client, bill(&anna, usd(10, 0), 300)).await.unwrap();
    assert_eq!(numbers(&made.balance.unwrap()), (200, 300, 0));
    let made = made.redemption.unwrap();
    assert_eq!((made.amount.clone(), made.money.clone()), (Some(usd(10, 0)), Some(usd(8, 0))));
    assert_eq!(redemption_of(&client, &made).await, made);
    let part = Some(pb::capture_redemption_request::Portion::Points(150));
    let done = captured(&client, pb::CaptureRedemptionRequest { portion: part, ..capture(&made) }).await;
    let done = done.unwrap();
    assert_eq!(numbers(&done.balance.unwrap()), (350, 0, 150));
    assert_eq!(done.redemption.unwrap().money, Some(usd(9, 0)), "150 points pay a dollar of the ten");
    refunded(&client, refund(&made, Some(60))).await.unwrap();
    assert_eq!(numbers(&balance_of(&client, &anna).await), (410, 0, 90));

    // Points that pay no step more leave as much of the bill.
    let made = held(&client, bill(&anna, usd(3, 0), 299)).await.unwrap().redemption.unwrap();
    assert_eq!((made.points, made.money.clone()), (299, Some(usd(1, 1))));
    let part = |points| {
        let portion = Some(pb::capture_redemption_request::Portion::Points(points));
        captured(&client, pb::CaptureRedemptionRequest { portion, ..capture(&made) })
    };
    let refused = part(1).await.unwrap_err();
    assert_eq!(reason(&refused), "INSUFFICIENT_POINTS");
    assert_eq!(refused.get_details_error_info().unwrap().metadata["needed"], "2");
    let done = part(100).await.unwrap().redemption.unwrap();
    assert_eq!((done.points_captured, done.money), (99, Some(usd(2, 34))), "one more would pay no cent more");
    assert_eq!(numbers(&balance_of(&client, &anna).await), (311, 0, 189));
    refunded(&client, refund(&made, None)).await.unwrap();

    // In one step, with all that there is.
    let at_once =
        pb::RedeemRewardRequest { amount: Some(usd(100, 0)), ..redemption(&anna, "points-as-money") };
    let paid = redeem(&client, at_once).await.unwrap().redemption.unwrap();
    assert_eq!((paid.points, paid.money), (410, Some(usd(97, 27))));
    // The list asks for no more than pays for one step of a bill.
    let offered = offers(&client, &anna).await.remove(0);
    assert_eq!((offered.prices[0].points, offered.prices[0].missing_points), (150, 2));
    assert_eq!((offered.obstacles[0].reason(), offered.obstacles[0].missing), (INSUFFICIENT, 2));
    record(&client, purchase(&anna, 1)).await.unwrap();
    assert_eq!(offers(&client, &anna).await[0].prices[0].missing_points, 1);
    assert_eq!(reason(&quote(&client, &anna, usd(10, 0), 0).await.unwrap_err()), "INSUFFICIENT_POINTS");
    record(&client, purchase(&anna, 1)).await.unwrap();
    let offered = offers(&client, &anna).await.remove(0);
    assert_eq!((offered.eligible, offered.prices[0].missing_points), (true, 0));
    assert_eq!(quote(&client, &anna, usd(10, 0), 0).await.unwrap().paid, Some(usd(0, 1)));
    house.end().await;
}

async fn a_rate_changes_with_its_version(house: House) {
    let client = house.client();
    create_program(&client).await;
    let first = offer(&client, rate()).await.unwrap();
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    let made = held(&client, bill(&anna, usd(2, 0), 0)).await.unwrap().redemption.unwrap();
    let wanted = pb::Reward { price_points: 200, ..first };
    change(&client, wanted, &["price_points"]).await.unwrap();
    let told = quote(&client, &anna, usd(2, 0), 0).await.unwrap();
    assert_eq!((told.points, told.reward_version), (400, 2));
    let done = captured(&client, capture(&made)).await.unwrap().redemption.unwrap();
    assert_eq!((done.points_captured, done.reward_version, done.money), (300, 1, Some(usd(0, 0))));
    house.end().await;
}

async fn a_step_is_the_least_that_is_paid_in_a_currency(house: House) {
    let client = house.client();
    create_program(&client).await;
    for (code, units, nanos) in [("EUR", 0, 10_000_000), ("JPY", 1, 0), ("KWD", 0, 1_000_000)] {
        let per = Some(Money { currency_code: code.into(), units: 100, nanos: 0 });
        let payment_rate = Some(pb::PaymentRate { per, step: None });
        let made = offer(&client, pb::Reward { payment_rate, ..reward(code, 150) }).await.unwrap();
        let step = Money { currency_code: code.into(), units, nanos };
        assert_eq!(made.payment_rate.unwrap().step, Some(step));
    }
    house.end().await;
}

async fn what_pays_no_bill(house: House) {
    let client = house.client();
    create_program(&client).await;
    offer(&client, rate()).await.unwrap();
    offer(&client, reward("mug", 10)).await.unwrap();
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 100)).await.unwrap();
    let refused = async |request| reason(&held(&client, request).await.unwrap_err());
    let euro = Money { currency_code: "EUR".into(), ..usd(1, 0) };
    assert_eq!(refused(hold(&anna, "points-as-money", 60)).await, "AMOUNT_REQUIRED");
    let mug = pb::CreateRedemptionRequest { reward_id: "mug".into(), ..bill(&anna, usd(1, 0), 0) };
    assert_eq!(refused(mug).await, "NO_PAYMENT_RATE");
    assert_eq!(refused(bill(&anna, euro.clone(), 0)).await, "CURRENCY_MISMATCH");
    assert_eq!(refused(bill(&anna, usd(1, 0), 150)).await, "INSUFFICIENT_POINTS");
    assert_eq!(refused(bill(&anna, usd(1, 0), 1)).await, "INSUFFICIENT_POINTS");
    for wrong in [
        bill(&anna, usd(0, 0), 0),
        bill(&anna, usd(-1, 0), 0),
        bill(&anna, usd(1, 0), -1),
        pb::CreateRedemptionRequest { quantity: 2, ..bill(&anna, usd(1, 0), 0) },
        pb::CreateRedemptionRequest { amount: None, ..bill(&anna, usd(1, 0), 5) },
        bill(&anna, usd(i64::MAX, 0), 0),
    ] {
        assert_eq!(refused(wrong).await, "FIELDS_INVALID");
    }
    let refused_quote = quote(&client, &anna, euro, 0).await.unwrap_err();
    assert_eq!(reason(&refused_quote), "CURRENCY_MISMATCH");
    assert!(refused_quote.message().ends_with("pay bills in USD"), "{}", refused_quote.message());
    let priced = pb::Reward { price_money: Some(usd(1, 0)), reward_id: "odd".into(), ..rate() };
    assert_eq!(reason(&offer(&client, priced).await.unwrap_err()), "PAYMENT_RATE_ALONE");
    let step = pb::PaymentRate { per: Some(usd(1, 0)), step: Some(usd(0, 0)) };
    let nothing = pb::Reward { payment_rate: Some(step), reward_id: "odd".into(), ..rate() };
    assert_eq!(reason(&offer(&client, nothing).await.unwrap_err()), "FIELDS_INVALID");
    let nobody = enroll(&client, "nobody").await;
    assert_eq!(refused(bill(&nobody, usd(1, 0), 0)).await, "INSUFFICIENT_POINTS");
    assert_eq!(numbers(&balance_of(&client, &anna).await), (100, 0, 0));
    house.end().await;
}
