//! Members of a household earn for one wallet, and those spend of it whose role allows it.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, create_reward, enroll, enroll_in, program,
    purchase, reason, record, redeem, redemption, request_id,
};
use harness::holds::{capture, captured, held, hold, void, voided};
use harness::house::House;
use harness::moves::{buys, day, household, join, leave, member, merge, merger, reverse, tier, unmerge};
use pb::export_member_response::Piece;
use pb::household_service_client::HouseholdServiceClient;
use pb::member_service_client::MemberServiceClient;
use pb::points_service_client::PointsServiceClient;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::HouseholdRole::{Earner, Redeemer};
use rpc::client::Client;
use tonic::{Code, Status};

use crate::the_erased_are_forgotten::columns_with;

in_process! {
    all_earn_and_some_spend;
    whoever_leaves_takes_what_is_left;
    a_merged_member_joins_with_all_its_names;
    what_a_merged_name_holds_is_ones_own;
    suspended_members_wait_outside;
    what_a_household_refuses;
    an_export_tells_of_one_member;
    an_export_tells_of_wallets_that_were_left;
    whoever_left_is_forgotten_there;
    twenty_members_spend_at_once;
}

async fn become_role(client: &Client, member_id: &str, role: pb::HouseholdRole) -> Result<i32, Status> {
    let request = pb::UpdateHouseholdMemberRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        role: role.into(),
    };
    let response = HouseholdServiceClient::new(client.clone()).update_household_member(request).await?;
    Ok(response.into_inner().role)
}

async fn members(client: &Client, household_id: &str) -> Vec<(String, i32)> {
    let request = pb::GetHouseholdRequest { household_id: household_id.into() };
    let found = HouseholdServiceClient::new(client.clone()).get_household(request).await.unwrap();
    found.into_inner().members.into_iter().map(|member| (member.member_id, member.role)).collect()
}

async fn available(client: &Client, member_id: &str) -> i64 {
    balance_of(client, member_id).await.available
}

pub(crate) fn gift(from: &str, to: &str, points: i64) -> pb::TransferPointsRequest {
    pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: from.into(),
        to_member_id: to.into(),
        points,
        ..Default::default()
    }
}

async fn suspend(client: &Client, member_id: &str) {
    let (member_id, reason) = (member_id.to_owned(), String::new());
    let request = pb::SuspendMemberRequest { request_id: request_id(), member_id, reason };
    MemberServiceClient::new(client.clone()).suspend_member(request).await.unwrap();
}

async fn all_earn_and_some_spend(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    buys(&client, &anna, 60).await;
    buys(&client, &ben, 30).await;
    assert_eq!(join(&client, &home, &anna, Redeemer).await.unwrap().points_moved, 60);
    let joined = join(&client, &home, &ben, Earner).await.unwrap();
    assert_eq!((joined.points_moved, joined.balance.unwrap().available), (30, 90));
    let mut expected = vec![(anna.clone(), i32::from(Redeemer)), (ben.clone(), Earner.into())];
    expected.sort();
    assert_eq!(members(&client, &home).await, expected);
    let of_ben = member(&client, &ben).await;
    assert_eq!((of_ben.household_role(), &of_ben.wallet_id), (Earner, &home));

    buys(&client, &ben, 1_000).await;
    for name in [&home, &anna, &ben] {
        assert_eq!((available(&client, name).await, tier(&client, name).await), (1_090, "silver".into()));
    }
    let status = redeem(&client, redemption(&ben, "mug")).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "HOUSEHOLD_ROLE_REQUIRED")
    );
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    what_others_hold_is_not_for_earners(&client, &anna, &ben).await;
    assert_eq!(become_role(&client, &ben, Redeemer).await.unwrap(), i32::from(Redeemer));
    redeem(&client, redemption(&ben, "mug")).await.unwrap();
    assert_eq!(available(&client, &anna).await, 890);
    let list = pb::ListPostingsRequest { member_id: anna.clone(), ..Default::default() };
    let statement = PointsServiceClient::new(client.clone()).list_postings(list).await.unwrap().into_inner();
    let by: Vec<_> = statement.postings.iter().map(|p| (p.actor_member_id == ben, p.points)).collect();
    // Newest first: what Ben redeemed, what Anna held and gave back, what she redeemed, and what was earned.
    let mugs = [(true, 100), (false, 100), (false, 100), (false, 100)];
    assert_eq!(by, [&mugs[..], &[(true, 1_000), (true, 30), (false, 60)]].concat());
    let list = pb::ListHouseholdsRequest { program_id: PROGRAM.into(), ..Default::default() };
    let listed =
        HouseholdServiceClient::new(client.clone()).list_households(list).await.unwrap().into_inner();
    assert_eq!(listed.households.iter().map(|h| h.display_name.as_str()).collect::<Vec<_>>(), ["Elm Street"]);
    house.end().await;
}

