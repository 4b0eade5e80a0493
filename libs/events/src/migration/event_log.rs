//! The table that events are appended to.

use sea_orm_migration::prelude::*;

/// Creates the event log.
#[derive(Debug)]
pub struct CreateEventLog;

impl MigrationName for CreateEventLog {
    fn name(&self) -> &str {
        "m0001_events_create_event_log"
    }
}

#[derive(DeriveIden)]
#[expect(clippy::enum_variant_names, reason = "named as the columns are")]
enum Event {
    #[sea_orm(iden = "event")]
    Table,
    Bucket,
    TenantId,
    AggregateId,
    AggregateSeq,
    EventId,
    Kind,
    OrderKey,
    Traceparent,
    Payload,
}

#[async_trait::async_trait]
impl MigrationTrait for CreateEventLog {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(Event::Table)
            .col(ColumnDef::new(Event::Bucket).integer().not_null())
            .col(ColumnDef::new(Event::TenantId).text().not_null())
            .col(ColumnDef::new(Event::AggregateId).uuid().not_null())
            .col(ColumnDef::new(Event::AggregateSeq).big_integer().not_null())
            .col(ColumnDef::new(Event::EventId).uuid().not_null())
            .col(ColumnDef::new(Event::Kind).text().not_null())
            .col(ColumnDef::new(Event::OrderKey).big_integer().not_null())
            .col(ColumnDef::new(Event::Traceparent).text().not_null())
            .col(ColumnDef::new(Event::Payload).binary().not_null())
            .primary_key(
                Index::create()
                    .col(Event::Bucket)
                    .col(Event::TenantId)
                    .col(Event::AggregateId)
                    .col(Event::AggregateSeq),
            );
        if manager.get_database_backend() == sea_orm::DbBackend::Sqlite {
            table.extra("WITHOUT ROWID");
        }
        manager.create_table(table).await
    }
}
