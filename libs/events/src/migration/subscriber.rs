//! Cursors of a subscriber, the logs it was offered, and the events it could not apply.

use db::schema::Kind::{Big, Bytes, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

/// Creates what a subscriber works with.
#[derive(Debug)]
pub struct CreateSubscriber;

impl MigrationName for CreateSubscriber {
    fn name(&self) -> &str {
        "m0001_events_create_subscriber"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateSubscriber {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cursor = NewTable {
            name: "event_cursor",
            columns: &[
                ("source", Text),
                ("log_id", Uuid),
                ("bucket", Int),
                ("position", Big),
                ("event_id", Uuid),
                ("failed_position", Big),
                ("tries", Int),
            ],
            key: 3,
            checks: &[],
            updated: true,
        };
        create(manager, cursor).await?;
        let source = NewTable {
            name: "event_source",
            columns: &[("source", Text), ("log_id", Uuid)],
            key: 1,
            checks: &[],
            updated: false,
        };
        create(manager, source).await?;
        let parked = NewTable {
            name: "event_parked",
            columns: &[
                ("tenant_id", Text),
                ("source", Text),
                ("log_id", Uuid),
                ("bucket", Int),
                ("position", Big),
                ("event_id", Uuid),
                ("aggregate_id", Uuid),
                ("aggregate_seq", Big),
                ("kind", Text),
                ("order_key", Big),
                ("traceparent", Text),
                ("payload", Bytes),
                ("reason", Text),
                ("tries", Int),
                ("park_time", Big),
            ],
            key: 5,
            checks: &[],
            updated: false,
        };
        create(manager, parked).await?;
        let queue = ["source", "log_id", "bucket", "aggregate_id", "position"];
        index(manager, ("event_parked_queue", "event_parked"), &queue, true, None).await
    }
}
