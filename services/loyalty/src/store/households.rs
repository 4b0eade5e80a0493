//! Household rows.

use ambient::Time;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use db::{Owner, Tenant, Tx};
use uuid::Uuid;

use super::entity::household;

/// Members who share a wallet, which has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Household {
    /// Random UUID.
    pub id: Uuid,
    /// The program.
    pub program_id: String,
    /// A name for people.
    pub display_name: String,
    /// When it was created.
    pub create_time: Time,
}

/// Finds a household.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, owner: &Owner) -> Result<Option<Household>, db::Error> {
    let key = (owner.bucket(), owner.tenant().id().to_owned(), owner.id());
    Ok(household::Entity::find_by_id(key).one(db).await?.map(domain))
}

/// One page of a program's households with ids above `after`, by id.
///
/// # Errors
/// That the database refused.
pub async fn page(
    db: &impl ConnectionTrait,
    (tenant, program_id): (&Tenant, &str),
    after: Uuid,
    limit: u64,
) -> Result<Vec<Household>, db::Error> {
    let rows = household::Entity::find()
        .filter(household::Column::TenantId.eq(tenant.id()))
        .filter(household::Column::ProgramId.eq(program_id))
        .filter(household::Column::HouseholdId.gt(after))
        .order_by_asc(household::Column::HouseholdId)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(domain).collect())
}

/// Writes a new household.
///
/// # Errors
/// `Constraint` if the id is taken.
pub async fn insert(tx: &Tx, tenant: &Tenant, household: &Household) -> Result<(), db::Error> {
    let row = household::Model {
        bucket: Owner::new(tenant, household.id).bucket(),
        tenant_id: tenant.id().to_owned(),
        household_id: household.id,
        program_id: household.program_id.clone(),
        display_name: household.display_name.clone(),
        create_time: household.create_time.micros(),
    };
    db::bulk_insert::<household::Entity>(tx, &[row]).await
}

fn domain(row: household::Model) -> Household {
    Household {
        id: row.household_id,
        program_id: row.program_id,
        display_name: row.display_name,
        create_time: Time::from_micros(row.create_time),
    }
}
