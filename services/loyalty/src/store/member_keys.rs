//! What members are found by: rows of their own, so that a look-up is one read of an index.

use std::collections::BTreeSet;

use db::sea_orm::sea_query::Query;
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Tenant, Tx};
use uuid::Uuid;

use super::entity::{member, member_key};
use super::members::domain;
use crate::domain::{Member, MemberKey, MemberState};

use ambient::Time;

/// What selects members of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// In this state.
    pub state: Option<MemberState>,
    /// Found by all of these.
    pub keys: Vec<MemberKey>,
    /// Enrolled at this moment or later.
    pub since: Option<Time>,
    /// Enrolled before this moment.
    pub before: Option<Time>,
}

/// One page of a program's selected members after the given id, by id.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn page(
    db: &impl ConnectionTrait,
    (tenant, program_id): (&Tenant, &str),
    selection: &Selection,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Member>, db::Error> {
    use member::Column as C;
    let mut select = member::Entity::find()
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id))
        .filter(C::MemberId.gt(after));
    for key in &selection.keys {
        let (kind, value) = stored(key);
        let found = Query::select()
            .column(member_key::Column::MemberId)
            .from(member_key::Entity)
            .and_where(member_key::Column::TenantId.eq(tenant.id()))
            .and_where(member_key::Column::ProgramId.eq(program_id))
            .and_where(member_key::Column::Kind.eq(kind))
            .and_where(member_key::Column::Value.eq(value))
            .to_owned();
        select = select.filter(C::MemberId.in_subquery(found));
    }
    if let Some(state) = selection.state {
        select = select.filter(C::State.eq(state as i32));
    }
    if let Some(since) = selection.since {
        select = select.filter(C::CreateTime.gte(since.micros()));
    }
    if let Some(before) = selection.before {
        select = select.filter(C::CreateTime.lt(before.micros()));
    }
    let rows = select.order_by_asc(C::MemberId).limit(limit).all(db).await?;
    rows.into_iter().map(domain).collect()
}

/// The ids of a program's members with any of these keys.
///
/// # Errors
/// That the database refused.
pub async fn holders(
    db: &impl ConnectionTrait,
    (tenant, program_id): (&Tenant, &str),
    keys: impl IntoIterator<Item = MemberKey>,
) -> Result<BTreeSet<Uuid>, db::Error> {
    use member_key::Column as C;
    let mut any = Condition::any();
    for key in keys {
        let (kind, value) = stored(&key);
        any = any.add(Condition::all().add(C::Kind.eq(kind)).add(C::Value.eq(value)));
    }
    if any.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = member_key::Entity::find()
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id))
        .filter(any)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.member_id).collect())
}

/// Writes what new members are found by.
pub(super) async fn insert(tx: &Tx, tenant: &Tenant, members: &[Member]) -> Result<(), db::Error> {
    let rows: Vec<_> = members.iter().flat_map(|member| rows(tenant, member)).collect();
    db::bulk_insert::<member_key::Entity>(tx, &rows).await
}

/// Writes what a member is found by now.
pub(super) async fn replace(tx: &Tx, tenant: &Tenant, member: &Member) -> Result<(), db::Error> {
    remove(tx, tenant, member.id).await?;
    insert(tx, tenant, std::slice::from_ref(member)).await
}

/// Removes what a member was found by.
pub(super) async fn remove(tx: &Tx, tenant: &Tenant, member_id: Uuid) -> Result<(), db::Error> {
    member_key::Entity::delete_many()
        .filter(member_key::Column::TenantId.eq(tenant.id()))
        .filter(member_key::Column::MemberId.eq(member_id))
        .exec(tx)
        .await?;
    Ok(())
}

fn rows(tenant: &Tenant, member: &Member) -> Vec<member_key::Model> {
    let row = |key| {
        let (kind, value) = stored(&key);
        let (tenant_id, program_id) = (tenant.id().to_owned(), member.program_id.clone());
        member_key::Model { tenant_id, program_id, kind, value, member_id: member.id }
    };
    // The same address in two cases of letters is one key.
    let keys: BTreeSet<MemberKey> = member.keys().collect();
    keys.into_iter().map(row).collect()
}

fn stored(key: &MemberKey) -> (i32, String) {
    match key {
        MemberKey::Email(address) => (1, address.clone()),
        MemberKey::Phone(number) => (2, number.clone()),
        // Names of attributes have no equals sign.
        MemberKey::Attribute(name, value) => (3, format!("{name}={value}")),
        MemberKey::Referral(code) => (4, code.clone()),
    }
}
