//! Member rows.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr, ExprTrait};
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tenant, Tx, select_in};
use uuid::Uuid;

use super::entity::member;
use super::{member_keys, nil, reviews};
use crate::domain::{HouseholdRole, Member, MemberState, Profile};

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
    member::Entity::find_by_id(key).one(db).await?.map(domain).transpose()
}

/// Finds members by their ids, which are those of their wallets.
///
/// # Errors
/// As [`find`].
pub async fn find_many(
    db: &impl ConnectionTrait,
    wanted: &[Owner],
) -> Result<HashMap<Owner, Member>, db::Error> {
    let select = Keyed {
        table: "member",
        on: &["bucket", "tenant_id", "member_id"],
        types: &OWNER_TYPES,
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = wanted.iter().map(Owner::key).collect();
    let rows: Vec<member::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.member_id);
        Ok((owner, domain(row)?))
    });
    found.collect()
}

/// Finds a member by id and keeps others from changing it until the transaction ends.
///
/// # Errors
/// As [`find`].
pub async fn lock(tx: &Tx, tenant: &Tenant, member_id: Uuid) -> Result<Option<Member>, db::Error> {
    let key = (Owner::new(tenant, member_id).bucket(), tenant.id().to_owned(), member_id);
    let mut select = member::Entity::find_by_id(key);
    if tx.get_database_backend() == DbBackend::Postgres {
        select = select.lock_exclusive();
    }
    select.one(tx).await?.map(domain).transpose()
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
    found.map(domain).transpose()
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
        pick: Pick::All,
        more: "",
    };
    let value = |(program_id, external_id): &ExternalKey| {
        vec![tenant.id().into(), program_id.as_str().into(), external_id.as_str().into()]
    };
    let keys: Vec<_> = keys.iter().map(value).collect();
    let rows: Vec<member::Model> = select_in(db, select, &keys).await?;
    Ok(rows.into_iter().map(|row| ((row.program_id, row.external_id), row.member_id)).collect())
}

