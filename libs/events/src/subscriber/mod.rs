//! The receiving end: applies slices exactly once, in one transaction with the cursors that say so, and keeps
//! what cannot be applied from holding up everybody else.

mod apply;
mod continuity;
mod cursors;
mod dead_letters;
mod deliver;
mod park;
mod take_state;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use db::Db;
use proto::rapport::event::v1::subscriber_service_server::SubscriberServiceServer;
use telemetry::KeyValue;
use telemetry::names::{attribute, metric};
use tonic::service::Routes;

use crate::Handler;

pub use dead_letters::{Letter, Retried};

/// A subscriber of any number of logs. Clones share it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    db: Db,
    handler: Handler,
    parked: Arc<AtomicI64>,
}

impl Subscriber {
    /// What `handler` does, with its cursors in `db`.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn open(db: &Db, handler: Handler) -> Result<Subscriber, db::Error> {
        let subscriber = Subscriber { db: db.clone(), handler, parked: Arc::default() };
        subscriber.count_parked().await?;
        let (parked, name) = (subscriber.parked.clone(), subscriber.handler.name);
        telemetry::meter()
            .i64_observable_gauge(metric::EVENTS_PARKED)
            .with_description("Events that could not be applied, and those that wait behind them")
            .with_callback(move |gauge| {
                let labels = [KeyValue::new(attribute::MESSAGING_CONSUMER_GROUP_NAME, name)];
                gauge.observe(parked.load(Ordering::Relaxed), &labels);
            })
            .build();
        Ok(subscriber)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.handler.name
    }

    /// `SubscriberService`, for the link of a relay and for no public listener.
    pub fn routes(&self) -> Routes {
        let server = SubscriberServiceServer::new(self.clone());
        Routes::new(server.max_decoding_message_size(rpc::MESSAGE_BYTES_MAX))
    }
}
