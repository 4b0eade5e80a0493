//! `rapport export` writes what the service says: as CSV and as JSON lines that say the same, whatever names
//! hold; over ways that break; into files that are there once they are complete; to readers that go away.
//! Reports become files in the same way.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use harness::calls::{PROGRAM, create_program};
use harness::house::House;
use harness::process::{executable, rapport};
use serde_json::Value as Json;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::everything_can_be_exported::{NAMES, lively};

in_process! {
    csv_and_json_lines_say_the_same;
    an_export_goes_on_when_the_way_breaks;
    a_file_appears_once_it_is_complete;
    what_a_killed_run_left_is_no_obstacle;
    a_reader_may_go_away;
}

/// Runs `rapport export` with these arguments: the exit code, and what it said on both outputs.
fn export(what: &str, target: &str, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["export", what, "--program", PROGRAM, "--target", target], more].concat();
    let output = rapport(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("panicked"), "{told}");
    let written = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().unwrap_or(-1), written, told)
}

/// What it wrote, if it did well and said nothing else.
fn written(what: &str, target: &str, more: &[&str]) -> String {
    let (code, written, told) = export(what, target, more);
    assert_eq!((code, told.as_str()), (0, ""));
    written
}

/// The cell of a column, and what the line says there.
type Pair = (String, Json);

/// Reads both with parsers of others, row by row.
fn pairs(csv: &str, lines: &str) -> Vec<Vec<Pair>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("a row")).collect();
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), lines.len());
    let row = |(record, line): (&csv::StringRecord, &Json)| {
        let said = |column: &str| line.pointer(&format!("/{}", column.replace('.', "/"))).cloned();
        let pair = |(column, cell): (&str, &str)| (cell.to_owned(), said(column).expect("the same field"));
        header.iter().zip(record).map(pair).collect()
    };
    records.iter().zip(&lines).map(row).collect()
}

/// Fails unless a cell is what JSON says.
fn same((cell, said): &Pair) {
    match said {
        Json::Null => assert_eq!(cell, ""),
        Json::String(text) => assert_eq!(cell, text),
        Json::Array(items) if items.is_empty() => assert_eq!(cell, ""),
        Json::Object(fields) if fields.is_empty() => assert_eq!(cell, ""),
        said => assert_eq!(&serde_json::from_str::<Json>(cell).expect("JSON in a cell"), said),
    }
}

async fn csv_and_json_lines_say_the_same(house: House) {
    let members = lively(&house).await;
    let target = house.target();
    for (what, first, fields) in [
        ("postings", "wallet_id,seq,", 15),
        ("lots", "wallet_id,lot_number,", 14),
        ("members", "member_id,", 20),
    ] {
        let csv = written(what, &target, &["--exact"]);
        assert!(csv.starts_with(first) && csv.ends_with("\r\n"), "{what}");
        let lines = written(what, &target, &["--format", "jsonl"]);
        let rows = pairs(&csv, &lines);
        assert!(rows.len() >= members.len(), "{what}: {} rows", rows.len());
        assert!(rows.iter().all(|row| row.len() == fields));
        rows.iter().flatten().for_each(same);
    }
    let postings = written("postings", &target, &["--format", "jsonl"]);
    let expected = house.count(
        "SELECT COUNT(*) AS n FROM posting p JOIN wallet w ON w.wallet_id = p.wallet_id \
        WHERE w.program_id = 'club'",
    );
    assert_eq!(postings.lines().count() as i64, expected.await);
    let late = written("postings", &target, &["--format", "jsonl", "--from", "2024-03-31T00:00:00Z"]);
    let early = written("postings", &target, &["--format", "jsonl", "--to", "2024-03-31"]);
    assert_eq!(late.lines().count() + early.lines().count(), postings.lines().count());
    let own = written("postings", &target, &["--format", "jsonl", "--member", &members[0]]);
    let has = |line: &&str| line.contains(&members[0]);
    assert_eq!(own.lines().collect::<Vec<_>>(), postings.lines().filter(has).collect::<Vec<_>>());

    // What a spreadsheet would calculate begins with an apostrophe unless it is to be exact.
    let names = |more: &[&str]| -> BTreeSet<String> {
        let csv = written("members", &target, more);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        reader.records().map(|record| record.expect("a row")[2].to_owned()).collect()
    };
    let (guarded, exact) = (names(&[]), names(&["--exact"]));
    for name in NAMES {
        assert!(exact.contains(name), "{name}");
        let formula = name.starts_with(['=', '+', '-', '@']);
        let expected = if formula { format!("'{name}") } else { name.to_owned() };
        assert!(guarded.contains(&expected) && (!formula || !guarded.contains(name)), "{name}");
    }
    house.end().await;
}

/// A way to a target whose first connection breaks after so many bytes of answers.
async fn breaking(target: &str, bytes: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let there = target.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        let mut bytes = Some(bytes);
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&there).await.expect("the suite answers");
            tokio::spawn(pass(near, far, bytes.take().unwrap_or(u64::MAX)));
        }
    });
    format!("http://{address}")
}

