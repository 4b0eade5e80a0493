//! Two members who are one customer become one, with all that they have, and can be told apart again.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, enroll_in,
    program, purchase, reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use harness::moves::{buys, day, member, merge, merger, reverse, unmerge};
use pb::activity_service_client::ActivityServiceClient;
use pb::member_service_client::MemberServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Code;

in_process! {
    whatever_names_the_merged_member_acts_on_the_other_one;
    a_return_finds_the_points_where_they_are;
    pending_points_and_debts_go_along;
    pending_points_are_released_on_their_day;
    a_merger_is_taken_back_with_what_is_left;
    whoever_was_merged_is_merged_again;
    what_cannot_be_merged_is_refused;
    one_address_leads_to_one_member;
    the_erased_member_is_forgotten_under_all_names;
    mergers_race_with_everything_else;
}

async fn lots(client: &Client, member_id: &str) -> Vec<pb::Lot> {
    let request = pb::ListLotsRequest { member_id: member_id.into(), open_only: true, ..Default::default() };
    PointsServiceClient::new(client.clone()).list_lots(request).await.unwrap().into_inner().lots
}

async fn available(client: &Client, member_id: &str) -> i64 {
    balance_of(client, member_id).await.available
}

fn known_as(external_id: &str, member_id: &str, units: i64) -> pb::RecordActivityRequest {
    let request = purchase(member_id, units);
    let activity = pb::Activity { external_id: external_id.into(), ..request.activity.unwrap() };
    pb::RecordActivityRequest { activity: Some(activity), ..request }
}

async fn whatever_names_the_merged_member_acts_on_the_other_one(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let before = known_as("order 1", &card, 100);
    record(&client, before.clone()).await.unwrap();
    let spent = redeem(&client, redemption(&card, "mug")).await.unwrap().redemption.unwrap();
    record(&client, purchase(&card, 40)).await.unwrap();
    house.clock().advance_to(day(10));
    record(&client, purchase(&anna, 70)).await.unwrap();
    // Both balances are cached, so that a stale one would show.
    assert_eq!((available(&client, &anna).await, available(&client, &card).await), (70, 40));

    let request = merger(&card, &anna);
    let merged = merge(&client, request.clone()).await.unwrap();
    assert_eq!((merged.points_moved, merged.balance.clone().unwrap().available), (40, 110));
    let again = merge(&client, request).await.unwrap();
    assert_eq!(again, pb::MergeMembersResponse { replayed: true, ..merged });
    for name in [&anna, &card] {
        assert_eq!(available(&client, name).await, 110);
        let told: Vec<_> = lots(&client, name).await;
        let told: Vec<_> =
            told.iter().map(|lot| (lot.remaining, lot.expire_time, lot.member_id.as_str())).collect();
        let expected =
            [(70, Some(timestamp(day(100))), anna.as_str()), (40, Some(timestamp(day(90))), card.as_str())];
        assert_eq!(told, expected);
        let full = pb::GetBalanceRequest {
            member_id: name.clone(),
            view: pb::BalanceView::Full.into(),
            ..Default::default()
        };
        let full = balance(&client, full).await.unwrap();
        assert_eq!((&full.member_id, &full.wallet_id), (name, &anna));
        assert_eq!(full.balance.unwrap().expiries.iter().map(|e| e.points).collect::<Vec<_>>(), [40, 70]);
    }
    let of_card = member(&client, &card).await;
    assert_eq!((&of_card.merged_into, &of_card.wallet_id), (&anna, &anna));

    // What the card did before is known under its name, whatever is asked again.
    assert!(record(&client, before.clone()).await.unwrap().replayed);
    let twice = pb::RecordActivityRequest { request_id: request_id(), ..before };
    assert_eq!(reason(&record(&client, twice).await.unwrap_err()), "ACTIVITY_EXISTS");
    let get = pb::GetRedemptionRequest { member_id: card.clone(), redemption_id: spent.redemption_id };
    let mut redemptions = pb::redemption_service_client::RedemptionServiceClient::new(client.clone());
    assert_eq!(redemptions.get_redemption(get).await.unwrap().into_inner().redemption.unwrap().points, 100);

    // What it does from now on is done by both.
    house.clock().advance_to(day(11));
    let token = record(&client, purchase(&card, 90)).await.unwrap().read_token;
    let read = pb::GetBalanceRequest { member_id: card.clone(), read_token: token, ..Default::default() };
    assert_eq!(balance(&client, read).await.unwrap().balance.unwrap().available, 200);
    redeem(&client, redemption(&card, "mug")).await.unwrap();
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    let status = redeem(&client, redemption(&card, "mug")).await.unwrap_err();
    assert_eq!(reason(&status), "INSUFFICIENT_POINTS");
    let list = pb::ListActivitiesRequest { member_id: anna.clone(), ..Default::default() };
    let listed = ActivityServiceClient::new(client.clone()).list_activities(list).await.unwrap().into_inner();
    let by: Vec<_> = listed.activities.iter().map(|a| a.member_id == anna).collect();
    assert_eq!(by[..2], [false, true]);
    assert_eq!(by.len(), 4);
    house.end().await;
}

