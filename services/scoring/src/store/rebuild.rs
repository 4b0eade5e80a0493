//! Makes everything that was ever derived from observations again.

use db::sea_orm::ConnectionTrait;
use db::{Db, Tx};
use futures::FutureExt;

use super::{effects, observations, profiles};

const PAGE_ROWS: usize = 512;

/// Replaces all profiles, histograms and watermarks by what the stored observations say, and returns how many
/// observations there are. Nothing is announced. It is one transaction: whoever reads sees the old or the new
/// ones, and a failure leaves the old ones. No events may be applied meanwhile, unless the database is
/// SQLite, where they wait.
///
/// # Errors
/// That the database refused, `Damaged`, or `CommitUnknown` if it takes longer than the 10 s of any
/// transaction. It can be run again at any time.
pub async fn rebuild(db: &Db) -> Result<u64, db::Error> {
    db.transact(|tx| again(tx).boxed()).await
}

async fn again(tx: &Tx) -> Result<u64, db::Error> {
    for table in ["profile", "histogram", "watermark"] {
        tx.execute_unprepared(&format!("DELETE FROM {table}")).await?;
    }
    let mut count = 0;
    let mut page = observations::page(tx, None, PAGE_ROWS).await?;
    while let Some(last) = page.last() {
        let opened = profiles::open(tx, &effects::customers(page.iter())).await?;
        effects::write(tx, opened, &page).await?;
        count += page.len() as u64;
        page = observations::page(tx, Some(last), PAGE_ROWS).await?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Draw, House, history};

    #[tokio::test]
    async fn everything_comes_out_as_it_was() {
        let house = House::open().await;
        let mut draw = Draw(1);
        // More than two pages, and events that come twice.
        let events = history(&mut draw, 1, 1_200);
        for batch in events.chunks(100) {
            house.apply(batch).await.unwrap();
            house.apply(&batch[..10]).await.unwrap();
        }
        let live = house.derived().await;
        assert!(live.len() > 100);
        let kept = house.count("observation").await as u64;
        assert!(kept > 2 * PAGE_ROWS as u64, "{kept}");
        for _ in 0..2 {
            assert_eq!(rebuild(&house.db).await.unwrap(), kept);
            assert_eq!(house.derived().await, live);
        }
        // What was lost or spoilt comes back, too.
        let spoil = house.db.transact(|tx| {
            async move {
                tx.execute_unprepared("UPDATE profile SET spend = 'EUR 1'").await?;
                tx.execute_unprepared("DELETE FROM histogram WHERE slot_hours = 24").await?;
                Ok(())
            }
            .boxed()
        });
        spoil.await.unwrap();
        assert_ne!(house.derived().await, live);
        rebuild(&house.db).await.unwrap();
        assert_eq!(house.derived().await, live);
    }
}
