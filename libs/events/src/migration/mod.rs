//! The tables of the event library, part of each service's own migrations: [`CreateEventLog`] and
//! [`CreateRelay`] where events begin, [`CreateSubscriber`] where they end.

mod event_log;
mod relay;
mod subscriber;

pub use event_log::CreateEventLog;
pub use relay::CreateRelay;
pub use subscriber::CreateSubscriber;
