//! Requests are listed by when they were decided. Activities are by far the most, and each is found by its
//! wallet: an index of them would cost every purchase more than it is ever worth.

use db::schema::index;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct ListRequests;

impl MigrationName for ListRequests {
    fn name(&self) -> &str {
        "m0034_loyalty_list_requests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ListRequests {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_time = &["bucket", "tenant_id", "scope_id", "create_time", "request_id"];
        let only = Some("method <> 'RecordActivity'");
        index(manager, ("command_by_time", "command"), by_time, false, only).await
    }
}
