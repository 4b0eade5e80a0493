//! The signals that end a process: the first politely, a second SIGINT at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that was interrupted twice (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Waits for SIGTERM or SIGINT and names it. Afterwards another SIGINT exits the process without ceremony.
pub async fn wait() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tokio::spawn(exit_on_next(interrupt));
    Ok(name)
}

async fn exit_on_next(mut interrupt: Signal) {
    interrupt.recv().await;
    tracing::warn!("interrupted again: exiting at once");
    std::process::exit(INTERRUPTED);
}