/// Those whose points are in this wallet though it is not their own, by their ids.
///
/// # Errors
/// As [`find`].
pub async fn elsewhere_in(db: &impl ConnectionTrait, owner: &Owner) -> Result<Vec<Member>, db::Error> {
    use member::Column as C;
    let rows = member::Entity::find()
        .filter(C::TenantId.eq(owner.tenant().id()))
        .filter(C::WalletId.eq(owner.id()))
        .filter(Expr::col(C::WalletId).ne(Expr::col(C::MemberId)))
        .order_by_asc(C::MemberId)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// The member who stands for this one: itself, unless it was merged.
///
/// # Errors
/// As [`find`].
pub async fn survivor(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    mut member: Member,
) -> Result<Member, db::Error> {
    while let Some(into) = member.merged_into {
        let missing = || db::Error::Damaged(format!("member {} was merged into nobody", member.id));
        member = find(db, tenant, into).await?.ok_or_else(missing)?;
    }
    Ok(member)
}

/// The one customer that this member is: who stands for it, and then all who were merged into that one.
///
/// # Errors
/// As [`find`].
pub async fn customer(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    member: Member,
) -> Result<Vec<Member>, db::Error> {
    let mut names = vec![survivor(db, tenant, member).await?];
    let elsewhere = elsewhere_in(db, &Owner::new(tenant, names[0].wallet_id)).await?;
    let mut known = 0;
    while let Some(into) = names.get(known).map(|member| member.id) {
        names.extend(elsewhere.iter().filter(|member| member.merged_into == Some(into)).cloned());
        known += 1;
    }
    Ok(names)
}

/// Writes new members, each with the id of the request that enrolled it.
///
/// # Errors
/// `Constraint` if an id or an external id is taken.
pub async fn insert(tx: &Tx, tenant: &Tenant, members: &[(Member, Uuid)]) -> Result<(), db::Error> {
    let new: Vec<Member> = members.iter().map(|(member, _)| member.clone()).collect();
    let rows: Result<Vec<_>, db::Error> = members
        .iter()
        .map(|(member, request_id)| {
            let enroll_request_id = request_id.to_string();
            Ok(member::Model { enroll_request_id, ..row(tenant, member)? })
        })
        .collect();
    db::bulk_insert::<member::Entity>(tx, &rows?).await?;
    member_keys::insert(tx, tenant, &new).await
}

/// Writes what may change of a member.
///
/// # Errors
/// `Constraint` if the external id is taken.
pub async fn update(tx: &Tx, tenant: &Tenant, member: &Member) -> Result<(), db::Error> {
    use member::Column as C;
    const CHANGING: [C; 5] = [C::ExternalId, C::State, C::Profile, C::Version, C::UpdateTime];
    db::bulk_update::<member::Entity>(tx, &[row(tenant, member)?], &CHANGING).await?;
    member_keys::replace(tx, tenant, member).await
}

/// Writes the new state of a member; of one who is erased nothing personal is left, neither here nor in what
/// the wallet owns.
///
/// # Errors
/// That the database refused.
pub(super) async fn change_state(
    tx: &Tx,
    owner: &Owner,
    state: MemberState,
    now: Time,
) -> Result<(), db::Error> {
    let mut ids = vec![owner.id()];
    if state == MemberState::Erased {
        // Whoever was merged into the member is the same customer.
        ids.extend(elsewhere_in(tx, owner).await?.into_iter().map(|member| member.id));
    }
    for id in ids {
        let Some(mut member) = lock(tx, owner.tenant(), id).await? else { continue };
        member.state = state;
        member.version = member.version.saturating_add(1);
        member.update_time = now;
        if state == MemberState::Erased {
            forget(tx, &Owner::new(owner.tenant(), id), &member.program_id).await?;
            member.profile = Profile::default();
            member.external_id = Member::pseudonym(member.id);
        }
        update(tx, owner.tenant(), &member).await?;
    }
    Ok(())
}

async fn forget(tx: &Tx, owner: &Owner, program_id: &str) -> Result<(), db::Error> {
    const OWNED: [&str; 3] = [
        "UPDATE activity SET external_id = '', detail = '', member = '' WHERE bucket = $1 AND tenant_id = $2 \
         AND wallet_id = $3",
        "UPDATE posting SET note = '' WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3",
        "UPDATE redemption_step SET note = '' WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3",
    ];
    for sql in OWNED {
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, owner.key());
        tx.execute_raw(statement).await?;
    }
    forget_elsewhere(tx, owner).await?;
    forget_transfers(tx, owner).await?;
    reviews::forget(tx, owner).await?;
    requests::forget(tx, owner, None).await?;
    let key = (owner.bucket(), owner.tenant().id().to_owned(), owner.id());
    let row = member::Entity::find_by_id(key).one(tx).await?;
    let enrolled_by = row.and_then(|row| row.enroll_request_id.parse().ok());
    if let Some(request_id) = enrolled_by {
        requests::forget(tx, &Owner::named(owner.tenant(), program_id), Some(request_id)).await?;
    }
    Ok(())
}

