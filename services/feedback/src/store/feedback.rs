//! Submissions and their answers.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, ExprTrait};
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tenant, Tx, select_in};
use uuid::Uuid;

use super::entity::{answer, feedback};
use crate::domain::{Answer, Channel, Customer, Direction, Feedback, ResponseStatus, Submission, Value};

/// The leading columns of what a submission owns.
const KEY: [&str; 3] = ["bucket", "tenant_id", "feedback_id"];

/// The place after which a page goes on: when a record was taken, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was taken.
    pub ingest_time: Time,
    /// Which.
    pub feedback_id: Uuid,
}

/// Finds records by their ids; what does not exist is not in the result.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    owners: &[Owner],
) -> Result<HashMap<Owner, Feedback>, db::Error> {
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let rows: Vec<feedback::Model> = select_in(db, keyed("feedback", ""), &keys).await?;
    Ok(with_answers(db, rows).await?.into_iter().collect())
}

/// One page of what was taken before the given place, newest first; of one customer, or of everybody.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    subject_id: Option<Uuid>,
    before: Option<Place>,
    limit: u64,
) -> Result<Vec<Feedback>, db::Error> {
    use feedback::Column as C;
    let mut select = feedback::Entity::find().filter(C::TenantId.eq(tenant.id()));
    if let Some(subject_id) = subject_id {
        select = select.filter(C::SubjectId.eq(subject_id));
    }
    if let Some(Place { ingest_time, feedback_id }) = before {
        let (at, same) = (C::IngestTime.lt(ingest_time.micros()), C::IngestTime.eq(ingest_time.micros()));
        let after = Condition::any().add(at).add(same.and(C::FeedbackId.lt(feedback_id)));
        select = select.filter(C::IngestTime.lte(ingest_time.micros())).filter(after);
    }
    let ordered = select.order_by_desc(C::IngestTime).order_by_desc(C::FeedbackId);
    let found = with_answers(db, ordered.limit(limit).all(db).await?).await?;
    Ok(found.into_iter().map(|(_, feedback)| feedback).collect())
}

/// Writes new records.
///
/// # Errors
/// `Constraint` if one of them exists: decide again.
pub async fn insert(tx: &Tx, taken: &[(Owner, Feedback)]) -> Result<(), db::Error> {
    let rows: Vec<_> = taken.iter().map(|(owner, one)| row(owner, one)).collect::<Result<_, _>>()?;
    let answers: Vec<_> = taken.iter().flat_map(|(owner, one)| answer_rows(owner, one)).collect();
    db::bulk_insert::<feedback::Entity>(tx, &rows).await?;
    db::bulk_insert::<answer::Entity>(tx, &answers).await
}

fn keyed<'a>(table: &'a str, order: &'a str) -> Keyed<'a> {
    const TYPES: [ArrayType; 3] = OWNER_TYPES;
    Keyed { table, on: &KEY, types: &TYPES, filter: "", order, pick: Pick::All, more: "" }
}

/// The records of these rows, in their order.
pub(super) async fn with_answers(
    db: &impl ConnectionTrait,
    rows: Vec<feedback::Model>,
) -> Result<Vec<(Owner, Feedback)>, db::Error> {
    let owner = |row: &feedback::Model| Owner::of_row(row.bucket, &row.tenant_id, row.feedback_id);
    let keys: Vec<_> = rows.iter().map(|row| owner(row).key()).collect();
    let order = "t.bucket, t.tenant_id, t.feedback_id, t.ordinal";
    let found: Vec<answer::Model> = select_in(db, keyed("answer", order), &keys).await?;
    let mut answers: HashMap<Owner, Vec<Answer>> = HashMap::new();
    for row in found {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.feedback_id);
        let answered = answers.entry(owner).or_default();
        answered.push(Answer { value: value(&row)?, question_id: row.question_id });
    }
    rows.into_iter()
        .map(|row| {
            let owner = owner(&row);
            let answers = answers.remove(&owner).unwrap_or_default();
            Ok((owner, domain(row, answers)?))
        })
        .collect()
}

fn damaged(what: &str, id: Uuid) -> db::Error {
    db::Error::Damaged(format!("{what} of feedback {id}"))
}

