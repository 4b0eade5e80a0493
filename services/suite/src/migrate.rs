//! `rapport migrate`: brings the database to the schema of this version.

use crate::cli::{ServerArgs, StoreArgs};
use crate::compose::{self, Store};
use crate::{Failure, output, settings};

/// Migrates what the settings name and says what was done.
pub(crate) async fn run(args: &StoreArgs) -> Result<(), Failure> {
    let settings = settings::load(&ServerArgs { store: args.clone(), ..ServerArgs::default() })?;
    let store = Store::of(&settings);
    let applied = Box::pin(compose::migrate(&store)).await?;
    let what = match &store {
        Store::Embedded { data_dir, .. } => format!("data directory {}", data_dir.display()),
        Store::Service { .. } => "database".to_owned(),
    };
    match applied {
        0 => output::print(&format!("{what}: the schema was up to date\n")),
        1 => output::print(&format!("{what}: 1 migration applied\n")),
        n => output::print(&format!("{what}: {n} migrations applied\n")),
    }
    Ok(())
}
