//! Makes everything that was ever derived from observations again, in many short transactions.

use db::sea_orm::{ConnectionTrait, Statement};
use db::{BUCKETS, Db, Owner, Tx};
use futures::FutureExt;

use super::{effects, gate, observations, profiles};
use crate::domain::Observation;

/// Observations of one transaction.
const PAGE_ROWS: usize = 1_000;
/// Rows that one transaction deletes.
const CLEAR_ROWS: u64 = 5_000;

/// Replaces all profiles, histograms and watermarks by what the stored observations say, and returns how many
/// observations there are. Nothing is announced.
///
/// It may run beside the service: until it ends, events wait and reads are refused, in every replica. If it
/// is cut short they go on waiting; another one then begins anew, and this one can do nothing any more.
///
/// # Errors
/// That the database refused, `Damaged`, or `Aborted` if another one began meanwhile. It can be run again at
/// any time.
pub async fn rebuild(db: &Db) -> Result<u64, db::Error> {
    let mut rebuild = Rebuild::begin(db).await?;
    while rebuild.step(db).await? {}
    Ok(rebuild.count)
}

/// A rebuild under way.
struct Rebuild {
    attempt: i64,
    /// Observations so far.
    count: u64,
    /// What to do next; nothing if it has ended.
    next: Option<Step>,
}

/// What one transaction does.
#[derive(Clone)]
enum Step {
    /// Deletes profiles of a bucket.
    ClearProfiles(i32),
    ClearHistograms,
    ClearWatermarks,
    /// Adds the observations behind this one, or the first ones.
    Add(Option<(Owner, Observation)>),
    End,
}

impl Rebuild {
    async fn begin(db: &Db) -> Result<Rebuild, db::Error> {
        let attempt = db.transact(|tx| gate::announce(tx).boxed()).await?;
        db.transact(move |tx| gate::begin(tx, attempt).boxed()).await?;
        Ok(Rebuild { attempt, count: 0, next: Some(Step::ClearProfiles(0)) })
    }

    /// Does the next step; false if that was the last.
    async fn step(&mut self, db: &Db) -> Result<bool, db::Error> {
        let Some(step) = self.next.clone() else { return Ok(false) };
        let attempt = self.attempt;
        let done = db.transact(move |tx| {
            let step = step.clone();
            async move {
                gate::keep(tx, attempt).await?;
                step.run(tx, attempt).await
            }
            .boxed()
        });
        let (count, next) = done.await?;
        self.count += count;
        self.next = next;
        Ok(self.next.is_some())
    }
}

impl Step {
    /// How many observations it added, and the step after it.
    async fn run(self, tx: &Tx, attempt: i64) -> Result<(u64, Option<Step>), db::Error> {
        let next = match self {
            Step::ClearProfiles(bucket) => {
                let only = format!("WHERE bucket = {bucket}");
                let emptied = clear(tx, "profile", "bucket, tenant_id, customer_id", &only).await?;
                match bucket + i32::from(emptied) {
                    bucket if i64::from(bucket) < BUCKETS as i64 => Step::ClearProfiles(bucket),
                    _ => Step::ClearHistograms,
                }
            }
            Step::ClearHistograms => {
                let key = "tenant_id, series, dimension, slot_hours, slot, value";
                let emptied = clear(tx, "histogram", key, "").await?;
                if emptied { Step::ClearWatermarks } else { Step::ClearHistograms }
            }
            Step::ClearWatermarks => {
                let emptied = clear(tx, "watermark", "tenant_id", "").await?;
                if emptied { Step::Add(None) } else { Step::ClearWatermarks }
            }
            Step::Add(last) => return add(tx, last).await,
            Step::End => {
                gate::open(tx, attempt).await?;
                return Ok((0, None));
            }
        };
        Ok((0, Some(next)))
    }
}

/// Deletes the first rows in the order of their key; true if none are left.
async fn clear(tx: &Tx, table: &str, key: &str, only: &str) -> Result<bool, db::Error> {
    let first = format!("SELECT {key} FROM {table} {only} ORDER BY {key} LIMIT {CLEAR_ROWS}");
    let sql = format!("DELETE FROM {table} WHERE ({key}) IN ({first})");
    let deleted = tx.execute_raw(Statement::from_string(tx.get_database_backend(), sql)).await?;
    Ok(deleted.rows_affected() < CLEAR_ROWS)
}

