//! The worker that hands messages over to the file.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ambient::Ids;
use db::Db;
use futures::FutureExt;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::file_sink::FileSink;
use super::line;
use crate::domain::DeliveryState;
use crate::store::messages;
use crate::store::sendings::{self, Sending};

/// Deliveries per round at most.
const BATCH_MAX: u64 = 256;
/// How long a lease lasts, in microseconds of machine time: much longer than the step from it to handing
/// over takes.
const LEASE_MICROS: i64 = 30_000_000;

/// Why a round was not ended. The next one goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is in the way.
    #[error("deliveries could not be read or written: {0}")]
    Database(#[from] db::Error),
    /// The file is in the way.
    #[error("the file of messages could not be read or written: {0}")]
    File(#[from] std::io::Error),
}

/// Hands over what is queued for the file. Clones share it and take turns.
#[derive(Clone, Debug)]
pub struct Sender {
    db: Db,
    sink: Arc<FileSink>,
    turn: Arc<Mutex<()>>,
    wake: Arc<Notify>,
}

impl Sender {
    /// A sender to the file at `path`, which from now on no other process can open.
    ///
    /// # Errors
    /// That the file cannot be opened, or that another process has it.
    pub(crate) fn open(path: &Path, db: Db, ids: &Ids) -> std::io::Result<Sender> {
        let sink = Arc::new(FileSink::open(path, ids)?);
        Ok(Sender { db, sink, turn: Arc::default(), wake: Arc::default() })
    }

    /// Hands over up to 256 queued deliveries and returns how many there were. Once begun, a round ends, even
    /// if nobody waits for it: its last steps must not meet the first ones of the next.
    ///
    /// # Errors
    /// That the database or the file is in the way.
    pub async fn run_once(&self) -> Result<usize, Error> {
        let sender = self.clone();
        let round = tokio::spawn(async move { sender.round().await });
        round.await.map_err(std::io::Error::other)?
    }

    async fn round(&self) -> Result<usize, Error> {
        let _turn = self.turn.lock().await;
        self.recover().await?;
        if self.lease().await? == 0 {
            return Ok(0);
        }
        let handed_over = self.hand_over().await?;
        self.write(&handed_over).await?;
        let count = handed_over.len();
        self.settle(handed_over, None).await?;
        Ok(count)
    }

    /// Finds out what the file took before a round was cut short, and queues the rest again.
    async fn recover(&self) -> Result<(), Error> {
        let left = sendings::handed_over(self.db.reader(), self.sink.id()).await?;
        let Some(offset) = left.iter().map(Sending::file_offset).min() else { return Ok(()) };
        let written = self.with_sink(move |sink| sink.written_since(offset)).await?;
        self.settle(left, Some(written)).await
    }

    async fn lease(&self) -> Result<u64, Error> {
        let (sink_id, now) = (self.sink.id(), events::machine_now_micros());
        let leased = self.db.transact(move |tx| {
            sendings::lease(tx, sink_id, now, now.saturating_add(LEASE_MICROS), BATCH_MAX).boxed()
        });
        Ok(leased.await?)
    }

    async fn hand_over(&self) -> Result<Vec<Sending>, Error> {
        let sink_id = self.sink.id();
        let offset = self.with_sink(FileSink::ready).await?;
        let handed_over = self.db.transact(move |tx| sendings::hand_over(tx, sink_id, offset).boxed());
        Ok(handed_over.await?)
    }

    /// Writes messages to the file, outside of any transaction.
    async fn write(&self, handed_over: &[Sending]) -> Result<(), Error> {
        let places: Vec<_> = handed_over.iter().map(|s| (s.owner(), s.seq())).collect();
        let found = messages::load(self.db.reader(), &places).await?;
        let mut lines = Vec::new();
        for place in &places {
            let missing = || db::Error::Damaged("a delivery has no message".into());
            let message = found.get(place).ok_or_else(missing)?;
            line::write(&mut lines, &place.0, message).map_err(std::io::Error::from)?;
        }
        self.with_sink(move |sink| sink.append(&lines)).await
    }

    /// Notes what the file has taken: all of it, or what was found `written`. The rest is queued again.
    async fn settle(&self, sendings: Vec<Sending>, written: Option<HashSet<Uuid>>) -> Result<(), Error> {
        let settled = sendings.into_iter().filter_map(|sending| {
            let delivery = sending.delivery();
            let taken = written.as_ref().is_none_or(|ids| ids.contains(&sending.notification_id()));
            let next = if taken { delivery.moved(DeliveryState::Accepted) } else { delivery.again() };
            Some(sending.at(next?))
        });
        let settled: Arc<[Sending]> = settled.collect();
        let settling = self.db.transact(move |tx| {
            let settled = settled.clone();
            async move { sendings::settle(tx, &settled).await }.boxed()
        });
        Ok(settling.await?)
    }

    /// Runs a blocking call on the sink beside the runtime's workers.
    async fn with_sink<T: Send + 'static>(
        &self,
        call: impl FnOnce(&FileSink) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let sink = self.sink.clone();
        let called = tokio::task::spawn_blocking(move || call(&sink)).await;
        Ok(called.map_err(std::io::Error::other)??)
    }

    /// Tells the worker that something may be queued.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Hands over what is queued, whenever it is woken and every `pause` of machine time, until `stop`.
    pub(crate) async fn run(self, pause: Duration, stop: CancellationToken) {
        let mut full = false;
        loop {
            let pause = if full { Duration::ZERO } else { pause };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            full = match self.run_once().await {
                Ok(count) => count as u64 == BATCH_MAX,
                Err(error) => {
                    tracing::warn!(%error, "messages could not be handed over; trying again");
                    false
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::domain::{Channel, Delivery};
    use crate::fixture::{House, recipient, redeemed};
    use crate::store::deliveries;

    fn sender(house: &House) -> Sender {
        house.service.sender().unwrap()
    }

    fn ids_in(text: &str) -> Vec<Uuid> {
        text.lines().map(|line| line::id_of(line.as_bytes()).expect("a whole line")).collect()
    }

    /// The file's messages and the database's, each by id, and how far the deliveries to the file are.
    async fn state(house: &House) -> (Vec<Uuid>, Vec<Uuid>, Vec<Delivery>) {
        let mut written = ids_in(&std::fs::read_to_string(house.file()).unwrap());
        written.sort();
        let made = messages::page(house.db.reader(), &recipient(7), i64::MAX, false, 1_000).await.unwrap();
        let mut ids: Vec<_> = made.iter().map(|message| message.id).collect();
        ids.sort();
        let mut found = deliveries::of(house.db.reader(), &recipient(7), &made).await.unwrap();
        let rows = (1..=i64::try_from(ids.len()).unwrap()).flat_map(|seq| found.remove(&seq).unwrap());
        (written, ids, rows.filter(|d| d.channel == Channel::File).collect())
    }

    fn with_redemptions(count: u128) -> Vec<events::Received> {
        (1..=count).map(|n| redeemed(n, 7)).collect()
    }

    fn accepted(attempt: i32) -> Delivery {
        Delivery { channel: Channel::File, state: DeliveryState::Accepted, attempt }
    }

    #[tokio::test]
    async fn every_message_becomes_one_line_once() {
        let house = House::with_file().await;
        house.apply(&with_redemptions(600)).await.unwrap();
        let rounds = [sender(&house).run_once().await, sender(&house).run_once().await];
        assert_eq!(rounds.map(Result::unwrap), [256, 256]);
        house.service.close().await;
        assert_eq!(sender(&house).run_once().await.unwrap(), 0);
        let (written, made, deliveries) = state(&house).await;
        assert_eq!((written.len(), &written), (600, &made));
        assert!(deliveries.iter().all(|delivery| *delivery == accepted(0)));
        let text = std::fs::read_to_string(house.file()).unwrap();
        let first = ids_in(&text)[0];
        assert_eq!(
            text.lines().next().unwrap(),
            format!(
                r#"{{"notification_id":"{first}","tenant_id":"acme","recipient_id":"{}","#,
                recipient(7).id()
            ) + r#""template_id":"reward_redeemed","subject":"Your reward is on its way","#
                + r#""body":"You spent 10 points on 1 x mug.\nYou have 90 points left.","#
                + r#""create_time":"2026-01-01T00:00:00Z"}"#
        );
    }

    /// Kills the process after each step of a round, and in the middle of writing.
    #[tokio::test]
    async fn a_kill_at_any_step_loses_and_doubles_nothing() {
        for step in ["leased", "handed over", "half written", "torn", "written"] {
            let house = House::with_file().await;
            house.apply(&with_redemptions(1)).await.unwrap();
            assert_eq!(sender(&house).run_once().await.unwrap(), 1);
            house.apply(&with_redemptions(5)).await.unwrap();
            let killed = sender(&house);
            killed.lease().await.unwrap();
            if step != "leased" {
                let handed_over = killed.hand_over().await.unwrap();
                assert_eq!(handed_over.len(), 4);
                let part = match step {
                    "handed over" => &handed_over[..0],
                    "half written" | "torn" => &handed_over[..2],
                    _ => &handed_over[..],
                };
                killed.write(part).await.unwrap();
                if step == "torn" {
                    let mut file = std::fs::OpenOptions::new().append(true).open(house.file()).unwrap();
                    file.write_all(br#"{"notification_id":"0000"#).unwrap();
                }
            }
            drop(killed);
            let house = house.restarted().await;
            sender(&house).run_once().await.unwrap();
            let (written, made, deliveries) = state(&house).await;
            assert_eq!((written.len(), &written), (5, &made), "{step}");
            let attempts: Vec<_> = deliveries.iter().map(|delivery| delivery.attempt).collect();
            assert!(deliveries.iter().all(|d| d.state == DeliveryState::Accepted), "{step}");
            let again = match step {
                "leased" | "handed over" => [0, 1, 1, 1, 1],
                "half written" | "torn" => [0, 0, 0, 1, 1],
                _ => [0; 5],
            };
            assert_eq!(attempts, again, "{step}");
        }
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_is_lost_and_what_was_handed_over_is_not() {
        let house = House::with_file().await;
        house.apply(&with_redemptions(3)).await.unwrap();
        let slow = sender(&house);
        let other =
            Sender::open(&house.file().with_extension("other"), house.db.clone(), &Ids::Random).unwrap();
        assert_eq!(slow.lease().await.unwrap(), 3);
        assert_eq!(other.run_once().await.unwrap(), 0, "the lease holds");
        house.execute("UPDATE delivery SET lease_until = 1 WHERE seq <= 2").await;
        assert_eq!(other.run_once().await.unwrap(), 2);
        assert_eq!(slow.hand_over().await.unwrap().len(), 1);
        house.execute("UPDATE delivery SET lease_until = 1").await;
        assert_eq!(other.run_once().await.unwrap(), 0, "only its own file can tell");
        assert_eq!(slow.run_once().await.unwrap(), 1);
        let read = |path| ids_in(&std::fs::read_to_string(path).unwrap()).len();
        assert_eq!((read(house.file()), read(house.file().with_extension("other"))), (1, 2));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_keeps_everything_queued() {
        let house = House::with_file().await;
        house.apply(&with_redemptions(2)).await.unwrap();
        std::fs::remove_file(house.file()).unwrap();
        std::fs::create_dir(house.file()).unwrap();
        assert!(matches!(sender(&house).run_once().await, Err(Error::File(_))));
        house.service.close().await;
        std::fs::remove_dir(house.file()).unwrap();
        assert_eq!(sender(&house).run_once().await.unwrap(), 2);
        let (written, made, _) = state(&house).await;
        assert_eq!(written, made);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn senders_that_run_at_once_take_turns() {
        let house = House::with_file().await;
        house.apply(&with_redemptions(2_000)).await.unwrap();
        let rounds = |sender: Sender| async move {
            let mut sent = 0;
            for _ in 0..40 {
                sent += sender.run_once().await.unwrap();
            }
            sent
        };
        let running = [(); 4].map(|()| tokio::spawn(rounds(sender(&house))));
        let mut sent = 0;
        for one in running {
            sent += one.await.unwrap();
        }
        assert_eq!((sent, ids_in(&std::fs::read_to_string(house.file()).unwrap()).len()), (2_000, 2_000));
    }

    /// Waits until the file has this many lines.
    async fn lines(house: &House, count: usize) {
        let complete = async {
            while ids_in(&std::fs::read_to_string(house.file()).unwrap()).len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), complete).await.expect("somebody writes them");
    }

    #[tokio::test]
    async fn an_applied_batch_wakes_the_worker() {
        let house = House::with_file().await;
        let stop = CancellationToken::new();
        let worker = tokio::spawn(sender(&house).run(Duration::from_secs(3_600), stop.clone()));
        house.apply(&with_redemptions(2)).await.unwrap();
        (house.service.handler().applied)();
        lines(&house, 2).await;
        stop.cancel();
        worker.await.unwrap();
    }

    #[tokio::test]
    async fn a_round_ends_even_if_nobody_waits_for_it() {
        let house = House::with_file().await;
        house.apply(&with_redemptions(2)).await.unwrap();
        assert!(sender(&house).run_once().now_or_never().is_none());
        lines(&house, 2).await;
        assert_eq!(sender(&house).run_once().await.unwrap(), 0);
    }
}
