//! The main job on the real data: an import on PostgreSQL and Redis that is killed, run again and run once
//! more ends with the known answers, under today's clock; bad rows and files are told apart and do no harm.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ambient::Time;
use futures::{StreamExt, TryStreamExt};
use harness::calls::{PROGRAM, balance, create_program, timestamp};
use harness::house::House;
use harness::process::{executable, rapport};
use proto::rapport::loyalty::v1 as pb;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/completejourney_baskets.csv.gz")
}

fn arguments(file: &Path, target: &str, more: &[&str]) -> Vec<String> {
    let fixed = [
        ["--program", PROGRAM],
        ["--id-column", "basket_id"],
        ["--member-column", "household_id"],
        ["--time-column", "ts"],
        ["--amount-column", "sales_cents"],
        ["--amount-unit", "minor"],
        ["--currency", "USD"],
        ["--output", "json"],
        ["--target", target],
    ];
    let head = ["import".to_owned(), "purchases".to_owned(), file.display().to_string()];
    let more = more.iter().map(|a| (*a).to_owned());
    head.into_iter().chain(fixed.into_iter().flatten().map(str::to_owned)).chain(more).collect()
}

/// Imports a file to its end: the exit code, the JSON summary and what was said on standard error.
fn import(file: &Path, target: &str, more: &[&str]) -> (i32, serde_json::Value, String) {
    let arguments = arguments(file, target, more);
    let output = rapport(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let summary = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    (output.status.code().unwrap_or(-1), summary, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn count(summary: &serde_json::Value, name: &str) -> i64 {
    summary[name].as_i64().unwrap_or_else(|| panic!("no {name} in {summary}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_half_way_run_again_and_once_more() {
    let house = House::process().await;
    create_program(&house.client()).await;
    let mut first = Command::new(executable())
        .args(arguments(&data(), &house.target(), &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the import starts");
    while house.count("SELECT COUNT(*) AS n FROM activity").await < 20_000 {
        assert!(first.try_wait().expect("a child").is_none(), "the import ended before it was half-way");
    }
    first.kill().expect("the import is killed");
    first.wait().expect("the import is gone");

    let (code, again, told) = import(&data(), &house.target(), &[]);
    assert_eq!(code, 0, "{told}");
    assert_eq!((count(&again, "read"), count(&again, "refused")), (80_800, 0));
    assert!(count(&again, "replayed") >= 20_000, "{again}");
    assert_eq!(count(&again, "accepted") + count(&again, "replayed"), 80_800);
    assert_eq!(count(&again, "points"), 2_353_505);
    let before = house.audit().await;

    let (code, once_more, told) = import(&data(), &house.target(), &[]);
    assert_eq!(code, 0, "{told}");
    assert_eq!((count(&once_more, "replayed"), count(&once_more, "accepted")), (80_800, 0));
    assert_eq!(count(&once_more, "points"), 2_353_505);
    let after = house.audit().await;
    assert_eq!(after, before, "nothing changes");
    assert_eq!(after.totals.expect("totals").issued, 2_353_505);
    the_past_agrees_with_the_replay(&house).await;
    house.end().await;
}

/// What the demo reads while it replays 2017 is what today's clock says of 2017.
async fn the_past_agrees_with_the_replay(house: &House) {
    let members = members(house).await;
    assert_eq!(members.len(), 1_290);
    let new_year = Time::from_micros(1_514_764_800_000_000);
    let read = async |at: Time| -> Vec<pb::GetBalanceResponse> {
        let requests = members.iter().map(|member| {
            let as_of = Some(timestamp(at));
            let request = pb::GetBalanceRequest { member_id: member.clone(), as_of, ..Default::default() };
            let client = house.client();
            async move { balance(&client, request).await }
        });
        futures::stream::iter(requests).buffered(32).try_collect().await.expect("balances")
    };
    let live = read(new_year).await;
    let sum = |of: fn(&pb::Balance) -> i64| -> i64 { live.iter().flat_map(|b| &b.balance).map(of).sum() };
    assert_eq!((sum(|b| b.available), sum(|b| b.expired)), (600_439, 1_752_141));
    let tiers = read(new_year.plus_micros(-1_000_000)).await;
    let in_tier =
        |tier: &str| tiers.iter().filter(|b| b.tier.as_ref().is_some_and(|t| t.tier_id == tier)).count();
    assert_eq!(["base", "silver", "gold", "platinum"].map(in_tier), [556, 402, 248, 84]);
}

async fn members(house: &House) -> Vec<String> {
    let mut client = pb::member_service_client::MemberServiceClient::new(house.client());
    let (mut members, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListMembersRequest {
            program_id: PROGRAM.into(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client.list_members(request).await.expect("a page").into_inner();
        members.extend(page.members.into_iter().map(|m| m.member_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return members;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_are_named_and_the_good_ones_go_on() {
    let house = House::sqlite().await;
    create_program(&house.client()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("rows.csv");
    // The clock of the house stands at the beginning of 2024.
    let rows = "basket_id,household_id,ts,sales_cents\n\
                1,7,2023-12-01T10:00:00,1250\n\
                2,7,2023-12-01T10:00:00,1250\n\
                3,7,2023-12-01T10:00:00,NaN\n\
                4,7,2023-12-01T10:00:00,-5\n\
                5,7,2023-12-01T10:00:00,99999999999999999999\n\
                6,7,yesterday,100\n\
                7,,2023-12-01T10:00:00,100\n\
                ,7,2023-12-01T10:00:00,100\n\
                9,7,2030-01-01T00:00:00,100\n\
                10,7,2023-12-02T10:00:00\n\
                1,7,2023-12-01T10:00:00,1251\n\
                12,8,2023-12-02T10:00:00,99\n";
    std::fs::write(&file, rows).expect("a file");
    let (code, summary, told) = import(&file, &house.target(), &[]);
    assert_eq!(code, 0, "{told}");
    let counts = ["read", "accepted", "replayed", "refused", "points"].map(|name| count(&summary, name));
    assert_eq!(counts, [12, 3, 0, 9, 24], "{summary} {told}");
    for line in ["line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10", "line 11", "line 12"]
    {
        assert!(told.contains(line), "{line} is not in:\n{told}");
    }
    assert!(told.contains("sales_cents") && told.contains("ts") && told.contains("household_id"), "{told}");
    let (code, ..) = import(&file, &house.target(), &["--strict"]);
    assert_eq!(code, 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_read_are_refused() {
    let house = House::sqlite().await;
    create_program(&house.client()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("a file");
        file
    };
    let whole = std::fs::read(data()).expect("the data");
    let truncated = write("truncated.csv.gz", &whole[..20_000]);
    let column = write("column.csv", b"id,household_id,ts,sales_cents\n1,7,2023-12-01,100\n");
    let binary = write("binary.csv", &[0, 159, 146, 150, 255, 0, 1, 2, 3]);
    let empty = write("empty.csv", b"");
    let one = write("one.csv", b"basket_id,household_id,ts,sales_cents\n1,7,2023-12-01,100\n");
    for (file, target, more, expected) in [
        (&truncated, house.target(), &[][..], "cut off while compressed"),
        (&column, house.target(), &[], "basket_id"),
        (&binary, house.target(), &[], "CSV"),
        (&empty, house.target(), &[], "empty"),
        (&dir.path().join("missing.csv"), house.target(), &[], "missing.csv"),
        (&one, house.target(), &["--time-zone", "Mars/Olympus"], "Mars/Olympus"),
        (&one, "http://127.0.0.1:9".to_owned(), &[], "no Rapport server answers"),
    ] {
        let (code, _, told) = import(file, &target, more);
        assert_ne!(code, 0, "{}: {told}", file.display());
        assert!(told.contains(expected), "{}: {expected:?} is not in: {told}", file.display());
        assert!(!told.contains("panicked"), "{told}");
    }
    let nowhere: Vec<String> =
        arguments(&one, &house.target(), &[]).iter().map(|a| a.replace(PROGRAM, "nowhere")).collect();
    let output = rapport(&nowhere.iter().map(String::as_str).collect::<Vec<_>>());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("nowhere"), "{told}");
    house.end().await;
}
