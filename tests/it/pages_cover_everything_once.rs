//! Lists give every row once, in their stated order, and take no page token but their own.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program, create_program_like, create_reward, enroll, program, purchase, reason, record,
    redeem, redemption, timestamp,
};
use harness::house::{House, START};
use harness::moves::{merge, merger};
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

everywhere! {
    postings_lots_members_and_rewards;
    a_list_of_another_wallet_begins_anew;
    a_list_is_of_what_is_asked_for;
}

async fn postings_lots_members_and_rewards(house: House) {
    let client = house.client();
    create_program(&client).await;
    let names: Vec<String> = (0..23).map(|i| format!("member-{i}")).collect();
    let mut enrolled = join_all(names.iter().map(|name| enroll(&client, name))).await;
    let member = enrolled[0].clone();
    for units in 1..=23 {
        record(&client, purchase(&member, units)).await.unwrap();
    }
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let (mut seqs, mut lots, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let (mut posting_page, mut lot_page, mut member_page) = (String::new(), String::new(), String::new());
    loop {
        let request = pb::ListPostingsRequest {
            member_id: member.clone(),
            page_size: 10,
            page_token: posting_page,
            ..Default::default()
        };
        let page = points.list_postings(request).await.unwrap().into_inner();
        seqs.extend(page.postings.iter().map(|p| p.seq));
        posting_page = page.next_page_token;
        let request = pb::ListLotsRequest {
            member_id: member.clone(),
            page_size: 10,
            page_token: lot_page,
            open_only: true,
        };
        let page = points.list_lots(request).await.unwrap().into_inner();
        lots.extend(page.lots.iter().map(|l| (l.lot_number, l.points)));
        lot_page = page.next_page_token;
        let request = pb::ListMembersRequest {
            program_id: PROGRAM.into(),
            page_size: 10,
            page_token: member_page,
            ..Default::default()
        };
        let page = members.list_members(request).await.unwrap().into_inner();
        ids.extend(page.members.into_iter().map(|m| m.member_id));
        member_page = page.next_page_token;
        if posting_page.is_empty() {
            break;
        }
    }
    assert!(lot_page.is_empty() && member_page.is_empty());
    assert_eq!(seqs, (1..=23).rev().collect::<Vec<i64>>());
    assert_eq!(lots, (1..=23).map(|n| (n, n)).collect::<Vec<(i64, i64)>>());
    enrolled.sort();
    assert_eq!(ids, enrolled);
    tokens_fit_their_own_request_only(&house, &member).await;
    house.end().await;
}

async fn a_list_is_of_what_is_asked_for(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { expiry_policy: None, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 4, None).await;
    let anna = enroll(&client, "anna").await;
    let mut ids = Vec::new();
    for (n, kind) in
        [(1, pb::ActivityType::Purchase), (2, pb::ActivityType::Purchase), (3, pb::ActivityType::Visit)]
    {
        let mut bought = purchase(&anna, n);
        let activity = bought.activity.as_mut().unwrap();
        activity.r#type = kind.into();
        activity.occurred_time = Some(at(n));
        ids.push((
            bought.request_id.clone(),
            record(&client, bought).await.unwrap().activity.unwrap().activity_id,
        ));
    }
    // A visit earns nothing: points of the second purchase and two of the first go.
    record(&client, purchase(&anna, 2)).await.unwrap();
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    let activities = async |filter: pb::ActivityFilter| {
        let (member_id, filter) = (anna.clone(), Some(filter));
        let request = pb::ListActivitiesRequest { member_id, filter, ..Default::default() };
        let mut service = pb::activity_service_client::ActivityServiceClient::new(client.clone());
        let listed = service.list_activities(request).await.map_err(|status| status.message().to_owned());
        listed.map(|page| {
            page.into_inner().activities.into_iter().map(|one| one.activity_id).collect::<Vec<_>>()
        })
    };
    let visits = pb::ActivityFilter { types: vec![pb::ActivityType::Visit.into()], ..Default::default() };
    assert_eq!(activities(visits).await.unwrap(), [ids[2].1.clone()]);
    let (occurred_since, occurred_before) = (Some(at(2)), Some(at(3)));
    let between = pb::ActivityFilter { occurred_since, occurred_before, ..Default::default() };
    assert_eq!(activities(between).await.unwrap(), [ids[1].1.clone()]);
    let wrong = pb::ActivityFilter { types: vec![99], ..Default::default() };
    assert!(activities(wrong).await.unwrap_err().contains("filter.types: must be known types"));

    let postings = async |filter: pb::PostingFilter| {
        let (member_id, filter) = (anna.clone(), Some(filter));
        let request = pb::ListPostingsRequest { member_id, filter, ..Default::default() };
        let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
        let listed = points.list_postings(request).await.map_err(|status| status.message().to_owned());
        listed.map(|page| page.into_inner().postings)
    };
    let seqs = |postings: &[pb::Posting]| postings.iter().map(|of| of.seq).collect::<Vec<_>>();
    let by = pb::PostingFilter::default;
    let earned = pb::PostingFilter { reasons: vec![pb::PostingReason::Earn.into()], ..by() };
    assert_eq!(seqs(&postings(earned).await.unwrap()), [3, 2, 1]);
    let found = postings(pb::PostingFilter { request_id: ids[1].0.clone(), ..by() }).await.unwrap();
    assert_eq!((seqs(&found), &found[0].request_id, &found[0].activity_id), (vec![2], &ids[1].0, &ids[1].1));
    let activity_id = ids[0].1.clone();
    assert_eq!(seqs(&postings(pb::PostingFilter { activity_id, ..by() }).await.unwrap()), [1]);
    let (effective_since, effective_before) = (Some(at(1)), Some(at(2)));
    let between = pb::PostingFilter { effective_since, effective_before, ..by() };
    assert_eq!(seqs(&postings(between).await.unwrap()), [1]);
    let main = pb::PostingFilter { currency_code: "points".into(), ..by() };
    assert_eq!(seqs(&postings(main).await.unwrap()), [4, 3, 2, 1]);
    for (wrong, told) in [
        (pb::PostingFilter { currency_code: "miles".into(), ..by() }, "miles"),
        (pb::PostingFilter { reasons: vec![99], ..by() }, "filter.reasons: must be known reasons"),
        (pb::PostingFilter { activity_id: "x".into(), ..by() }, "filter.activity_id: must be a UUID"),
    ] {
        let refused = postings(wrong).await.unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    periods_end_after_they_begin(&client, &anna).await;
    house.end().await;
}

async fn periods_end_after_they_begin(client: &Client, member_id: &str) {
    let (occurred_since, occurred_before) = (Some(at(3)), Some(at(2)));
    let filter = Some(pb::ActivityFilter { occurred_since, occurred_before, ..Default::default() });
    let request = pb::ListActivitiesRequest { member_id: member_id.into(), filter, ..Default::default() };
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let refused = activities.list_activities(request).await.unwrap_err();
    assert!(refused.message().contains("filter.occurred_before: must not lie before occurred_since"));
    let (effective_since, effective_before) = (occurred_since, occurred_before);
    let filter = Some(pb::PostingFilter { effective_since, effective_before, ..Default::default() });
    let request = pb::ListPostingsRequest { member_id: member_id.into(), filter, ..Default::default() };
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let refused = points.list_postings(request).await.unwrap_err();
    assert!(refused.message().contains("filter.effective_before: must not lie before effective_since"));
}

/// So many seconds after the last day before 2024 began.
fn at(seconds: i64) -> prost_types::Timestamp {
    timestamp(START.plus_micros(seconds * 1_000_000 - 86_400_000_000))
}

/// Numbers of postings and lots are those of one wallet.
async fn a_list_of_another_wallet_begins_anew(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (card, anna) = (enroll(&client, "card").await, enroll(&client, "anna").await);
    for of in [&card, &card, &anna, &anna] {
        record(&client, purchase(of, 1)).await.unwrap();
    }
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let (member_id, page_size) = (card.clone(), 1);
    let mut postings = pb::ListPostingsRequest { member_id, page_size, ..Default::default() };
    let member_id = card.clone();
    let mut lots = pb::ListLotsRequest { member_id, page_size, ..Default::default() };
    postings.page_token = points.list_postings(postings.clone()).await.unwrap().into_inner().next_page_token;
    lots.page_token = points.list_lots(lots.clone()).await.unwrap().into_inner().next_page_token;
    assert!(points.list_postings(postings.clone()).await.is_ok());
    merge(&client, merger(&card, &anna)).await.unwrap();
    let told = [points.list_postings(postings).await.err(), points.list_lots(lots).await.err()];
    let told = told.map(|status| status.as_ref().map(reason));
    assert_eq!(told, [const { "PAGE_TOKEN_INVALID" }; 2].map(|reason| Some(reason.to_owned())));
    house.end().await;
}

async fn tokens_fit_their_own_request_only(house: &House, member: &str) {
    let mut points = pb::points_service_client::PointsServiceClient::new(house.client());
    let request = pb::ListLotsRequest { member_id: member.into(), page_size: 1, ..Default::default() };
    let token = points.list_lots(request.clone()).await.unwrap().into_inner().next_page_token;
    for foreign in [
        pb::ListLotsRequest { page_token: token.clone(), open_only: true, ..request.clone() },
        pb::ListLotsRequest { page_token: format!("{token}A"), ..request.clone() },
        pb::ListLotsRequest { page_token: "made up".into(), ..request.clone() },
    ] {
        assert_eq!(reason(&points.list_lots(foreign).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    }
    let postings = pb::ListPostingsRequest {
        member_id: member.into(),
        page_token: token,
        page_size: 1,
        ..Default::default()
    };
    assert_eq!(reason(&points.list_postings(postings).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    create_reward(&house.client(), "mug", 1, Some(5)).await;
    create_reward(&house.client(), "pen", 1, None).await;
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(house.client());
    let request = pb::ListRewardsRequest { program_id: PROGRAM.into(), page_size: 1, ..Default::default() };
    let first = rewards.list_rewards(request.clone()).await.unwrap().into_inner();
    let request = pb::ListRewardsRequest { page_token: first.next_page_token, ..request };
    let second = rewards.list_rewards(request).await.unwrap().into_inner();
    assert_eq!(first.rewards[0].stock, Some(pb::reward::Stock::Remaining(5)));
    assert_eq!(second.rewards[0].stock, Some(pb::reward::Stock::Unlimited(true)));
    assert!(second.next_page_token.is_empty());
}
