//! Redemptions are held, captured, voided and refunded: they know their lots, and each step of them is a row.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct HoldRedemptions;

impl MigrationName for HoldRedemptions {
    fn name(&self) -> &str {
        "m0021_loyalty_hold_redemptions"
    }
}

/// Where the points of redemptions in one step came from, in the order of debits. Postings stay where they
/// were made: in another wallet, if the redemption moved.
const LOTS: &str = "UPDATE redemption SET lots = x.lots, lots_wallet_id = CASE WHEN x.wallet_id = \
     redemption.wallet_id THEN redemption.lots_wallet_id ELSE x.wallet_id END FROM (SELECT o.tenant_id, \
     o.redemption_id, o.wallet_id, AGGREGATE AS lots FROM (SELECT p.tenant_id, p.redemption_id, p.wallet_id, \
     a.lot_number, a.points, l.expire_time FROM posting p JOIN allocation a ON a.bucket = p.bucket \
     AND a.tenant_id = p.tenant_id AND a.wallet_id = p.wallet_id AND a.posting_seq = p.seq \
     JOIN lot l ON l.bucket = a.bucket AND l.tenant_id = a.tenant_id AND l.wallet_id = a.wallet_id \
     AND l.lot_number = a.lot_number WHERE p.reason = 3 \
     ORDER BY p.redemption_id, l.expire_time, l.lot_number) o \
     GROUP BY o.tenant_id, o.redemption_id, o.wallet_id) x WHERE x.tenant_id = redemption.tenant_id \
     AND x.redemption_id = redemption.redemption_id";

#[async_trait::async_trait]
impl MigrationTrait for HoldRedemptions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let (nil, kind, aggregate) = match db.get_database_backend() {
            DbBackend::Sqlite => (
                "x'00000000000000000000000000000000'",
                "uuid_text",
                "json_group_array(json_array(o.lot_number, o.points))",
            ),
            _ => (
                "'00000000-0000-0000-0000-000000000000'",
                "uuid",
                "CAST(jsonb_agg(jsonb_build_array(o.lot_number, o.points) \
                 ORDER BY o.expire_time, o.lot_number) AS TEXT)",
            ),
        };
        let lots = LOTS.replace("AGGREGATE", aggregate);
        for sql in [
            "ALTER TABLE redemption ADD COLUMN quantity_captured BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE redemption ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE redemption ADD COLUMN lots TEXT NOT NULL DEFAULT '[]'",
            &format!("ALTER TABLE redemption ADD COLUMN lots_wallet_id {kind} NOT NULL DEFAULT {nil}"),
            "ALTER TABLE redemption ADD COLUMN resolve_time BIGINT NOT NULL DEFAULT 9223372036854775807",
            "ALTER TABLE redemption ADD COLUMN step_seq BIGINT NOT NULL DEFAULT 0",
            "UPDATE redemption SET quantity_captured = quantity, resolve_time = create_time",
            "UPDATE redemption SET counted = 1 WHERE EXISTS (SELECT 1 FROM reward_stock s \
             WHERE s.tenant_id = redemption.tenant_id AND s.program_id = redemption.program_id \
             AND s.reward_id = redemption.reward_id)",
            &lots,
            "ALTER TABLE wallet ADD COLUMN next_hold BIGINT NOT NULL DEFAULT 9223372036854775807",
            "ALTER TABLE program ADD COLUMN redemption_policy TEXT NOT NULL DEFAULT ''",
        ] {
            db.execute_unprepared(sql).await?;
        }
        let by_end = &["bucket", "tenant_id", "wallet_id", "hold_expire_time", "redemption_id"];
        index(manager, ("redemption_open_hold", "redemption"), by_end, false, Some("state = 2")).await?;
        let step = NewTable {
            name: "redemption_step",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("redemption_id", Uuid),
                ("number", Big),
                ("kind", Int),
                ("points", Big),
                ("quantity", Big),
                ("hold_expire_time", Big),
                ("note", Text),
                ("effective_time", Big),
                ("create_time", Big),
            ],
            key: 5,
            checks: &["points >= 0", "quantity >= 0"],
            updated: false,
        };
        create(manager, step).await
    }
}
