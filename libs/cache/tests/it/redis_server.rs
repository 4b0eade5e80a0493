//! A private Redis for one test: its own port, nothing on disk, gone when the value is dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{AsyncConnectionConfig, FromRedisValue, Value};

/// A port that nobody uses, and below those that the system gives to connections and to listeners on port 0:
/// nobody takes it while a server that was killed starts again.
fn free_port() -> u16 {
    const PORTS: Range<u16> = 20_000..32_000;
    static TAKEN: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(std::process::id() as usize * 89));
    let mut ports = PORTS.map(|_| PORTS.start + (TAKEN.fetch_add(1, Ordering::Relaxed) % PORTS.len()) as u16);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

pub(crate) struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    pub(crate) fn start(arguments: &[&str]) -> RedisServer {
        let port = free_port();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = RedisServer { port, arguments, process: None };
        server.run();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the process on the same port and returns when it accepts connections.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args([
            "--port",
            &self.port.to_string(),
            "--dir",
            &std::env::temp_dir().display().to_string(),
        ]);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => panic!("redis-server cannot be run ({error}): install the package redis-server"),
        };
        let lines = BufReader::new(process.stdout.take().expect("a piped output")).lines();
        let ready = lines.map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        self.process = Some(process);
        assert!(ready, "redis-server ended before it was ready");
    }

    /// As `kill -9`: connections break at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).expect("redis-server could not be ended");
        }
    }

    /// Stops the process from running, or lets it run on: connections stay open and nothing answers.
    pub(crate) fn hang(&self, hang: bool) {
        let process = self.process.as_ref().expect("a running server");
        let signal = if hang { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &process.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// Runs one command on a connection of its own.
    pub(crate) async fn run_command<T: FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let mut parts = command.iter();
        let mut call = redis::Cmd::new();
        for part in parts.by_ref() {
            call.arg(*part);
        }
        call.query_async(&mut connection).await.unwrap()
    }

    /// Runs one command whose answer does not matter.
    pub(crate) async fn tell(&self, command: &[&[u8]]) {
        let _: Value = self.run_command(command).await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
