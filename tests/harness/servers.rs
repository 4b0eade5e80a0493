//! Private PostgreSQL and Redis for tests. A server ends when its value is dropped or its test process dies
//! in any way, `kill -9` included, and its folder goes with it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::postgres::{Durability, Postgres, postgres_binaries};
pub use crate::redis::Redis;

/// How long a server may take to be ready, on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);

/// A shell that starts the server and waits for the end of its own input: the other end of that pipe is held
/// by the test process, so the end comes when the process closes it or is gone. `$1` is the signal that ends
/// the server. Only the server keeps the output, so that its early end is the output's end.
const WATCHDOG: &str = r#"signal=$1; shift
sh -c 'echo "pid $$"; exec "$@"' server "$@" </dev/null 2>&1 &
exec >/dev/null
read -r _
kill -s "$signal" "$!"
wait"#;

/// The same for a folder. A server that is about to end may still write into it.
const SWEEPER: &str = r#"read -r _
for try in 1 2 3 4 5; do rm -rf -- "$1" && break; sleep "$try"; done"#;

/// A user that servers run as when the tests run as root, because PostgreSQL refuses to.
#[derive(Clone, Copy)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

/// A server with its folder.
pub(crate) struct Server {
    shell: Command,
    ready: &'static str,
    running: Running,
    /// Goes away after the server.
    _folder: Folder,
}

/// A server's process.
struct Running {
    watchdog: Child,
    /// Closing it ends the server.
    input: Option<ChildStdin>,
    pid: u32,
}

/// A folder that goes away with the test process.
pub(crate) struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl User {
    /// The user to become; `None` when the tests do not run as root.
    pub(crate) fn unprivileged() -> Option<User> {
        let this_process = std::fs::metadata("/proc/self").expect("a mounted /proc");
        if this_process.uid() != 0 {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        ["postgres", "nobody"].iter().find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2);
            Some(User { uid: numbers.next()?.parse().ok()?, gid: numbers.next()?.parse().ok()? })
        })
    }

    /// Lets `command` run as `user`.
    pub(crate) fn run(user: Option<User>, command: &mut Command) {
        if let Some(User { uid, gid }) = user {
            command.uid(uid).gid(gid);
        }
    }
}

impl Folder {
    pub(crate) fn create(name: &str, user: Option<User>) -> Folder {
        let folder = tempfile::Builder::new().prefix(&format!("rapport-{name}-")).tempdir();
        let path = folder.expect("a temporary folder").keep();
        if let Some(User { uid, gid }) = user {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let mut command = Command::new("sh");
        command.args(["-c", SWEEPER, "sweeper"]).arg(&path).stdin(Stdio::piped()).stderr(Stdio::null());
        Folder { path, sweeper: command.spawn().expect("sh") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Server {
    /// Runs `command` in `folder` as `user` and returns when a line of its output contains `ready`. `signal`
    /// ends it.
    pub(crate) fn start(
        user: Option<User>,
        folder: Folder,
        signal: &str,
        command: &[&str],
        ready: &'static str,
    ) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHDOG, "watchdog", signal]).args(command);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        User::run(user, &mut shell);
        let running = Running::begin(&mut shell, ready);
        Server { shell, ready, running, _folder: folder }
    }

    /// Ends the server, and returns when it is gone.
    pub(crate) fn stop(&mut self) {
        drop(self.running.input.take());
        self.running.watchdog.wait().expect("the watchdog ends with its server");
    }

    /// Runs the same command again, and returns when it is ready.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.running = Running::begin(&mut self.shell, self.ready);
    }

    /// Stops the server from running, or lets it run on: its connections stay open and nothing answers.
    pub(crate) fn hang(&self, hang: bool) {
        let signal = if hang { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.running.pid.to_string()]).status();
        assert!(status.expect("kill").success());
    }
}

impl Running {
    fn begin(shell: &mut Command, ready: &str) -> Running {
        let mut watchdog = shell.spawn().expect("sh");
        let input = watchdog.stdin.take();
        let lines = lines_of(&mut watchdog);
        let (pid, said) = wait_for(&lines, ready);
        match pid {
            Some(pid) => Running { watchdog, input, pid },
            None => panic!("no server said {ready:?}; it said:\n{}", said.join("\n")),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.sweeper.stdin.take());
        let _ = self.sweeper.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Everything the server says, read to its end so that it never waits for a full pipe.
fn lines_of(watchdog: &mut Child) -> Receiver<String> {
    let output = BufReader::new(watchdog.stdout.take().expect("a piped output"));
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// The server's process id once it is ready, and what it said until then.
fn wait_for(lines: &Receiver<String>, ready: &str) -> (Option<u32>, Vec<String>) {
    let mut pid = None;
    let mut said = Vec::new();
    let until = Instant::now() + READY_MAX;
    // An end of output before the ready line means that the server ended.
    while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(number) = line.strip_prefix("pid ") {
            pid = number.parse().ok();
        }
        let done = line.contains(ready);
        said.push(line);
        if done {
            return (pid, said);
        }
    }
    (None, said)
}

/// A TCP port that nobody uses, and that no test gets again. It lies below those that the system gives to
/// connections and to listeners on port 0, so nobody takes it while a server that was killed starts again.
pub(crate) fn free_port() -> u16 {
    const PORTS: Range<u16> = 20_000..32_000;
    // Another test process begins elsewhere.
    static TAKEN: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(std::process::id() as usize * 89));
    let mut ports = PORTS.map(|_| PORTS.start + (TAKEN.fetch_add(1, Ordering::Relaxed) % PORTS.len()) as u16);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