/// Adds the page of observations behind `last`.
async fn add(tx: &Tx, last: Option<(Owner, Observation)>) -> Result<(u64, Option<Step>), db::Error> {
    let mut page = observations::page(tx, last.as_ref(), PAGE_ROWS).await?;
    let opened = profiles::open(tx, &effects::customers(page.iter())).await?;
    effects::write(tx, opened, &page).await?;
    let count = page.len() as u64;
    let next = if page.len() == PAGE_ROWS { Step::Add(page.pop()) } else { Step::End };
    Ok((count, Some(next)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use events::{Cause, Received};
    use pb::customer_service_server::CustomerService;
    use pb::score_service_server::ScoreService;
    use proto::rapport::scoring::v1 as pb;
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    use super::*;
    use crate::fixture::{Draw, HOUR, House, TENANT, at, call, history, id, purchase};

    /// Where a rebuild is looked at: at its beginning, amid what it does, and before its end.
    const SPOTS: [fn(&Rebuild) -> bool; 4] = [
        |rebuild: &Rebuild| matches!(rebuild.next, Some(Step::ClearProfiles(0))),
        |rebuild: &Rebuild| matches!(rebuild.next, Some(Step::ClearHistograms)),
        |rebuild: &Rebuild| matches!(rebuild.next, Some(Step::Add(Some(_)))),
        |rebuild: &Rebuild| matches!(rebuild.next, Some(Step::End)),
    ];

    async fn told(house: &House, events: &[Received]) {
        for batch in events.chunks(100) {
            house.apply(batch).await.unwrap();
        }
    }

    async fn execute(house: &House, sql: &'static str) {
        let done = house
            .db
            .transact(move |tx| async move { Ok(tx.execute_unprepared(sql).await.map(|_| ())?) }.boxed());
        done.await.unwrap();
    }

    /// Applies events, again and again as long as they have to wait.
    async fn deliver(house: &House, events: &[Received]) {
        while let Err(cause) = offer(house, events).await {
            assert!(matches!(&cause, Cause::Database(error) if error.is_transient()), "{cause:?}");
        }
    }

    async fn offer(house: &House, events: &[Received]) -> Result<(), Cause> {
        let (apply, events): (_, Arc<[Received]>) = (house.service.handler().apply, events.into());
        let applied = house.db.transact(move |tx| {
            let (apply, events) = (apply.clone(), events.clone());
            async move {
                match apply(tx, &events).await.map_err(|failed| failed.cause) {
                    Err(Cause::Database(error)) => Err(error),
                    other => Ok(other),
                }
            }
            .boxed()
        });
        applied.await?
    }

    async fn steps(rebuild: &mut Rebuild, house: &House, until: fn(&Rebuild) -> bool) {
        while !until(rebuild) {
            assert!(rebuild.step(&house.db).await.unwrap());
        }
    }

    #[tokio::test]
    async fn everything_comes_out_as_it_was() {
        let house = House::open().await;
        let events = history(&mut Draw(1), 1, 3_000);
        told(&house, &events).await;
        let live = house.derived().await;
        let kept = house.count("observation").await as u64;
        assert!(live.len() > 100 && kept > 3 * PAGE_ROWS as u64, "{kept}");
        for _ in 0..2 {
            assert_eq!(rebuild(&house.db).await.unwrap(), kept);
            assert_eq!(house.derived().await, live);
        }
        // What was lost or spoilt comes back, too.
        execute(&house, "UPDATE profile SET spend = 'EUR 1'").await;
        execute(&house, "DELETE FROM histogram WHERE slot_hours = 24").await;
        execute(&house, "INSERT INTO watermark (tenant_id, order_key) VALUES ('nobody', 1)").await;
        assert_ne!(house.derived().await, live);
        rebuild(&house.db).await.unwrap();
        assert_eq!(house.derived().await, live);
    }

    #[tokio::test]
    async fn events_wait_at_every_step_and_count_once_afterwards() {
        let (house, other) = (House::open().await, House::open().await);
        let events = history(&mut Draw(2), 1, 1_300);
        let (before, after) = events.split_at(1_200);
        told(&house, before).await;
        told(&other, &events).await;
        let mut rebuild = Rebuild::begin(&house.db).await.unwrap();
        for until in SPOTS {
            steps(&mut rebuild, &house, until).await;
            let cause = offer(&house, after).await.unwrap_err();
            assert!(matches!(&cause, Cause::Database(db::Error::Busy(_))), "{cause:?}");
        }
        assert!(!rebuild.step(&house.db).await.unwrap());
        deliver(&house, after).await;
        deliver(&house, after).await;
        assert_eq!(house.derived().await, other.derived().await);
    }

    async fn read(house: &House) -> [Result<(), Status>; 3] {
        let profile = |n| call(TENANT, pb::GetCustomerProfileRequest { customer_id: id(n) });
        let scores = pb::QueryScoresRequest {
            metric: pb::Metric::Nps.into(),
            start_time: at(0),
            end_time: at(HOUR),
            ..pb::QueryScoresRequest::default()
        };
        let api = house.service.api();
        [
            api.get_customer_profile(profile(7)).await.map(|_| ()),
            api.get_customer_profile(profile(70)).await.map(|_| ()),
            api.query_scores(call(TENANT, scores)).await.map(|_| ()),
        ]
    }

    #[tokio::test]
    async fn nothing_is_told_before_everything_is_there() {
        let house = House::open().await;
        told(&house, &history(&mut Draw(5), 10, 1_200)).await;
        house.apply(&[purchase(1, 7, 0, 1)]).await.unwrap();
        let codes = async || read(&house).await.map(|read| read.map_err(|status| status.code()));
        let whole = codes().await;
        assert!(whole[0].is_ok() && whole[2].is_ok(), "{whole:?}");
        house.db.transact(|tx| gate::announce(tx).boxed()).await.unwrap();
        assert_eq!(codes().await, [Err(Code::Unavailable); 3]);
        let mut rebuild = Rebuild::begin(&house.db).await.unwrap();
        for until in SPOTS {
            steps(&mut rebuild, &house, until).await;
            for refused in read(&house).await {
                let refused = refused.unwrap_err();
                let details = refused.get_error_details();
                let info = details.error_info().unwrap();
                assert_eq!(refused.code(), Code::Unavailable);
                assert_eq!((info.reason.as_str(), info.domain.as_str()), ("REBUILDING", "rapport.scoring"));
                assert!(details.retry_info().is_some());
            }
        }
        assert!(!rebuild.step(&house.db).await.unwrap());
        assert_eq!(codes().await, whole);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn beside_a_running_service_nothing_is_lost_or_counted_twice() {
        let (house, other) = (Arc::new(House::open().await), House::open().await);
        let events = history(&mut Draw(3), 1, 4_000);
        told(&other, &events).await;
        let (applied, mut seen) = (Arc::new(AtomicUsize::new(0)), 0);
        let couriers = events.chunks(1_000).map(|part| {
            let (house, part, applied) = (house.clone(), part.to_vec(), applied.clone());
            tokio::spawn(async move {
                for batch in part.chunks(20) {
                    deliver(&house, batch).await;
                    applied.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let couriers: Vec<_> = couriers.collect();
        let ended = || couriers.iter().all(|courier| courier.is_finished());
        while !ended() {
            rebuild(&house.db).await.unwrap();
            seen += 30;
            while applied.load(Ordering::Relaxed) < seen && !ended() {
                tokio::task::yield_now().await;
            }
        }
        for courier in couriers {
            courier.await.unwrap();
        }
        assert_eq!(house.derived().await, other.derived().await);
    }

    #[tokio::test]
    async fn one_cut_short_is_made_good_by_the_next_and_can_do_nothing_afterwards() {
        let house = House::open().await;
        told(&house, &history(&mut Draw(4), 1, 2_500)).await;
        let live = house.derived().await;
        let mut first = Rebuild::begin(&house.db).await.unwrap();
        steps(&mut first, &house, |rebuild| matches!(rebuild.next, Some(Step::Add(Some(_))))).await;
        let mut second = Rebuild::begin(&house.db).await.unwrap();
        assert_eq!(second.attempt, first.attempt + 1);
        steps(&mut second, &house, |rebuild| matches!(rebuild.next, Some(Step::Add(Some(_))))).await;
        assert!(matches!(first.step(&house.db).await, Err(db::Error::Aborted)));
        // One that was announced last, and did not begin, does not let an earlier one open the gate.
        let third = house.db.transact(|tx| gate::announce(tx).boxed()).await.unwrap();
        steps(&mut second, &house, |rebuild| matches!(rebuild.next, Some(Step::End))).await;
        assert!(matches!(second.step(&house.db).await, Err(db::Error::Aborted)));
        assert_eq!(gate::check(house.db.reader()).await.unwrap(), Err(gate::Rebuilding));
        rebuild(&house.db).await.unwrap();
        assert_eq!(gate::check(house.db.reader()).await.unwrap(), Ok(()));
        for mut old in [first, second] {
            assert!(matches!(old.step(&house.db).await, Err(db::Error::Aborted)));
        }
        let late = house.db.transact(move |tx| gate::begin(tx, third).boxed()).await;
        assert!(matches!(late, Err(db::Error::Aborted)));
        assert_eq!(house.derived().await, live);
    }
}
