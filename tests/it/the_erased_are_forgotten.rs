//! Who is erased leaves sums and times, and nothing that tells who it was.

use db::Db;
use db::sea_orm::{ConnectionTrait, DbBackend, Statement};
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, create_reward, enroll, program, purchase,
    reason, record, request_id,
};
use harness::holds::{held, hold, void, voided};
use harness::house::House;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use tonic::Code;

use crate::households_share::gift;
use crate::limits_hold::{approval, approve, reviews};
use crate::members_are_known::{adjust, anna, enroll_as, erase, members, read, refused, update};

in_process! {
    nothing_personal_is_left_of_the_erased;
    who_was_not_enrolled_again_is_not_kept;
    what_was_given_after_a_review_is_not_kept;
}

/// The columns of the database in which a text occurs, as text or as bytes.
pub(crate) async fn columns_with(db: &Db, text: &str) -> Vec<String> {
    let backend = db.backend();
    let columns = match backend {
        DbBackend::Sqlite => {
            "SELECT m.name AS t, p.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) p \
             WHERE m.type = 'table'"
        }
        _ => {
            "SELECT table_name AS t, column_name AS c FROM information_schema.columns \
             WHERE table_schema = 'public' AND data_type IN ('text', 'bytea', 'character varying')"
        }
    };
    let all = db.reader().query_all_raw(Statement::from_string(backend, columns)).await.unwrap();
    let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut found = Vec::new();
    for row in all {
        let (table, column): (String, String) =
            (row.try_get("", "t").unwrap(), row.try_get("", "c").unwrap());
        let bytes = match backend {
            DbBackend::Sqlite => format!("HEX(\"{column}\")"),
            _ => format!(
                "UPPER(ENCODE(CONVERT_TO(\"{column}\"::text, 'UTF8'), 'hex')) || UPPER(\"{column}\"::text)"
            ),
        };
        let sql = format!("SELECT COUNT(*) AS n FROM \"{table}\" WHERE {bytes} LIKE '%{hex}%'");
        let row = db.reader().query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        if row.try_get::<i64>("", "n").unwrap() > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found.sort();
    found
}

async fn nothing_personal_is_left_of_the_erased(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll_as(&client, "Marker-1", anna()).await;
    let other = enroll(&client, "ben").await;
    let mut bought = purchase(&member.member_id, 100);
    let activity = bought.activity.as_mut().unwrap();
    activity.external_id = "Marker-2".into();
    activity.attributes = [("till".to_owned(), "Marker-3".to_owned())].into();
    activity.location = "Marker-4".into();
    record(&client, bought.clone()).await.unwrap();
    adjust(&client, &member.member_id, 5, "Marker-5 called").await.unwrap();
    create_reward(&client, "mug", 10, None).await;
    let made = held(&client, hold(&member.member_id, "mug", 60)).await.unwrap().redemption.unwrap();
    let because = pb::VoidRedemptionRequest { reason: "Marker-7 called".into(), ..void(&made) };
    voided(&client, because).await.unwrap();
    record(&client, purchase(&other, 12)).await.unwrap();
    for (from, to) in [(&member.member_id, &other), (&other, &member.member_id)] {
        let (member_id, to_member_id) = (from.clone(), to.clone());
        let gift = pb::TransferPointsRequest {
            currency_code: String::new(),
            request_id: request_id(),
            member_id,
            to_member_id,
            points: 5,
            note: "Marker-6 gave it".into(),
            expected_version: 0,
        };
        PointsServiceClient::new(client.clone()).transfer_points(gift).await.unwrap();
    }
    house.settle().await;
    assert!(columns_with(house.db(), "Marker").await.len() >= 6, "it is found where it is");

    let erased = erase(&client, &member.member_id).await;
    assert_eq!((erased.state(), erased.points_forfeited), (pb::MemberState::Erased, 105));
    // Whoever has not heard of it yet leaves nothing, either.
    assert!(adjust(&client, &member.member_id, 5, "Marker-8 called").await.is_err());
    let renamed = pb::Member { external_id: "Marker-9".into(), etag: String::new(), ..member.clone() };
    assert_eq!(reason(&update(&client, renamed, &["external_id"]).await.unwrap_err()), "MEMBER_CLOSED");
    house.settle().await;
    assert_eq!(columns_with(house.db(), "Marker").await, Vec::<String>::new());
    assert_eq!(columns_with(house.db(), "4930123456").await, Vec::<String>::new());
    let known = read(&client, &member.member_id).await;
    assert_eq!((known.state(), known.profile), (pb::MemberState::Erased, Some(pb::MemberProfile::default())));
    assert_eq!(known.external_id, format!("erased-{}", member.member_id));
    let sums = balance_of(&client, &member.member_id).await;
    assert_eq!((sums.available, sums.issued, sums.expired), (0, 100, 105), "sums stay");
    // The request is gone with what it said: sent again it does nothing, but is not answered as before.
    let again = record(&client, bought).await.unwrap_err();
    assert_eq!(refused(again), (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
    assert_eq!(erase(&client, &member.member_id).await.state(), pb::MemberState::Erased);
    // Nobody else is called as the erased are.
    let external_id = "erased-ben".to_owned();
    let renamed = pb::Member { external_id: external_id.clone(), ..read(&client, &other).await };
    let (request_id, program_id) = (request_id(), PROGRAM.into());
    let enrolment = pb::EnrollMemberRequest { request_id, program_id, external_id, ..Default::default() };
    for told in [
        update(&client, renamed, &["external_id"]).await.unwrap_err(),
        members(&client).enroll_member(enrolment).await.unwrap_err(),
    ] {
        assert_eq!(told.code(), Code::InvalidArgument, "{told:?}");
        assert!(told.message().contains("external_id"), "{told:?}");
    }
    // The customer may come back as somebody new, and others are untouched.
    let anew = enroll_as(&client, "Marker-1", anna()).await;
    assert_ne!(anew.member_id, member.member_id);
    assert_eq!(balance_of(&client, &other).await.available, 12);
    house.end().await;
}

async fn who_was_not_enrolled_again_is_not_kept(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll_as(&client, "Marker-1", anna()).await;
    let (program_id, external_id) = (PROGRAM.to_owned(), "Marker-1".to_owned());
    let profile = Some(anna());
    let again = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id,
        external_id,
        profile,
        ..Default::default()
    };
    let told = members(&client).enroll_member(again.clone()).await.unwrap_err();
    assert_eq!(refused(told), (Code::AlreadyExists, "MEMBER_EXISTS".into()));
    house.settle().await;
    erase(&client, &member.member_id).await;
    assert_eq!(columns_with(house.db(), "Marker").await, Vec::<String>::new());
    // The same request is decided by what there is now.
    let anew = members(&client).enroll_member(again.clone()).await.unwrap().into_inner();
    assert_ne!(anew.member.as_ref().unwrap().member_id, member.member_id);
    let replayed = members(&client).enroll_member(again).await.unwrap().into_inner();
    assert_eq!(replayed, pb::EnrollMemberResponse { replayed: true, ..anew });
    house.end().await;
}

async fn what_was_given_after_a_review_is_not_kept(house: House) {
    let client = house.client();
    let all = pb::VelocityLimit {
        limit_id: "all".into(),
        movement: pb::Movement::Transfer.into(),
        owner: pb::CapOwner::Member.into(),
        window: pb::VelocityWindow::Day.into(),
        count_max: Some(0),
        breach: pb::VelocityBreach::Review.into(),
        ..Default::default()
    };
    create_program_like(&client, pb::Program { velocity_limits: vec![all], ..program(PROGRAM) }).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&ben, 10)).await.unwrap();
    let given = pb::TransferPointsRequest { note: "Marker".into(), ..gift(&ben, &anna, 5) };
    let request_id = given.request_id.clone();
    PointsServiceClient::new(client.clone()).transfer_points(given).await.unwrap_err();
    let waits = reviews(&client, pb::ReviewState::Open).await;
    approve(&client, approval(&waits[0])).await.unwrap();
    let noted = "SELECT COUNT(*) AS n FROM posting WHERE note = 'Marker'";
    assert_eq!(house.count(noted).await, 2);
    let list = pb::ListPostingsRequest {
        member_id: anna.clone(),
        filter: Some(pb::PostingFilter { request_id, ..Default::default() }),
        ..Default::default()
    };
    let found = PointsServiceClient::new(client.clone()).list_postings(list).await.unwrap().into_inner();
    assert_eq!(found.postings.len(), 1, "it is what was asked for");
    erase(&client, &anna).await;
    assert_eq!(columns_with(house.db(), "Marker").await, Vec::<String>::new());
    house.end().await;
}
