//! `rapport migrate`: brings databases to the schema of this version.

use crate::cli::{MigrateArgs, ServerArgs};
use crate::compose::{self, Role, Store};
use crate::{Failure, output, settings};

/// Migrates what the settings name and says what was done.
pub(crate) async fn run(args: &MigrateArgs) -> Result<(), Failure> {
    let server = ServerArgs { store: args.store.clone(), ..ServerArgs::default() };
    let asked = args.service.map(Role::from);
    let settings = settings::load_for(&server, settings::database_url(asked.unwrap_or(Role::Loyalty)))?;
    let all = Role::ALL.map(|role| (role, Store::of(&settings, role)));
    // Where one service has a database server, an empty URL of another means that it is not run.
    let served = all.iter().any(|(_, store)| matches!(store, Store::Service { .. }));
    for (role, store) in &all {
        let left_out = served && matches!(store, Store::Embedded { .. });
        if asked.map_or(left_out, |asked| asked != *role) {
            continue;
        }
        let applied = Box::pin(compose::migrate(*role, store)).await?;
        let what = format!("{} ({})", role.name(), store.describe());
        match applied {
            0 => output::print(&format!("{what}: the schema was up to date\n")),
            1 => output::print(&format!("{what}: 1 migration applied\n")),
            n => output::print(&format!("{what}: {n} migrations applied\n")),
        }
    }
    Ok(())
}
