//! Keys of the service and the templates of its tenants.

use db::schema::Kind::{Big, Text};
use db::schema::{NewTable, create};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CreateTemplates;

impl MigrationName for CreateTemplates {
    fn name(&self) -> &str {
        "m0002_notification_create_templates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTemplates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, requests::secrets_table()).await?;
        let template = NewTable {
            name: "template",
            columns: &[
                ("tenant_id", Text),
                ("template_id", Text),
                ("version", Big),
                ("subject", Text),
                ("body", Text),
                ("variables", Text),
                ("create_time", Big),
            ],
            key: 3,
            checks: &["version > 0"],
            updated: false,
        };
        create(manager, template).await
    }
}
