//! Wallets of a program, some at a time, in the order of their keys: nothing is held between two reads but
//! the place behind the last one.

use ambient::Time;
use db::sea_orm::{ConnectionTrait, Value};
use db::{Owner, Tenant};
use uuid::Uuid;

use super::wallets::{self, Versioned};

/// Which wallets of a program matter.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those that decided anything at a moment or later: the others have nothing that was recorded since.
    DecidedSince(Time),
    /// Those for which other tiers may matter: they hold more than the lowest, or have so many credits.
    Reaching(i64),
}

/// Wallets that were not read yet.
#[derive(Clone, Debug)]
pub struct Unread {
    tenant: Tenant,
    program_id: String,
    which: Which,
    /// The bucket and the id from which on they lie; none: there are no more.
    from: Option<(i32, Uuid)>,
}

impl Unread {
    /// All of a program.
    pub fn all(tenant: &Tenant, program_id: &str, which: Which) -> Unread {
        Unread::from(tenant, program_id, which, (0, Uuid::nil()))
    }

    /// Those of a program from this id of a bucket on.
    pub fn from(tenant: &Tenant, program_id: &str, which: Which, from: (i32, Uuid)) -> Unread {
        Unread { tenant: tenant.clone(), program_id: program_id.to_owned(), which, from: Some(from) }
    }

    /// The next ones, so many at most; empty at the end. Each read looks at one bucket, so that the order of
    /// its key leads to them.
    ///
    /// # Errors
    /// That the database refused, or `Damaged` for a row that does not make sense.
    pub async fn next(
        &mut self,
        db: &impl ConnectionTrait,
        limit: u64,
    ) -> Result<Vec<(Owner, Versioned)>, db::Error> {
        let (mut found, mut from) = (Vec::new(), self.from);
        while let Some((bucket, id)) = from {
            let left = limit.saturating_sub(found.len() as u64);
            if left == 0 {
                break;
            }
            let of = (&self.tenant, self.program_id.as_str());
            let page = wallets::page_in_bucket(db, of, (bucket, id), &self.which, left).await?;
            let last = page.last().map(|(owner, _)| owner.id());
            from = behind(bucket, last.filter(|_| page.len() as u64 == left));
            found.extend(page);
        }
        self.from = from;
        Ok(found)
    }
}

impl Which {
    /// The condition on wallets `t`, and what it compares them with.
    pub(super) fn condition(&self, values: &mut Vec<Value>) -> String {
        let mut value = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        match self {
            Which::DecidedSince(moment) => format!("t.now >= {}", value(moment.micros().into())),
            Which::Reaching(credits) => {
                format!("(t.tier_rank > 1 OR t.tier_progress >= {})", value((*credits).into()))
            }
        }
    }
}

/// Where wallets begin behind this one of a bucket, or behind all of it.
fn behind(bucket: i32, wallet_id: Option<Uuid>) -> Option<(i32, Uuid)> {
    let next = wallet_id.and_then(|id| id.as_u128().checked_add(1));
    let bucket = if next.is_some() { bucket } else { bucket.saturating_add(1) };
    let exists = u64::try_from(bucket).is_ok_and(|bucket| bucket < db::BUCKETS);
    exists.then(|| (bucket, Uuid::from_u128(next.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_to_the_last() {
        let id = Uuid::from_u128;
        assert_eq!(behind(3, Some(id(9))), Some((3, id(10))));
        assert_eq!(behind(3, Some(Uuid::max())), Some((4, Uuid::nil())));
        assert_eq!(behind(3, None), Some((4, Uuid::nil())));
        assert_eq!(behind(63, Some(id(9))), Some((63, id(10))));
        assert_eq!((behind(63, None), behind(63, Some(Uuid::max()))), (None, None));
    }

    #[test]
    fn conditions_number_their_values_on() {
        let mut values: Vec<Value> = vec![1.into(), 2.into()];
        let reaching = Which::Reaching(500).condition(&mut values);
        assert_eq!(reaching, "(t.tier_rank > 1 OR t.tier_progress >= $3)");
        assert_eq!(Which::DecidedSince(Time::MIN).condition(&mut values), "t.now >= $4");
        assert_eq!(values.len(), 4);
    }
}
