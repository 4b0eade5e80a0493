//! `rapport` as a process of its own, over real sockets.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use suite::compose::Role;
use tempfile::TempDir;

use crate::servers::free_port;

/// A running `rapport`; killed when dropped.
pub struct Process {
    executable: PathBuf,
    child: Child,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    addresses: Addresses,
    /// Goes away with the process.
    #[expect(dead_code, reason = "held, not read")]
    data_dir: Option<TempDir>,
}

/// Where a process answers.
#[derive(Debug, serde::Deserialize)]
struct Addresses {
    rpc: String,
    ops: String,
    events: Option<String>,
}

const SUBSCRIBER_URL: &str = "RAPPORT__LOYALTY__SUBSCRIBERS__NOTIFICATION";

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
    run(&executable(), arguments)
}

fn run(executable: &Path, arguments: &[&str]) -> Output {
    Command::new(executable).args(arguments).stdin(Stdio::null()).output().expect("rapport runs")
}

impl Process {
    /// Applies the migrations that the database of the loyalty service lacks.
    pub fn migrate(database_url: &str) {
        Process::migrate_service("loyalty", database_url);
    }

    /// Applies the migrations that a service's database lacks.
    pub fn migrate_service(service: &str, database_url: &str) {
        migrate(&executable(), service, database_url);
    }

    /// Starts the process of one service on free ports and returns when it is ready.
    pub fn service(
        role: Role,
        database_url: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Process {
        Process::service_of(&executable(), role, database_url, arguments, environment)
    }

    fn service_of(
        executable: &Path,
        role: Role,
        database_url: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Process {
        let variable = format!("RAPPORT__{}__DATABASE__URL", role.name().to_uppercase());
        let (rpc, ops, events) = (free_address(), free_address(), free_address());
        let events = ["--events-listen", &events];
        let events = if role.takes_events() { &events[..] } else { &[] };
        let listen = ["--listen", &rpc, "--ops-listen", &ops];
        let arguments = [&[role.name()], &listen[..], events, arguments].concat();
        let environment = [&[(variable.as_str(), database_url)], environment].concat();
        Process::start(executable, &arguments, &environment, None)
    }

    /// Starts `rapport loyalty` of another executable on free ports, on a database that it migrates, and
    /// returns when it is ready.
    pub fn loyalty_of(executable: &Path, database_url: &str, arguments: &[&str]) -> Process {
        migrate(executable, "loyalty", database_url);
        Process::service_of(executable, Role::Loyalty, database_url, arguments, &[])
    }

    /// Starts `rapport loyalty` on free ports and returns when it is ready.
    pub fn loyalty(database_url: &str, arguments: &[&str]) -> Process {
        Process::service(Role::Loyalty, database_url, arguments, &[])
    }

    /// Starts `rapport loyalty`, whose events go to a `rapport notification`.
    pub fn loyalty_notifying(database_url: &str, arguments: &[&str], notification: &Process) -> Process {
        let subscriber = format!("http://{}", notification.events());
        Process::service(Role::Loyalty, database_url, arguments, &[(SUBSCRIBER_URL, &subscriber)])
    }

    /// Starts `rapport notification` on free ports and returns when it is ready.
    pub fn notification(database_url: &str) -> Process {
        Process::notification_with(database_url, &[])
    }

    /// As [`Process::notification`], with these variables in its environment.
    pub fn notification_with(database_url: &str, environment: &[(&str, &str)]) -> Process {
        Process::service(Role::Notification, database_url, &[], environment)
    }

    /// Starts `rapport all` on free ports over a fresh directory and returns when it is ready.
    pub fn embedded() -> Process {
        Process::embedded_with(&[])
    }

    /// As [`Process::embedded`], with these variables in its environment.
    pub fn embedded_with(environment: &[(&str, &str)]) -> Process {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data").display().to_string();
        let (rpc, ops) = (free_address(), free_address());
        let arguments = ["all", "--data-dir", &data_dir, "--listen", &rpc, "--ops-listen", &ops];
        Process::start(&executable(), &arguments, environment, Some(dir))
    }

    fn start(
        executable: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        data_dir: Option<TempDir>,
    ) -> Process {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let (child, addresses) = start(executable, &arguments, &environment);
        Process { executable: executable.to_owned(), child, arguments, environment, addresses, data_dir }
    }

    /// Where calls are answered.
    pub fn target(&self) -> String {
        format!("http://{}", self.addresses.rpc)
    }

    /// Where health and metrics are answered.
    pub fn ops(&self) -> &str {
        &self.addresses.ops
    }

    /// Where a service that takes events takes them.
    pub fn events(&self) -> &str {
        self.addresses.events.as_deref().expect("a service that takes events")
    }

    /// The data directory of an embedded suite.
    pub fn data_dir(&self) -> &str {
        let position =
            self.arguments.iter().position(|a| a == "--data-dir").expect("a suite with a directory");
        &self.arguments[position + 1]
    }

    /// Lets no file of it grow beyond so many bytes, as a full disk would, or lets them grow again.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let arguments = [format!("--pid={}", self.child.id()), format!("--fsize={limit}:unlimited")];
        let limited = Command::new("prlimit").args(arguments).status().expect("prlimit, of util-linux, runs");
        assert!(limited.success());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process is there to be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// Starts it again after a kill, on the same ports.
    pub fn restart(&mut self) {
        (self.child, self.addresses) = start(&self.executable, &self.arguments, &self.environment);
    }

    /// Starts it again after a kill, on the same ports and another database.
    pub fn restart_on(&mut self, database_url: &str) {
        let url = self.environment.iter_mut().find(|(name, _)| name.ends_with("__DATABASE__URL"));
        database_url.clone_into(&mut url.expect("a service with a database").1);
        self.restart();
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM; it must end by itself and say that it ended well.
    pub fn terminate(self) {
        let status = self.stop();
        assert!(status.success(), "rapport ended with {status}");
    }

    /// SIGTERM; what it said when it had ended.
    pub fn stop(mut self) -> ExitStatus {
        let killed = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(killed.expect("kill").success());
        self.child.wait().expect("the process ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

fn migrate(executable: &Path, service: &str, database_url: &str) {
    let output = run(executable, &["migrate", service, "--database-url", database_url]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn start(executable: &Path, arguments: &[String], environment: &[(String, String)]) -> (Child, Addresses) {
    // A write beyond what files may have is an error then, and does not end the process.
    const KEEP_ON: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", KEEP_ON]).arg(executable).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().expect("rapport starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("a piped output"));
    output.read_line(&mut line).expect("a ready line");
    let addresses = serde_json::from_str(&line);
    let addresses = addresses.unwrap_or_else(|_| panic!("rapport did not become ready: {line:?}"));
    (child, addresses)
}
