//! What a change is worth: the same load on two executables in short turns, compared turn by turn.

use std::path::Path;
use std::time::Duration;

use harness::process::{Process, executable};
use harness::servers::{Durability, Postgres, Redis};

use crate::CALLERS;
use crate::load::Load;
use crate::report::Measured;

/// Of one executable. The speed of a shared machine changes less in so short a time than in a minute.
const TURN: Duration = Duration::from_millis(500);

/// Earns with the other executable and with this one, which of them first changing from pair to pair, and
/// prints the quartiles of the ratios of the pairs.
pub(crate) async fn compare(other: &Path, members: usize, pairs: usize) {
    let postgres = Postgres::private(Durability::Full);
    let redis = [Redis::private(), Redis::private()];
    let (url, other_url) = (postgres.fresh_database().await, postgres.fresh_database().await);
    let this = Process::loyalty_of(&executable(), &url, &["--redis-url", redis[0].url()]);
    let other = Process::loyalty_of(other, &other_url, &["--redis-url", redis[1].url()]);
    let mine = Load::prepare(&this.target(), members).await;
    let theirs = Load::prepare(&other.target(), members).await;
    println!("{pairs} pairs of turns of {TURN:?}, {members} members; this / other: quartiles");
    for callers in CALLERS {
        let (mut rates, mut latencies) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            let (a, b) = if pair % 2 == 0 {
                let a = mine.earns(callers, TURN).await;
                (a, theirs.earns(callers, TURN).await)
            } else {
                let b = theirs.earns(callers, TURN).await;
                (mine.earns(callers, TURN).await, b)
            };
            rates.push(a.per_second / b.per_second);
            latencies.push(p50(a) / p50(b));
        }
        println!("earn @{callers:<3}  per second {}   p50 {}", quartiles(rates), quartiles(latencies));
    }
    this.terminate();
    other.terminate();
}

fn p50(measured: Measured) -> f64 {
    measured.p50.as_secs_f64()
}

fn quartiles(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN);
    format!("{:.3} {:.3} {:.3}", at(1), at(2), at(3))
}
