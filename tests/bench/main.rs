//! Speed as ratios: earn and balance against a bare tonic echo and against the same rows written by hand,
//! interleaved in one run on one machine.
//!
//! `cargo run --release -p rapport-tests --bin bench` prints medians over rounds. PostgreSQL flushes every
//! commit (`fsync` on). The suite, the echo server, the load, PostgreSQL and Redis share the machine.

#![expect(clippy::print_stdout, reason = "prints what it measured")]

mod against;
mod baseline;
mod echo;
mod load;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use harness::database;
use harness::process::Process;
use harness::processes::Processes;
use harness::servers::{Durability, Postgres, Redis};
use load::Load;
use report::Report;
use suite::compose::Role;

/// What a run is made of.
#[derive(Clone, Copy)]
struct Shape {
    rounds: usize,
    /// Of each measurement.
    time: Duration,
    members: usize,
    /// Of the member who has most.
    lots: usize,
    /// Of turns of two executables.
    pairs: usize,
}

const CALLERS: [usize; 3] = [1, 64, 256];

/// Measures the suite's speed against a bare echo and against the same rows written by hand, interleaved in
/// one run, and prints medians and ratios. Takes a quarter of an hour.
#[derive(Parser)]
struct Asked {
    /// Shorter rounds, and fewer: six minutes
    #[arg(long)]
    quick: bool,
    /// Each once, shortly: shows that it runs, not how fast
    #[arg(long, conflicts_with = "quick")]
    smoke: bool,
    /// Leave out what does not have this text in its name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Earn for a minute with scoring and notification attached, and watch how far they are
    #[arg(long, conflicts_with = "only")]
    sustained: bool,
    /// Earn with this executable of rapport and the one that was built with the benchmark, in turns: says
    /// what a change is worth, however noisy the machine is
    #[arg(long, value_name = "RAPPORT", conflicts_with_all = ["only", "sustained"])]
    against: Option<PathBuf>,
    /// Be the echo server
    #[arg(long, hide = true)]
    echo: bool,
}

fn main() {
    let asked = Asked::parse();
    if asked.echo {
        return run(echo::serve());
    }
    let shape = if asked.smoke {
        Shape { rounds: 1, time: Duration::from_millis(500), members: 500, lots: 2_000, pairs: 2 }
    } else if asked.quick {
        Shape { rounds: 3, time: Duration::from_secs(2), members: 10_000, lots: 60_000, pairs: 20 }
    } else {
        Shape { rounds: 5, time: Duration::from_secs(5), members: 10_000, lots: 60_000, pairs: 60 }
    };
    if let Some(other) = &asked.against {
        return run(against::compare(other, shape.members, shape.pairs));
    }
    if asked.sustained {
        return run(sustain(shape));
    }
    run(measure(shape, asked.only));
}

/// Earns alone, then for a minute with scoring and notification attached, then alone again.
async fn sustain(shape: Shape) {
    const MINUTE: Duration = Duration::from_secs(60);
    const BEFORE_AND_AFTER: Duration = Duration::from_secs(15);
    let postgres = Postgres::private(Durability::Full);
    let redis = Redis::private();
    let url = postgres.fresh_database().await;
    Process::migrate(&url);
    let service = Process::loyalty(&url, &["--redis-url", redis.url()]);
    let attached = Processes::start_on(&postgres, redis.url(), &[]).await;
    let alone = Load::prepare(&service.target(), shape.members).await;
    let followed = Load::prepare(&attached.target(Role::Loyalty), shape.members).await;
    attached.settled().await;
    let before = alone.earns(64, BEFORE_AND_AFTER).await;
    let (during, ()) = tokio::join!(followed.earns(64, MINUTE), followed.watch(MINUTE));
    attached.settled().await;
    let after = alone.earns(64, BEFORE_AND_AFTER).await;
    let rate = (before.per_second + after.per_second) / 2.0;
    println!(
        "earn @64 alone {:.0} and {:.0} per second; followed {:.0}: {:.2} of it (bar >= 0.5)",
        before.per_second,
        after.per_second,
        during.per_second,
        during.per_second / rate
    );
    service.terminate();
    attached.terminate();
}

