//! Pools of codes: uploaded by stream, handed out with the capture, each code to one redemption.

use std::collections::BTreeSet;

use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption, request_id,
};
use harness::holds::{capture, captured, held, hold, refund, refunded, void, voided};
use harness::house::House;
use harness::offers::{codes_left, offer, redemption_of, upload, voucher};
use pb::reward_service_client::RewardServiceClient;
use proto::rapport::loyalty::v1 as pb;

use crate::two_processes_race_for_rewards::both;

everywhere! {
    codes_are_uploaded_and_handed_out;
    what_is_no_upload;
}

fn codes(numbers: std::ops::Range<i32>) -> Vec<String> {
    numbers.map(|n| format!("CODE-{n:06}")).collect()
}

async fn codes_are_uploaded_and_handed_out(house: House) {
    let client = house.client();
    create_program(&client).await;
    offer(&client, voucher("coffee", 10)).await.unwrap();
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    let none = redeem(&client, redemption(&anna, "coffee")).await.unwrap_err();
    assert_eq!(reason(&none), "OUT_OF_STOCK");
    let done = upload(&client, "coffee", &codes(0..5), 2).await.unwrap();
    assert_eq!((done.added, done.passed_over), (5, 0));
    // The upload broke, for all that its sender knows: the whole of it, and more, and some twice.
    let again = [codes(0..8), codes(6..8)].concat();
    let done = upload(&client, "coffee", &again, 3).await.unwrap();
    assert_eq!((done.added, done.passed_over), (3, 7));
    assert_eq!(codes_left(&client, "coffee").await, 8);

    let first = redeem(&client, redemption(&anna, "coffee")).await.unwrap().redemption.unwrap();
    assert_eq!(first.codes, codes(0..1));
    let three = pb::CreateRedemptionRequest { quantity: 3, ..hold(&anna, "coffee", 600) };
    let kept = held(&client, three.clone()).await.unwrap().redemption.unwrap();
    assert_eq!((kept.codes.len(), codes_left(&client, "coffee").await), (0, 4), "held, but not told");
    let other = held(&client, hold(&anna, "coffee", 600)).await.unwrap().redemption.unwrap();
    let two = Some(pb::capture_redemption_request::Portion::Quantity(2));
    let request = pb::CaptureRedemptionRequest { portion: two, ..capture(&kept) };
    let done = captured(&client, request.clone()).await.unwrap().redemption.unwrap();
    assert_eq!(done.codes, codes(1..3));
    let again = captured(&client, request).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.redemption.unwrap().codes, codes(1..3), "the same codes, however often it is asked");
    assert_eq!(redemption_of(&client, &kept).await.codes, codes(1..3));
    voided(&client, void(&other)).await.unwrap();
    assert_eq!(codes_left(&client, "coffee").await, 5);

    // A code that somebody saw is never handed out again.
    refunded(&client, refund(&first, None)).await.unwrap();
    assert_eq!(redemption_of(&client, &first).await.codes, codes(0..1));
    let all = pb::RedeemRewardRequest { quantity: 5, ..redemption(&anna, "coffee") };
    let last = redeem(&client, all).await.unwrap().redemption.unwrap();
    assert_eq!(last.codes, codes(3..8));
    assert_eq!(reason(&held(&client, hold(&anna, "coffee", 60)).await.unwrap_err()), "OUT_OF_STOCK");
    house.end().await;
}

async fn what_is_no_upload(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, Some(3)).await;
    offer(&client, voucher("coffee", 10)).await.unwrap();
    let some = codes(0..3);
    assert_eq!(reason(&upload(&client, "mug", &some, 9).await.unwrap_err()), "NO_CODE_POOL");
    assert_eq!(reason(&upload(&client, "tea", &some, 9).await.unwrap_err()), "REWARD_NOT_FOUND");
    let unclean = ["X\tY", "X\u{7f}", "X\u{85}Y"].map(str::to_owned);
    let wrong = [String::new(), "x".repeat(201), " X".into(), "X\n".into()].into_iter().chain(unclean);
    for wrong in wrong {
        let given = [codes(0..3), vec![wrong]].concat();
        let refused = upload(&client, "coffee", &given, 2).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELDS_INVALID");
        assert!(refused.message().contains("code 4"), "{}", refused.message());
    }
    let torn = [codes(0..3), vec!["X\0Y".into()]].concat();
    let refused = upload(&client, "coffee", &torn, 2).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELDS_INVALID");
    assert!(refused.message().starts_with("codes[1]: "), "{}", refused.message());
    assert_eq!(codes_left(&client, "coffee").await, 2, "what came before a message that is refused stays");
    let named = |program_id: &str, reward_id: &str| pb::UploadRewardCodesRequest {
        program_id: program_id.into(),
        reward_id: reward_id.into(),
        codes: Vec::new(),
    };
    let mut service = RewardServiceClient::new(client.clone());
    for (messages, field) in [
        (vec![], "program_id"),
        (vec![named(PROGRAM, "")], "reward_id"),
        (vec![named(PROGRAM, "coffee"), named(PROGRAM, "mug")], "reward_id"),
        (vec![named(PROGRAM, "coffee"), named("other", "")], "program_id"),
    ] {
        let refused = service.upload_reward_codes(futures::stream::iter(messages)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELDS_INVALID");
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let odd = ["ünïcode-☕", "a,b;\"c\"", "' OR 1=1 --", "0"].map(str::to_owned);
    assert_eq!(upload(&client, "coffee", &odd, 9).await.unwrap().added, 4);
    let units = pb::AdjustRewardStockRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        reward_id: "coffee".into(),
        units: 5,
    };
    assert_eq!(reason(&service.adjust_reward_stock(units).await.unwrap_err()), "STOCK_OF_CODES");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_for_a_hundred_codes() {
    let (house, _second, a, b) = both().await;
    offer(&a, voucher("coffee", 10)).await.unwrap();
    let names: Vec<String> = (0..50).map(|i| format!("racer-{i}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&a, name))).await;
    join_all(members.iter().map(|member| record(&a, purchase(member, 1_000)))).await;
    // Codes come while they are asked for: half of them before, half of them meanwhile, from both sides.
    upload(&a, "coffee", &codes(0..50), 50).await.unwrap();
    let racers = (0..1_000).map(|i| {
        let (client, member) = (if i % 2 == 0 { a.clone() } else { b.clone() }, &members[i % members.len()]);
        async move {
            if i % 3 == 0 {
                let kept = held(&client, hold(member, "coffee", 600)).await?.redemption.unwrap();
                return captured(&client, capture(&kept)).await.map(|done| done.redemption.unwrap());
            }
            redeem(&client, redemption(member, "coffee")).await.map(|done| done.redemption.unwrap())
        }
    });
    let (first, second_half) = (codes(0..75), codes(50..100));
    let (answers, one, two) = tokio::join!(
        join_all(racers),
        upload(&a, "coffee", &second_half, 7),
        upload(&b, "coffee", &first, 11),
    );
    assert_eq!(one.unwrap().added + two.unwrap().added, 50);
    let mut given: Vec<String> = answers.iter().flatten().flat_map(|made| made.codes.clone()).collect();
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(reason(refused), "OUT_OF_STOCK", "{refused:?}");
    }
    // Who asked too early asks again.
    while let Ok(done) = redeem(&b, redemption(&members[0], "coffee")).await {
        given.extend(done.redemption.unwrap().codes);
    }
    assert_eq!(given.len(), 100);
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), codes(0..100).into_iter().collect());
    assert_eq!(codes_left(&b, "coffee").await, 0);
    assert!(house.audit().await.sound);
    house.end().await;
}
