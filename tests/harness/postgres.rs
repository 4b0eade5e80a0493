//! A private PostgreSQL, found where Debian and PostgreSQL's own packages put it, and a fresh database per
//! call.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, Database};

use crate::servers::{Folder, Server, User, free_port};

/// The environment variable that names a server to use instead of a private one.
const URL_VARIABLE: &str = "TEST_DATABASE_URL";

/// What a commit costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Nothing is flushed: for tests, whose data may go with the machine.
    Fast,
    /// As in production: an acknowledged commit survives a crash of the machine. For benchmarks.
    Full,
}

/// A PostgreSQL server.
pub struct Postgres {
    url: String,
    private: Option<Server>,
}

impl Postgres {
    /// The server of this test process: the one named by `TEST_DATABASE_URL`, else a private one.
    pub fn start() -> &'static Postgres {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var(URL_VARIABLE) {
            Ok(url) if !url.is_empty() => Postgres { url, private: None },
            _ => Postgres::private(Durability::Fast),
        })
    }

    /// A server of one's own, to measure or to break.
    pub fn private(durability: Durability) -> Postgres {
        let user = User::unprivileged();
        let folder = Folder::create("postgres", user);
        let mut initdb = Command::new(postgres_binaries().join("initdb"));
        initdb.args(["-A", "trust", "-U", "test", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]);
        User::run(user, initdb.arg("-D").arg(folder.path().join("data")).current_dir(folder.path()));
        let output = initdb.output().expect("initdb");
        assert!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
        let port = free_port();
        let url = format!("postgres://test@127.0.0.1:{port}/postgres");
        Postgres { url, private: Some(run(user, folder, port, durability)) }
    }

    /// The URL of the server's own database, to connect to and make others.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an empty database and returns its URL.
    pub async fn fresh_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Other test processes may use the same server, also those of an earlier run.
        let name = format!("test_{}_{:08x}_{number}", std::process::id(), rand::random::<u32>());
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).sqlx_logging(false);
        let server =
            Box::pin(Database::connect(options)).await.expect("the PostgreSQL server of the tests answers");
        server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database is created");
        server.close().await.expect("a connection is closed");
        self.database_url(&name)
    }

    /// Ends a private server at once, as a crash does: nothing is flushed, connections break.
    pub fn stop(&mut self) {
        self.owned().stop();
    }

    /// Starts a stopped private server on the same port with the same data, and returns when it answers.
    pub fn restart(&mut self) {
        self.owned().restart();
    }

    fn owned(&mut self) -> &mut Server {
        self.private.as_mut().expect("only a private server can be stopped: use Postgres::private")
    }

    /// The server's URL with another database in it; parameters stay.
    fn database_url(&self, name: &str) -> String {
        let (server, parameters) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let host_end = server.find("://").map_or(0, |scheme| scheme + 3);
        let path = server[host_end..].find('/').map_or(server.len(), |path| host_end + path);
        let question = if parameters.is_empty() { "" } else { "?" };
        format!("{}/{name}{question}{parameters}", &server[..path])
    }
}

/// Runs a server over the data in `folder`.
fn run(user: Option<User>, folder: Folder, port: u16, durability: Durability) -> Server {
    let switch = if durability == Durability::Full { "on" } else { "off" };
    let binary = postgres_binaries().join("postgres").display().to_string();
    let mut arguments = vec![binary, "-D".to_owned(), folder.path().join("data").display().to_string()];
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.path().display()),
        format!("fsync={switch}"),
        format!("synchronous_commit={switch}"),
        format!("full_page_writes={switch}"),
        "max_connections=300".to_owned(),
    ] {
        arguments.extend(["-c".to_owned(), setting]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(user, folder, "QUIT", &arguments, "ready to accept connections")
}

/// Where the newest installed PostgreSQL keeps its programs.
pub fn postgres_binaries() -> PathBuf {
    let packaged = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .flat_map(|place| std::fs::read_dir(place).into_iter().flatten().flatten())
        .map(|entry| entry.path().join("bin"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    let version = |bin: &PathBuf| {
        let name = bin.parent()?.file_name()?.to_str()?;
        name.trim_start_matches("postgresql@").parse::<u32>().ok()
    };
    packaged
        .chain(on_path)
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .max_by_key(version)
        .unwrap_or_else(|| {
            panic!("PostgreSQL is not installed: install the package postgresql, or set {URL_VARIABLE}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_call_gives_an_empty_database_of_its_own() {
        let (one, two) = (Postgres::start().fresh_database().await, Postgres::start().fresh_database().await);
        assert_ne!(one, two);
        for url in [one, two] {
            let database = Box::pin(Database::connect(url)).await.unwrap();
            database.execute_unprepared("CREATE TABLE only_here (id bigint PRIMARY KEY)").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_private_server_keeps_its_data_over_a_restart() {
        let mut postgres = Postgres::private(Durability::Full);
        let url = postgres.fresh_database().await;
        let database = Box::pin(Database::connect(&url)).await.unwrap();
        database.execute_unprepared("CREATE TABLE kept (id bigint PRIMARY KEY)").await.unwrap();
        postgres.stop();
        let address = postgres.url().split(['@', '/']).nth(3).unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());
        postgres.restart();
        let database = Box::pin(Database::connect(&url)).await.unwrap();
        database.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
    }

    #[test]
    fn a_database_replaces_only_the_path_of_the_url() {
        let at = |url: &str| Postgres { url: url.to_owned(), private: None }.database_url("new");
        assert_eq!(at("postgres://u:p@h:1/old?sslmode=off"), "postgres://u:p@h:1/new?sslmode=off");
        assert_eq!(at("postgres://h"), "postgres://h/new");
    }
}
