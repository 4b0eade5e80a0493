//! A process that is told to stop ends within its grace period, and loses nothing that it acknowledged: also
//! when its database has fallen silent.

use std::process::Command;
use std::time::Duration;

use harness::calls::{balance_of, create_program, enroll, purchase, record};
use harness::house::client;
use harness::process::Process;
use harness::servers::Postgres;
use suite::compose::Role;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What `k8s/README.md` asks for.
const GRACE: Duration = Duration::from_secs(45);

/// Passes connections on to `server` until it is silent: then they stay, and nothing comes through.
async fn way_to(server: String, silent: CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut inbound, _)) = listener.accept().await {
            let (server, silent) = (server.clone(), silent.clone());
            tokio::spawn(async move {
                let mut outbound = TcpStream::connect(server).await.expect("PostgreSQL listens");
                tokio::select! {
                    biased;
                    () = silent.cancelled() => std::future::pending().await,
                    _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound) => {}
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_database_has_fallen_silent() {
    let url = Postgres::start().fresh_database().await;
    Process::migrate(&url);
    let (before, server) = url.split_once('@').expect("a user");
    let (server, name) = server.split_once('/').expect("a database");
    let silent = CancellationToken::new();
    let way = way_to(server.to_owned(), silent.clone()).await;
    let environment = [("RAPPORT__SERVER__DRAIN_MS", "1000")];
    let process = Process::service(Role::Loyalty, &format!("{before}@{way}/{name}"), &[], &environment);
    let caller = client(&process.target()).await;
    create_program(&caller).await;
    let member_id = enroll(&caller, "a").await;
    record(&caller, purchase(&member_id, 5)).await.expect("it is recorded");

    silent.cancel();
    let id = process.id();
    let stopping = tokio::task::spawn_blocking(|| process.stop());
    let Ok(stopped) = tokio::time::timeout(GRACE, stopping).await else {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        panic!("it had not ended after {GRACE:?}");
    };
    // Well, if what it waited for was given up in time.
    assert!(stopped.expect("it ends").code().is_some(), "nobody had to kill it");

    let process = Process::loyalty(&url, &[]);
    assert_eq!(balance_of(&client(&process.target()).await, &member_id).await.available, 5);
    process.terminate();
}
