//! Medians over rounds, and the ratios that the bars speak of.

use std::collections::BTreeMap;
use std::time::Duration;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Measured {
    pub(crate) fn of(mut latencies: Vec<Duration>, took: Duration) -> Measured {
        latencies.sort_unstable();
        let at = |share: f64| {
            latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default()
        };
        Measured { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

#[derive(Default)]
pub(crate) struct Report {
    only: String,
    order: Vec<String>,
    measured: BTreeMap<String, Vec<Measured>>,
}

impl Report {
    /// A report of what has `only` in its name.
    pub(crate) fn only(only: String) -> Report {
        Report { only, ..Report::default() }
    }

    /// Measures, unless it was not asked for.
    pub(crate) async fn add(&mut self, name: &str, measure: impl Future<Output = Measured>) {
        if !name.contains(&self.only) {
            return;
        }
        let measured = measure.await;
        if !self.measured.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.measured.entry(name.to_owned()).or_default().push(measured);
    }

    fn median(&self, name: &str, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<f64> = self.measured.get(name).into_iter().flatten().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn rate(&self, name: &str) -> f64 {
        self.median(name, |m| m.per_second)
    }

    fn best(&self, prefix: &str) -> f64 {
        let names = self.order.iter().filter(|name| name.starts_with(prefix));
        names.map(|name| self.rate(name)).fold(f64::NAN, f64::max)
    }

    pub(crate) fn print(&self) {
        println!("\n{:38} {:>10} {:>10} {:>10}", "", "per second", "p50 ms", "p99 ms");
        for name in &self.order {
            let ms = |of: fn(&Measured) -> Duration| self.median(name, |m| of(m).as_secs_f64() * 1_000.0);
            let (p50, p99) = (ms(|m| m.p50), ms(|m| m.p99));
            println!("{name:38} {:>10.0} {p50:>10.3} {p99:>10.3}", self.rate(name));
        }
        let hand = self.best("earn, transaction by hand");
        let latency = |name: &str| self.median(name, |m| m.p50.as_secs_f64());
        let earn = self.rate("earn PostgreSQL @64");
        println!("\nratios (bar)");
        for (what, ratio, bar) in [
            ("earn @64 / transaction by hand, its best", earn / hand, ">= 2.0"),
            ("earn @64 / one statement by hand, its best", earn / self.best("earn, one statement"), ">= 1.0"),
            ("earn @256 / earn @64", self.rate("earn PostgreSQL @256") / earn, ">= 1.0"),
            (
                "earn @1 p50 / transaction by hand @1 p50",
                latency("earn PostgreSQL @1") / latency("earn, transaction by hand @1"),
                "<= 1.5",
            ),
            ("earn of one member / spread", self.rate("earn PostgreSQL, one member @64") / earn, ">= 0.5"),
            (
                "earn under 20 rules / one rule @64",
                self.rate("earn PostgreSQL, 20 rules @64") / earn,
                ">= 0.7",
            ),
            (
                "earn @64, scoring and notification attached / alone",
                self.rate("earn PostgreSQL, followed @64") / earn,
                ">= 0.5",
            ),
            (
                "redemption to message, idle, p99 / 50 ms",
                self.median("redemption to message, idle", |m| m.p99.as_secs_f64()) / 0.05,
                "< 1.0",
            ),
            ("submit feedback @64 / earn @64", self.rate("submit feedback @64") / earn, ">= 0.8"),
            ("redeem @64 / earn @64", self.rate("redeem PostgreSQL @64") / earn, ">= 0.7"),
            (
                "redeem of one member with 60,000 lots / spread",
                self.rate("redeem PostgreSQL, one of many lots @64") / self.rate("redeem PostgreSQL @64"),
                ">= 0.5",
            ),
            (
                "balance embedded / echo @64",
                self.rate("balance embedded @64") / self.rate("echo @64"),
                ">= 0.8",
            ),
            ("balance Redis / echo @64", self.rate("balance Redis @64") / self.rate("echo @64"), ">= 0.6"),
        ] {
            println!("{what:52} {ratio:>6.2}  {bar}");
        }
    }
}
