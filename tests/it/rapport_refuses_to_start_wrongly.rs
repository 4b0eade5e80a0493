//! What cannot work is refused before the port opens, in one clear line, and never with a password in it.

use harness::process::{Process, rapport};
use harness::servers::Postgres;

/// Runs `rapport` with these arguments and returns the one line that it refuses with.
fn refused(arguments: &[&str]) -> String {
    let output = rapport(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} was not refused");
    assert!(!told.contains("panicked"), "{told}");
    told
}

#[test]
fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    for flag in ["--listen", "--ops-listen"] {
        let other = if flag == "--listen" { "--ops-listen" } else { "--listen" };
        let told = refused(&["all", "--data-dir", &data, flag, &address, other, "127.0.0.1:0"]);
        assert!(told.contains(&address) && told.contains(flag), "{told}");
    }
}

#[test]
fn a_database_url_that_is_none() {
    for url in
        ["postgres//user:hunter2@host/db", "mysql://user:hunter2@host/db", "postgres://user:hunter2@host"]
    {
        let told = refused(&["loyalty", "--database-url", url]);
        assert!(told.contains("loyalty.database.url"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let told = refused(&["loyalty", "--database-url", "postgres://user:hunter2@127.0.0.1:9/db"]);
    assert!(told.contains("refused") && !told.contains("hunter2"), "{told}");
    let told = refused(&["loyalty"]);
    assert!(told.contains("database"), "{told}");
}

#[test]
fn a_directory_that_cannot_be_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").expect("a file");
    let told = refused(&["all", "--data-dir", &file.join("data").display().to_string()]);
    assert!(told.contains("data directory"), "{told}");
    let data = dir.path().join("data");
    std::fs::create_dir_all(data.join("loyalty.sqlite")).expect("a directory in the way");
    let told = refused(&["all", "--data-dir", &data.display().to_string()]);
    assert!(told.contains("loyalty.sqlite"), "{told}");
}

#[test]
fn a_data_directory_in_use() {
    let process = Process::embedded();
    let told = refused(&["all", "--data-dir", process.data_dir(), "--listen", "127.0.0.1:0"]);
    assert!(told.contains("in use by another rapport process"), "{told}");
    process.terminate();
}

#[tokio::test]
async fn a_pending_migration() {
    let url = Postgres::start().fresh_database().await;
    let told = refused(&["loyalty", "--database-url", &url]);
    assert!(told.contains("rapport migrate"), "{told}");
    Process::migrate(&url);
    Process::loyalty(&url, &[]).terminate();
}

#[test]
fn an_address_beyond_this_machine_without_authentication() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    let told = refused(&["all", "--data-dir", &data, "--listen", "0.0.0.0:0", "--ops-listen", "127.0.0.1:0"]);
    assert!(told.contains("--insecure"), "{told}");
}

#[test]
fn help_has_examples() {
    for command in [
        &["--help"][..],
        &["all", "--help"],
        &["import", "purchases", "--help"],
        &["programs", "create", "--help"],
        &["audit", "--help"],
        &["demo", "--help"],
    ] {
        let output = rapport(command);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("rapport "), "{command:?}: {text}");
        assert!(text.to_lowercase().contains("example"), "{command:?} shows no example");
    }
}
