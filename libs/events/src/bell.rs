//! The bell between a commit and the relay of the same process: a mere wake-up, never the truth.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// Rings when events were committed. Clones are the same bell.
#[derive(Clone, Debug)]
pub struct Bell {
    rung: Arc<Notify>,
    rounds: Arc<watch::Sender<u64>>,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell { rung: Arc::default(), rounds: Arc::new(watch::Sender::new(0)) }
    }
}

impl Bell {
    /// Events were committed.
    pub fn ring(&self) {
        self.rung.notify_one();
    }

    /// Resolves when it was rung since the last time.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// The relay has looked.
    pub(crate) fn looked(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Rings and resolves when the relay has looked.
    pub(crate) async fn round(&self) {
        let mut rounds = self.rounds.subscribe();
        self.ring();
        // The sender is held here, so it is never closed.
        let _ = rounds.changed().await;
    }
}
