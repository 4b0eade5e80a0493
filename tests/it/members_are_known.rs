//! Members are found by what is known of them, may be kept from acting, leave, and are forgotten; and whoever
//! asks is told everything that is kept.

use futures::StreamExt;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, create_reward, enroll, program, purchase,
    reason, record, redeem, redemption, request_id,
};
use harness::house::{House, START};
use pb::export_member_response::Piece;
use pb::member_service_client::MemberServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::google::r#type as gtype;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

in_process! {
    members_are_found_by_what_is_known;
    two_changes_of_one_member_do_not_overwrite_each_other;
    the_suspended_neither_earn_nor_redeem;
    who_leaves_forfeits_what_is_left;
    an_export_tells_everything;
}

const DAY: i64 = 86_400_000_000;

pub(crate) fn members(client: &Client) -> MemberServiceClient<Client> {
    MemberServiceClient::new(client.clone())
}

pub(crate) fn anna() -> pb::MemberProfile {
    pb::MemberProfile {
        display_name: "Anna Marker".into(),
        emails: vec!["Anna@Marker.example".into(), "anna@home.example".into()],
        phones: vec!["+4930123456".into()],
        attributes: [("branch".to_owned(), "north".to_owned()), ("shoe_size".to_owned(), "38".to_owned())]
            .into(),
        locale: "de-CH".into(),
        time_zone: "Europe/Zurich".into(),
        birthday: Some(gtype::Date { year: 0, month: 2, day: 29 }),
        consents: [("marketing_email".to_owned(), false)].into(),
    }
}

pub(crate) async fn enroll_as(client: &Client, external_id: &str, profile: pb::MemberProfile) -> pb::Member {
    let request = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        external_id: external_id.into(),
        profile: Some(profile),
        ..Default::default()
    };
    members(client).enroll_member(request).await.unwrap().into_inner().member.unwrap()
}

async fn look_up(client: &Client, key: pb::lookup_member_request::Key) -> Result<pb::Member, Status> {
    let request = pb::LookupMemberRequest { program_id: PROGRAM.into(), key: Some(key) };
    Ok(members(client).lookup_member(request).await?.into_inner().member.unwrap())
}

/// The external ids of all that a filter selects, read one page of one after the other.
async fn listed(client: &Client, filter: pb::MemberFilter) -> Vec<String> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListMembersRequest {
            program_id: PROGRAM.into(),
            page_size: 1,
            page_token,
            filter: Some(filter.clone()),
        };
        let page = members(client).list_members(request).await.unwrap().into_inner();
        found.extend(page.members.into_iter().map(|member| member.external_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            found.sort();
            return found;
        }
    }
}

pub(crate) async fn update(
    client: &Client,
    member: pb::Member,
    paths: &[&str],
) -> Result<pb::Member, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateMemberRequest {
        request_id: request_id(),
        member: Some(member),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    Ok(members(client).update_member(request).await?.into_inner().member.unwrap())
}

pub(crate) async fn read(client: &Client, member_id: &str) -> pb::Member {
    let request = pb::GetMemberRequest { member_id: member_id.into() };
    members(client).get_member(request).await.unwrap().into_inner().member.unwrap()
}

pub(crate) fn refused(status: Status) -> (Code, String) {
    (status.code(), reason(&status))
}

pub(crate) fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

async fn nothing_is_listed_by_what_cannot_be(client: &Client) {
    let since_then = Some(harness::calls::timestamp(START.plus_micros(1)));
    let before = Some(harness::calls::timestamp(START));
    for (wrong, told) in [
        (pb::MemberFilter { phone: "030 123456".into(), ..Default::default() }, "filter.phone"),
        (pb::MemberFilter { email: "anna".into(), ..Default::default() }, "filter.email"),
        (
            pb::MemberFilter { enrolled_since: since_then, enrolled_before: before, ..Default::default() },
            "filter.enrolled_before",
        ),
    ] {
        let request =
            pb::ListMembersRequest { program_id: PROGRAM.into(), filter: Some(wrong), ..Default::default() };
        let refused = members(client).list_members(request).await.unwrap_err();
        assert!(refused.message().contains(told), "{refused}");
    }
}

