//! While the disk is full, the embedded suite refuses what it cannot keep, and keeps what it acknowledged.
//! Once there is space again, it goes on by itself.

use std::path::Path;

use futures::future::join_all;
use harness::calls::{PROGRAM, create_program, request_id};
use harness::house;
use harness::process::{Process, rapport};
use pb::member_service_client::MemberServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

/// For a few hundred of them: each writes some pages of its own.
const SPACE: u64 = 16 << 20;
const CALLERS: usize = 64;

async fn enrolled(client: &Client) -> Result<String, Status> {
    let request_id = request_id();
    let external_id = request_id.clone();
    let request =
        pb::EnrollMemberRequest { request_id, program_id: PROGRAM.into(), external_id, ..Default::default() };
    let done = MemberServiceClient::new(client.clone()).enroll_member(request).await?.into_inner();
    Ok(done.member.expect("a member").member_id)
}

/// Callers enroll until some of them are refused. Returns whom they enrolled.
async fn enrolled_until_refused(client: &Client) -> Vec<String> {
    let mut known = Vec::new();
    loop {
        let answers = join_all((0..CALLERS).map(|_| enrolled(client))).await;
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        known.extend(done.into_iter().flatten());
        for status in refused.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        }
        if !refused.is_empty() {
            return known;
        }
    }
}

async fn assert_kept(client: &Client, known: &[String]) {
    for member_id in known {
        let request = pb::GetMemberRequest { member_id: member_id.clone() };
        let found = MemberServiceClient::new(client.clone()).get_member(request).await;
        assert!(found.is_ok(), "{member_id} of {} who were enrolled: {found:?}", known.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_kept() {
    let mut process = Process::embedded();
    let client = house::client(&process.target()).await;
    create_program(&client).await;
    let log = Path::new(process.data_dir()).join("loyalty.sqlite-wal");
    process.limit_files(Some(log.metadata().expect("a log").len() + SPACE));
    let mut known = enrolled_until_refused(&client).await;
    known.extend(enrolled_until_refused(&client).await);
    known.extend(enrolled_until_refused(&client).await);
    assert!(known.len() > CALLERS, "some were enrolled");
    assert_kept(&client, &known).await;
    process.limit_files(None);
    known.push(enrolled(&client).await.expect("there is space again"));
    assert_kept(&client, &known).await;
    process.kill();
    process.restart();
    let client = house::client(&process.target()).await;
    assert_kept(&client, &known).await;
    let audit = rapport(&["audit", "--target", &process.target()]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
