//! Tiers by credits of any kind over any window: credits by local day, where wallets stand, and what was
//! known of their tiers and when.

use ambient::Time;
use chrono_tz::Tz;
use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use sea_orm_migration::prelude::*;

use crate::domain::start_of_year;

#[derive(Debug)]
pub(super) struct KeepTierHistory;

impl MigrationName for KeepTierHistory {
    fn name(&self) -> &str {
        "m0011_loyalty_keep_tier_history"
    }
}

/// A program as it was stored before.
#[derive(FromQueryResult)]
struct Program {
    tenant_id: String,
    program_id: String,
    time_zone: String,
    tiers: String,
}

#[derive(FromQueryResult)]
struct Year {
    spend_year: i32,
}

#[derive(serde::Deserialize)]
struct Tier {
    threshold_micros: i64,
}

#[async_trait::async_trait]
impl MigrationTrait for KeepTierHistory {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let history = NewTable {
            name: "tier_history",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("seq", Big),
                ("rank", Int),
                ("effective_time", Big),
                ("known_time", Big),
                ("superseded_time", Big),
            ],
            key: 4,
            checks: &["known_time <= superseded_time"],
            updated: false,
        };
        create(manager, history).await?;
        let db = manager.get_connection();
        for sql in COLUMNS.iter().chain(&STANDINGS) {
            db.execute_unprepared(sql).await?;
        }
        let programs = Statement::from_string(
            db.get_database_backend(),
            "SELECT tenant_id, program_id, time_zone, tiers FROM program",
        );
        for program in Program::find_by_statement(programs).all(db).await? {
            keep_ends(db, &program).await?;
        }
        for sql in OBSOLETE {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

const COLUMNS: [&str; 18] = [
    "ALTER TABLE day_spend RENAME TO tier_credit",
    "ALTER TABLE tier_credit RENAME COLUMN spend_micros TO credits",
    "ALTER TABLE program ADD COLUMN tier_basis INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE program ADD COLUMN tier_kinds INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE program ADD COLUMN tier_window INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE program ADD COLUMN tier_months INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE program ADD COLUMN tier_downgrade INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE program ADD COLUMN tier_grace_days INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE program ADD COLUMN tier_warn_days INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN open_time BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_since BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_until INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_day INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_first_day INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_progress BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_previous BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_seq BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE wallet ADD COLUMN tier_warned INTEGER NOT NULL DEFAULT 0",
];

/// What the spend of two calendar years says of standings.
const STANDINGS: [&str; 4] = [
    "INSERT INTO tier_history (bucket, tenant_id, wallet_id, seq, rank, effective_time, known_time, \
     superseded_time) SELECT bucket, tenant_id, wallet_id, \
     ROW_NUMBER() OVER (PARTITION BY bucket, tenant_id, wallet_id ORDER BY event_seq), \
     to_rank, effective_time, create_time, 9223372036854775807 \
     FROM tier_change",
    "UPDATE wallet SET open_time = m.create_time FROM member m WHERE m.bucket = wallet.bucket \
     AND m.tenant_id = wallet.tenant_id AND m.member_id = wallet.wallet_id",
    "UPDATE wallet SET tier_progress = spend_current_micros, tier_previous = spend_previous_micros, \
     tier_first_day = spend_year * 10000 + 101, \
     tier_seq = (SELECT COUNT(*) FROM tier_history h WHERE h.bucket = wallet.bucket \
       AND h.tenant_id = wallet.tenant_id AND h.wallet_id = wallet.wallet_id), \
     tier_since = COALESCE((SELECT MAX(h.effective_time) FROM tier_history h WHERE h.bucket = wallet.bucket \
       AND h.tenant_id = wallet.tenant_id AND h.wallet_id = wallet.wallet_id), open_time), \
     tier_day = COALESCE((SELECT MAX(c.day) FROM tier_credit c WHERE c.bucket = wallet.bucket \
       AND c.tenant_id = wallet.tenant_id AND c.wallet_id = wallet.wallet_id), 10101)",
    "UPDATE wallet SET tier_day = tier_first_day WHERE tier_day < tier_first_day",
];

const OBSOLETE: [&str; 3] = [
    "ALTER TABLE wallet DROP COLUMN spend_year",
    "ALTER TABLE wallet DROP COLUMN spend_current_micros",
    "ALTER TABLE wallet DROP COLUMN spend_previous_micros",
];

/// A tier that was reached in the year ends after the next, any other after the year; and the year itself
/// ends.
async fn keep_ends(db: &impl ConnectionTrait, program: &Program) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let broken = |what: &str| DbErr::Custom(format!("{what} of program {}", program.program_id));
    let tiers: Vec<Tier> = serde_json::from_str(&program.tiers).map_err(|_| broken("tiers"))?;
    let zone: Tz = program.time_zone.parse().map_err(|_| broken("time zone"))?;
    let of_program = || [program.tenant_id.clone().into(), program.program_id.clone().into()];
    for (rank, tier) in (1_i32..).zip(&tiers).skip(1) {
        let sql = "UPDATE wallet SET tier_until = (spend_year + CASE WHEN spend_current_micros >= $3 \
                   THEN 2 ELSE 1 END) * 10000 + 101 \
                   WHERE tenant_id = $1 AND program_id = $2 AND tier_rank = $4";
        let values = of_program().into_iter().chain([tier.threshold_micros.into(), rank.into()]);
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    let years = "SELECT DISTINCT spend_year FROM wallet WHERE tenant_id = $1 AND program_id = $2";
    let years = Statement::from_sql_and_values(backend, years, of_program());
    for Year { spend_year } in Year::find_by_statement(years).all(db).await? {
        let end: Time = start_of_year(zone, spend_year.saturating_add(1));
        let sql = "UPDATE wallet SET next_due = $3 WHERE tenant_id = $1 AND program_id = $2 \
                   AND spend_year = $4 AND spend_current_micros <> 0 AND next_due > $3";
        let values = of_program().into_iter().chain([end.micros().into(), spend_year.into()]);
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}
