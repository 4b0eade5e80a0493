//! Deliveries: the way of a message over one channel, forward only.

/// A way to a recipient. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Channel {
    /// The inbox that the service itself serves.
    InApp = 1,
    /// The file that the service appends to.
    File = 2,
}

impl Channel {
    /// The channel with this stored number.
    pub fn from_number(number: i32) -> Option<Channel> {
        [Channel::InApp, Channel::File].into_iter().find(|c| *c as i32 == number)
    }
}

/// How far a delivery is. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DeliveryState {
    /// Waits for a worker.
    Queued = 1,
    /// A worker has it; nothing of it has left.
    Leased = 2,
    /// Something of it may have left.
    HandedOver = 3,
    /// The channel has taken it.
    Accepted = 4,
    /// It reached the recipient.
    Delivered = 5,
    /// It came back.
    Bounced = 6,
    /// The channel refused it.
    Rejected = 7,
    /// Nobody can tell whether the channel has taken it.
    Ambiguous = 8,
}

impl DeliveryState {
    /// All states, in the order of their numbers.
    pub const ALL: [DeliveryState; 8] = [
        DeliveryState::Queued,
        DeliveryState::Leased,
        DeliveryState::HandedOver,
        DeliveryState::Accepted,
        DeliveryState::Delivered,
        DeliveryState::Bounced,
        DeliveryState::Rejected,
        DeliveryState::Ambiguous,
    ];

    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|s| *s as i32 == number)
    }

    /// Whether a delivery may go from here to `next` within one attempt. Receipts may come early, so what is
    /// handed over may end without being accepted first; what has ended stays as it is.
    pub fn may_become(self, next: DeliveryState) -> bool {
        use DeliveryState::{Accepted, Ambiguous, Bounced, Delivered, HandedOver, Leased, Queued, Rejected};
        match self {
            Queued => next == Leased,
            Leased => next == HandedOver,
            HandedOver => matches!(next, Ambiguous | Accepted | Delivered | Bounced | Rejected),
            Ambiguous => matches!(next, Accepted | Delivered | Bounced | Rejected),
            Accepted => matches!(next, Delivered | Bounced | Rejected),
            Delivered | Bounced | Rejected => false,
        }
    }

    /// Whether an attempt that got this far may have come to nothing, so that another one may follow.
    pub fn may_be_tried_again(self) -> bool {
        matches!(self, DeliveryState::Leased | DeliveryState::HandedOver | DeliveryState::Ambiguous)
    }
}

/// The delivery of a message over one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which channel.
    pub channel: Channel,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts that came to nothing before this one.
    pub attempt: i32,
}

impl Delivery {
    /// How a delivery begins: in the inbox it is there at once, elsewhere it waits.
    pub fn first(channel: Channel) -> Delivery {
        let state = match channel {
            Channel::InApp => DeliveryState::Delivered,
            Channel::File => DeliveryState::Queued,
        };
        Delivery { channel, state, attempt: 0 }
    }

    /// The delivery one state further; `None` if it may not go there.
    #[must_use]
    pub fn moved(self, next: DeliveryState) -> Option<Delivery> {
        self.state.may_become(next).then_some(Delivery { state: next, ..self })
    }

    /// The delivery at the start of another attempt; `None` if this one may not have come to nothing.
    #[must_use]
    pub fn again(self) -> Option<Delivery> {
        let next = Delivery { state: DeliveryState::Queued, attempt: self.attempt.saturating_add(1), ..self };
        self.state.may_be_tried_again().then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How far along an attempt a state is.
    fn rank(state: DeliveryState) -> i32 {
        match state {
            DeliveryState::Queued => 0,
            DeliveryState::Leased => 1,
            DeliveryState::HandedOver => 2,
            DeliveryState::Ambiguous => 3,
            DeliveryState::Accepted => 4,
            DeliveryState::Delivered | DeliveryState::Bounced | DeliveryState::Rejected => 5,
        }
    }

    #[test]
    fn the_design_s_way_is_open() {
        let mut delivery = Delivery::first(Channel::File);
        for next in [DeliveryState::Leased, DeliveryState::HandedOver, DeliveryState::Accepted] {
            delivery = delivery.moved(next).unwrap();
        }
        assert!(delivery.moved(DeliveryState::Delivered).is_some());
        assert_eq!(delivery.again(), None, "what was accepted is not sent again");
        assert_eq!(Delivery::first(Channel::InApp).state, DeliveryState::Delivered);
    }

    #[test]
    fn numbers_are_those_of_the_wire_and_the_database() {
        let numbers = DeliveryState::ALL.map(|state| state as i32);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(DeliveryState::from_number(8), Some(DeliveryState::Ambiguous));
        assert_eq!((DeliveryState::from_number(0), Channel::from_number(3)), (None, None));
    }

    proptest! {
        /// Whatever receipts and workers ask for, in whatever order, a delivery only gets further.
        #[test]
        fn deliveries_only_move_forward(asked in proptest::collection::vec(0..9_usize, 0..200)) {
            let mut delivery = Delivery::first(Channel::File);
            for next in asked {
                let moved = match DeliveryState::ALL.get(next) {
                    Some(state) => delivery.moved(*state),
                    None => delivery.again(),
                };
                let Some(moved) = moved else { continue };
                let place = |d: Delivery| (d.attempt, rank(d.state));
                prop_assert!(place(moved) > place(delivery), "{delivery:?} to {moved:?}");
                prop_assert!(rank(delivery.state) < 5, "{delivery:?} had ended");
                delivery = moved;
            }
        }
    }
}
