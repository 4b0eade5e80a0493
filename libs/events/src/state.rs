//! What a source knows, told as events, for a subscriber that its log can no longer serve.

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;

use crate::Event;

/// Everything that a source knows, in parts of at most 512 facts. Only what was committed before the stream
/// began must be in it; what came later may be.
pub type Facts = BoxStream<'static, Result<Vec<Event>, db::Error>>;

/// Tells everything that a source knows. A fact is an event as the source leaves it, but with
/// `aggregate_seq` 0 where that is not kept, and an order key that says when it was recorded.
#[derive(Clone)]
pub struct State(Arc<dyn Fn() -> Facts + Send + Sync>);

impl State {
    /// The state that `tell` tells.
    pub fn new(tell: impl Fn() -> Facts + Send + Sync + 'static) -> State {
        State(Arc::new(tell))
    }

    pub(crate) fn tell(&self) -> Facts {
        self.0()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").finish_non_exhaustive()
    }
}
