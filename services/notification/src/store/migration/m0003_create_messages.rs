//! Recipients and everything that is numbered by one, and the record of commands.

use db::schema::Kind::{self, Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

const OWNED: [(&str, Kind); 3] = [("bucket", Int), ("tenant_id", Text), ("recipient_id", Uuid)];

#[derive(Debug)]
pub(super) struct CreateMessages;

impl MigrationName for CreateMessages {
    fn name(&self) -> &str {
        "m0003_notification_create_messages"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateMessages {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, key, columns, checks, updated) in OWNED_TABLES {
            let columns: Vec<(&str, Kind)> = OWNED.iter().chain(*columns).copied().collect();
            let table = NewTable { name, columns: &columns, key: 3 + key, checks, updated: *updated };
            create(manager, table).await?;
        }
        create(manager, requests::table()).await?;
        let by_id = ["bucket", "tenant_id", "recipient_id", "notification_id"];
        index(manager, ("message_notification_id", "message"), &by_id, true, None).await?;
        let unread = ["bucket", "tenant_id", "recipient_id", "seq"];
        let never = Some("read_time = 9223372036854775807");
        index(manager, ("message_unread", "message"), &unread, false, never).await?;
        // Queued, leased and handed over: those that a worker looks for.
        let open = ["state", "create_time"];
        index(manager, ("delivery_open", "delivery"), &open, false, Some("state < 4")).await
    }
}

/// Name, key columns below the recipient, columns, checks, updated often.
type Owned = (&'static str, usize, &'static [(&'static str, Kind)], &'static [&'static str], bool);

const OWNED_TABLES: &[Owned] = &[
    (
        "recipient",
        0,
        &[("seq", Big), ("unread", Big), ("version", Big)],
        &["unread >= 0 AND unread <= seq"],
        true,
    ),
    (
        "message",
        1,
        &[
            ("seq", Big),
            ("notification_id", Uuid),
            ("template_id", Text),
            ("template_version", Big),
            ("subject", Text),
            ("body", Text),
            ("event_id", Uuid),
            ("create_time", Big),
            ("read_time", Big),
        ],
        &["seq > 0"],
        false,
    ),
    (
        "delivery",
        2,
        &[
            ("seq", Big),
            ("channel", Int),
            ("notification_id", Uuid),
            ("state", Int),
            ("attempt", Int),
            ("create_time", Big),
            ("lease_owner", Uuid),
            ("lease_until", Big),
            ("file_offset", Big),
        ],
        &["state > 0 AND state < 9", "attempt >= 0", "file_offset >= 0"],
        true,
    ),
];