fn domain(row: feedback::Model, answers: Vec<Answer>) -> Result<Feedback, db::Error> {
    let id = row.feedback_id;
    let customer = match row.customer_kind {
        0 => Customer::Unknown,
        1 => Customer::Member(row.subject_id),
        2 => Customer::External(row.customer_key),
        3 => Customer::Anonymous(row.customer_key),
        _ => return Err(damaged("customer_kind", id)),
    };
    let attributes = serde_json::from_str(&row.attributes).map_err(|_| damaged("attributes", id))?;
    let sent = Submission {
        source_id: row.source_id,
        submission_id: row.submission_id,
        channel: Channel::from_number(row.channel).ok_or_else(|| damaged("channel", id))?,
        customer,
        touchpoint: row.touchpoint,
        branch_id: row.branch_id,
        staff_id: row.staff_id,
        invite_time: Time::from_micros(row.invite_time),
        start_time: Time::from_micros(row.start_time),
        answer_time: Time::from_micros(row.answer_time),
        status: ResponseStatus::from_number(row.status).ok_or_else(|| damaged("status", id))?,
        answers,
        text: row.text,
        language: row.language,
        consent_scope: row.consent_scope,
        attributes,
    };
    Ok(Feedback { id, ingest_time: Time::from_micros(row.ingest_time), case_id: row.case_id, sent })
}

fn row(owner: &Owner, feedback: &Feedback) -> Result<feedback::Model, db::Error> {
    let Feedback { id, ingest_time, case_id, sent } = feedback;
    let (customer_kind, customer_key) = match &sent.customer {
        Customer::Unknown => (0, ""),
        Customer::Member(_) => (1, ""),
        Customer::External(key) => (2, key.as_str()),
        Customer::Anonymous(token) => (3, token.as_str()),
    };
    Ok(feedback::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        feedback_id: *id,
        source_id: sent.source_id.clone(),
        submission_id: sent.submission_id.clone(),
        channel: sent.channel as i32,
        customer_kind,
        customer_key: customer_key.to_owned(),
        subject_id: sent.customer.subject(),
        touchpoint: sent.touchpoint.clone(),
        branch_id: sent.branch_id.clone(),
        staff_id: sent.staff_id.clone(),
        invite_time: sent.invite_time.micros(),
        start_time: sent.start_time.micros(),
        answer_time: sent.answer_time.micros(),
        ingest_time: ingest_time.micros(),
        status: sent.status as i32,
        text: sent.text.clone(),
        language: sent.language.clone(),
        consent_scope: sent.consent_scope.clone(),
        attributes: serde_json::to_string(&sent.attributes).map_err(|_| damaged("attributes", *id))?,
        case_id: *case_id,
    })
}

fn answer_rows(owner: &Owner, feedback: &Feedback) -> Vec<answer::Model> {
    let numbered = feedback.sent.answers.iter().zip(1..);
    let row = |(given, ordinal): (&Answer, i32)| {
        let (kind, value, text) = match &given.value {
            Value::Nps(value) => (1, *value, ""),
            Value::Csat(value) => (2, *value, ""),
            Value::Ces(value, Direction::HighIsEasy) => (3, *value, ""),
            Value::Ces(value, Direction::HighIsHard) => (4, *value, ""),
            Value::Text(text) => (5, 0, text.as_str()),
        };
        answer::Model {
            bucket: owner.bucket(),
            tenant_id: owner.tenant().id().to_owned(),
            feedback_id: feedback.id,
            ordinal,
            question_id: given.question_id.clone(),
            kind,
            value,
            text: text.to_owned(),
        }
    };
    numbered.map(row).collect()
}

fn value(row: &answer::Model) -> Result<Value, db::Error> {
    match row.kind {
        1 => Ok(Value::Nps(row.value)),
        2 => Ok(Value::Csat(row.value)),
        3 => Ok(Value::Ces(row.value, Direction::HighIsEasy)),
        4 => Ok(Value::Ces(row.value, Direction::HighIsHard)),
        5 => Ok(Value::Text(row.text.clone())),
        _ => Err(damaged("an answer", row.feedback_id)),
    }
}
