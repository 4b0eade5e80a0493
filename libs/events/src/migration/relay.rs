//! The log with its positions, the leases of its buckets, and how far its subscribers are.

use db::schema::Kind::{Big, Bytes, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm_migration::prelude::*;

/// Creates what a relay works with.
#[derive(Debug)]
pub struct CreateRelay;

impl MigrationName for CreateRelay {
    fn name(&self) -> &str {
        "m0004_events_create_relay"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateRelay {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let log = NewTable {
            name: "event_log",
            columns: &[
                ("bucket", Int),
                ("position", Big),
                ("event_id", Uuid),
                ("tenant_id", Text),
                ("aggregate_id", Uuid),
                ("aggregate_seq", Big),
                ("kind", Text),
                ("order_key", Big),
                ("traceparent", Text),
                ("payload", Bytes),
            ],
            key: 2,
            checks: &["position > 0"],
            updated: false,
        };
        create(manager, log).await?;
        let bucket = NewTable {
            name: "event_bucket",
            columns: &[
                ("bucket", Int),
                ("owner", Uuid),
                ("token", Big),
                ("lease_until", Big),
                ("first_position", Big),
                ("last_position", Big),
                ("last_event_id", Uuid),
            ],
            key: 1,
            checks: &["first_position <= last_position + 1"],
            updated: true,
        };
        create(manager, bucket).await?;
        let meta = NewTable {
            name: "event_meta",
            columns: &[("name", Text), ("value", Text)],
            key: 1,
            checks: &[],
            updated: false,
        };
        create(manager, meta).await?;
        let acknowledgement = NewTable {
            name: "event_acknowledgement",
            columns: &[("subscriber", Text), ("bucket", Int), ("position", Big)],
            key: 2,
            checks: &[],
            updated: true,
        };
        create(manager, acknowledgement).await
    }
}