/// How many postings a database has.
async fn postings(url: &str) -> i64 {
    const COUNT: &str = "SELECT CAST(COUNT(*) AS BIGINT) AS n FROM posting";
    let settings = db::Settings::Postgres { url: url.to_owned(), connections_max: 2 };
    let db = db::Db::connect(&settings).await.expect("the database answers");
    database::count(&db, COUNT).await
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

async fn measure(shape: Shape, only: String) {
    let postgres = Postgres::private(Durability::Full);
    let redis = Redis::private();
    let url = postgres.fresh_database().await;
    Process::migrate(&url);
    let service = Process::loyalty(&url, &["--redis-url", redis.url()]);
    let attached = Processes::start_on(&postgres, redis.url(), &[]).await;
    let embedded = Process::embedded();
    let echo = echo::Server::start();
    let mut report = Report::only(only);
    let on_postgres = Load::prepare(&service.target(), shape.members).await;
    let under_rules = Load::under_rules(&service.target(), shape.members).await;
    let laden = Load::laden(&service.target(), shape.lots).await;
    let followed = Load::prepare(&attached.target(Role::Loyalty), shape.members).await;
    let voices = Load::bare(&attached.target(Role::Feedback), &followed.members).await;
    let on_sqlite = Load::prepare(&embedded.target(), shape.members).await;
    let echoed = Load::bare(&echo.target, &on_postgres.members).await;
    let by_hand = baseline::ByHand::prepare(&postgres, &url, shape.members).await;
    println!("{} rounds of {:?} each, {} members", shape.rounds, shape.time, shape.members);
    for round in 1..=shape.rounds {
        for callers in CALLERS {
            let on = |what: &str| format!("{what} @{callers}");
            report.add(&on("echo"), echoed.balances(callers, shape.time)).await;
            report.add(&on("earn PostgreSQL"), on_postgres.earns(callers, shape.time)).await;
            report.add(&on("earn SQLite"), on_sqlite.earns(callers, shape.time)).await;
            report.add(&on("balance Redis"), on_postgres.balances(callers, shape.time)).await;
            report.add(&on("balance embedded"), on_sqlite.balances(callers, shape.time)).await;
        }
        report.add("earn PostgreSQL, one member @64", on_postgres.earns_of_one(64, shape.time)).await;
        report.add("earn PostgreSQL, 20 rules @64", under_rules.earns(64, shape.time)).await;
        report.add("earn PostgreSQL, followed @64", followed.earns(64, shape.time)).await;
        let (lag, oldest) = followed.lag().await;
        println!("behind right after it: {lag} events, the oldest {oldest:.2} s old");
        attached.settled().await;
        let inboxes = attached.target(Role::Notification);
        let told = followed.redemptions_told(&inboxes, shape.time);
        report.add("redemption to message, idle", told).await;
        report.add("submit feedback @64", voices.submits(64, shape.time)).await;
        attached.settled().await;
        report.add("redeem PostgreSQL @64", on_postgres.redeems(64, shape.time)).await;
        report.add("redeem PostgreSQL, one of many lots @64", laden.redeems(64, shape.time)).await;
        for clients in [1, 8, 16] {
            let transaction = async || by_hand.transaction(clients, shape.time);
            report.add(&format!("earn, transaction by hand @{clients}"), transaction()).await;
            let statement = async || by_hand.statement(clients, shape.time);
            report.add(&format!("earn, one statement by hand @{clients}"), statement()).await;
        }
        println!("round {round} done");
    }
    report.print();
    let postings = postings(&url).await;
    let [first, again] = on_postgres.liability().await;
    println!(
        "liability report over {postings} postings: {first:.2?}, again {again:.2?} (bar < 2 s per million)"
    );
    service.terminate();
    attached.terminate();
    embedded.terminate();
}
