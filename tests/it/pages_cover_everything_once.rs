//! Lists give every row once, in their stated order, and take no page token but their own.

use futures::future::join_all;
use harness::calls::{PROGRAM, create_program, create_reward, enroll, purchase, reason, record};
use harness::house::House;
use proto::rapport::loyalty::v1 as pb;

everywhere! { postings_lots_members_and_rewards; }

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
        let request =
            pb::ListPostingsRequest { member_id: member.clone(), page_size: 10, page_token: posting_page };
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
    let postings = pb::ListPostingsRequest { member_id: member.into(), page_token: token, page_size: 1 };
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