async fn what_others_hold_is_not_for_earners(client: &Client, anna: &str, ben: &str) {
    let held = held(client, hold(anna, "mug", 60)).await.unwrap().redemption.unwrap();
    let by_ben = pb::Redemption { member_id: ben.to_owned(), ..held.clone() };
    let status = captured(client, capture(&by_ben)).await.unwrap_err();
    assert_eq!(reason(&status), "HOUSEHOLD_ROLE_REQUIRED");
    let status = voided(client, void(&by_ben)).await.unwrap_err();
    assert_eq!(reason(&status), "HOUSEHOLD_ROLE_REQUIRED");
    // What a member held before it may only earn is its own.
    become_role(client, anna, Earner).await.unwrap();
    voided(client, void(&held)).await.unwrap();
    become_role(client, anna, Redeemer).await.unwrap();
}

async fn whoever_leaves_takes_what_is_left(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    buys(&client, &ben, 70).await;
    join(&client, &home, &anna, Redeemer).await.unwrap();
    join(&client, &home, &ben, Redeemer).await.unwrap();
    house.clock().advance_to(day(1));
    buys(&client, &anna, 1_200).await;
    house.clock().advance_to(day(2));
    let bought = buys(&client, &ben, 50).await;
    // Ben's 70 end first, then 30 of Anna's.
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    let left = leave(&client, &ben).await.unwrap();
    assert_eq!((left.points_moved, left.balance.unwrap().available), (50, 50));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (1_170, 50));
    assert_eq!((tier(&client, &anna).await, tier(&client, &ben).await), ("silver".into(), "base".into()));
    assert_eq!(member(&client, &ben).await.household_role(), pb::HouseholdRole::Unspecified);
    reverse(&client, &ben, &bought).await.unwrap();
    assert_eq!(leave(&client, &anna).await.unwrap().points_moved, 1_170);
    assert_eq!((available(&client, &home).await, available(&client, &ben).await), (0, 0));
    assert_eq!(tier(&client, &home).await, "base");
    assert_eq!(members(&client, &home).await, []);
    house.end().await;
}

async fn a_merged_member_joins_with_all_its_names(house: House) {
    let client = house.client();
    create_program(&client).await;
    let home = household(&client, PROGRAM).await;
    let ids = join_all(["anna", "card", "ben"].map(|name| enroll(&client, name))).await;
    let [anna, card, ben] = ids.as_slice() else { panic!("three members") };
    for (member, units) in [(anna, 1), (card, 10), (ben, 100)] {
        buys(&client, member, units).await;
    }
    join(&client, &home, ben, Earner).await.unwrap();
    merge(&client, merger(card, anna)).await.unwrap();
    assert_eq!(join(&client, &home, anna, Redeemer).await.unwrap().points_moved, 11);
    buys(&client, card, 1_000).await;
    assert_eq!(available(&client, ben).await, 1_111);
    // Nor does the card more than Anna may.
    become_role(&client, anna, Earner).await.unwrap();
    let gift = gift(card, &request_id(), 1);
    let status = PointsServiceClient::new(client.clone()).transfer_points(gift).await.unwrap_err();
    assert_eq!(reason(&status), "HOUSEHOLD_ROLE_REQUIRED");
    // The card is Anna's: it cannot leave by itself, but it can be told from her.
    assert_eq!(reason(&leave(&client, card).await.unwrap_err()), "MEMBER_NOT_IN_HOUSEHOLD");
    assert_eq!(unmerge(&client, card).await.unwrap().points_moved, 1_010);
    assert_eq!((available(&client, card).await, available(&client, anna).await), (1_010, 101));
    // And back, now that Anna is in a household.
    assert_eq!(merge(&client, merger(card, anna)).await.unwrap().points_moved, 1_010);
    assert_eq!(leave(&client, anna).await.unwrap().points_moved, 1_011);
    assert_eq!((available(&client, card).await, available(&client, ben).await), (1_011, 100));
    house.end().await;
}

