//! `rapport migrate`: brings databases to the schema of this version.

use crate::cli::{MigrateArgs, ServerArgs, ServiceName};
use crate::compose::{self, Owner, Store};
use crate::{Failure, output, settings};

/// Migrates what the settings name and says what was done.
pub(crate) async fn run(args: &MigrateArgs) -> Result<(), Failure> {
    let server = ServerArgs { store: args.store.clone(), ..ServerArgs::default() };
    let database_url = match args.service {
        Some(ServiceName::Notification) => "notification.database.url",
        Some(ServiceName::Loyalty) | None => "loyalty.database.url",
    };
    let settings = settings::load_for(&server, database_url)?;
    let all = [
        (Owner::Loyalty, ServiceName::Loyalty, Store::of_loyalty(&settings)),
        (Owner::Notification, ServiceName::Notification, Store::of_notification(&settings)),
    ];
    // Where one service has a database server, an empty URL of another means that it is not run.
    let served = all.iter().any(|(_, _, store)| matches!(store, Store::Service { .. }));
    for (owner, name, store) in &all {
        let left_out = served && matches!(store, Store::Embedded { .. });
        if args.service.map_or(left_out, |asked| asked != *name) {
            continue;
        }
        let applied = Box::pin(compose::migrate(*owner, store)).await?;
        let what = format!("{} ({})", owner.name(), store.describe());
        match applied {
            0 => output::print(&format!("{what}: the schema was up to date\n")),
            1 => output::print(&format!("{what}: 1 migration applied\n")),
            n => output::print(&format!("{what}: {n} migrations applied\n")),
        }
    }
    Ok(())
}
