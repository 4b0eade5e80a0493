//! `rapport rebuild`: derives scores and profiles anew.

use std::time::Instant;

use serde::Serialize;

use crate::cli::{RebuildArgs, ServerArgs};
use crate::compose::{self, Role, Store};
use crate::output::{self, Format, grouped};
use crate::{Failure, settings};

#[derive(Debug, Serialize)]
struct Rebuilt {
    observations: i64,
    seconds: f64,
}

/// Rebuilds what the settings name and says what was done.
pub(crate) async fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let server = ServerArgs { store: args.store.clone(), ..ServerArgs::default() };
    let settings = settings::load_for(&server, settings::database_url(Role::Scoring))?;
    let store = Store::of(&settings, Role::Scoring);
    let started = Instant::now();
    let observations = Box::pin(compose::rebuild(&store)).await?;
    let observations = i64::try_from(observations).unwrap_or(i64::MAX);
    let seconds = (started.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
    match args.output.output {
        Format::Json => output::json(&Rebuilt { observations, seconds }),
        Format::Text => {
            let (count, place) = (grouped(observations), store.describe());
            output::print(&format!("{place}: made again from {count} observations in {seconds:.1} s\n"));
            Ok(())
        }
    }
}
