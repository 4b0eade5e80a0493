//! What a command that waits for a review would have moved when it was asked.

use db::schema::index;
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct BoundReviews;

impl MigrationName for BoundReviews {
    fn name(&self) -> &str {
        "m0029_loyalty_bound_reviews"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for BoundReviews {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // Of what waits already nobody knows.
        db.execute_unprepared("ALTER TABLE review ADD COLUMN asked TEXT NOT NULL DEFAULT ''").await?;
        if db.get_database_backend() == DbBackend::Sqlite {
            return Ok(());
        }
        db.execute_unprepared("DROP INDEX review_by_state").await?;
        // True of every row, but PostgreSQL only knows it where a moment is asked for: while there are few
        // reviews, this index looks as good as the primary key for finding one by its id.
        let asked = Some("create_time IS NOT NULL");
        let by = &["tenant_id", "program_id", "state", "create_time", "review_id"];
        index(manager, ("review_by_state", "review"), by, false, asked).await
    }
}