async fn members_are_found_by_what_is_known(house: House) {
    use pb::lookup_member_request::Key;
    let client = house.client();
    create_program(&client).await;
    let first = enroll_as(&client, "anna", anna()).await;
    assert_eq!(first.profile, Some(anna()));
    let partner = pb::MemberProfile {
        emails: vec!["anna@home.example".into()],
        attributes: [("branch".to_owned(), "north".to_owned())].into(),
        ..Default::default()
    };
    enroll_as(&client, "ben", partner).await;
    enroll(&client, "carl").await;
    for key in [Key::Email("ANNA@marker.EXAMPLE".into()), Key::Phone("+4930123456".into())] {
        assert_eq!(look_up(&client, key).await.unwrap(), first);
    }
    let shared = look_up(&client, Key::Email("anna@home.example".into())).await.unwrap_err();
    assert_eq!(refused(shared), precondition("MEMBER_AMBIGUOUS"));
    let unknown = look_up(&client, Key::Phone("+4930123457".into())).await.unwrap_err();
    assert!(!format!("{unknown:?}").contains("30123457"), "errors are logged, numbers of people are not");
    assert_eq!(refused(unknown), (Code::NotFound, "MEMBER_NOT_FOUND".into()));

    let by = |name: &str, value: &str| pb::MemberFilter {
        attributes: [(name.to_owned(), value.to_owned())].into(),
        ..Default::default()
    };
    assert_eq!(listed(&client, pb::MemberFilter::default()).await, ["anna", "ben", "carl"]);
    assert_eq!(listed(&client, by("branch", "north")).await, ["anna", "ben"]);
    assert_eq!(listed(&client, by("shoe_size", "39")).await, Vec::<String>::new());
    let both = pb::MemberFilter { phone: "+4930123456".into(), ..by("branch", "north") };
    assert_eq!(listed(&client, both).await, ["anna"]);
    let suspended = pb::MemberFilter { state: pb::MemberState::Suspended.into(), ..Default::default() };
    assert_eq!(listed(&client, suspended).await, Vec::<String>::new());
    let later = pb::MemberFilter {
        enrolled_since: Some(harness::calls::timestamp(START.plus_micros(1))),
        ..Default::default()
    };
    assert_eq!(listed(&client, later).await, Vec::<String>::new());

    nothing_is_listed_by_what_cannot_be(&client).await;

    // What changes is found, and what was is not.
    let mut moved = anna();
    moved.emails = vec!["anna@new.example".into()];
    let given = pb::Member { external_id: "anna-2".into(), profile: Some(moved.clone()), ..first.clone() };
    let changed = update(&client, given, &["external_id", "profile.emails", "profile.locale"]).await.unwrap();
    assert_eq!((changed.external_id.as_str(), changed.profile), ("anna-2", Some(moved)));
    assert_eq!(look_up(&client, Key::ExternalId("anna-2".into())).await.unwrap().member_id, first.member_id);
    assert_eq!(look_up(&client, Key::Email("anna@home.example".into())).await.unwrap().external_id, "ben");
    let gone = look_up(&client, Key::Email("anna@marker.example".into())).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let given = pb::Member { external_id: "ben".into(), etag: String::new(), ..first.clone() };
    let taken = update(&client, given, &["external_id"]).await.unwrap_err();
    assert_eq!(refused(taken), (Code::AlreadyExists, "MEMBER_EXISTS".into()));
    who_left_is_not_in_the_way(&client, &first).await;
    house.end().await;
}

