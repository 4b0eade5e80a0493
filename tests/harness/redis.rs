//! A private Redis that keeps nothing on disk, and can be broken.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rpc::client::Client;

use crate::calls::balance_of;
use crate::servers::{Folder, Server, User, free_port};

/// The environment variable that names a server to use instead of a private one.
const URL_VARIABLE: &str = "TEST_REDIS_URL";

/// How long it may take, on a busy machine, until a balance is published.
const PUBLISHED_MAX: Duration = Duration::from_secs(60);

/// A Redis server.
pub struct Redis {
    url: String,
    private: Option<Server>,
}

impl Redis {
    /// The server of this test process: the one named by `TEST_REDIS_URL`, else a private one. Other tests
    /// use it at the same time.
    pub fn start() -> &'static Redis {
        static SERVER: OnceLock<Redis> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var(URL_VARIABLE) {
            Ok(url) if !url.is_empty() => Redis { url, private: None },
            _ => Redis::private(),
        })
    }

    /// A server of one's own, to break.
    pub fn private() -> Redis {
        let installed = Command::new("redis-server").arg("--version").output().is_ok();
        assert!(installed, "Redis is not installed: install the package redis-server, or set {URL_VARIABLE}");
        let port = free_port();
        Redis { url: format!("redis://127.0.0.1:{port}"), private: Some(run(port)) }
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends a private server at once, as `kill -9` does.
    pub fn stop(&mut self) {
        self.owned().stop();
    }

    /// Starts a stopped private server on the same port, empty, and returns when it answers.
    pub fn restart(&mut self) {
        self.owned().restart();
    }

    /// Stops a private server from running, or lets it run on: connections stay open and nothing answers.
    pub fn hang(&mut self, hang: bool) {
        self.owned().hang(hang);
    }

    /// Empties a private server, and lets it forget its scripts.
    pub fn flush(&mut self) {
        self.owned();
        let mut connection = TcpStream::connect(self.address()).expect("a running server");
        connection.write_all(b"FLUSHALL\r\nSCRIPT FLUSH\r\n").expect("a running server");
        let answers: Vec<_> = BufReader::new(connection).lines().take(2).map(Result::unwrap).collect();
        assert_eq!(answers, ["+OK", "+OK"]);
    }

    /// The name of a member's balance, read until it is there: a service reaches Redis in its own time, and
    /// no call waits for that.
    pub async fn published(&self, client: &Client, member_id: &str) -> String {
        let found = async {
            loop {
                balance_of(client, member_id).await;
                if let Some(name) = self.balances(member_id).pop() {
                    return name;
                }
            }
        };
        tokio::time::timeout(PUBLISHED_MAX, found).await.expect("its balance is published")
    }

    fn balances(&self, member_id: &str) -> Vec<String> {
        let mut connection = TcpStream::connect(self.address()).expect("a running server");
        connection.write_all(format!("KEYS *{member_id}*balance*\r\n").as_bytes()).expect("a running server");
        let mut lines = BufReader::new(connection).lines().map(|line| line.expect("a running server"));
        let found = lines.next().and_then(|count| count.strip_prefix('*')?.parse().ok());
        // Before each name goes its length.
        lines.skip(1).step_by(2).take(found.expect("a number of names")).collect()
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("redis://")
    }

    fn owned(&mut self) -> &mut Server {
        self.private.as_mut().expect("only a private server can be broken: use Redis::private")
    }
}

/// Runs a server in a folder of its own.
fn run(port: u16) -> Server {
    let user = User::unprivileged();
    let folder = Folder::create("redis", user);
    let (port, dir) = (port.to_string(), folder.path().display().to_string());
    let arguments = ["redis-server", "--bind", "127.0.0.1", "--port", &port, "--dir", &dir];
    let nothing_on_disk = ["--save", "", "--appendonly", "no"];
    let command = [&arguments[..], &nothing_on_disk[..]].concat();
    Server::start(user, folder, "KILL", &command, "Ready to accept connections")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends one inline command and returns the first line of the answer.
    fn ask(redis: &Redis, command: &str) -> Option<String> {
        let mut connection = TcpStream::connect(redis.address()).ok()?;
        connection.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        BufReader::new(connection).lines().next()?.ok()
    }

    #[test]
    fn a_private_server_stops_restarts_on_its_port_and_is_emptied() {
        let mut redis = Redis::private();
        assert_eq!(ask(&redis, "SET a 1").as_deref(), Some("+OK"));
        redis.flush();
        assert_eq!(ask(&redis, "GET a").as_deref(), Some("$-1"));
        redis.stop();
        assert_eq!(ask(&redis, "PING"), None);
        redis.restart();
        redis.hang(true);
        redis.hang(false);
        assert_eq!(ask(&redis, "PING").as_deref(), Some("+PONG"));
    }

    #[test]
    fn the_shared_server_is_one_per_process() {
        assert_eq!(Redis::start().url(), Redis::start().url());
    }
}
