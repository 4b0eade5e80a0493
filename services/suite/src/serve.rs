//! `rapport all` and the roles of one service: start, say so, wait for a signal, stop in order.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::cli::ServerArgs;
use crate::compose::{self, Plan, Role, Store, Suite};
use crate::settings::{self, Settings};
use crate::{Failure, output};

/// What stopping may take besides the time to drain.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The whole suite in one process.
pub(crate) async fn all(args: &ServerArgs) -> Result<(), Failure> {
    let settings = settings::load(args)?;
    if settings.loyalty.database.url.is_empty() && !settings.loyalty.redis.url.is_empty() {
        output::note(
            "warning: loyalty.redis.url is not used without loyalty.database.url: SQLite has its cache in \
             this process",
        );
    }
    serve(&settings, "all", Plan::all(&settings)).await
}

/// One service alone, one of many replicas.
pub(crate) async fn role(role: Role, args: &ServerArgs) -> Result<(), Failure> {
    let key = settings::database_url(role);
    let settings = settings::load_for(args, key)?;
    let plan = Plan::role(&settings, role);
    if plan.services.iter().any(|(_, service)| matches!(service.store, Store::Embedded { .. })) {
        return Err(Failure::usage(format!(
            "setting `{key}` is empty; set {} or --database-url to postgres://user@host:port/database, or \
             run `rapport all`, which needs none",
            settings::variable_of(key)
        )));
    }
    serve(&settings, role.name(), plan).await
}

async fn serve(settings: &Settings, command: &'static str, plan: Plan) -> Result<(), Failure> {
    let name = if command == "all" { "rapport" } else { command };
    let telemetry = telemetry::init(compose::telemetry_settings(settings, name))?;
    let store = plan.describe();
    let signals = rpc::signal::Signals::catch()
        .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
    let suite = Box::pin(Suite::start(plan)).await?;
    say_ready(&Ready::of(&suite, command, store))?;
    let signal = signals.wait().await;
    tracing::info!(signal, "stopping");
    let stop_max = Duration::from_millis(settings.server.drain_ms) + STOP_MAX;
    match timeout(stop_max, suite.shutdown(Some(&telemetry))).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::failed("calls were still under way when the time to drain was over")),
        Err(_) => Err(Failure::failed(
            "a database or a receiver did not answer while stopping; what was acknowledged is kept",
        )),
    }
}

/// The one line that says that calls are answered.
#[derive(Debug, Serialize)]
struct Ready {
    ready: bool,
    command: &'static str,
    version: &'static str,
    rpc: String,
    ops: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<String>,
    store: String,
    pid: u32,
}

impl Ready {
    fn of(suite: &Suite, command: &'static str, store: String) -> Ready {
        Ready {
            ready: true,
            command,
            version: env!("CARGO_PKG_VERSION"),
            rpc: suite.rpc_addr().to_string(),
            ops: suite.ops_addr().to_string(),
            events: suite.internal_addr().map(|address| address.to_string()),
            store,
            pid: std::process::id(),
        }
    }
}

fn say_ready(ready: &Ready) -> Result<(), Failure> {
    if !output::is_terminal() {
        return output::json_line(ready);
    }
    output::print(&format!(
        "rapport {} {} is ready: calls on http://{}, operations on http://{}, data: {}\n",
        ready.version, ready.command, ready.rpc, ready.ops, ready.store
    ));
    Ok(())
}