async fn a_return_finds_the_points_where_they_are(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let first = buys(&client, &card, 100).await;
    redeem(&client, redemption(&card, "mug")).await.unwrap();
    let second = buys(&client, &card, 30).await;
    house.clock().advance_to(day(60));
    let third = buys(&client, &card, 50).await;
    buys(&client, &anna, 20).await;
    house.clock().advance_to(day(90));
    merge(&client, merger(&card, &anna)).await.unwrap();
    // All 30 of the second one expired before, in the other wallet.
    let reversal = reverse(&client, &card, &second).await.unwrap();
    assert_eq!((reversal.points_owed, available(&client, &anna).await), (0, 70));
    let reversal = reverse(&client, &anna, &third).await.unwrap();
    assert_eq!((reversal.points_owed, reversal.points_from_available), (50, 50));
    assert_eq!(
        lots(&client, &anna).await.iter().map(|lot| lot.member_id.as_str()).collect::<Vec<_>>(),
        [&anna]
    );
    // Spent before: it cannot be cancelled for nothing, but what there is now pays for it.
    let cancel = pb::CancelActivityRequest {
        request_id: request_id(),
        member_id: card.clone(),
        activity: Some(pb::cancel_activity_request::Activity::ActivityId(first.clone())),
        ..Default::default()
    };
    let mut activities = ActivityServiceClient::new(client.clone());
    let status = activities.cancel_activity(cancel).await.unwrap_err();
    assert_eq!(reason(&status), "ACTIVITY_RELEASED");
    let reversal = reverse(&client, &card, &first).await.unwrap();
    assert_eq!((reversal.points_owed, reversal.points_from_available, reversal.points_waived), (100, 20, 80));
    // What expired before a move is not given back after it: no return owes it any more.
    unmerge(&client, &card).await.unwrap();
    let again = pb::ReinstatePointsRequest {
        currency_code: String::new(),
        request_id: request_id(),
        member_id: card.clone(),
        expired_since: Some(timestamp(START)),
        expire_time: Some(timestamp(day(300))),
        reason: "too late".into(),
        approver: "ben".into(),
    };
    let again = PointsServiceClient::new(client.clone()).reinstate_points(again).await.unwrap();
    assert_eq!(again.into_inner().points_reinstated, 0);
    house.end().await;
}

