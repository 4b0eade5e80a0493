//! Messages by the ids of their notifications, found by statements that name such ids and no others.

use db::schema::index;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct FindMessages;

impl MigrationName for FindMessages {
    fn name(&self) -> &str {
        "m0004_notification_find_messages"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FindMessages {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX message_notification_id").await?;
        // True of every row, but PostgreSQL only knows it where an id is asked for. Where recipients have a
        // message or two, this index looked as good as the primary key for finding one by its number, and
        // read all messages of the recipient who has many.
        let asked = Some("notification_id IS NOT NULL");
        let by_id = &["bucket", "tenant_id", "recipient_id", "notification_id"];
        index(manager, ("message_notification_id", "message"), by_id, true, asked).await
    }
}
