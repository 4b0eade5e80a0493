//! Cases and their steps.

use ambient::Time;
use db::sea_orm::sea_query::ExprTrait;
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tenant, Tx, select_in};
use uuid::Uuid;

use super::entity::{case_step, service_case};
use crate::domain::{Action, Case, CaseState, Priority, Reason, Step};

/// Which cases to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<CaseState>,
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only those that must be resolved before this moment.
    pub due_before: Option<Time>,
}

/// The place after which a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Until when a case must be resolved.
    pub resolve_due_time: Time,
    /// Which.
    pub case_id: Uuid,
}

/// Finds a case; if it is locked, nobody else changes it until the transaction ends.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(db: &impl ConnectionTrait, owner: &Owner, pick: Pick) -> Result<Option<Case>, db::Error> {
    let select = Keyed {
        table: "service_case",
        on: &["bucket", "tenant_id", "case_id"],
        types: &OWNER_TYPES,
        filter: "",
        order: "",
        pick,
        more: "",
    };
    let rows: Vec<service_case::Model> = select_in(db, select, &[owner.key()]).await?;
    rows.into_iter().next().map(domain).transpose()
}

/// The steps of a case, in their order.
///
/// # Errors
/// As [`find`].
pub async fn steps(db: &impl ConnectionTrait, owner: &Owner) -> Result<Vec<Step>, db::Error> {
    let rows = case_step::Entity::find()
        .filter(case_step::Column::Bucket.eq(owner.bucket()))
        .filter(case_step::Column::TenantId.eq(owner.tenant().id()))
        .filter(case_step::Column::CaseId.eq(owner.id()))
        .order_by_asc(case_step::Column::Seq)
        .all(db)
        .await?;
    rows.into_iter().map(step).collect()
}

/// One page of the cases of a tenant after the given place, the one that is due first first.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    filter: &Filter,
    after: Option<Place>,
    limit: u64,
) -> Result<Vec<Case>, db::Error> {
    use service_case::Column as C;
    let mut select = service_case::Entity::find().filter(C::TenantId.eq(tenant.id()));
    if let Some(state) = filter.state {
        select = select.filter(C::State.eq(state as i32));
    }
    if let Some(agent_id) = &filter.agent_id {
        select = select.filter(C::AgentId.eq(agent_id));
    }
    if let Some(before) = filter.due_before {
        select = select.filter(C::ResolveDueTime.lt(before.micros()));
    }
    if let Some(Place { resolve_due_time, case_id }) = after {
        let due = resolve_due_time.micros();
        let later = C::ResolveDueTime.gt(due);
        let next = Condition::any().add(later).add(C::ResolveDueTime.eq(due).and(C::CaseId.gt(case_id)));
        select = select.filter(C::ResolveDueTime.gte(due)).filter(next);
    }
    let ordered = select.order_by_asc(C::ResolveDueTime).order_by_asc(C::CaseId);
    ordered.limit(limit).all(db).await?.into_iter().map(domain).collect()
}

/// Writes new cases, each with its first step.
///
/// # Errors
/// `Constraint` if one of them exists: decide again.
pub async fn insert(tx: &Tx, opened: &[(Owner, Case, Step)]) -> Result<(), db::Error> {
    let rows: Vec<_> = opened.iter().map(|(owner, case, _)| row(owner, case)).collect();
    let steps: Vec<_> = opened.iter().map(|(owner, _, step)| step_row(owner, step)).collect();
    db::bulk_insert::<service_case::Entity>(tx, &rows).await?;
    db::bulk_insert::<case_step::Entity>(tx, &steps).await
}

/// Writes a locked case after a step, and the step.
///
/// # Errors
/// That the database refused.
pub async fn update(tx: &Tx, owner: &Owner, case: &Case, step: &Step) -> Result<(), db::Error> {
    use service_case::Column as C;
    let set = [C::State, C::AgentId, C::FirstResponseTime, C::ResolveTime, C::Version, C::OrderKey];
    db::bulk_update::<service_case::Entity>(tx, &[row(owner, case)], &set).await?;
    db::bulk_insert::<case_step::Entity>(tx, &[step_row(owner, step)]).await
}

fn damaged(what: &str, id: Uuid) -> db::Error {
    db::Error::Damaged(format!("{what} of case {id}"))
}

pub(super) fn domain(row: service_case::Model) -> Result<Case, db::Error> {
    let id = row.case_id;
    Ok(Case {
        id,
        feedback_id: row.feedback_id,
        customer_id: row.customer_id,
        state: CaseState::from_number(row.state).ok_or_else(|| damaged("state", id))?,
        priority: Priority::from_number(row.priority).ok_or_else(|| damaged("priority", id))?,
        reason: Reason::from_number(row.reason).ok_or_else(|| damaged("reason", id))?,
        agent_id: row.agent_id,
        open_time: Time::from_micros(row.open_time),
        respond_due_time: Time::from_micros(row.respond_due_time),
        resolve_due_time: Time::from_micros(row.resolve_due_time),
        first_response_time: Time::from_micros(row.first_response_time),
        resolve_time: Time::from_micros(row.resolve_time),
        version: row.version,
        order_key: row.order_key,
    })
}

fn row(owner: &Owner, case: &Case) -> service_case::Model {
    service_case::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        case_id: case.id,
        feedback_id: case.feedback_id,
        customer_id: case.customer_id,
        state: case.state as i32,
        priority: case.priority as i32,
        reason: case.reason as i32,
        agent_id: case.agent_id.clone(),
        open_time: case.open_time.micros(),
        respond_due_time: case.respond_due_time.micros(),
        resolve_due_time: case.resolve_due_time.micros(),
        first_response_time: case.first_response_time.micros(),
        resolve_time: case.resolve_time.micros(),
        version: case.version,
        order_key: case.order_key,
    }
}

pub(super) fn step(row: case_step::Model) -> Result<Step, db::Error> {
    let told = |what| damaged(what, row.case_id);
    let from_state = match row.from_state {
        0 => None,
        number => Some(CaseState::from_number(number).ok_or_else(|| told("from_state"))?),
    };
    Ok(Step {
        seq: row.seq,
        step_time: Time::from_micros(row.step_time),
        action: Action::from_number(row.action).ok_or_else(|| told("action"))?,
        from_state,
        to_state: CaseState::from_number(row.to_state).ok_or_else(|| told("to_state"))?,
        subject: row.subject,
        agent_id: row.agent_id,
        note: row.note,
        remedy_code: row.remedy_code,
    })
}

fn step_row(owner: &Owner, step: &Step) -> case_step::Model {
    case_step::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        case_id: owner.id(),
        seq: step.seq,
        step_time: step.step_time.micros(),
        subject: step.subject.clone(),
        action: step.action as i32,
        from_state: step.from_state.map_or(0, |state| state as i32),
        to_state: step.to_state as i32,
        agent_id: step.agent_id.clone(),
        note: step.note.clone(),
        remedy_code: step.remedy_code.clone(),
    }
}
