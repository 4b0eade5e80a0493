//! The purchases of 2017, sent in their order through the import's own pipeline.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ambient::{Clock, Time};
use chrono_tz::Tz;
use rpc::client::Client;

use super::PROGRAM;
use crate::cli::AmountUnit;
use crate::compose::Suite;
use crate::import::purchase::{Program, Purchase};
use crate::import::{self, FileFormat, Gone, Progress, Rows, Sender, Shape, Tally};
use crate::money::Currency;
use crate::{Failure, usage};

/// 80,800 baskets; see tests/data/README.md for where they come from.
const BASKETS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/completejourney_baskets.csv.gz"));
/// How many there are.
const ROWS: u64 = 80_800;
/// Batches under way at once.
const STREAMS: usize = 4;

/// Purchases that a stream collects before it sends them; all streams together hold about a month.
const WINDOW: usize = 4 * import::BATCH;

/// What was sent and what it took, until every event of it was applied everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) tally: Tally,
    pub(super) time: Duration,
    /// Of the whole process, where it can be known.
    pub(super) cpu: Option<Duration>,
}

impl Used {
    /// Adds the time and the processor time since then.
    fn add(&mut self, started: Instant, cpu: Option<Duration>) {
        self.time += started.elapsed();
        self.cpu = match (self.cpu, cpu, usage::cpu()) {
            (Some(before), Some(from), Some(to)) => Some(before + to.saturating_sub(from)),
            _ => None,
        };
    }
}

/// A replay under way.
pub(super) struct Replay {
    sender: Sender,
    progress: Arc<Progress>,
    /// None only while a part is being sent.
    rest: Option<Rest>,
    used: Used,
}

/// What is still to be sent.
struct Rest {
    rows: Rows<Box<dyn Read + Send>>,
    /// Read, but not yet due.
    next: Option<Purchase>,
}

impl Replay {
    pub(super) fn open(client: Client, clock: Clock) -> Result<Replay, Failure> {
        let currency = Currency::parse("USD").ok_or_else(|| Failure::failed("USD is no currency"))?;
        let shape = Shape {
            id_column: "basket_id".to_owned(),
            member_column: "household_id".to_owned(),
            time_column: "ts".to_owned(),
            amount_column: "sales_cents".to_owned(),
            amount_unit: AmountUnit::Minor,
            currency,
            zone: Tz::UTC,
        };
        let rows = Rows::open(import::embedded(BASKETS), FileFormat::Csv, shape);
        let rows = rows.map_err(|broken| Failure::failed(format!("the embedded data: {broken}")))?;
        let progress = Arc::new(Progress::of_rows(ROWS));
        let sender = Sender::new(client, Program::new(PROGRAM), Some(clock), progress.clone());
        let used = Used { cpu: usage::cpu().map(|_| Duration::ZERO), ..Used::default() };
        Ok(Replay { sender, progress, rest: Some(Rest { rows, next: None }), used })
    }

    /// Sends all purchases before `end` and waits for their answers.
    pub(super) async fn until(&mut self, end: Time) -> Result<(), Failure> {
        let (started, cpu) = (Instant::now(), usage::cpu());
        let mut rest = self.rest.take().ok_or_else(|| Failure::failed("the replay came to a sudden end"))?;
        let (mut feeder, workers) = import::start(&self.sender, STREAMS, WINDOW);
        let reading = tokio::task::spawn_blocking(move || {
            let fed = rest.feed(end, |purchase| feeder.push(purchase))?;
            // A worker that gave up says why.
            let _ = feeder.flush();
            Ok::<_, Failure>((rest, fed))
        });
        let sent = workers.finish().await?;
        let (rest, read) =
            reading.await.map_err(|_| Failure::failed("the reader came to a sudden end"))??;
        self.rest = Some(rest);
        self.used.tally = self.used.tally.plus(&sent).plus(&Tally { read, ..Tally::default() });
        self.used.add(started, cpu);
        Ok(())
    }

    /// Sends the rest, waits until every event is applied everywhere, and tells what all that took.
    pub(super) async fn finish(mut self, suite: &Suite) -> Result<Used, Failure> {
        self.until(Time::NEVER).await?;
        let (started, cpu) = (Instant::now(), usage::cpu());
        suite.settled().await?;
        self.used.add(started, cpu);
        self.progress.finish();
        match self.used.tally.refused {
            0 => Ok(self.used),
            refused => {
                Err(Failure::failed(format!("{refused} purchase(s) of the demonstration were refused")))
            }
        }
    }

    /// Everybody who bought so far, by the key of the data, in its order.
    pub(super) fn members(&self) -> Vec<(String, Arc<str>)> {
        let mut members = self.sender.members().all();
        members.sort();
        members
    }
}

impl Rest {
    /// Takes purchases before `end`; says how many.
    fn feed(
        &mut self,
        end: Time,
        mut take: impl FnMut(Purchase) -> Result<(), Gone>,
    ) -> Result<i64, Failure> {
        let mut fed = 0;
        loop {
            let purchase = match self.next.take() {
                Some(purchase) => purchase,
                None => match self.rows.next() {
                    None => return Ok(fed),
                    Some(Ok(Ok(purchase))) => purchase,
                    Some(Ok(Err(bad))) => {
                        return Err(Failure::failed(format!(
                            "the embedded data: line {}: {}",
                            bad.line, bad.reason
                        )));
                    }
                    Some(Err(broken)) => return Err(Failure::failed(format!("the embedded data: {broken}"))),
                },
            };
            if purchase.occurred >= end {
                self.next = Some(purchase);
                return Ok(fed);
            }
            if take(purchase).is_err() {
                return Ok(fed);
            }
            fed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::demo::NEW_YEAR;

    fn rest() -> Rest {
        let shape = Shape {
            id_column: "basket_id".into(),
            member_column: "household_id".into(),
            time_column: "ts".into(),
            amount_column: "sales_cents".into(),
            amount_unit: AmountUnit::Minor,
            currency: Currency::parse("USD").unwrap(),
            zone: Tz::UTC,
        };
        Rest { rows: Rows::open(import::embedded(BASKETS), FileFormat::Csv, shape).unwrap(), next: None }
    }

    #[test]
    fn the_embedded_data_has_its_known_sums() {
        let mut rest = rest();
        let (mut points, mut small) = (0, 0);
        let (mut baskets, mut members) = (HashSet::new(), HashSet::new());
        let mut last = Time::MIN;
        let mut take = |purchase: Purchase| {
            assert!(last <= purchase.occurred, "sorted");
            last = purchase.occurred;
            points += purchase.amount.units;
            small += i64::from(purchase.amount.units == 0);
            baskets.insert(purchase.id);
            members.insert(purchase.member);
            Ok(())
        };
        let before = rest.feed(NEW_YEAR, &mut take).unwrap();
        let after = rest.feed(Time::NEVER, &mut take).unwrap();
        assert_eq!((before, after), (80_755, 45));
        assert_eq!((points, small), (2_353_505, 1_590));
        assert_eq!((baskets.len(), members.len()), (80_800, 1_290));
    }
}
