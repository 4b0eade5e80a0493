//! Observations are known by what they are about, no longer by the event that told of it.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct NameFacts;

impl MigrationName for NameFacts {
    fn name(&self) -> &str {
        "m0005_scoring_name_facts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for NameFacts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE observation RENAME COLUMN event_id TO fact_id",
            "ALTER TABLE profile RENAME COLUMN nps_event_id TO nps_fact_id",
            "ALTER TABLE profile RENAME COLUMN csat_event_id TO csat_fact_id",
            "ALTER TABLE profile RENAME COLUMN tier_event_id TO tier_fact_id",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
