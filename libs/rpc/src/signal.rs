//! The signals that end a process: the first politely, a second SIGINT at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that was interrupted twice (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Signals that are caught from the moment this exists: make it before anybody is told that the process is
/// ready.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches SIGTERM and SIGINT from now on.
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them and names it. Afterwards another SIGINT exits the process without ceremony.
    pub async fn wait(mut self) -> &'static str {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tokio::spawn(exit_on_next(self.interrupt));
        name
    }
}

async fn exit_on_next(mut interrupt: Signal) {
    interrupt.recv().await;
    tracing::warn!("interrupted again: exiting at once");
    std::process::exit(INTERRUPTED);
}