/// Cards of old, one of them still used, share an address.
async fn who_left_is_not_in_the_way(client: &Client, first: &pb::Member) {
    use pb::lookup_member_request::Key;
    let address = "anna@new.example";
    let profile = || pb::MemberProfile { emails: vec![address.into()], ..Default::default() };
    let by_address = async || look_up(client, Key::Email(address.into())).await;
    for n in 0..12 {
        close(client, &enroll_as(client, &format!("old-{n}"), profile()).await.member_id).await;
    }
    assert_eq!(by_address().await.unwrap().member_id, first.member_id);
    close(client, &first.member_id).await;
    assert_eq!(refused(by_address().await.unwrap_err()), precondition("MEMBER_AMBIGUOUS"));
    let newest = enroll_as(client, "newest", profile()).await;
    assert_eq!(by_address().await.unwrap(), newest);
}

async fn two_changes_of_one_member_do_not_overwrite_each_other(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll_as(&client, "anna", anna()).await;
    let change = |name: &str| {
        let profile = pb::MemberProfile { display_name: name.into(), ..Default::default() };
        pb::Member { profile: Some(profile), ..member.clone() }
    };
    let names = ["profile.display_name"];
    let (a, b) =
        tokio::join!(update(&client, change("Anna A"), &names), update(&client, change("Anna B"), &names));
    let outcomes = [a, b].map(|outcome| outcome.map(|_| ()).map_err(refused));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&Err((Code::Aborted, "ETAG_MISMATCH".into()))));
    let now = read(&client, &member.member_id).await;
    assert_eq!(now.profile.unwrap().emails, anna().emails, "what the mask does not name stays");
    // The same request is answered once more and changes nothing.
    let given = pb::Member { etag: String::new(), ..change("Anna C") };
    let request = pb::UpdateMemberRequest {
        request_id: request_id(),
        member: Some(given),
        update_mask: Some(prost_types::FieldMask { paths: vec!["profile".into()] }),
    };
    let first = members(&client).update_member(request.clone()).await.unwrap().into_inner();
    let again = members(&client).update_member(request).await.unwrap().into_inner();
    assert_eq!(again, pb::UpdateMemberResponse { replayed: true, ..first.clone() });
    assert_eq!(read(&client, &member.member_id).await, first.member.unwrap());
    for (profile, field) in [
        (pb::MemberProfile { emails: vec!["anna".into()], ..Default::default() }, "emails"),
        (pb::MemberProfile { phones: vec!["030".into()], ..Default::default() }, "phones"),
        (pb::MemberProfile { locale: "german".into(), ..Default::default() }, "locale"),
        (pb::MemberProfile { time_zone: "Mars".into(), ..Default::default() }, "time_zone"),
        (
            pb::MemberProfile {
                birthday: Some(gtype::Date { year: 1990, month: 2, day: 1 }),
                ..Default::default()
            },
            "birthday",
        ),
        (
            pb::MemberProfile {
                attributes: [("Shoe size".to_owned(), "3".to_owned())].into(),
                ..Default::default()
            },
            "attributes",
        ),
    ] {
        let given = pb::Member { profile: Some(profile), ..member.clone() };
        let refused = update(&client, given, &["profile"]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(&format!("member.profile.{field}")), "{refused}");
    }
    // Nobody looks at what the mask does not name.
    let phones = vec!["030".to_owned()];
    let profile = Some(pb::MemberProfile { locale: "de".into(), phones, ..Default::default() });
    let given = pb::Member { profile, etag: String::new(), ..member.clone() };
    let changed = update(&client, given.clone(), &["profile.locale"]).await.unwrap().profile.unwrap();
    assert_eq!((changed.locale.as_str(), changed.phones), ("de", vec![]));
    let given = pb::Member { external_id: "anna 2".into(), ..given };
    assert_eq!(update(&client, given, &["external_id"]).await.unwrap().external_id, "anna 2");
    house.end().await;
}

async fn suspend(client: &Client, member_id: &str) -> pb::SuspendMemberResponse {
    let request = pb::SuspendMemberRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        reason: "a case of fraud".into(),
    };
    members(client).suspend_member(request).await.unwrap().into_inner()
}