async fn pass(near: TcpStream, far: TcpStream, bytes: u64) {
    let ((mut asked, mut answers), (answered, mut asks)) = (near.into_split(), far.into_split());
    let mut answered = answered.take(bytes);
    tokio::select! {
        _ = tokio::io::copy(&mut asked, &mut asks) => (),
        _ = tokio::io::copy(&mut answered, &mut answers) => (),
    }
}

/// What is exported, and after how many bytes of it the way breaks: in the first chunk, and behind it.
const WAYS: [(&str, u64); 5] =
    [("postings", 2_000), ("postings", 60_000), ("postings", 95_000), ("lots", 20_000), ("members", 1_000)];

async fn an_export_goes_on_when_the_way_breaks(house: House) {
    lively(&house).await;
    for (what, bytes) in WAYS {
        let whole = written(what, &house.target(), &[]);
        let way = breaking(&house.target(), bytes).await;
        assert_eq!(written(what, &way, &[]), whole, "{what}");
    }
    house.end().await;
}

/// What lies in a directory.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

async fn a_file_appears_once_it_is_complete(house: House) {
    create_program(&house.client()).await;
    let target = house.target();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("members.csv");
    let path = file.display().to_string();
    let (code, out, told) = export("members", &target, &["--output", &path]);
    assert_eq!((code, out.as_str()), (0, ""), "{told}");
    assert!(told.starts_with("0 row(s) in ") && told.contains("members.csv"), "{told}");
    let empty = std::fs::read_to_string(&file).expect("a file");
    assert!(empty.starts_with("member_id,") && empty.lines().count() == 1, "{empty}");

    // What is refused leaves the file of before, and nothing beside it.
    let nowhere = ["export", "members", "--program", "nowhere", "--target", &target, "--output", &path];
    let output = rapport(&nowhere);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("PROGRAM_NOT_FOUND") && told.contains("nowhere"), "{told}");
    assert_eq!(names_in(dir.path()), ["members.csv"]);
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), empty);

    // The same again is written again.
    let (code, ..) = export("members", &target, &["--output", &path]);
    assert_eq!((code, std::fs::read_to_string(&file).expect("a file")), (0, empty));
    assert_eq!(names_in(dir.path()), ["members.csv"]);
    let inside = dir.path().join("missing/members.csv").display().to_string();
    let folder = dir.path().display().to_string();
    for (more, code, expected) in [
        (&["--output", inside.as_str()][..], 1, "cannot be written"),
        (&["--output", &folder], 1, "is not a file"),
        (&["--from", "yesterday"], 2, "--from: `yesterday` is not a time"),
        (&["--from", "2024-01-02", "--to", "2024-01-01"], 2, "--to must lie after --from"),
        (&["--from", "2024-01-02", "--time-zone", "Mars/Olympus"], 2, "Mars/Olympus"),
    ] {
        let (ended, _, told) = export("members", &target, more);
        assert_eq!((ended, told.lines().count()), (code, 1), "{told}");
        assert!(told.contains(expected), "{expected:?} is not in: {told}");
    }
    let (code, _, told) = export("members", "http://127.0.0.1:9", &[]);
    assert!(code == 1 && told.contains("no Rapport server answers"), "{told}");
    house.end().await;
}

async fn what_a_killed_run_left_is_no_obstacle(house: House) {
    create_program(&house.client()).await;
    let target = house.target();
    for (command, name) in [(["export", "members"], "members.csv"), (["report", "liability"], "owed.html")] {
        let dir = tempfile::tempdir().expect("a directory");
        let [file, beside] = [name, &format!(".{name}.rapport-part")].map(|name| dir.path().join(name));
        let path = file.display().to_string();
        let run = || {
            let more = ["--program", PROGRAM, "--target", &target, "--output", &path];
            let output = rapport(&[&command[..], &more].concat());
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert_eq!(run().0, Some(0));
        let whole = std::fs::read_to_string(&file).expect("a file");

        // As long as a run lives, its file is locked.
        let running = std::fs::File::create(&beside).expect("a file");
        running.lock().expect("a lock");
        let (code, told) = run();
        assert!(code == Some(1) && told.contains("cannot be written: another run is writing it"), "{told}");
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), whole);

        std::fs::write(&beside, "half of it".repeat(10_000)).expect("a file");
        std::fs::write(&file, "of before").expect("a file");
        drop(running);
        assert_eq!(run().0, Some(0));
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), whole);
        assert_eq!(names_in(dir.path()), [name]);
    }
    house.end().await;
}

async fn a_reader_may_go_away(house: House) {
    lively(&house).await;
    for format in ["csv", "jsonl"] {
        let target = house.target();
        let arguments = ["export", "postings", "--program", PROGRAM, "--format", format, "--target", &target];
        let mut child = Command::new(executable())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rapport starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a piped output"));
        output.read_line(&mut line).expect("a line");
        assert!(line.contains("wallet_id"), "{line}");
        drop(output);
        let mut told = String::new();
        child.stderr.take().expect("a piped output").read_to_string(&mut told).expect("UTF-8");
        let status = child.wait().expect("it ends");
        assert_eq!((status.code(), told.as_str()), (Some(0), ""));
    }
    house.end().await;
}