/// Removes what was said in the member's name in wallets that have, or had, its points.
async fn forget_elsewhere(tx: &Tx, owner: &Owner) -> Result<(), db::Error> {
    let backend = tx.get_database_backend();
    let nil = nil(backend);
    // In the words of the partial index.
    let sql = format!(
        "UPDATE posting SET note = '' WHERE tenant_id = $1 AND actor_member_id = $2 \
         AND actor_member_id <> wallet_id AND actor_member_id <> {nil}"
    );
    let values = [owner.tenant().id().into(), owner.id().into()];
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// Removes what was said of transfers from and to the member, on both sides, and in the requests of others.
async fn forget_transfers(tx: &Tx, owner: &Owner) -> Result<(), db::Error> {
    const SAID: &str = "SELECT DISTINCT actor_member_id, request_id FROM posting WHERE bucket = $1 \
         AND tenant_id = $2 AND wallet_id = $3 AND other_wallet_id = $4 AND reason = 11 AND note <> ''";
    const FORGET: &str = "UPDATE posting SET note = '' WHERE bucket = $1 AND tenant_id = $2 \
         AND wallet_id = $3 AND other_wallet_id = $4 AND reason IN (11, 12)";
    let backend = tx.get_database_backend();
    for (here, there) in transferred_between(tx, owner).await? {
        let to = |other: &Owner| vec![other.id().into()];
        let said = Statement::from_sql_and_values(backend, SAID, there.key_with(to(&here)));
        for row in tx.query_all_raw(said).await? {
            let giver = Owner::new(owner.tenant(), row.try_get("", "actor_member_id")?);
            requests::forget(tx, &giver, Some(row.try_get("", "request_id")?)).await?;
        }
        for (one, other) in [(&here, &there), (&there, &here)] {
            let forget = Statement::from_sql_and_values(backend, FORGET, one.key_with(to(other)));
            tx.execute_raw(forget).await?;
        }
    }
    Ok(())
}

/// Pairs of wallets with transfers between them that the member may have been part of: those of its own
/// wallet, and of those that it shared whoever gave to it there.
async fn transferred_between(tx: &Tx, owner: &Owner) -> Result<Vec<(Owner, Owner)>, db::Error> {
    const OWN: &str = "SELECT DISTINCT wallet_id, other_wallet_id FROM posting WHERE bucket = $1 \
         AND tenant_id = $2 AND wallet_id = $3 AND reason IN (11, 12)";
    let backend = tx.get_database_backend();
    // In the words of the partial index.
    let shared = format!(
        "SELECT DISTINCT wallet_id, origin_wallet_id AS other_wallet_id FROM lot WHERE tenant_id = $1 \
         AND member_id = $2 AND member_id <> wallet_id AND member_id <> {nil} \
         AND origin_wallet_id <> {nil}",
        nil = nil(backend)
    );
    let own = Statement::from_sql_and_values(backend, OWN, owner.key());
    let values = [owner.tenant().id().into(), owner.id().into()];
    let shared = Statement::from_sql_and_values(backend, shared, values);
    let mut pairs = Vec::new();
    for row in tx.query_all_raw(own).await?.into_iter().chain(tx.query_all_raw(shared).await?) {
        let wallet = |column| Ok::<_, db::Error>(Owner::new(owner.tenant(), row.try_get("", column)?));
        pairs.push((wallet("wallet_id")?, wallet("other_wallet_id")?));
    }
    Ok(pairs)
}

fn row(tenant: &Tenant, member: &Member) -> Result<member::Model, db::Error> {
    let told = |e: serde_json::Error| db::Error::Damaged(format!("profile of member {}: {e}", member.id));
    Ok(member::Model {
        bucket: Owner::new(tenant, member.id).bucket(),
        tenant_id: tenant.id().to_owned(),
        member_id: member.id,
        program_id: member.program_id.clone(),
        external_id: member.external_id.clone(),
        wallet_id: member.wallet_id,
        state: member.state as i32,
        create_time: member.create_time.micros(),
        profile: if member.profile == Profile::default() {
            String::new()
        } else {
            serde_json::to_string(&member.profile).map_err(told)?
        },
        version: member.version,
        update_time: member.update_time.micros(),
        enroll_request_id: String::new(),
        referred_by: member.referred_by.unwrap_or_default(),
        merged_into: member.merged_into.unwrap_or_default(),
        role: member.role.map_or(0, |role| role as i32),
    })
}

pub(super) fn domain(row: member::Model) -> Result<Member, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("{what} of member {}", row.member_id));
    let profile = match row.profile.as_str() {
        "" => Profile::default(),
        text => serde_json::from_str(text).map_err(|_| damaged("profile"))?,
    };
    Ok(Member {
        id: row.member_id,
        state: MemberState::from_number(row.state).ok_or_else(|| damaged("state"))?,
        program_id: row.program_id,
        external_id: row.external_id,
        wallet_id: row.wallet_id,
        profile,
        referred_by: Some(row.referred_by).filter(|id| !id.is_nil()),
        merged_into: Some(row.merged_into).filter(|id| !id.is_nil()),
        role: HouseholdRole::from_number(row.role),
        version: row.version,
        create_time: Time::from_micros(row.create_time),
        update_time: Time::from_micros(row.update_time),
    })
}
