//! Business time: the system's, or one that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::Time;

/// Where business time comes from. Clones share the same time.
///
/// Machine time (timeouts, leases, backoff) never comes from here: a replay that jumps a year must not
/// expire a lease.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The wall clock of the machine.
    System,
    /// A time that stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Time) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(start.micros())))
    }

    /// The present moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where business time is read from the machine"
    )]
    pub fn now(&self) -> Time {
        match self {
            Clock::System => Time::from(chrono::Utc::now()),
            Clock::Manual(micros) => Time::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward to `time`; an earlier time, or a system clock, changes nothing.
    pub fn advance_to(&self, time: Time) {
        if let Clock::Manual(micros) = self {
            micros.fetch_max(time.micros(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_forward_only_and_is_shared() {
        let clock = Clock::manual(Time::from_micros(10));
        let other = clock.clone();
        clock.advance_to(Time::from_micros(20));
        clock.advance_to(Time::from_micros(15));
        assert_eq!(other.now(), Time::from_micros(20));
    }
}
