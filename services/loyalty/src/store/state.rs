//! Walks over everything that happened to members, of all tenants, for those who are told of it anew.

use ambient::Time;
use db::sea_orm::{FromQueryResult, Value};
use db::{Db, Owner, Walk, walk};
use futures::stream::{BoxStream, StreamExt};

use super::entity::{activity, member, redemption, tier_change};
use super::members;
use super::tier_changes::{self, TierChange};
use super::{activities, redemptions};
use crate::domain::{Activity, Member, Redemption};

/// Rows of one page.
const ROWS: usize = 500;

/// Pages of something, each with the wallet that it belongs to.
pub type Pages<T> = BoxStream<'static, Result<Vec<(Owner, T)>, db::Error>>;

/// Selects what a wallet owns, with the program of the wallet.
macro_rules! with_program {
    ($table:literal) => {
        concat!(
            "SELECT t.*, w.program_id FROM ",
            $table,
            " t JOIN wallet w ON w.bucket = t.bucket AND w.tenant_id = t.tenant_id \
             AND w.wallet_id = t.wallet_id"
        )
    };
}

#[derive(FromQueryResult)]
struct OfProgram<M: FromQueryResult> {
    #[sea_orm(nested)]
    row: M,
    program_id: String,
}

/// Everybody who ever joined.
pub fn members(db: &Db) -> Pages<Member> {
    const WALK: Walk<'_> =
        Walk { select: "SELECT * FROM member", key: &["bucket", "tenant_id", "member_id"], rows: ROWS };
    let key = |row: &member::Model| key(row.bucket, &row.tenant_id, [row.member_id.into()]);
    pages(walk(db, WALK, key), |row: member::Model| {
        let tenant = db::Tenant::new(&row.tenant_id);
        let member = members::domain(row)?;
        Ok((Owner::new(&tenant, member.wallet_id), member))
    })
}

/// Every activity, with its program and the moment at which it was recorded.
pub fn activities(db: &Db) -> Pages<(String, Activity, Time)> {
    const WALK: Walk<'_> = Walk {
        select: with_program!("activity"),
        key: &["t.bucket", "t.tenant_id", "t.wallet_id", "t.activity_id"],
        rows: ROWS,
    };
    let key = |OfProgram { row, .. }: &OfProgram<activity::Model>| {
        key(row.bucket, &row.tenant_id, [row.wallet_id.into(), row.activity_id.into()])
    };
    pages(walk(db, WALK, key), |OfProgram { row, program_id }: OfProgram<activity::Model>| {
        let create_time = Time::from_micros(row.create_time);
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        Ok((owner, (program_id, activities::domain(row)?, create_time)))
    })
}

/// Every redemption of which something was spent.
pub fn redemptions(db: &Db) -> Pages<Redemption> {
    const WALK: Walk<'_> = Walk {
        select: "SELECT t.* FROM (SELECT * FROM redemption WHERE state = 1) t",
        key: &["bucket", "tenant_id", "wallet_id", "redemption_id"],
        rows: ROWS,
    };
    let key = |row: &redemption::Model| {
        key(row.bucket, &row.tenant_id, [row.wallet_id.into(), row.redemption_id.into()])
    };
    pages(walk(db, WALK, key), |row: redemption::Model| {
        Ok((Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id), redemptions::domain(row)?))
    })
}

/// Every change of a tier, with its program.
pub fn tier_changes(db: &Db) -> Pages<(String, TierChange)> {
    const WALK: Walk<'_> = Walk {
        select: with_program!("tier_change"),
        key: &["t.bucket", "t.tenant_id", "t.wallet_id", "t.event_seq"],
        rows: ROWS,
    };
    let key = |OfProgram { row, .. }: &OfProgram<tier_change::Model>| {
        key(row.bucket, &row.tenant_id, [row.wallet_id.into(), row.event_seq.into()])
    };
    pages(walk(db, WALK, key), |OfProgram { row, program_id }: OfProgram<tier_change::Model>| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        Ok((owner, (program_id, tier_changes::domain(row))))
    })
}

fn pages<M: Send + 'static, T: Send + 'static>(
    rows: BoxStream<'static, Result<Vec<M>, db::Error>>,
    domain: fn(M) -> Result<(Owner, T), db::Error>,
) -> Pages<T> {
    rows.map(move |page| page?.into_iter().map(domain).collect()).boxed()
}

fn key<const N: usize>(bucket: i32, tenant_id: &str, rest: [Value; N]) -> Vec<Value> {
    [bucket.into(), tenant_id.into()].into_iter().chain(rest).collect()
}