async fn what_a_merged_name_holds_is_ones_own(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let home = household(&client, PROGRAM).await;
    let ids = join_all(["anna", "card", "chip", "ben"].map(|name| enroll(&client, name))).await;
    let [anna, card, chip, ben] = ids.as_slice() else { panic!("four members") };
    buys(&client, anna, 400).await;
    merge(&client, merger(chip, card)).await.unwrap();
    merge(&client, merger(card, anna)).await.unwrap();
    join(&client, &home, anna, Redeemer).await.unwrap();
    join(&client, &home, ben, Earner).await.unwrap();
    let mut holds = Vec::new();
    for name in [anna, card, chip, chip] {
        let made = held(&client, hold(name, "mug", 60)).await.unwrap().redemption.unwrap();
        assert_eq!(&made.member_id, name);
        holds.push(made);
    }
    become_role(&client, anna, Earner).await.unwrap();
    let by = |name: &str, of: &pb::Redemption| pb::Redemption { member_id: name.into(), ..of.clone() };
    for one in &holds {
        let status = voided(&client, void(&by(ben, one))).await.unwrap_err();
        assert_eq!(reason(&status), "HOUSEHOLD_ROLE_REQUIRED");
    }
    // Whichever of her names made them, and by whichever she asks.
    for (name, one) in [(chip, &holds[0]), (anna, &holds[1]), (anna, &holds[2]), (card, &holds[3])] {
        voided(&client, void(&by(name, one))).await.unwrap();
    }
    assert_eq!(available(&client, anna).await, 400);
    assert_eq!(house.audit().await.ledger_imbalance, 0);
    house.end().await;
}

async fn suspended_members_wait_outside(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    join(&client, &home, &anna, Redeemer).await.unwrap();
    join(&client, &home, &ben, Redeemer).await.unwrap();
    buys(&client, &anna, 500).await;
    suspend(&client, &ben).await;
    assert_eq!(reason(&record(&client, purchase(&ben, 1)).await.unwrap_err()), "MEMBER_SUSPENDED");
    let simulated = pb::SimulateActivityRequest {
        who: Some(pb::simulate_activity_request::Who::MemberId(ben.clone())),
        activities: vec![purchase(&ben, 1).activity.unwrap()],
        ..Default::default()
    };
    let told = RuleServiceClient::new(client.clone()).simulate_activity(simulated).await.unwrap();
    let Some(pb::simulated_activity::Result::Error(error)) = told.into_inner().results.remove(0).result
    else {
        panic!("it is refused");
    };
    assert_eq!(error.code, Code::FailedPrecondition as i32, "{}", error.message);
    assert_eq!(reason(&redeem(&client, redemption(&ben, "mug")).await.unwrap_err()), "MEMBER_SUSPENDED");
    let outsider = enroll(&client, "carla").await;
    buys(&client, &outsider, 5).await;
    let given = PointsServiceClient::new(client.clone()).transfer_points(gift(&outsider, &ben, 1)).await;
    assert_eq!(reason(&given.unwrap_err()), "RECIPIENT_SUSPENDED");
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    // Nor does somebody else spend what a suspended member has alone.
    suspend(&client, &outsider).await;
    let refused = join(&client, &home, &outsider, Redeemer).await.unwrap_err();
    assert_eq!(reason(&refused), "MEMBER_SUSPENDED");
    let refused = merge(&client, merger(&outsider, &anna)).await.unwrap_err();
    assert_eq!(reason(&refused), "MEMBER_SUSPENDED");
    leave(&client, &ben).await.unwrap();
    assert_eq!(reason(&record(&client, purchase(&ben, 1)).await.unwrap_err()), "MEMBER_SUSPENDED");
    let (member_id, why) = (ben.clone(), String::new());
    let request = pb::ReactivateMemberRequest { request_id: request_id(), member_id, reason: why };
    MemberServiceClient::new(client.clone()).reactivate_member(request).await.unwrap();
    join(&client, &home, &ben, Redeemer).await.unwrap();
    redeem(&client, redemption(&ben, "mug")).await.unwrap();
    house.end().await;
}

