//! Postings, lots and members of a program leave it whole: each once, in the order of their keys, from any
//! cursor on, whatever is written meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use db::sea_orm::{ConnectionTrait, Statement};
use futures::future::join_all;
use futures::{FutureExt, StreamExt, TryStreamExt};
use harness::calls::{
    PROGRAM, balance, create_program, create_program_like, create_reward, enroll, enroll_in, named, program,
    purchase, reason, record, redeem, redemption, request_id, timestamp,
};
use harness::holds::{held, hold};
use harness::house::{House, START};
use harness::moves::{day, merge, merger, unmerge};
use harness::process::Process;
use harness::servers::Postgres;
use pb::member_service_client::MemberServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};
use uuid::Uuid;

in_process! {
    each_posting_comes_once;
    only_what_is_asked_for_comes;
    an_export_goes_on_from_any_cursor;
    what_is_written_meanwhile_does_no_harm;
    lots_and_members_come_as_they_are_listed;
    what_cannot_be_exported_is_refused;
}

/// Members of the program.
const MEMBERS: usize = 240;
/// Names that files have to survive.
pub(crate) const NAMES: [&str; 8] =
    ["a,b", "say \"x\"", "two\r\nlines", "=1+1", "+4930", "-5", "@home", "Åse \u{1f389}, 李"];

/// A program with all kinds of postings in many wallets, and one beside it; the members of the first.
pub(crate) async fn lively(house: &House) -> Vec<String> {
    let client = house.client();
    create_program(&client).await;
    create_program_like(&client, program("other")).await;
    create_reward(&client, "mug", 30, None).await;
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.extend((names.len()..MEMBERS).map(|n| format!("member-{n}")));
    let members = join_all(names.iter().map(|name| enroll(&client, name))).await;
    let strangers = join_all(names[..20].iter().map(|name| enroll_in(&client, "other", name))).await;
    let buyers = members.iter().chain(&strangers).chain(std::iter::repeat_n(&members[0], 60));
    for bought in join_all(buyers.map(|id| record(&client, purchase(id, 50)))).await {
        bought.unwrap();
    }
    for spent in join_all(members[..40].iter().map(|id| redeem(&client, redemption(id, "mug")))).await {
        spent.unwrap();
    }
    for reserved in join_all(members[40..60].iter().map(|id| held(&client, hold(id, "mug", 0)))).await {
        reserved.unwrap();
    }
    let gifts = (60..80).map(|n| give(&client, &members[n], &members[n + 1]));
    join_all(gifts).await;
    join_all(members[90..100].iter().map(|id| adjust(&client, id, -7))).await;
    for n in 100..110 {
        merge(&client, merger(&members[n], &members[n + 100])).await.unwrap();
    }
    for card in &members[100..102] {
        record(&client, purchase(card, 9)).await.unwrap();
    }
    unmerge(&client, &members[101]).await.unwrap();
    let request = pb::EraseMemberRequest {
        request_id: request_id(),
        member_id: members[120].clone(),
        reason: "asked for it".into(),
    };
    MemberServiceClient::new(client.clone()).erase_member(request).await.unwrap();
    house.clock().advance_to(day(91));
    house.settle().await;
    for bought in join_all(members[..30].iter().map(|id| record(&client, purchase(id, 50)))).await {
        bought.unwrap();
    }
    for reserved in join_all(members[..5].iter().map(|id| held(&client, hold(id, "mug", 0)))).await {
        reserved.unwrap();
    }
    house.settle().await;
    members
}

async fn give(client: &Client, from: &str, to: &str) {
    let request = pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: from.into(),
        to_member_id: to.into(),
        points: 5,
        note: "happy birthday".into(),
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).transfer_points(request).await.unwrap();
}

async fn adjust(client: &Client, member_id: &str, points: i64) {
    let request = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        points,
        reason: "counted again".into(),
        approver: "ben".into(),
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).adjust_points(request).await.unwrap();
}

fn all() -> pb::ExportPostingsRequest {
    pb::ExportPostingsRequest { program_id: PROGRAM.into(), ..Default::default() }
}

