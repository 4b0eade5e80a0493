//! What the demonstration found, for people and for machines.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::readings::{Balance, Csat};
use super::replay::Used;
use crate::output::grouped;
use crate::{Failure, audit, usage};

/// The figures, named as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    activities: i64,
    members: i64,
    points_issued: i64,
    points_live_at_2018_01_01: i64,
    points_expired_at_2018_01_01: i64,
    baskets_without_points: i64,
    #[serde(serialize_with = "in_order")]
    households_by_tier: Vec<(String, i64)>,
    redemptions: i64,
    csat_top2: f64,
    csat_interval_95: [f64; 2],
    csat_answers: i64,
    cases_opened: i64,
    messages: i64,
    events_applied: i64,
    ledger_imbalance: i64,
    ledger_sound: bool,
    seconds: f64,
    activities_per_second: i64,
    cpu_us_per_activity: Option<i64>,
    peak_memory_mb: Option<i64>,
    /// Where the suite goes on answering, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<SocketAddr>,
    #[serde(skip)]
    audit: Result<(), String>,
    #[serde(skip)]
    example: Option<Arc<str>>,
}

/// What the services said of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) tiers: Vec<(String, i64)>,
    pub(super) balances: Vec<Balance>,
    pub(super) redemptions: i64,
    pub(super) csat: Csat,
    pub(super) cases_opened: i64,
    pub(super) messages: i64,
    pub(super) events_applied: i64,
}

fn in_order<S: Serializer>(counts: &[(String, i64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(counts.len()))?;
    for (tier_id, count) in counts {
        map.serialize_entry(tier_id, count)?;
    }
    map.end()
}

impl Figures {
    pub(super) fn of(used: &Used, told: &Told, audit: &audit::Report) -> Figures {
        let Told { tiers, balances, csat, .. } = told;
        let share = |share: f64| (share * 1e6).round() / 1e6;
        let activities = used.tally.accepted + used.tally.replayed;
        let seconds = used.time.as_secs_f64();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let cpu_us = used.cpu.map(|cpu| i64::try_from(cpu.as_micros()).unwrap_or(i64::MAX));
        let richest = balances.iter().max_by_key(|balance| balance.available);
        Figures {
            activities,
            members: count(balances.len()),
            points_issued: used.tally.points,
            points_live_at_2018_01_01: balances.iter().map(|balance| balance.available).sum(),
            points_expired_at_2018_01_01: balances.iter().map(|balance| balance.expired).sum(),
            baskets_without_points: used.tally.without_points,
            households_by_tier: tiers.clone(),
            redemptions: told.redemptions,
            csat_top2: share(csat.top2),
            csat_interval_95: csat.interval.map(share),
            csat_answers: csat.answers,
            cases_opened: told.cases_opened,
            messages: told.messages,
            events_applied: told.events_applied,
            ledger_imbalance: audit.ledger_imbalance,
            ledger_sound: audit.sound,
            seconds: (seconds * 1_000.0).round() / 1_000.0,
            activities_per_second: (activities as f64 / seconds.max(0.001)) as i64,
            cpu_us_per_activity: cpu_us.map(|cpu_us| cpu_us / activities.max(1)),
            peak_memory_mb: usage::peak_memory().and_then(|bytes| i64::try_from(bytes / 1_000_000).ok()),
            rpc: None,
            audit: audit.verdict().map_err(|failure| failure.to_string()),
            example: richest.map(|balance| balance.member_id.clone()),
        }
    }

    /// The same, with where the suite goes on answering.
    pub(super) fn kept_at(self, rpc: Option<SocketAddr>) -> Figures {
        Figures { rpc, ..self }
    }

    /// An error if the ledger is not sound.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        self.audit.clone().map_err(Failure::failed)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let tiers: Vec<_> = self
            .households_by_tier
            .iter()
            .map(|(tier, count)| format!("{tier} {}", grouped(*count)))
            .collect();
        let unknown = || "unknown".to_owned();
        let soundness = if self.ledger_sound { "sound" } else { "NOT SOUND" };
        let cpu = self.cpu_us_per_activity.map_or_else(unknown, |us| format!("{us} us"));
        let memory = self.peak_memory_mb.map_or_else(unknown, |mb| format!("{mb} MB"));
        let rows = [
            (
                "baskets replayed",
                format!("{} of {} households", grouped(self.activities), grouped(self.members)),
            ),
            ("points issued", grouped(self.points_issued)),
            ("  live at 2018-01-01", grouped(self.points_live_at_2018_01_01)),
            ("  expired by then", grouped(self.points_expired_at_2018_01_01)),
            ("baskets without points", format!("{} (under 1 USD)", grouped(self.baskets_without_points))),
            ("households by tier", tiers.join(", ")),
            ("rewards redeemed", grouped(self.redemptions)),
            ("satisfied customers", self.csat_text()),
            ("complaints", format!("{} cases opened", grouped(self.cases_opened))),
            ("messages", format!("{} in inboxes", grouped(self.messages))),
            ("events", format!("{} applied, none behind", grouped(self.events_applied))),
            ("ledger", format!("{soundness}, imbalance {}", grouped(self.ledger_imbalance))),
            ("replay", format!("{:.1} s, {} baskets/s", self.seconds, grouped(self.activities_per_second))),
            ("processor", format!("{cpu} per basket, client and server together")),
            ("memory", format!("{memory} at most")),
        ];
        let rows: String = rows.iter().map(|(name, value)| format!("  {name:<24}{value}\n")).collect();
        format!("A year of real purchases, through the gRPC API:\n\n{rows}\n{}", self.next_steps())
    }

    fn csat_text(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let [low, high] = self.csat_interval_95;
        format!(
            "{} of {} answers (95 %: {} to {})",
            percent(self.csat_top2),
            grouped(self.csat_answers),
            percent(low),
            percent(high)
        )
    }

    fn next_steps(&self) -> String {
        let example = self.example.as_deref().unwrap_or("");
        let (how, address) = match self.rpc {
            Some(address) => ("Look around:".to_owned(), address.to_string()),
            None => (
                "Look around: `rapport demo --keep --listen 127.0.0.1:7400` goes on serving, then".to_owned(),
                "127.0.0.1:7400".to_owned(),
            ),
        };
        format!(
            "{how}\n\
             \x20 grpcurl -plaintext {address} list\n\
             \x20 grpcurl -plaintext -d '{{\"member_id\":\"{example}\"}}' {address} \
             rapport.loyalty.v1.PointsService/GetBalance\n\
             \x20 grpcurl -plaintext -d '{{\"member_id\":\"{example}\",\"page_size\":5}}' {address} \
             rapport.loyalty.v1.PointsService/ListPostings\n\
             \x20 grpcurl -plaintext -d '{{\"customer_id\":\"{example}\"}}' {address} \
             rapport.scoring.v1.CustomerService/GetCustomerProfile\n\
             \x20 rapport audit --target http://{address}\n"
        )
    }
}
