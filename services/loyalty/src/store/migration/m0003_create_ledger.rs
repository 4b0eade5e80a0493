//! Wallets and everything that is numbered by one, and the record of commands.

use db::schema::Kind::{self, Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

const OWNED: [(&str, Kind); 3] = [("bucket", Int), ("tenant_id", Text), ("wallet_id", Uuid)];

#[derive(Debug)]
pub(super) struct CreateLedger;

impl MigrationName for CreateLedger {
    fn name(&self) -> &str {
        "m0003_loyalty_create_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateLedger {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, wallet()).await?;
        for (name, key, columns, checks, updated) in OWNED_TABLES {
            let columns: Vec<(&str, Kind)> = OWNED.iter().chain(*columns).copied().collect();
            let table = NewTable { name, columns: &columns, key: 3 + key, checks, updated: *updated };
            create(manager, table).await?;
        }
        create(manager, requests::table()).await?;
        let due = Some("next_due < 9223372036854775807");
        index(manager, ("wallet_due", "wallet"), &["next_due"], false, due).await?;
        // By `open`, not by `remaining`: a debit that leaves something then touches no index.
        let open = ["bucket", "tenant_id", "wallet_id", "expire_time", "lot_number"];
        index(manager, ("lot_open", "lot"), &open, false, Some("open = 1")).await?;
        let external = ["bucket", "tenant_id", "wallet_id", "external_id"];
        index(manager, ("activity_external_id", "activity"), &external, true, Some("external_id <> ''"))
            .await?;
        let occurred = ["bucket", "tenant_id", "wallet_id", "occurred_time"];
        index(manager, ("activity_occurred", "activity"), &occurred, false, None).await
    }
}

fn wallet() -> NewTable<'static> {
    NewTable {
        name: "wallet",
        columns: &[
            ("bucket", Int),
            ("tenant_id", Text),
            ("wallet_id", Uuid),
            ("program_id", Text),
            ("version", Big),
            ("now", Big),
            ("next_expire", Big),
            ("next_due", Big),
            ("pending", Big),
            ("available", Big),
            ("held", Big),
            ("arrears", Big),
            ("issued", Big),
            ("reversed", Big),
            ("redeemed", Big),
            ("expired", Big),
            ("adjusted", Big),
            ("posting_seq", Big),
            ("lot_seq", Big),
            ("event_seq", Big),
            ("order_key", Big),
            ("spend_year", Int),
            ("spend_current_micros", Big),
            ("spend_previous_micros", Big),
            ("tier_rank", Int),
        ],
        key: 3,
        checks: &["pending >= 0", "available >= 0", "held >= 0", "arrears >= 0"],
        updated: true,
    }
}

/// Name, key columns below the wallet, columns, checks, updated often.
type Owned = (&'static str, usize, &'static [(&'static str, Kind)], &'static [&'static str], bool);

const OWNED_TABLES: &[Owned] = &[
    (
        "lot",
        1,
        &[
            ("lot_number", Big),
            ("points", Big),
            ("remaining", Big),
            ("open", Int),
            ("activate_time", Big),
            ("expire_time", Big),
            ("activity_id", Uuid),
            ("rule_version", Big),
            ("origin_lot", Big),
        ],
        &[
            "points > 0",
            "remaining >= 0 AND remaining <= points",
            "(open = 1) = (remaining > 0)",
            "activate_time <= expire_time",
        ],
        true,
    ),
    (
        "posting",
        1,
        &[
            ("seq", Big),
            ("debit", Int),
            ("credit", Int),
            ("points", Big),
            ("reason", Int),
            ("effective_time", Big),
            ("create_time", Big),
            ("request_id", Uuid),
            ("actor_member_id", Uuid),
            ("activity_id", Uuid),
            ("redemption_id", Uuid),
            ("rule_version", Big),
            ("note", Text),
        ],
        &["points > 0", "debit <> credit"],
        false,
    ),
    (
        "allocation",
        2,
        &[("posting_seq", Big), ("lot_number", Big), ("points", Big), ("effective_time", Big)],
        &["points > 0"],
        false,
    ),
    (
        "activity",
        1,
        &[
            ("activity_id", Uuid),
            ("member_id", Uuid),
            ("kind", Int),
            ("occurred_time", Big),
            ("amount_currency", Text),
            ("amount_micros", Big),
            ("external_id", Text),
            ("points", Big),
            ("create_time", Big),
        ],
        &["points >= 0", "amount_micros >= 0"],
        false,
    ),
    ("day_spend", 1, &[("day", Int), ("spend_micros", Big)], &[], true),
    (
        "redemption",
        1,
        &[
            ("redemption_id", Uuid),
            ("member_id", Uuid),
            ("program_id", Text),
            ("reward_id", Text),
            ("reward_version", Big),
            ("quantity", Big),
            ("state", Int),
            ("points_held", Big),
            ("points_captured", Big),
            ("points_refunded", Big),
            ("hold_expire_time", Big),
            ("create_time", Big),
        ],
        &["points_captured <= points_held", "points_refunded <= points_captured"],
        false,
    ),
];