type Exported = Result<Vec<pb::ExportPostingsResponse>, Status>;

async fn chunks(client: &Client, request: pb::ExportPostingsRequest) -> Exported {
    let stream = PointsServiceClient::new(client.clone()).export_postings(request).await?;
    stream.into_inner().try_collect().await
}

async fn exported(client: &Client, request: pb::ExportPostingsRequest) -> Vec<pb::Posting> {
    flat(&chunks(client, request).await.unwrap())
}

fn flat(chunks: &[pb::ExportPostingsResponse]) -> Vec<pb::Posting> {
    chunks.iter().flat_map(|chunk| chunk.postings.clone()).collect()
}

/// Fails unless the postings of each wallet are numbered from 1 without a gap, in their order.
fn whole(postings: &[pb::Posting]) -> BTreeMap<String, Vec<pb::Posting>> {
    let mut wallets: BTreeMap<String, Vec<pb::Posting>> = BTreeMap::new();
    for posting in postings {
        let of = wallets.entry(posting.wallet_id.clone()).or_default();
        of.push(posting.clone());
        assert_eq!(posting.seq, of.len() as i64, "{}", posting.wallet_id);
    }
    wallets
}

/// What postings make of an account: what reached it without what left it.
fn sum(postings: &[pb::Posting], account: pb::Account) -> i64 {
    let of = |posting: &pb::Posting| match account {
        _ if posting.credit_account() == account => posting.points,
        _ if posting.debit_account() == account => -posting.points,
        _ => 0,
    };
    postings.iter().map(of).sum()
}

async fn stored(house: &House, table: &str) -> i64 {
    let own = "SELECT wallet_id FROM wallet WHERE program_id = 'club' AND tenant_id = 'default'";
    house.count(&format!("SELECT COUNT(*) AS n FROM {table} WHERE wallet_id IN ({own})")).await
}

async fn each_posting_comes_once(house: House) {
    let members = lively(&house).await;
    let client = house.client();
    let postings = exported(&client, all()).await;
    assert_eq!(postings.len() as i64, stored(&house, "posting").await);
    let wallets = whole(&postings);
    let own: BTreeSet<&String> = members.iter().collect();
    assert!(wallets.keys().all(|wallet| own.contains(wallet)), "the other program's came");
    let kinds: BTreeSet<i32> = postings.iter().map(|posting| posting.reason).collect();
    assert!(kinds.len() >= 8, "{kinds:?}");
    assert!(postings.iter().all(|posting| posting.note.is_empty()), "notes may be personal");
    for member in &members {
        let request = pb::GetBalanceRequest { member_id: member.clone(), ..Default::default() };
        let told = balance(&client, request).await.unwrap();
        let own = wallets.get(member).map_or(&[][..], Vec::as_slice);
        let sums = [pb::Account::Available, pb::Account::Held, pb::Account::Redeemed, pb::Account::Expired]
            .map(|account| sum(own, account));
        if told.wallet_id != *member {
            assert_eq!(sums[..2], [0, 0], "what was merged is elsewhere");
            continue;
        }
        let b = told.balance.unwrap();
        assert_eq!(sums, [b.available, b.held, b.redeemed, b.expired], "{member}");
        assert_eq!(-sum(own, pb::Account::Issued), b.issued);
    }
    // As a wallet's own list has them, but for the notes.
    for member in [&members[0], &members[61], &members[95]] {
        let request =
            pb::ListPostingsRequest { member_id: member.clone(), page_size: 1_000, ..Default::default() };
        let listed = PointsServiceClient::new(client.clone()).list_postings(request).await.unwrap();
        let listed = listed.into_inner().postings.into_iter().rev();
        let listed: Vec<_> = listed.map(|posting| pb::Posting { note: String::new(), ..posting }).collect();
        assert_eq!(wallets[member], listed);
    }
    house.end().await;
}

