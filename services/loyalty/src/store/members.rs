//! Member rows.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use db::{Keyed, Owner, Tenant, Tx, select_in};
use uuid::Uuid;

use super::entity::member;

/// The stored number of a member who may act.
pub const ACTIVE: i32 = 1;

/// Who belongs to which program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Random UUID.
    pub id: Uuid,
    /// The program.
    pub program_id: String,
    /// The caller's own key.
    pub external_id: String,
    /// Where the member's points are.
    pub wallet_id: Uuid,
    /// Whether the member may act.
    pub state: i32,
    /// When the member was enrolled.
    pub create_time: Time,
}

/// A program, and the caller's own key of a member in it.
pub type ExternalKey = (String, String);

/// Finds a member by id.
///
/// # Errors
/// That the database refused.
pub async fn find(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    member_id: Uuid,
) -> Result<Option<Member>, db::Error> {
    let key = (Owner::new(tenant, member_id).bucket(), tenant.id().to_owned(), member_id);
    Ok(member::Entity::find_by_id(key).one(db).await?.map(domain))
}

/// Finds a member by the caller's own key.
///
/// # Errors
/// That the database refused.
pub async fn find_external(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
    external_id: &str,
) -> Result<Option<Member>, db::Error> {
    let found = member::Entity::find()
        .filter(member::Column::TenantId.eq(tenant.id()))
        .filter(member::Column::ProgramId.eq(program_id))
        .filter(member::Column::ExternalId.eq(external_id))
        .one(db)
        .await?;
    Ok(found.map(domain))
}

/// The ids of the members with these keys; who does not exist is not in the result.
///
/// # Errors
/// That the database refused.
pub async fn find_all_external(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    keys: &[ExternalKey],
) -> Result<HashMap<ExternalKey, Uuid>, db::Error> {
    let select = Keyed {
        table: "member",
        on: &["tenant_id", "program_id", "external_id"],
        types: &[ArrayType::String, ArrayType::String, ArrayType::String],
        filter: "",
        order: "",
        first: None,
        lock: false,
        more: "",
    };
    let value = |(program_id, external_id): &ExternalKey| {
        vec![tenant.id().into(), program_id.as_str().into(), external_id.as_str().into()]
    };
    let keys: Vec<_> = keys.iter().map(value).collect();
    let rows: Vec<member::Model> = select_in(db, select, &keys).await?;
    Ok(rows.into_iter().map(|row| ((row.program_id, row.external_id), row.member_id)).collect())
}

/// One page of a program's members after the given id, by id.
///
/// # Errors
/// That the database refused.
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Member>, db::Error> {
    let rows = member::Entity::find()
        .filter(member::Column::TenantId.eq(tenant.id()))
        .filter(member::Column::ProgramId.eq(program_id))
        .filter(member::Column::MemberId.gt(after))
        .order_by_asc(member::Column::MemberId)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(domain).collect())
}

/// Writes new members.
///
/// # Errors
/// `Constraint` if an id or an external id is taken.
pub async fn insert(tx: &Tx, tenant: &Tenant, members: &[Member]) -> Result<(), db::Error> {
    let row = |member: &Member| member::Model {
        bucket: Owner::new(tenant, member.id).bucket(),
        tenant_id: tenant.id().to_owned(),
        member_id: member.id,
        program_id: member.program_id.clone(),
        external_id: member.external_id.clone(),
        wallet_id: member.wallet_id,
        state: member.state,
        create_time: member.create_time.micros(),
    };
    let rows: Vec<member::Model> = members.iter().map(row).collect();
    db::bulk_insert::<member::Entity>(tx, &rows).await
}

pub(super) fn domain(row: member::Model) -> Member {
    Member {
        id: row.member_id,
        program_id: row.program_id,
        external_id: row.external_id,
        wallet_id: row.wallet_id,
        state: row.state,
        create_time: Time::from_micros(row.create_time),
    }
}
