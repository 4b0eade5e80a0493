//! Since when points live on that slide, and how long they live where a redemption was before.

use ambient::Time;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct EndOnce;

impl MigrationName for EndOnce {
    fn name(&self) -> &str {
        "m0032_loyalty_end_once"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for EndOnce {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // What slid before did since ever.
        let since = Time::MIN.micros();
        for sql in [
            format!("ALTER TABLE wallet ADD COLUMN alive_since BIGINT NOT NULL DEFAULT {since}"),
            "ALTER TABLE redemption ADD COLUMN stays TEXT NOT NULL DEFAULT ''".to_owned(),
        ] {
            db.execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