async fn only_what_is_asked_for_comes(house: House) {
    let members = lively(&house).await;
    let client = house.client();
    let postings = exported(&client, all()).await;
    let middle = timestamp(day(90));
    let late = pb::ExportPostingsRequest { start_time: Some(middle), ..all() };
    let early = pb::ExportPostingsRequest { end_time: Some(middle), ..all() };
    let (late, early) = (exported(&client, late).await, exported(&client, early).await);
    let since = |posting: &&pb::Posting| posting.create_time.is_some_and(|at| at.seconds >= middle.seconds);
    assert_eq!(late, postings.iter().filter(since).cloned().collect::<Vec<_>>());
    assert_eq!(early.len() + late.len(), postings.len());
    assert!(!late.is_empty() && !early.is_empty());
    let start = pb::ExportPostingsRequest { end_time: Some(timestamp(START)), ..all() };
    assert!(exported(&client, start).await.is_empty());

    // Of a member who is merged, or was: all of its own wallet, and what it did in the other one.
    for (n, other) in [(0, 0), (100, 200), (101, 201)] {
        let (member, other) = (&members[n], &members[other]);
        let request = pb::ExportPostingsRequest { member_id: member.clone(), chunk_size: 3, ..all() };
        let own = |p: &&pb::Posting| {
            p.wallet_id == *member || (p.wallet_id == *other && p.actor_member_id == *member)
        };
        let expected: Vec<_> = postings.iter().filter(own).cloned().collect();
        let elsewhere = expected.iter().any(|posting| posting.wallet_id != *member);
        assert_eq!(elsewhere, n > 0);
        assert_eq!(exported(&client, request).await, expected);
    }

    // Rows of another tenant with a program of the same name.
    let theirs = &members[30..40];
    give_to_tenant(&house, theirs, ("default", "theirs")).await;
    let mine = exported(&client, all()).await;
    let is_mine = |posting: &&pb::Posting| !theirs.contains(&posting.wallet_id);
    assert_eq!(mine, postings.iter().filter(is_mine).cloned().collect::<Vec<_>>());
    let lots =
        lots(&client, pb::ExportLotsRequest { program_id: PROGRAM.into(), ..Default::default() }).await;
    assert!(lots.iter().all(|lot| !theirs.contains(&lot.wallet_id)));
    let listed = exported_members(&client, 500).await;
    assert_eq!(listed.len(), MEMBERS - theirs.len());
    let foreign = pb::ExportPostingsRequest { member_id: theirs[0].clone(), ..all() };
    assert_eq!(reason(&chunks(&client, foreign).await.unwrap_err()), "MEMBER_NOT_FOUND");
    give_to_tenant(&house, theirs, ("theirs", "default")).await;
    house.end().await;
}

/// Moves what a few members have from one tenant to another.
async fn give_to_tenant(house: &House, members: &[String], (from, to): (&str, &str)) {
    for member in members {
        let id: Uuid = member.parse().unwrap();
        let (from, to) = (from.to_owned(), to.to_owned());
        let moved = house.db().transact(move |tx| {
            let (from, to) = (from.clone(), to.clone());
            async move {
                for (table, key) in [
                    ("wallet", "wallet_id"),
                    ("posting", "wallet_id"),
                    ("lot", "wallet_id"),
                    ("member", "member_id"),
                ] {
                    let sql =
                        format!("UPDATE {table} SET tenant_id = $1 WHERE tenant_id = $2 AND {key} = $3");
                    let values = [to.as_str().into(), from.as_str().into(), id.into()];
                    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
                    tx.execute_raw(statement).await?;
                }
                Ok(())
            }
            .boxed()
        });
        moved.await.unwrap();
    }
}

