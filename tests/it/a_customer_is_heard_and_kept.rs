//! One customer's story through all four services: a purchase, a redemption, a bad answer, a case, its
//! resolution, a better answer - seen in balance, profile, score and inbox.

use harness::calls::{
    answer, balance_of, create_program, create_reward, enroll, profile, purchase, record, redeem, redemption,
    request_id, scores, submit, told,
};
use harness::house::House;
use proto::rapport::feedback::v1 as pb;
use proto::rapport::feedback::v1::answer::Value::{Csat, Nps};
use proto::rapport::feedback::v1::case_service_client::CaseServiceClient;
use proto::rapport::scoring::v1 as scoring;
use suite::compose::Role;

through_all_services! {
    from_the_purchase_to_the_better_answer;
    the_anonymous_are_counted_and_told_nothing;
}

async fn from_the_purchase_to_the_better_answer(house: House) {
    let loyalty = house.client();
    let feedback = house.client_of(Role::Feedback).await;
    let (scorer, notifier) =
        (house.client_of(Role::Scoring).await, house.client_of(Role::Notification).await);
    create_program(&loyalty).await;
    create_reward(&loyalty, "mug", 30, None).await;
    let anna = enroll(&loyalty, "anna").await;
    record(&loyalty, purchase(&anna, 1_200)).await.expect("points");
    redeem(&loyalty, redemption(&anna, "mug")).await.expect("a redemption");
    assert_eq!(balance_of(&loyalty, &anna).await.available, 1_170);

    let bad = submit(&feedback, answer("1", &anna, Csat(1))).await.expect("feedback");
    submit(&feedback, answer("2", &anna, Nps(3))).await.expect("feedback");
    house.settle().await;
    let unhappy = profile(&scorer, &anna).await.expect("a profile");
    assert_eq!((unhappy.cases_opened_count, unhappy.cases_open_count), (2, 2));
    assert_eq!(unhappy.last_csat.expect("an answer").value, 1);
    assert_eq!(told(&notifier, &anna).await.iter().filter(|t| *t == "complaint_received").count(), 2);
    assert_eq!(scores(&scorer, scoring::Metric::Csat).await.total.expect("a score").value, Some(0.0));

    let case_id = bad.case_id;
    let mut cases = CaseServiceClient::new(feedback.clone());
    let (agent_id, note) = ("bob".to_owned(), String::new());
    let assign = pb::AssignCaseRequest {
        request_id: request_id(),
        case_id: case_id.clone(),
        agent_id,
        note: note.clone(),
        version: 1,
    };
    cases.assign_case(assign).await.expect("assigned");
    let sorry = "We are sorry; a new one is on its way.".to_owned();
    let respond = pb::RespondToCaseRequest {
        request_id: request_id(),
        case_id: case_id.clone(),
        note: sorry,
        version: 2,
    };
    cases.respond_to_case(respond).await.expect("answered");
    let remedy_code = "replacement".to_owned();
    let resolve = pb::ResolveCaseRequest { request_id: request_id(), case_id, remedy_code, note, version: 3 };
    let resolved = cases.resolve_case(resolve).await.expect("resolved").into_inner();
    assert!(!resolved.case.expect("a case").breached);
    house.time_passes();
    submit(&feedback, answer("3", &anna, Csat(5))).await.expect("feedback");
    house.settle().await;

    let kept = profile(&scorer, &anna).await.expect("a profile");
    let purchases = kept.purchases.expect("purchases");
    assert_eq!((purchases.count, purchases.spend[0].spend_micros), (1, 1_200_000_000));
    assert_eq!((kept.redemption_count, kept.points_spent), (1, 30));
    assert_eq!((kept.cases_opened_count, kept.cases_open_count), (2, 1));
    assert_eq!(kept.last_csat.expect("an answer").value, 5);
    assert_eq!(kept.last_nps.expect("an answer").value, 3);
    assert_eq!(kept.tier.expect("a tier").tier_id, "silver");
    let csat = scores(&scorer, scoring::Metric::Csat).await;
    let receipt = csat.total.as_ref().and_then(|total| total.receipt.clone()).expect("a receipt");
    assert_eq!((csat.total.expect("a score").value, receipt.denominator), (Some(0.5), 2));
    let nps = scores(&scorer, scoring::Metric::Nps).await;
    assert_eq!(nps.total.expect("a score").value, Some(-100.0));
    assert_eq!(nps.scores[0].segment.as_ref().expect("a segment").value, "SURVEY_WEB");
    let mut templates = told(&notifier, &anna).await;
    templates.sort();
    let expected =
        ["complaint_received", "complaint_received", "complaint_resolved", "reward_redeemed", "tier_up"];
    assert_eq!(templates, expected);
    house.end().await;
}

async fn the_anonymous_are_counted_and_told_nothing(house: House) {
    let feedback = house.client_of(Role::Feedback).await;
    let nobody = pb::Feedback { customer: None, ..answer("1", "", Nps(0)) };
    let taken = submit(&feedback, nobody).await.expect("feedback");
    assert!(!taken.case_id.is_empty());
    let token = pb::customer::Id::AnonymousToken("t".into());
    let token = Some(pb::Customer { id: Some(token) });
    submit(&feedback, pb::Feedback { customer: token, ..answer("2", "", Nps(10)) }).await.expect("feedback");
    house.settle().await;
    let nps = scores(&house.client_of(Role::Scoring).await, scoring::Metric::Nps).await;
    let total = nps.total.expect("a score");
    assert_eq!((total.value, total.receipt.expect("a receipt").denominator), (Some(0.0), 2));
    let nil = uuid::Uuid::nil().to_string();
    assert_eq!(told(&house.client_of(Role::Notification).await, &nil).await, Vec::<String>::new());
    house.end().await;
}
