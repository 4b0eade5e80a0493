//! Points may end on a day of every year, or with a period of the calendar.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct ExpireByCalendar;

impl MigrationName for ExpireByCalendar {
    fn name(&self) -> &str {
        "m0007_loyalty_expire_by_calendar"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ExpireByCalendar {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE program ADD COLUMN expiry_day INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE program ADD COLUMN expiry_round_to INTEGER NOT NULL DEFAULT 0",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
