//! Counts of answers by hour and by day, and how far they are.

use db::schema::Kind::{self, Big, Int, Text};
use db::schema::{NewTable, create};
use sea_orm_migration::prelude::*;

const HISTOGRAM: &[(&str, Kind)] = &[
    ("tenant_id", Text),
    ("series", Int),
    ("dimension", Int),
    ("slot_hours", Int),
    ("slot", Big),
    ("value", Text),
    ("b0", Big),
    ("b1", Big),
    ("b2", Big),
    ("b3", Big),
    ("b4", Big),
    ("b5", Big),
    ("b6", Big),
    ("b7", Big),
    ("b8", Big),
    ("b9", Big),
    ("b10", Big),
];

#[derive(Debug)]
pub(super) struct CreateScores;

impl MigrationName for CreateScores {
    fn name(&self) -> &str {
        "m0003_scoring_create_scores"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateScores {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let histogram = NewTable {
            name: "histogram",
            columns: HISTOGRAM,
            key: 6,
            checks: &["slot_hours = 1 OR slot_hours = 24"],
            updated: true,
        };
        create(manager, histogram).await?;
        let columns = &[("tenant_id", Text), ("order_key", Big)];
        let watermark = NewTable { name: "watermark", columns, key: 1, checks: &[], updated: true };
        create(manager, watermark).await
    }
}