async fn pending_points_and_debts_go_along(house: House) {
    let client = house.client();
    let release = pb::ReleasePolicy { policy: Some(pb::release_policy::Policy::OnConfirmation(true)) };
    let return_policy = pb::ReturnPolicy::Unlimited.into();
    let club = pb::Program { release_policy: Some(release), return_policy, ..program(PROGRAM) };
    create_program_like(&client, club).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let confirm = async |member_id: &str, activity_id: String| {
        let request = pb::ConfirmActivityRequest {
            request_id: request_id(),
            member_id: member_id.into(),
            activity: Some(pb::confirm_activity_request::Activity::ActivityId(activity_id)),
        };
        ActivityServiceClient::new(client.clone()).confirm_activity(request).await.unwrap().into_inner()
    };
    // The card owes 100.
    let spent = buys(&client, &card, 100).await;
    confirm(&card, spent.clone()).await;
    redeem(&client, redemption(&card, "mug")).await.unwrap();
    reverse(&client, &card, &spent).await.unwrap();
    let waits = buys(&client, &card, 60).await;
    let had = buys(&client, &anna, 130).await;
    confirm(&anna, had).await;
    let merged = merge(&client, merger(&card, &anna)).await.unwrap();
    let left = merged.balance.unwrap();
    assert_eq!((merged.points_moved, left.available, left.pending, left.arrears), (60, 30, 60, 0));
    confirm(&card, waits).await;
    let all = balance_of(&client, &anna).await;
    assert_eq!((all.available, all.pending), (90, 0));
    // A member who owes takes what the other one brings.
    let (ben, ben_too) = (enroll(&client, "ben").await, enroll(&client, "ben too").await);
    let spent = buys(&client, &ben, 100).await;
    confirm(&ben, spent.clone()).await;
    redeem(&client, redemption(&ben, "mug")).await.unwrap();
    reverse(&client, &ben, &spent).await.unwrap();
    let brings = buys(&client, &ben_too, 70).await;
    confirm(&ben_too, brings).await;
    let merged = merge(&client, merger(&ben_too, &ben)).await.unwrap().balance.unwrap();
    assert_eq!((merged.available, merged.arrears), (0, 30));
    house.end().await;
}

async fn pending_points_are_released_on_their_day(house: House) {
    let client = house.client();
    let release = pb::ReleasePolicy { policy: Some(pb::release_policy::Policy::AfterDays(14)) };
    create_program_like(&client, pb::Program { release_policy: Some(release), ..program(PROGRAM) }).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    buys(&client, &card, 60).await;
    house.clock().advance_to(day(10));
    assert_eq!(merge(&client, merger(&card, &anna)).await.unwrap().balance.unwrap().pending, 60);
    for (at, released) in [(13, 0), (14, 60)] {
        house.clock().advance_to(day(at));
        let found = balance_of(&client, &anna).await;
        assert_eq!((found.available, found.pending), (released, 60 - released), "day {at}");
    }
    assert_eq!(lots(&client, &anna).await[0].expire_time, Some(timestamp(day(104))));
    house.end().await;
}

async fn a_merger_is_taken_back_with_what_is_left(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let of_card = buys(&client, &card, 80).await;
    house.clock().advance_to(day(5));
    buys(&client, &anna, 100).await;
    merge(&client, merger(&card, &anna)).await.unwrap();
    house.clock().advance_to(day(6));
    let since = buys(&client, &card, 15).await;
    // The card's 80 end first and go first, then 20 of Anna's.
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    let back = unmerge(&client, &card).await.unwrap();
    assert_eq!((back.points_moved, back.balance.unwrap().available), (15, 15));
    assert_eq!((available(&client, &anna).await, available(&client, &card).await), (80, 15));
    assert_eq!(lots(&client, &card).await[0].expire_time, Some(timestamp(day(96))));
    let now = member(&client, &card).await;
    assert_eq!((now.merged_into.as_str(), &now.wallet_id), ("", &card));
    // Each answers for its own again.
    assert_eq!(reverse(&client, &card, &of_card).await.unwrap().points_waived, 65);
    assert_eq!(reason(&reverse(&client, &anna, &since).await.unwrap_err()), "ACTIVITY_NOT_FOUND");
    assert_eq!(reverse(&client, &card, &since).await.unwrap().points_owed, 15);
    assert_eq!(reason(&unmerge(&client, &card).await.unwrap_err()), "MEMBER_NOT_MERGED");
    // And they may be merged again.
    buys(&client, &card, 7).await;
    assert_eq!(merge(&client, merger(&card, &anna)).await.unwrap().points_moved, 7);
    assert_eq!(available(&client, &card).await, 87);
    house.end().await;
}

