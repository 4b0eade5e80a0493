//! How many calls a process works on at once, and who waits. Bounded on both counts: what cannot be queued is
//! refused at once, so that the callers that are let in are answered in time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tokio::sync::oneshot;

use crate::PRIORITY_HEADER;

/// Interactive calls go before batch calls, and push them out of a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    Interactive,
    Batch,
}

impl Priority {
    pub(crate) fn of(headers: &HeaderMap) -> Priority {
        match headers.get(PRIORITY_HEADER) {
            Some(value) if value == "batch" => Priority::Batch,
            _ => Priority::Interactive,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Priority::Interactive => "interactive",
            Priority::Batch => "batch",
        }
    }
}

/// The call was refused: the queue is full of calls at least as urgent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shed;

#[derive(Debug)]
pub(crate) struct Admission {
    state: Mutex<State>,
    in_flight_max: usize,
    queue_max: usize,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// Waiting calls whose callers are still there; the deques also hold the others until they are swept.
    queued: usize,
    interactive: VecDeque<oneshot::Sender<()>>,
    batch: VecDeque<oneshot::Sender<()>>,
}

impl State {
    fn pop(&mut self) -> Option<oneshot::Sender<()>> {
        self.interactive.pop_front().or_else(|| self.batch.pop_front())
    }

    /// Sends the newest batch call away; false if none waits.
    fn displace(&mut self) -> bool {
        while let Some(turn) = self.batch.pop_back() {
            if !turn.is_closed() {
                self.queued -= 1;
                return true;
            }
        }
        false
    }

    fn sweep(&mut self) {
        if self.interactive.len() + self.batch.len() > 2 * self.queued + 64 {
            self.interactive.retain(|turn| !turn.is_closed());
            self.batch.retain(|turn| !turn.is_closed());
        }
    }
}

impl Admission {
    pub(crate) fn new(in_flight_max: usize, queue_max: usize) -> Arc<Admission> {
        Arc::new(Admission { state: Mutex::default(), in_flight_max, queue_max })
    }

    /// Waits for a place. Dropping the future gives the place in the queue up.
    pub(crate) async fn admit(self: &Arc<Self>, priority: Priority) -> Result<Permit, Shed> {
        let turn = {
            let mut state = self.lock();
            if state.in_flight < self.in_flight_max {
                state.in_flight += 1;
                return Ok(Permit { admission: self.clone() });
            }
            let full = state.queued >= self.queue_max;
            if full && !(priority == Priority::Interactive && state.displace()) {
                return Err(Shed);
            }
            let (grant, turn) = oneshot::channel();
            state.queued += 1;
            match priority {
                Priority::Interactive => state.interactive.push_back(grant),
                Priority::Batch => state.batch.push_back(grant),
            }
            turn
        };
        let mut waiting = Waiting { admission: self, turn, settled: false };
        let granted = (&mut waiting.turn).await;
        waiting.settled = true;
        granted.map(|()| Permit { admission: self.clone() }).map_err(|_| Shed)
    }

    /// Calls being worked on and calls waiting.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.in_flight, state.queued)
    }

    fn release(&self) {
        let mut state = self.lock();
        while let Some(turn) = state.pop() {
            if turn.send(()).is_ok() {
                state.queued -= 1;
                return;
            }
        }
        state.in_flight -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the calls being worked on, held by whoever does the work.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release();
    }
}

struct Waiting<'a> {
    admission: &'a Admission,
    turn: oneshot::Receiver<()>,
    settled: bool,
}

impl Drop for Waiting<'_> {
    /// Grants and displacements happen under the lock, so under it exactly one of three things is true.
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut state = self.admission.lock();
        match self.turn.try_recv() {
            Ok(()) => {
                drop(state);
                self.admission.release();
            }
            Err(oneshot::error::TryRecvError::Empty) => {
                self.turn.close();
                state.queued -= 1;
                state.sweep();
            }
            Err(oneshot::error::TryRecvError::Closed) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn interactive_calls_go_first_and_push_batch_calls_out() {
        let admission = Admission::new(1, 2);
        let held = admission.admit(Priority::Batch).await.unwrap();
        let mut first = pin!(admission.admit(Priority::Batch));
        let mut second = pin!(admission.admit(Priority::Batch));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert_eq!(admission.admit(Priority::Batch).now_or_never().unwrap().unwrap_err(), Shed);

        let mut urgent = pin!(admission.admit(Priority::Interactive));
        assert!(poll!(&mut urgent).is_pending());
        assert_eq!(second.await.unwrap_err(), Shed);
        drop(held);
        assert!(poll!(&mut first).is_pending());
        let urgent = urgent.await.unwrap();
        drop(urgent);
        drop(first.await.unwrap());
        assert_eq!(admission.load(), (0, 0));
    }

    #[tokio::test]
    async fn callers_that_leave_give_their_places_back() {
        let admission = Admission::new(1, 3);
        let held = admission.admit(Priority::Interactive).await.unwrap();
        for _ in 0..1_000 {
            assert!(admission.admit(Priority::Interactive).now_or_never().is_none());
        }
        assert_eq!(admission.load(), (1, 0));
        assert!(admission.lock().interactive.len() <= 65);

        // One that was given its turn and leaves before it takes it.
        let mut waiting = Box::pin(admission.admit(Priority::Interactive));
        assert!(poll!(&mut waiting).is_pending());
        drop(held);
        drop(waiting);
        assert_eq!(admission.load(), (0, 0));
        assert!(admission.admit(Priority::Batch).now_or_never().unwrap().is_ok());
    }
}