async fn reactivate(client: &Client, member_id: &str) -> Result<pb::ReactivateMemberResponse, Status> {
    let (request_id, member_id) = (request_id(), member_id.into());
    let request = pb::ReactivateMemberRequest { request_id, member_id, reason: String::new() };
    Ok(members(client).reactivate_member(request).await?.into_inner())
}

pub(crate) async fn close(client: &Client, member_id: &str) -> pb::CloseMemberResponse {
    let (request_id, member_id) = (request_id(), member_id.into());
    let request = pb::CloseMemberRequest { request_id, member_id, reason: "moved away".into() };
    members(client).close_member(request).await.unwrap().into_inner()
}

pub(crate) async fn erase(client: &Client, member_id: &str) -> pb::EraseMemberResponse {
    let (request_id, member_id) = (request_id(), member_id.into());
    let request = pb::EraseMemberRequest { request_id, member_id, reason: "asked for it".into() };
    members(client).erase_member(request).await.unwrap().into_inner()
}

pub(crate) async fn adjust(client: &Client, member_id: &str, points: i64, why: &str) -> Result<i64, Status> {
    let request = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        points,
        reason: why.into(),
        approver: "chief".into(),
        ..Default::default()
    };
    let response = PointsServiceClient::new(client.clone()).adjust_points(request).await?;
    Ok(response.into_inner().balance.unwrap().available)
}

async fn the_suspended_neither_earn_nor_redeem(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    assert_eq!(suspend(&client, &member).await.state(), pb::MemberState::Suspended);
    assert_eq!(suspend(&client, &member).await.state(), pb::MemberState::Suspended, "once more");
    assert_eq!(read(&client, &member).await.state(), pb::MemberState::Suspended);
    let earned = record(&client, purchase(&member, 5)).await.unwrap_err();
    assert_eq!(refused(earned), precondition("MEMBER_SUSPENDED"));
    let redeemed = redeem(&client, redemption(&member, "mug")).await.unwrap_err();
    assert_eq!(refused(redeemed), precondition("MEMBER_SUSPENDED"));
    assert_eq!(adjust(&client, &member, -10, "wrong till").await.unwrap(), 90, "staff may correct");
    house.clock().advance_to(START.plus_micros(90 * DAY));
    assert_eq!(balance_of(&client, &member).await.expired, 90, "time goes on");
    assert_eq!(reactivate(&client, &member).await.unwrap().state(), pb::MemberState::Active);
    record(&client, purchase(&member, 40)).await.unwrap();
    redeem(&client, redemption(&member, "mug")).await.unwrap();
    house.end().await;
}

async fn who_leaves_forfeits_what_is_left(house: House) {
    use pb::release_policy::Policy::AfterDays;
    let client = house.client();
    let release_policy = Some(pb::ReleasePolicy { policy: Some(AfterDays(14)) });
    create_program_like(&client, pb::Program { release_policy, ..program(PROGRAM) }).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 1_000)).await.unwrap();
    house.clock().advance_to(START.plus_micros(20 * DAY));
    record(&client, purchase(&member, 70)).await.unwrap();
    let closed = close(&client, &member).await;
    assert_eq!((closed.state(), closed.points_forfeited), (pb::MemberState::Closed, 1_070));
    let left = balance_of(&client, &member).await;
    assert_eq!((left.available, left.pending, left.expired, left.issued), (0, 0, 1_070, 1_070));
    let again = close(&client, &member).await;
    assert_eq!((again.state(), again.points_forfeited), (pb::MemberState::Closed, 0));
    let earned = record(&client, purchase(&member, 5)).await.unwrap_err();
    assert_eq!(refused(earned), precondition("MEMBER_CLOSED"));
    assert_eq!(
        refused(adjust(&client, &member, 1, "sorry").await.unwrap_err()),
        precondition("MEMBER_CLOSED")
    );
    assert_eq!(refused(reactivate(&client, &member).await.unwrap_err()), precondition("MEMBER_CLOSED"));
    let known = read(&client, &member).await;
    assert_eq!((known.external_id.as_str(), known.state()), ("anna", pb::MemberState::Closed));
    assert_eq!(
        refused(update(&client, known, &["profile"]).await.unwrap_err()),
        precondition("MEMBER_CLOSED")
    );
    let as_of = pb::GetBalanceRequest {
        member_id: member.clone(),
        as_of: Some(harness::calls::timestamp(START.plus_micros(15 * DAY))),
        ..Default::default()
    };
    let then = harness::calls::balance(&client, as_of).await.unwrap().balance.unwrap();
    assert_eq!(then.available, 1_000, "what was, stays readable");
    house.end().await;
}

