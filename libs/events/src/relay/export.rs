//! `ExportState`: brings everything that a source knows to a subscriber, and then moves its cursors.
//!
//! Where the log stands is read first: whatever it has given a position by then was committed, so the state
//! that is read afterwards holds it. What happens meanwhile may come twice, as state and as an event, and the
//! subscriber takes a fact once.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt};
use proto::rapport::event::v1 as pb;
use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use super::{Link, Running};
use crate::operate::told;
use crate::state::Facts;
use crate::{DOMAIN, Event, Place};

/// How far an export is, told after each part.
pub type Exported = BoxStream<'static, Result<pb::ExportStateResponse, Status>>;

/// One export under way.
struct Export {
    link: Link,
    source: String,
    log_id: String,
    through: BTreeMap<i32, Place>,
    facts: Facts,
    sent: i64,
}

enum Step {
    Facts(Box<Export>),
    Done,
}

impl Running {
    /// Brings everything that the source knows to this subscriber while the stream is polled.
    ///
    /// # Errors
    /// NOT_FOUND if the log has no such subscriber; UNAVAILABLE if the database is.
    pub async fn export_state(&self, subscriber: &str) -> Result<Exported, Status> {
        let link = self.links.iter().find(|(name, _)| *name == subscriber).map(|(_, link)| link.clone());
        let Some(link) = link else {
            let known: Vec<_> = self.links.iter().map(|(name, _)| *name).collect();
            let (source, known) = (self.log.source(), known.join(", "));
            let message = format!("`{source}` has no subscriber `{subscriber}`; it has: {known}");
            let problem = Problem::not_found(DOMAIN, "SUBSCRIBER_NOT_FOUND", message);
            return Err(problem.with("subscriber", subscriber).to_status());
        };
        let missing =
            || rpc::error::internal_because("the relay was started without the state of its source");
        let state = self.state.as_ref().ok_or_else(missing)?;
        let through = self.log.ends().await.map_err(|error| told(&error))?;
        let (source, log_id) = (self.log.source().to_owned(), self.log.id().to_string());
        let export = Export { link, source, log_id, through, facts: state.tell(), sent: 0 };
        Ok(stream::try_unfold(Step::Facts(Box::new(export)), next).boxed())
    }
}

async fn next(step: Step) -> Result<Option<(pb::ExportStateResponse, Step)>, Status> {
    let Step::Facts(mut export) = step else { return Ok(None) };
    let part = export.facts.next().await.transpose().map_err(|error| told(&error))?;
    let done = part.is_none();
    let facts = part.unwrap_or_default();
    export.sent += i64::try_from(facts.len()).unwrap_or(0);
    let place =
        |(bucket, place): (&i32, &Place)| pb::BucketPlace { bucket: *bucket, place: Some(place.message()) };
    let through = if done { export.through.iter().map(place).collect() } else { Vec::new() };
    let request = pb::TakeStateRequest {
        source: export.source.clone(),
        log_id: export.log_id.clone(),
        events: facts.into_iter().map(message).collect(),
        through,
    };
    export.link.take_state(request).await?;
    let exported = pb::ExportStateResponse { facts: export.sent, done };
    Ok(Some((exported, if done { Step::Done } else { Step::Facts(export) })))
}

/// A fact has no place in the log and no id there.
fn message(fact: Event) -> pb::Event {
    pb::Event {
        position: 0,
        event_id: Uuid::nil().to_string(),
        tenant_id: fact.tenant_id,
        aggregate_id: fact.aggregate_id.to_string(),
        aggregate_seq: fact.aggregate_seq,
        kind: fact.kind.to_owned(),
        order_key: fact.order_key,
        traceparent: String::new(),
        payload: fact.payload,
    }
}