async fn what_a_household_refuses(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_program_like(&client, program("other")).await;
    let (home, next) = (household(&client, PROGRAM).await, household(&client, PROGRAM).await);
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let stranger = enroll_in(&client, "other", "anna").await;
    let told = |status: Status| (status.code(), reason(&status));
    let refused = |code, reason: &str| (code, reason.to_owned());
    use Code::{FailedPrecondition, InvalidArgument, NotFound};
    let joined =
        async |home: &str, member: &str| told(join(&client, home, member, Earner).await.unwrap_err());
    assert_eq!(joined(&anna, &ben).await, refused(NotFound, "HOUSEHOLD_NOT_FOUND"));
    assert_eq!(joined(&request_id(), &ben).await, refused(NotFound, "HOUSEHOLD_NOT_FOUND"));
    assert_eq!(joined(&home, &stranger).await, refused(NotFound, "HOUSEHOLD_NOT_FOUND"));
    assert_eq!(joined(&home, &request_id()).await, refused(NotFound, "MEMBER_NOT_FOUND"));
    let role = join(&client, &home, &ben, pb::HouseholdRole::Unspecified).await.unwrap_err();
    assert_eq!(told(role), refused(InvalidArgument, "FIELDS_INVALID"));
    assert_eq!(
        told(leave(&client, &ben).await.unwrap_err()),
        refused(FailedPrecondition, "MEMBER_NOT_IN_HOUSEHOLD")
    );
    let role = become_role(&client, &ben, Earner).await.unwrap_err();
    assert_eq!(told(role), refused(FailedPrecondition, "MEMBER_NOT_IN_HOUSEHOLD"));
    join(&client, &home, &anna, Earner).await.unwrap();
    assert_eq!(joined(&anna, &ben).await, refused(NotFound, "HOUSEHOLD_NOT_FOUND"));
    assert_eq!(joined(&next, &anna).await, refused(FailedPrecondition, "MEMBER_IN_HOUSEHOLD"));
    let merged = merge(&client, merger(&anna, &ben)).await.unwrap_err();
    assert_eq!(told(merged), refused(FailedPrecondition, "MEMBER_IN_HOUSEHOLD"));
    let merged = merge(&client, merger(&ben, &home)).await.unwrap_err();
    assert_eq!(told(merged), refused(NotFound, "SURVIVOR_NOT_FOUND"));
    let (member_id, why) = (anna.clone(), String::new());
    let request = pb::CloseMemberRequest { request_id: request_id(), member_id, reason: why };
    let closed = MemberServiceClient::new(client.clone()).close_member(request).await.unwrap_err();
    assert_eq!(told(closed), refused(FailedPrecondition, "MEMBER_IN_HOUSEHOLD"));
    let (member_id, why) = (home.clone(), String::new());
    let request = pb::SuspendMemberRequest { request_id: request_id(), member_id, reason: why };
    let suspended = MemberServiceClient::new(client.clone()).suspend_member(request).await.unwrap_err();
    assert_eq!(told(suspended), refused(NotFound, "MEMBER_NOT_FOUND"));
    assert_eq!(joined(&next, &home).await, refused(NotFound, "MEMBER_NOT_FOUND"));
    let missing = pb::GetHouseholdRequest { household_id: anna.clone() };
    let missing = HouseholdServiceClient::new(client.clone()).get_household(missing).await.unwrap_err();
    assert_eq!(told(missing), refused(NotFound, "HOUSEHOLD_NOT_FOUND"));
    house.end().await;
}

async fn exported(client: &Client, member_id: &str) -> Vec<Piece> {
    let request = pb::ExportMemberRequest { member_id: member_id.into() };
    let stream = MemberServiceClient::new(client.clone()).export_member(request).await.unwrap().into_inner();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    pieces.into_iter().filter_map(|one| one.piece).collect()
}

async fn an_export_tells_of_one_member(house: House) {
    let client = house.client();
    create_program(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        buys(&client, member, 10).await;
        join(&client, &home, member, Redeemer).await.unwrap();
        buys(&client, member, 20).await;
    }
    let (mut activities, mut lots, mut postings) = (0, 0, 0);
    for piece in exported(&client, &ben).await {
        match piece {
            Piece::Activity(activity) => {
                assert_eq!(activity.member_id, ben);
                activities += 1;
            }
            Piece::Lot(lot) => {
                assert_eq!(lot.member_id, ben);
                lots += 1;
            }
            Piece::Posting(posting) => {
                assert_eq!(posting.actor_member_id, ben);
                postings += 1;
            }
            _ => {}
        }
    }
    // Its own wallet's lot and the two of the household; earned and given here, received and earned there.
    assert_eq!((activities, lots, postings), (2, 3, 4));
    house.end().await;
}

