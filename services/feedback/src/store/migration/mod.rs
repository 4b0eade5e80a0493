//! The schema, migration by migration. A published one never changes.

mod m0005_create_feedback;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations of the feedback database, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(events::CreateEventLog),
            Box::new(events::CreateRelay),
            Box::new(m0005_create_feedback::CreateFeedback),
        ]
    }
}
