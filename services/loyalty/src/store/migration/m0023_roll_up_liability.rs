//! Sums of postings by month, how far they go, which months are sealed, and what a point costs.

use db::schema::Kind::{self, Big, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct RollUpLiability;

impl MigrationName for RollUpLiability {
    fn name(&self) -> &str {
        "m0023_loyalty_roll_up_liability"
    }
}

const MONTH: &[(&str, Kind)] = &[
    ("tenant_id", Text),
    ("program_id", Text),
    ("purse", Int),
    ("month", Int),
    ("issued", Big),
    ("reversed", Big),
    ("redeemed", Big),
    ("refunded", Big),
    ("expired", Big),
    ("reinstated", Big),
    ("adjusted", Big),
    ("waived", Big),
    ("transferred", Big),
    ("pending", Big),
    ("available", Big),
    ("held", Big),
    ("arrears", Big),
];

/// One row for each program: whoever rolls up or seals locks it.
const BOOK: &[(&str, Kind)] =
    &[("tenant_id", Text), ("program_id", Text), ("round", Big), ("sealed_month", Int)];

const SEAL: &[(&str, Kind)] = &[
    ("tenant_id", Text),
    ("program_id", Text),
    ("month", Int),
    ("seal_time", Big),
    // What a point of each purse costs, in millionths, as a list in JSON.
    ("unit_costs", Text),
];

/// Postings of a wallet up to `seq` are summed up; those after `since` were in the given round.
const ROLLED: &[(&str, Kind)] = &[
    ("bucket", Int),
    ("tenant_id", Text),
    ("wallet_id", Uuid),
    ("program_id", Text),
    ("since", Big),
    ("seq", Big),
    ("round", Big),
];

#[async_trait::async_trait]
impl MigrationTrait for RollUpLiability {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = |name, columns, key, checks, updated| NewTable { name, columns, key, checks, updated };
        // What a month's program accounts gained, its member accounts did.
        let balanced =
            &["issued - reversed - redeemed + refunded - expired + reinstated + adjusted + waived \
             + transferred = pending + available + held - arrears"];
        create(manager, table("liability_month", MONTH, 4, balanced, true)).await?;
        create(manager, table("liability_book", BOOK, 2, &[], true)).await?;
        create(manager, table("liability_seal", SEAL, 3, &[], false)).await?;
        create(manager, table("rolled_wallet", ROLLED, 3, &["since <= seq"], true)).await?;
        let cost = "ALTER TABLE program ADD COLUMN point_cost_micros BIGINT NOT NULL DEFAULT 0";
        manager.get_connection().execute_unprepared(cost).await.map(|_| ())
    }
}