async fn an_export_tells_of_wallets_that_were_left(house: House) {
    let client = house.client();
    create_program(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let carl = enroll(&client, "carl").await;
    join(&client, &home, &anna, Redeemer).await.unwrap();
    buys(&client, &ben, 10).await;
    join(&client, &home, &ben, Redeemer).await.unwrap();
    for member in [&anna, &ben] {
        buys(&client, member, 20).await;
    }
    leave(&client, &ben).await.unwrap();
    merge(&client, merger(&ben, &carl)).await.unwrap();
    buys(&client, &ben, 5).await;
    unmerge(&client, &ben).await.unwrap();
    // The same as the exports of the program have of it.
    let (program_id, member_id) = (PROGRAM.to_owned(), ben.clone());
    let asked = pb::ExportLotsRequest { program_id, member_id, ..Default::default() };
    let mut points = PointsServiceClient::new(client.clone());
    let chunks: Vec<_> = points.export_lots(asked).await.unwrap().into_inner().try_collect().await.unwrap();
    let mut lots: Vec<pb::Lot> = chunks.into_iter().flat_map(|chunk| chunk.lots).collect();
    let (program_id, member_id) = (PROGRAM.to_owned(), ben.clone());
    let asked = pb::ExportPostingsRequest { program_id, member_id, ..Default::default() };
    let chunks = points.export_postings(asked).await.unwrap().into_inner();
    let chunks: Vec<_> = chunks.try_collect().await.unwrap();
    let mut postings: Vec<pb::Posting> = chunks.into_iter().flat_map(|chunk| chunk.postings).collect();
    let (mut own_lots, mut own_postings) = (Vec::new(), Vec::new());
    for piece in exported(&client, &ben).await {
        match piece {
            Piece::Lot(lot) => own_lots.push(lot),
            // The export of the program has no notes.
            Piece::Posting(posting) => own_postings.push(pb::Posting { note: String::new(), ..posting }),
            _ => {}
        }
    }
    for lots in [&mut lots, &mut own_lots] {
        lots.sort_by_key(|lot| (lot.wallet_id.clone(), lot.lot_number));
    }
    for postings in [&mut postings, &mut own_postings] {
        postings.sort_by_key(|posting| (posting.wallet_id.clone(), posting.seq));
    }
    let wallets: BTreeSet<String> = own_postings.iter().map(|posting| posting.wallet_id.clone()).collect();
    assert_eq!(wallets, BTreeSet::from([ben, carl, home]));
    assert_eq!((own_lots, own_postings), (lots, postings));
    house.end().await;
}

async fn whoever_left_is_forgotten_there(house: House) {
    let client = house.client();
    create_program(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    join(&client, &home, &ben, Redeemer).await.unwrap();
    let request = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: ben.clone(),
        points: 10,
        reason: "secret".into(),
        approver: "anna".into(),
        ..Default::default()
    };
    let mut points = PointsServiceClient::new(client.clone());
    points.adjust_points(request).await.unwrap();
    for (giver, taker, given) in [(&ben, &anna, 3), (&anna, &ben, 2)] {
        let note = pb::TransferPointsRequest { note: "secret".into(), ..gift(giver, taker, given) };
        points.transfer_points(note).await.unwrap();
    }
    assert_eq!(leave(&client, &ben).await.unwrap().points_moved, 9);
    let (member_id, why) = (ben.clone(), String::new());
    let erase = pb::EraseMemberRequest { request_id: request_id(), member_id, reason: why };
    MemberServiceClient::new(client.clone()).erase_member(erase).await.unwrap();
    assert_eq!(columns_with(house.db(), "secret").await, Vec::<String>::new());
    house.end().await;
}

async fn twenty_members_spend_at_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let home = household(&client, PROGRAM).await;
    let names: Vec<String> = (0..20).map(|n| format!("member {n}")).collect();
    let ids = join_all(names.iter().map(|name| enroll(&client, name))).await;
    let joined = join_all(ids.iter().map(|id| join(&client, &home, id, Redeemer))).await;
    assert!(joined.iter().all(Result::is_ok));
    let bought = join_all(ids.iter().map(|id| record(&client, purchase(id, 53)))).await;
    assert!(bought.iter().all(Result::is_ok));
    let spent = join_all(ids.iter().map(|id| redeem(&client, redemption(id, "mug")))).await;
    assert_eq!(spent.iter().filter(|spent| spent.is_ok()).count(), 10);
    let refused = spent.into_iter().filter_map(Result::err);
    assert!(refused.into_iter().all(|status| reason(&status) == "INSUFFICIENT_POINTS"));
    assert_eq!(available(&client, &ids[7]).await, 60);
    house.end().await;
}