async fn whoever_was_merged_is_merged_again(house: House) {
    let client = house.client();
    create_program(&client).await;
    let ids = join_all(["a", "b", "c"].map(|name| enroll(&client, name))).await;
    let [a, b, c] = ids.as_slice() else { panic!("three members") };
    for (member, units) in [(a, 1), (b, 10), (c, 100)] {
        buys(&client, member, units).await;
    }
    merge(&client, merger(a, b)).await.unwrap();
    assert_eq!(merge(&client, merger(b, c)).await.unwrap().points_moved, 11);
    let of_a = buys(&client, a, 1_000).await;
    for name in [a, b, c] {
        assert_eq!(available(&client, name).await, 1_111);
    }
    // Into a member that was merged is into the one that it was merged into.
    let d = enroll(&client, "d").await;
    buys(&client, &d, 10_000).await;
    merge(&client, merger(&d, a)).await.unwrap();
    assert_eq!(available(&client, c).await, 11_111);
    assert_eq!(member(&client, &d).await.wallet_id, *c);
    // Whoever was merged into it comes along.
    assert_eq!(unmerge(&client, b).await.unwrap().points_moved, 11_011);
    assert_eq!((available(&client, c).await, available(&client, &d).await), (100, 11_011));
    assert_eq!(unmerge(&client, a).await.unwrap().points_moved, 11_001);
    assert_eq!((available(&client, b).await, available(&client, &d).await), (10, 11_001));
    assert_eq!(reverse(&client, &d, &of_a).await.unwrap().points_owed, 1_000);
    assert_eq!(available(&client, a).await, 10_001);
    house.end().await;
}

async fn what_cannot_be_merged_is_refused(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_program_like(&client, program("other")).await;
    let ids = join_all(["a", "b", "c"].map(|name| enroll(&client, name))).await;
    let [a, b, c] = ids.as_slice() else { panic!("three members") };
    let stranger = enroll_in(&client, "other", "a").await;
    let told = async |from: &str, into: &str| {
        let status = merge(&client, merger(from, into)).await.unwrap_err();
        (status.code(), reason(&status))
    };
    let refused = |code, reason: &str| (code, reason.to_owned());
    use Code::{FailedPrecondition, InvalidArgument, NotFound};
    assert_eq!(told(a, a).await, refused(InvalidArgument, "FIELDS_INVALID"));
    assert_eq!(told(a, &stranger).await, refused(NotFound, "SURVIVOR_NOT_FOUND"));
    assert_eq!(told(a, &request_id()).await, refused(NotFound, "SURVIVOR_NOT_FOUND"));
    assert_eq!(told(&request_id(), a).await, refused(NotFound, "MEMBER_NOT_FOUND"));
    merge(&client, merger(a, b)).await.unwrap();
    assert_eq!(told(a, c).await, refused(FailedPrecondition, "MEMBER_MERGED"));
    assert_eq!(told(b, a).await, refused(FailedPrecondition, "MERGE_LOOP"));
    let mut members = MemberServiceClient::new(client.clone());
    let close = |member_id: &str| pb::CloseMemberRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        reason: String::new(),
    };
    let status = members.close_member(close(a)).await.unwrap_err();
    assert_eq!(reason(&status), "MEMBER_MERGED");
    let gift = pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: a.clone(),
        to_member_id: b.clone(),
        points: 1,
        ..Default::default()
    };
    buys(&client, a, 1).await;
    let status = PointsServiceClient::new(client.clone()).transfer_points(gift).await.unwrap_err();
    assert_eq!(reason(&status), "RECIPIENT_SHARES_WALLET");
    members.close_member(close(c)).await.unwrap();
    assert_eq!(told(b, c).await, refused(FailedPrecondition, "SURVIVOR_CLOSED"));
    assert_eq!(told(c, b).await, refused(FailedPrecondition, "MEMBER_CLOSED"));
    members.close_member(close(b)).await.unwrap();
    assert_eq!(reason(&record(&client, purchase(a, 1)).await.unwrap_err()), "MEMBER_CLOSED");
    house.end().await;
}