async fn an_export_tells_everything(house: House) {
    let client = house.client();
    let referral_policy = Some(pb::ReferralPolicy { within_days: 60, ..Default::default() });
    create_program_like(&client, pb::Program { referral_policy, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll_as(&client, "anna", anna()).await;
    let bought = (0..1_100).map(|_| purchase(&member.member_id, 1)).collect::<Vec<_>>();
    for batch in bought.chunks(550) {
        let request = pb::BatchRecordActivitiesRequest { requests: batch.to_vec(), mode: 0 };
        let mut service = pb::activity_service_client::ActivityServiceClient::new(client.clone());
        service.batch_record_activities(request).await.unwrap();
    }
    let redeemed = redeem(&client, redemption(&member.member_id, "mug")).await.unwrap().redemption.unwrap();
    let friend = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        external_id: "ben".into(),
        referral_code: member.referral_code.clone(),
        ..Default::default()
    };
    let friend = members(&client).enroll_member(friend).await.unwrap().into_inner().member.unwrap();
    let waits = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member.member_id.clone(),
        points: 5,
        reason: "goodwill".into(),
        approver: "ben".into(),
        for_review: true,
        ..Default::default()
    };
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    assert_eq!(reason(&points.adjust_points(waits.clone()).await.unwrap_err()), "REVIEW_REQUIRED");
    let request = pb::ExportMemberRequest { member_id: member.member_id.clone() };
    let stream = members(&client).export_member(request).await.unwrap().into_inner();
    let pieces: Vec<Piece> = stream.map(|piece| piece.unwrap().piece.unwrap()).collect().await;
    let count = |of: fn(&Piece) -> bool| pieces.iter().filter(|piece| of(piece)).count();
    assert_eq!(pieces[0], Piece::Member(read(&client, &member.member_id).await));
    assert_eq!(count(|piece| matches!(piece, Piece::Activity(_))), 1_100);
    assert_eq!(count(|piece| matches!(piece, Piece::Lot(_))), 1_100);
    assert_eq!(count(|piece| matches!(piece, Piece::Posting(_))), 1_101);
    assert_eq!(count(|piece| matches!(piece, Piece::Tier(_))), 2, "base, and silver from 1,000 on");
    let redemptions: Vec<_> = pieces.iter().filter(|piece| matches!(piece, Piece::Redemption(_))).collect();
    assert_eq!(redemptions, [&Piece::Redemption(redeemed)]);
    let [Piece::Referral(brought), Piece::Review(review)] = &pieces[pieces.len() - 2..] else {
        panic!("friends and reviews come last")
    };
    assert_eq!(brought.friend_member_id, friend.member_id);
    assert_eq!(review.command, Some(pb::review::Command::AdjustPoints(waits)));
    let Piece::Balance(told) = &pieces[1] else { panic!("the balance comes second") };
    assert_eq!(told.balance.as_ref().unwrap().available, 1_070);
    let nobody = pb::ExportMemberRequest { member_id: harness::calls::named("nobody") };
    let missing = members(&client).export_member(nobody).await.unwrap_err();
    assert_eq!(refused(missing), (Code::NotFound, "MEMBER_NOT_FOUND".into()));
    house.end().await;
}
