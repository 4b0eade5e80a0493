//! The schema, migration by migration. A published one never changes.

mod m0002_create_templates;
mod m0003_create_messages;
mod m0004_find_messages;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations of the notification database, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(events::CreateSubscriber),
            Box::new(m0002_create_templates::CreateTemplates),
            Box::new(m0003_create_messages::CreateMessages),
            Box::new(m0004_find_messages::FindMessages),
        ]
    }
}
