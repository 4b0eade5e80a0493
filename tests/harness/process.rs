//! `rapport` as a process of its own, over real sockets.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A running `rapport`; killed when dropped.
pub struct Process {
    child: Child,
    arguments: Vec<String>,
    database_url: Option<String>,
    rpc: String,
    ops: String,
    /// Goes away with the process.
    #[expect(dead_code, reason = "held, not read")]
    data_dir: Option<TempDir>,
}

const ANY_PORT: [&str; 4] = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];

/// The executable that was built with these tests.
pub fn executable() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().find(|dir| dir.join("rapport").is_file());
    let dir = profile.unwrap_or_else(|| {
        panic!("there is no rapport executable beside the tests: build with --workspace --all-targets")
    });
    dir.join("rapport")
}

/// Runs `rapport` with these arguments to its end.
pub fn rapport(arguments: &[&str]) -> Output {
    Command::new(executable()).args(arguments).stdin(Stdio::null()).output().expect("rapport runs")
}

impl Process {
    /// Applies the migrations that a database lacks.
    pub fn migrate(database_url: &str) {
        let output = rapport(&["migrate", "--database-url", database_url]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts `rapport loyalty` on free ports and returns when it is ready.
    pub fn loyalty(database_url: &str, arguments: &[&str]) -> Process {
        let arguments = [&["loyalty"], &ANY_PORT[..], arguments].concat();
        Process::start(&arguments, Some(database_url.to_owned()), None)
    }

    /// Starts `rapport all` on free ports over a fresh directory and returns when it is ready.
    pub fn embedded() -> Process {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data").display().to_string();
        let arguments = [&["all", "--data-dir", &data_dir], &ANY_PORT[..]].concat();
        Process::start(&arguments, None, Some(dir))
    }

    fn start(arguments: &[&str], database_url: Option<String>, data_dir: Option<TempDir>) -> Process {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (child, rpc, ops) = start(&arguments, database_url.as_deref());
        Process { child, arguments, database_url, rpc, ops, data_dir }
    }

    /// Where calls are answered.
    pub fn target(&self) -> String {
        format!("http://{}", self.rpc)
    }

    /// Where health and metrics are answered.
    pub fn ops(&self) -> &str {
        &self.ops
    }

    /// The data directory of an embedded suite.
    pub fn data_dir(&self) -> &str {
        let position =
            self.arguments.iter().position(|a| a == "--data-dir").expect("a suite with a directory");
        &self.arguments[position + 1]
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process is there to be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// Starts it again after a kill, on the same port.
    pub fn restart(&mut self) {
        let listen = self.arguments.iter().position(|a| a == "--listen").expect("an address") + 1;
        self.arguments[listen] = self.rpc.clone();
        (self.child, self.rpc, self.ops) = start(&self.arguments, self.database_url.as_deref());
    }

    /// SIGTERM; it must end by itself and say that it ended well.
    pub fn terminate(mut self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill").success());
        let status = self.child.wait().expect("the process ends");
        assert!(status.success(), "rapport ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(arguments: &[String], database_url: Option<&str>) -> (Child, String, String) {
    let mut command = Command::new(executable());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(url) = database_url {
        command.env("RAPPORT__LOYALTY__DATABASE__URL", url);
    }
    let mut child = command.spawn().expect("rapport starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("a piped output"));
    output.read_line(&mut line).expect("a ready line");
    let ready: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("rapport did not become ready: {line:?}"));
    let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
    (child, address("rpc"), address("ops"))
}
