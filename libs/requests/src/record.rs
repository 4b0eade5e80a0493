//! The record of requests: replay and audit in one row each.

use std::collections::HashMap;

use ambient::Time;
use db::schema::Kind::{Big, Bytes, Int, Text, Uuid as Id};
use db::schema::NewTable;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, Lookup, Owner, Pick, Tx};
use uuid::Uuid;

use crate::entity::command;

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The caller's id of it.
    pub request_id: Uuid,
    /// The RPC.
    pub method: String,
    /// The request, encoded as it was sent.
    pub request: Vec<u8>,
    /// The gRPC code of the answer; 0 if it was done.
    pub status: i32,
    /// The encoded response, or the encoded `google.rpc.Status`.
    pub reply: Vec<u8>,
    /// Who asked.
    pub subject: String,
    /// When it was decided.
    pub create_time: Time,
}

/// The table that a service's migration creates.
pub fn table() -> NewTable<'static> {
    NewTable {
        name: "command",
        columns: &[
            ("bucket", Int),
            ("tenant_id", Text),
            ("scope_id", Id),
            ("request_id", Id),
            ("method", Text),
            ("request", Bytes),
            ("status", Int),
            ("reply", Bytes),
            ("subject", Text),
            ("create_time", Big),
        ],
        key: 4,
        checks: &[],
        updated: false,
    }
}

/// The records of these requests, each in its scope.
pub fn lookup(requests: &[(Owner, Uuid)]) -> Lookup {
    let select = Keyed {
        table: "command",
        on: &["bucket", "tenant_id", "scope_id", "request_id"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::Uuid],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys = requests.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    Lookup { select, keys }
}

/// Finds the records of these requests, each in its scope.
///
/// # Errors
/// That the database refused.
pub async fn find(
    db: &impl ConnectionTrait,
    requests: &[(Owner, Uuid)],
) -> Result<HashMap<(Owner, Uuid), Record>, db::Error> {
    let rows: Vec<command::Model> = lookup(requests).rows(db).await?;
    Ok(rows.into_iter().map(found).collect())
}

/// Which records are wanted: those to which all of it applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of one of these RPCs; empty: of any.
    pub methods: Vec<String>,
    /// Of an RPC other than this one: what a partial index of the table leaves out.
    pub but_for: Option<&'static str>,
    /// Of this caller.
    pub subject: Option<String>,
    /// This one.
    pub request_id: Option<Uuid>,
    /// Decided from this moment on.
    pub since: Option<Time>,
    /// Decided before this moment.
    pub before: Option<Time>,
    /// Done, or else refused.
    pub is_done: Option<bool>,
}

impl Selection {
    fn condition(&self) -> Condition {
        use command::Column as C;
        let methods = Some(&self.methods).filter(|methods| !methods.is_empty());
        Condition::all()
            .add_option(methods.map(|methods| C::Method.is_in(methods)))
            // Written out, as in the index.
            .add_option(self.but_for.map(|method| Expr::cust(format!("method <> '{method}'"))))
            .add_option(self.subject.as_ref().map(|subject| C::Subject.eq(subject)))
            .add_option(self.request_id.map(|id| C::RequestId.eq(id)))
            .add_option(self.since.map(|since| C::CreateTime.gte(since.micros())))
            .add_option(self.before.map(|before| C::CreateTime.lt(before.micros())))
            .add_option(self.is_done.map(|is_done| if is_done { C::Status.eq(0) } else { C::Status.ne(0) }))
    }
}

/// One page of the records of a scope, last decided first: those decided before a moment, or then with a
/// lower id.
///
/// # Errors
/// That the database refused.
pub async fn page(
    db: &impl ConnectionTrait,
    scope: &Owner,
    selection: &Selection,
    (time, id): (Time, Uuid),
    limit: u64,
) -> Result<Vec<Record>, db::Error> {
    use command::Column as C;
    let same_time = Condition::all().add(C::CreateTime.eq(time.micros())).add(C::RequestId.lt(id));
    let rows = command::Entity::find()
        .filter(C::Bucket.eq(scope.bucket()))
        .filter(C::TenantId.eq(scope.tenant().id()))
        .filter(C::ScopeId.eq(scope.id()))
        .filter(C::CreateTime.lte(time.micros()))
        .filter(Condition::any().add(C::CreateTime.lt(time.micros())).add(same_time))
        .filter(selection.condition())
        .order_by_desc(C::CreateTime)
        .order_by_desc(C::RequestId)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| found(row).1).collect())
}

/// Forgets what the requests of a scope, or one of them, said and were answered. That they were made, by whom
/// and when, stays; sent again, they are refused as requests with another content.
///
/// # Errors
/// That the database refused.
pub async fn forget(tx: &Tx, scope: &Owner, request_id: Option<Uuid>) -> Result<(), db::Error> {
    let mut forget = command::Entity::update_many()
        .col_expr(command::Column::Request, Expr::value(Vec::<u8>::new()))
        .col_expr(command::Column::Reply, Expr::value(Vec::<u8>::new()))
        .filter(command::Column::Bucket.eq(scope.bucket()))
        .filter(command::Column::TenantId.eq(scope.tenant().id()))
        .filter(command::Column::ScopeId.eq(scope.id()));
    if let Some(request_id) = request_id {
        forget = forget.filter(command::Column::RequestId.eq(request_id));
    }
    forget.exec(tx).await?;
    Ok(())
}

fn found(row: command::Model) -> ((Owner, Uuid), Record) {
    let owner = Owner::of_row(row.bucket, &row.tenant_id, row.scope_id);
    let record = Record {
        request_id: row.request_id,
        method: row.method,
        request: row.request,
        status: row.status,
        reply: row.reply,
        subject: row.subject,
        create_time: Time::from_micros(row.create_time),
    };
    ((owner, row.request_id), record)
}

/// Writes records.
///
/// # Errors
/// `Constraint` if one of the ids was recorded meanwhile: decide again.
pub async fn insert(tx: &Tx, records: Vec<(Owner, Record)>) -> Result<(), db::Error> {
    let mut writes = db::Writes::new(tx);
    insert_to(&mut writes, records)?;
    writes.run(tx).await
}

/// The same, together with other writes of the transaction.
///
/// # Errors
/// As [`insert`].
pub fn insert_to(writes: &mut db::Writes, records: Vec<(Owner, Record)>) -> Result<(), db::Error> {
    let rows: Vec<command::Model> = records.into_iter().map(|(owner, record)| row(&owner, record)).collect();
    writes.insert::<command::Entity>(&rows)
}

fn row(owner: &Owner, record: Record) -> command::Model {
    command::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        scope_id: owner.id(),
        request_id: record.request_id,
        method: record.method,
        request: record.request,
        status: record.status,
        reply: record.reply,
        subject: record.subject,
        create_time: record.create_time.micros(),
    }
}
