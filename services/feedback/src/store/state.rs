//! Walks over everything that was said and done, of all tenants, for those who are told of it anew.

use std::collections::HashMap;

use db::{Db, Keyed, OWNER_TYPES, Owner, Pick, Walk, select_in, walk};
use futures::stream::{BoxStream, StreamExt};

use super::entity::{case_step, feedback as submission, service_case};
use super::{cases, feedback};
use crate::domain::{Case, Feedback, Step};

/// Rows of one page.
const ROWS: usize = 500;
/// Cases of one page: each has a few steps.
const CASES: usize = 100;

/// Pages of something.
pub type Pages<T> = BoxStream<'static, Result<Vec<T>, db::Error>>;

/// Every submission, whole.
pub fn feedback(db: &Db) -> Pages<(Owner, Feedback)> {
    const WALK: Walk<'_> =
        Walk { select: "SELECT * FROM feedback", key: &["bucket", "tenant_id", "feedback_id"], rows: ROWS };
    let pages = walk(db, WALK, |row: &submission::Model| {
        vec![row.bucket.into(), row.tenant_id.as_str().into(), row.feedback_id.into()]
    });
    let db = db.clone();
    pages
        .then(move |page| {
            let db = db.clone();
            async move { feedback::with_answers(db.reader(), page?).await }
        })
        .boxed()
}

/// Every case with its steps, in their order.
pub fn cases(db: &Db) -> Pages<(Owner, Case, Vec<Step>)> {
    const WALK: Walk<'_> =
        Walk { select: "SELECT * FROM service_case", key: &["bucket", "tenant_id", "case_id"], rows: CASES };
    let pages = walk(db, WALK, |row: &service_case::Model| {
        vec![row.bucket.into(), row.tenant_id.as_str().into(), row.case_id.into()]
    });
    let db = db.clone();
    pages
        .then(move |page| {
            let db = db.clone();
            async move { with_steps(&db, page?).await }
        })
        .boxed()
}

async fn with_steps(
    db: &Db,
    page: Vec<service_case::Model>,
) -> Result<Vec<(Owner, Case, Vec<Step>)>, db::Error> {
    let owner = |row: &service_case::Model| Owner::of_row(row.bucket, &row.tenant_id, row.case_id);
    let select = Keyed {
        table: "case_step",
        on: &["bucket", "tenant_id", "case_id"],
        types: &OWNER_TYPES,
        filter: "",
        order: "t.bucket, t.tenant_id, t.case_id, t.seq",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = page.iter().map(|row| owner(row).key()).collect();
    let rows: Vec<case_step::Model> = select_in(db.reader(), select, &keys).await?;
    let mut steps: HashMap<Owner, Vec<Step>> = HashMap::new();
    for row in rows {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.case_id);
        steps.entry(owner).or_default().push(cases::step(row)?);
    }
    let whole = page.into_iter().map(|row| {
        let owner = owner(&row);
        let steps = steps.remove(&owner).unwrap_or_default();
        Ok((owner, cases::domain(row)?, steps))
    });
    whole.collect()
}