async fn one_address_leads_to_one_member(house: House) {
    let client = house.client();
    create_program(&client).await;
    let enrolled = async |external_id: &str| {
        let request = pb::EnrollMemberRequest {
            request_id: request_id(),
            program_id: PROGRAM.into(),
            external_id: external_id.into(),
            profile: Some(pb::MemberProfile {
                emails: vec!["anna@example.org".into()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let response = MemberServiceClient::new(client.clone()).enroll_member(request).await.unwrap();
        response.into_inner().member.unwrap().member_id
    };
    let (anna, card) = (enrolled("anna").await, enrolled("card").await);
    let other = enroll(&client, "no address").await;
    let lookup = async || {
        let key = Some(pb::lookup_member_request::Key::Email("Anna@example.org".into()));
        let request = pb::LookupMemberRequest { program_id: PROGRAM.into(), key };
        let found = MemberServiceClient::new(client.clone()).lookup_member(request).await;
        found.map(|found| found.into_inner().member.unwrap().member_id).map_err(|status| reason(&status))
    };
    assert_eq!(lookup().await, Err("MEMBER_AMBIGUOUS".into()));
    merge(&client, merger(&card, &anna)).await.unwrap();
    assert_eq!(lookup().await, Ok(anna.clone()));
    unmerge(&client, &card).await.unwrap();
    merge(&client, merger(&card, &other)).await.unwrap();
    merge(&client, merger(&other, &anna)).await.unwrap();
    assert_eq!(lookup().await, Ok(anna.clone()));
    unmerge(&client, &card).await.unwrap();
    assert_eq!(lookup().await, Err("MEMBER_AMBIGUOUS".into()));
    house.end().await;
}

async fn the_erased_member_is_forgotten_under_all_names(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "secret card").await);
    record(&client, known_as("secret order", &card, 5)).await.unwrap();
    let request = pb::MergeMembersRequest { note: "secret reason".into(), ..merger(&card, &anna) };
    merge(&client, request).await.unwrap();
    let mut members = MemberServiceClient::new(client.clone());
    let erase = |member_id: &str| pb::EraseMemberRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        reason: String::new(),
    };
    assert_eq!(reason(&members.erase_member(erase(&card)).await.unwrap_err()), "MEMBER_MERGED");
    members.erase_member(erase(&anna)).await.unwrap();
    let now = member(&client, &card).await;
    assert_eq!((now.state(), now.external_id), (pb::MemberState::Erased, format!("erased-{card}")));
    for (table, column) in [("activity", "external_id"), ("posting", "note"), ("member", "external_id")] {
        let left = format!("SELECT COUNT(*) AS n FROM {table} WHERE {column} LIKE '%secret%'");
        assert_eq!(house.count(&left).await, 0, "{table}.{column}");
    }
    house.end().await;
}

async fn mergers_race_with_everything_else(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, None).await;
    let names: Vec<String> = (0..4).map(|n| format!("member {n}")).collect();
    let ids = join_all(names.iter().map(|name| enroll(&client, name))).await;
    for id in &ids {
        buys(&client, id, 1_000).await;
    }
    let calls = (0..48_usize).map(|n| {
        let (client, ids) = (client.clone(), ids.clone());
        async move {
            let (a, b) = (&ids[n % 4], &ids[(n + 1 + n / 16) % 4]);
            for _ in 0..3 {
                buys(&client, a, 1).await;
                redeem(&client, redemption(b, "mug")).await.unwrap();
                let outcome = match n % 3 {
                    0 => merge(&client, merger(a, b)).await.map(|_| ()),
                    1 => unmerge(&client, a).await.map(|_| ()),
                    _ => {
                        let gift = pb::TransferPointsRequest {
                            request_id: request_id(),
                            member_id: a.clone(),
                            to_member_id: b.clone(),
                            points: 3,
                            ..Default::default()
                        };
                        PointsServiceClient::new(client.clone()).transfer_points(gift).await.map(|_| ())
                    }
                };
                let expected =
                    ["MEMBER_MERGED", "MERGE_LOOP", "MEMBER_NOT_MERGED", "RECIPIENT_SHARES_WALLET"];
                if let Err(status) = outcome {
                    assert!(expected.contains(&reason(&status).as_str()), "{status:?}");
                }
            }
        }
    });
    join_all(calls).await;
    let mut sum = 0;
    for id in &ids {
        let found = member(&client, id).await;
        if found.merged_into.is_empty() {
            sum += available(&client, id).await;
        } else {
            assert_eq!(available(&client, id).await, available(&client, &found.merged_into).await);
        }
    }
    assert_eq!(sum, 4 * 1_000 + 48 * 3 * (1 - 10));
    let spent = house.count("SELECT CAST(SUM(amount_micros) AS BIGINT) AS n FROM activity").await;
    assert_eq!(spent, (4_000 + 48 * 3) * usd(1, 0).units * 1_000_000);
    house.end().await;
}