async fn an_export_goes_on_from_any_cursor(house: House) {
    let members = lively(&house).await;
    let client = house.client();
    let postings = exported(&client, all()).await;
    for chunk_size in [1, 7, 100, 500, 501] {
        let request = pb::ExportPostingsRequest { chunk_size, ..all() };
        let chunks = chunks(&client, request.clone()).await.unwrap();
        assert!(chunks.iter().all(|chunk| chunk.postings.len() <= chunk_size as usize));
        assert_eq!(flat(&chunks), postings);
        // Some of them, in other chunks than before.
        for (n, chunk) in chunks.iter().enumerate().step_by(chunks.len().div_ceil(9)) {
            let rest = pb::ExportPostingsRequest { cursor: chunk.cursor.clone(), chunk_size: 90, ..all() };
            assert_eq!(exported(&client, rest).await, flat(&chunks[n + 1..]), "behind {n}");
        }
    }
    let few = pb::ExportPostingsRequest { chunk_size: 50, ..all() };
    let cursor = chunks(&client, few).await.unwrap()[1].cursor.clone();
    let with = |cursor: &str| pb::ExportPostingsRequest { cursor: cursor.into(), ..all() };
    for other in [
        with("made up"),
        with(&format!("{cursor}A")),
        pb::ExportPostingsRequest { program_id: "other".into(), ..with(&cursor) },
        pb::ExportPostingsRequest { member_id: members[0].clone(), ..with(&cursor) },
        pb::ExportPostingsRequest { start_time: Some(timestamp(START)), ..with(&cursor) },
    ] {
        let refused = chunks(&client, other).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "CURSOR_INVALID"));
    }
    let lots = pb::ExportLotsRequest { program_id: PROGRAM.into(), cursor, ..Default::default() };
    let refused = PointsServiceClient::new(client.clone()).export_lots(lots).await.unwrap_err();
    assert_eq!(reason(&refused), "CURSOR_INVALID");
    house.end().await;
}

async fn what_is_written_meanwhile_does_no_harm(house: House) {
    let members = lively(&house).await;
    let client = house.client();
    let before = exported(&client, all()).await;
    let writing = async {
        for _ in 0..4 {
            let bought = members.iter().map(|id| record(&client, purchase(id, 3)));
            join_all(bought).await;
        }
    };
    let reading = async {
        let (mut taken, mut cursor) = (Vec::new(), String::new());
        // A stream of a few chunks after another, each broken off.
        loop {
            let request = pb::ExportPostingsRequest { chunk_size: 40, cursor: cursor.clone(), ..all() };
            let stream = PointsServiceClient::new(client.clone()).export_postings(request).await.unwrap();
            let few: Vec<_> = stream.into_inner().take(5).try_collect().await.unwrap();
            let Some(last) = few.last() else { return taken };
            cursor.clone_from(&last.cursor);
            taken.extend(flat(&few));
        }
    };
    let ((), taken) = tokio::join!(writing, reading);
    let wallets = whole(&taken);
    for (wallet, postings) in whole(&before) {
        assert_eq!(wallets[&wallet][..postings.len()], postings);
    }
    house.settle().await;
    house.end().await;
}

async fn lots(client: &Client, request: pb::ExportLotsRequest) -> Vec<pb::Lot> {
    let stream = PointsServiceClient::new(client.clone()).export_lots(request).await.unwrap();
    let chunks: Vec<_> = stream.into_inner().try_collect().await.unwrap();
    chunks.into_iter().flat_map(|chunk| chunk.lots).collect()
}

async fn exported_members(client: &Client, chunk_size: i32) -> Vec<pb::Member> {
    let request = pb::ExportMembersRequest { program_id: PROGRAM.into(), chunk_size, ..Default::default() };
    let stream = MemberServiceClient::new(client.clone()).export_members(request).await.unwrap();
    let chunks: Vec<_> = stream.into_inner().try_collect().await.unwrap();
    let Some(last) = chunks.get(chunks.len() / 2) else { return Vec::new() };
    let request = pb::ExportMembersRequest {
        program_id: PROGRAM.into(),
        cursor: last.cursor.clone(),
        ..Default::default()
    };
    let rest = MemberServiceClient::new(client.clone()).export_members(request).await.unwrap();
    let rest: Vec<_> = rest.into_inner().try_collect().await.unwrap();
    let flat = |chunks: &[pb::ExportMembersResponse]| -> Vec<pb::Member> {
        chunks.iter().flat_map(|chunk| chunk.members.clone()).collect()
    };
    assert_eq!(flat(&rest), flat(&chunks[chunks.len() / 2 + 1..]), "it goes on from the middle");
    flat(&chunks)
}

