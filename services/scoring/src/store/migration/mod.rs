//! The schema, migration by migration. A published one never changes.

mod m0002_create_observations;
mod m0003_create_scores;
mod m0004_create_rebuild;
mod m0005_name_facts;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations of the scoring database, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(events::CreateSubscriber),
            Box::new(m0002_create_observations::CreateObservations),
            Box::new(m0003_create_scores::CreateScores),
            Box::new(m0004_create_rebuild::CreateRebuild),
            Box::new(m0005_name_facts::NameFacts),
        ]
    }
}
