//! Points may slide with their member's activity and be given back after they expired.

use ambient::Time;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct SlideAndReinstate;

impl MigrationName for SlideAndReinstate {
    fn name(&self) -> &str {
        "m0010_loyalty_slide_and_reinstate"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SlideAndReinstate {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let never_slid = Time::MIN.micros();
        for sql in [
            "ALTER TABLE program ADD COLUMN expiry_sliding INTEGER NOT NULL DEFAULT 0",
            &format!("ALTER TABLE wallet ADD COLUMN alive_until BIGINT NOT NULL DEFAULT {never_slid}"),
            "ALTER TABLE allocation ADD COLUMN credit INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE lot ADD COLUMN returned INTEGER NOT NULL DEFAULT 0",
            // Cancelled activities took all of their points along: nothing of them expired.
            "UPDATE lot SET returned = 1 FROM activity a WHERE a.state IN (2, 3) AND a.bucket = lot.bucket \
             AND a.tenant_id = lot.tenant_id AND a.wallet_id = lot.wallet_id \
             AND a.activity_id = lot.activity_id",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
