//! The rules of notification: which message an event triggers, what it says, and how far it may get.
//!
//! [`Occurrence::triggers`] says which messages an event leads to, [`Template`] what they say, [`notify`]
//! makes them, and [`Delivery`] allows only the moves that a delivery may make. Nothing here reads a clock,
//! draws an identifier or knows a database: the same inputs give the same message, letter for letter.

mod delivery;
mod inbox;
mod message;
mod render;
mod shipped;
mod tags;
mod template;
mod trigger;

pub use delivery::{Channel, Delivery, DeliveryState};
pub use inbox::Inbox;
pub use message::{Message, Notice, Origin, notify};
pub use render::Flaw;
pub use shipped::Shipped;
pub use template::{Datum, Part, Rendered, Template, Values, Variable};
pub use trigger::{Occurrence, Trigger, notification_id};