async fn lots_and_members_come_as_they_are_listed(house: House) {
    let members = lively(&house).await;
    let client = house.client();
    let request = pb::ExportLotsRequest { program_id: PROGRAM.into(), ..Default::default() };
    let every = lots(&client, request.clone()).await;
    assert_eq!(every.len() as i64, stored(&house, "lot").await);
    assert_eq!(lots(&client, pb::ExportLotsRequest { chunk_size: 3, ..request.clone() }).await, every);
    let open: Vec<_> = every.iter().filter(|lot| lot.remaining > 0).cloned().collect();
    let open_only = pb::ExportLotsRequest { open_only: true, ..request.clone() };
    assert_eq!(lots(&client, open_only).await, open);
    for member in [&members[0], &members[61]] {
        let page_size = 1_000;
        let list = pb::ListLotsRequest { member_id: member.clone(), page_size, ..Default::default() };
        let listed =
            PointsServiceClient::new(client.clone()).list_lots(list).await.unwrap().into_inner().lots;
        let own: Vec<_> = every.iter().filter(|lot| lot.wallet_id == *member).cloned().collect();
        assert_eq!(own, listed);
        let of = pb::ExportLotsRequest { member_id: member.clone(), ..request.clone() };
        assert_eq!(lots(&client, of).await, listed);
    }
    let list = pb::ListMembersRequest { program_id: PROGRAM.into(), page_size: 1_000, ..Default::default() };
    let listed = MemberServiceClient::new(client.clone()).list_members(list).await.unwrap().into_inner();
    assert_eq!(listed.members.len(), MEMBERS);
    for chunk_size in [0, 1, 100] {
        assert_eq!(exported_members(&client, chunk_size).await, listed.members);
    }
    let erased = listed.members.iter().find(|member| member.member_id == members[120]).unwrap();
    assert_eq!(erased.external_id, format!("erased-{}", members[120]));
    assert_eq!(erased.profile, Some(pb::MemberProfile::default()));
    house.end().await;
}

async fn what_cannot_be_exported_is_refused(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_program_like(&client, program("other")).await;
    let stranger = enroll_in(&client, "other", "ben").await;
    assert!(exported(&client, all()).await.is_empty(), "an empty program is exported, too");
    let of = |member_id: String| pb::ExportPostingsRequest { member_id, ..all() };
    let (start_time, end_time) = (Some(timestamp(day(2))), Some(timestamp(day(1))));
    for (request, expected) in [
        (pb::ExportPostingsRequest { program_id: "nowhere".into(), ..all() }, "PROGRAM_NOT_FOUND"),
        (pb::ExportPostingsRequest::default(), "FIELDS_INVALID"),
        (pb::ExportPostingsRequest { chunk_size: -1, ..all() }, "FIELDS_INVALID"),
        (pb::ExportPostingsRequest { start_time, end_time, ..all() }, "FIELDS_INVALID"),
        (of("nobody".into()), "FIELDS_INVALID"),
        (of(named("nobody")), "MEMBER_NOT_FOUND"),
        (of(stranger), "MEMBER_NOT_FOUND"),
    ] {
        assert_eq!(reason(&chunks(&client, request).await.unwrap_err()), expected);
    }
    let nowhere = pb::ExportMembersRequest { program_id: "nowhere".into(), ..Default::default() };
    let refused = MemberServiceClient::new(client.clone()).export_members(nowhere).await.unwrap_err();
    assert_eq!(reason(&refused), "PROGRAM_NOT_FOUND");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_token_exports_nothing() {
    let url = Postgres::start().fresh_database().await;
    Process::migrate_service("notification", &url);
    let token = [("RAPPORT__EVENTS__TOKEN", "a-secret-of-these-services")];
    let process = Process::notification_with(&url, &token);
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", process.events())).unwrap();
    let mut points = PointsServiceClient::new(channel.connect().await.unwrap());
    let refused = points.export_postings(all()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
    process.terminate();
}
