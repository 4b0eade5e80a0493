//! `rapport demo`: a year of real purchases through the gRPC API of a suite that runs in this process, on a
//! clock that follows the purchases, so that tiers and expiries happen as they would have then; and the
//! answers of a real survey, with the complaints among them.
//!
//! What it prints was read back from the service, and it fails unless the audit of the ledger is clean.

mod figures;
mod readings;
mod replay;
mod rewards;
mod survey;

use std::path::PathBuf;

use ambient::{Clock, Ids, Time};
use rpc::client::Client;
use tempfile::TempDir;

use crate::cli::DemoArgs;
use crate::compose::{Pending, Plan, Role, ServicePlan, Store, Suite};
use crate::output::{self, Format};
use crate::settings::Settings;
use crate::{Failure, audit, target};
use figures::{Figures, Told};
use replay::Replay;

/// The program that the purchases go to.
const PROGRAM: &str = "completejourney";
/// Before the first purchase.
const START: Time = Time::from_micros(1_483_228_800_000_000);
/// The last second of 2017, when tiers are read.
const YEAR_END: Time = Time::from_micros(1_514_764_799_000_000);
/// 2018-01-01T00:00:00Z, when points are read.
const NEW_YEAR: Time = Time::from_micros(1_514_764_800_000_000);
/// Makes the identifiers of every run the same.
const SEED: u64 = 2017;

/// Runs the demonstration and shows what came of it.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let place = Place::of(&args)?;
    let settings =
        telemetry::Settings { log_level: "warn,sqlx=error".to_owned(), ..telemetry::Settings::default() };
    telemetry::init(settings)?;
    let clock = Clock::manual(START);
    let plan = Plan {
        services: Role::ALL.map(|role| (role, ServicePlan::new(place.store(role)))).into(),
        token: None,
        pending: Pending::Migrate,
        server: rpc::server::Settings::new(args.listen, args.ops_listen),
        clock: clock.clone(),
        ids: Ids::seeded(SEED),
    };
    let signals = rpc::signal::Signals::catch()
        .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
    let stopped = signals.wait();
    tokio::pin!(stopped);
    let suite = Box::pin(Suite::start(plan)).await?;
    let told = tokio::select! {
        told = Box::pin(tell(&suite, &clock)) => told,
        _ = &mut stopped => Err(Failure::failed("interrupted")),
    };
    let told = told.and_then(|figures| {
        let figures = figures.kept_at(args.keep.then(|| suite.rpc_addr()));
        match args.output.output {
            Format::Json => output::json(&figures)?,
            Format::Text => output::print(&figures.text()),
        }
        figures.verdict()
    });
    if args.keep && told.is_ok() {
        output::note(&format!(
            "Serving on http://{} (operations http://{}), data in {}; its clock stands at {}. \
             Stop with Ctrl-C.",
            suite.rpc_addr(),
            suite.ops_addr(),
            place.path.display(),
            clock.now()
        ));
        stopped.await;
    }
    suite.shutdown(None).await;
    place.leave(args.keep);
    told
}

async fn tell(suite: &Suite, clock: &Clock) -> Result<Figures, Failure> {
    let target = format!("http://{}", suite.rpc_addr());
    let client = target::connect(&target).await?;
    rewards::create_program(client.clone()).await?;
    let mut replay = Replay::open(target::connect_batch(&target).await?, clock.clone())?;
    replay.until(NEW_YEAR).await?;
    let members = replay.members();
    clock.advance_to(YEAR_END);
    let tiers = readings::tiers(client.clone(), &members, YEAR_END).await?;
    clock.advance_to(NEW_YEAR);
    let balances = readings::balances(client.clone(), &members).await?;
    let used = replay.finish(suite).await?;
    let redemptions = rewards::redeem(client.clone(), &balances).await?;
    let taken = survey::submit(client.clone()).await?;
    suite.settled().await?;
    let told = Told {
        redemptions,
        cases_opened: taken.cases_opened,
        csat: readings::csat(client.clone(), START).await?,
        messages: readings::messages(client.clone(), &balances).await?,
        events_applied: suite.events().await?,
        tiers,
        balances,
    };
    Ok(Figures::of(&used, &told, &audited(client).await?))
}

async fn audited(client: Client) -> Result<audit::Report, Failure> {
    Ok(audit::Report::of(&audit::ask(client, "").await?))
}

/// Where the data of the run lies.
struct Place {
    path: PathBuf,
    /// Removed when dropped.
    temporary: Option<TempDir>,
}

impl Place {
    fn of(args: &DemoArgs) -> Result<Place, Failure> {
        let Some(path) = &args.data_dir else {
            let temporary = tempfile::Builder::new().prefix("rapport-demo-").tempdir();
            let temporary = temporary
                .map_err(|error| Failure::failed(format!("no temporary directory can be made: {error}")))?;
            return Ok(Place { path: temporary.path().to_owned(), temporary: Some(temporary) });
        };
        let is_fresh = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        match is_fresh {
            true => Ok(Place { path: path.clone(), temporary: None }),
            false => Err(Failure::usage(format!(
                "--data-dir {} is not an empty directory; the demonstration needs a fresh one",
                path.display()
            ))),
        }
    }

    /// As the defaults of the settings have it.
    fn store(&self, role: Role) -> Store {
        Store::of(&Settings { data_dir: self.path.clone(), ..Settings::default() }, role)
    }

    fn leave(self, keep: bool) {
        if keep && let Some(temporary) = self.temporary {
            output::note(&format!("The data stays in {}.", temporary.keep().display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_are_what_they_are_called() {
        assert_eq!(START.to_string(), "2017-01-01T00:00:00Z");
        assert_eq!(YEAR_END.to_string(), "2017-12-31T23:59:59Z");
        assert_eq!(NEW_YEAR.to_string(), "2018-01-01T00:00:00Z");
    }
}
