//! `EventLogService` and `DeadLetterService`: what people ask about the logs and subscribers of a process,
//! and what they decide.

use ambient::Time;
use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::dead_letter_service_server::{DeadLetterService, DeadLetterServiceServer};
use proto::rapport::event::v1::event_log_service_server::{EventLogService, EventLogServiceServer};
use rpc::{PageTokens, Problem};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::relay::{Exported, Running, Subscription};
use crate::{DOMAIN, Letter, Place, Subscriber, machine_now_micros};

/// What people may look at in this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Operator {
    relays: Vec<Running>,
    subscribers: Vec<Subscriber>,
    pages: PageTokens,
}

impl Operator {
    /// Over these relays and subscribers; `pages` seals page tokens.
    pub fn new(relays: Vec<Running>, subscribers: Vec<Subscriber>, pages: PageTokens) -> Operator {
        Operator { relays, subscribers, pages }
    }

    /// Adds both services to `routes`.
    pub fn add_to(&self, routes: Routes) -> Routes {
        routes
            .add_service(EventLogServiceServer::new(self.clone()))
            .add_service(DeadLetterServiceServer::new(self.clone()))
    }

    /// The full names of both services, for health.
    pub fn names() -> [String; 2] {
        ["rapport.event.v1.DeadLetterService".to_owned(), "rapport.event.v1.EventLogService".to_owned()]
    }

    fn subscriber(&self, name: &str) -> Result<&Subscriber, Status> {
        let found = self.subscribers.iter().find(|subscriber| subscriber.name() == name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.subscribers.iter().map(Subscriber::name).collect();
            let message = format!("this process has no subscriber `{name}`; it has: {}", known.join(", "));
            Problem::not_found(DOMAIN, "SUBSCRIBER_NOT_FOUND", message).with("subscriber", name).to_status()
        })
    }
}

#[tonic::async_trait]
impl EventLogService for Operator {
    async fn list_subscriptions(
        &self,
        _: Request<pb::ListSubscriptionsRequest>,
    ) -> Result<Response<pb::ListSubscriptionsResponse>, Status> {
        let mut response = pb::ListSubscriptionsResponse::default();
        for relay in &self.relays {
            response.pending += relay.log().pending().await.map_err(|error| told(&error))?;
            for subscription in relay.subscriptions() {
                let next: Vec<_> = subscription.places.iter().map(|(bucket, at)| (*bucket, at + 1)).collect();
                let oldest = relay.log().oldest(&next).await.map_err(|error| told(&error))?;
                response.subscriptions.push(subscription_message(&subscription, oldest));
            }
        }
        Ok(Response::new(response))
    }

    type ExportStateStream = Exported;

    async fn export_state(
        &self,
        request: Request<pb::ExportStateRequest>,
    ) -> Result<Response<Exported>, Status> {
        let message = request.into_inner();
        let relay = self.relays.iter().find(|relay| relay.log().source() == message.source);
        let relay = relay.ok_or_else(|| {
            let known: Vec<_> = self.relays.iter().map(|relay| relay.log().source()).collect();
            let told =
                format!("this process has no log of `{}`; it has: {}", message.source, known.join(", "));
            Problem::not_found(DOMAIN, "LOG_NOT_FOUND", told).with("source", &message.source).to_status()
        })?;
        relay.export_state(&message.subscriber).await.map(Response::new)
    }
}

fn subscription_message(subscription: &Subscription, oldest: Option<i64>) -> pb::Subscription {
    let age = oldest.map(|order_key| machine_now_micros().saturating_sub(order_key).max(0));
    let age = age.map(|micros| prost_types::Duration {
        seconds: micros / 1_000_000,
        nanos: i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0),
    });
    pb::Subscription {
        source: subscription.source.to_owned(),
        subscriber: subscription.subscriber.to_owned(),
        lag: subscription.lag,
        oldest_age: age,
        buckets: subscription.buckets,
        buckets_unknown: subscription.unknown,
        buckets_failing: subscription.failing,
        buckets_diverged: subscription.diverged,
        buckets_truncated: subscription.truncated,
        reachable: subscription.reachable,
    }
}

const LIST: &str = "ListDeadLetters";

#[tonic::async_trait]
impl DeadLetterService for Operator {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let tenant = rpc::principal(&request)?.tenant;
        let message = request.into_inner();
        let subscriber = self.subscriber(&message.subscriber)?;
        let size = rpc::page_size(message.page_size)?;
        let after = match message.page_token.as_str() {
            "" => None,
            token => cursor(&self.pages.open(&tenant, LIST, &message.subscriber, token)?),
        };
        let letters = subscriber.letters(&tenant, after, u64::from(size) + 1).await;
        let mut letters = letters.map_err(|error| told(&error))?;
        let mut next_page_token = String::new();
        if letters.len() > usize::try_from(size).unwrap_or(usize::MAX) {
            letters.truncate(usize::try_from(size).unwrap_or(usize::MAX));
            let last = letters.last().map(cursor_bytes).unwrap_or_default();
            next_page_token = self.pages.seal(&tenant, LIST, &message.subscriber, &last);
        }
        let dead_letters = letters.into_iter().map(|letter| letter_message(&message.subscriber, letter));
        let dead_letters = dead_letters.collect();
        Ok(Response::new(pb::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn retry_dead_letters(
        &self,
        request: Request<pb::RetryDeadLettersRequest>,
    ) -> Result<Response<pb::RetryDeadLettersResponse>, Status> {
        let tenant = rpc::principal(&request)?.tenant;
        let (_, extensions, message) = request.into_parts();
        let subscriber = self.subscriber(&message.subscriber)?.clone();
        let aggregate_id = uuid(&message.aggregate_id);
        let source = message.source;
        let work = async move { subscriber.retry(&tenant, &source, aggregate_id).await };
        let retried = rpc::run_to_completion(&extensions, work).await?.map_err(|error| told(&error))?;
        let retried = retried.ok_or_else(|| no_letter("aggregate_id", aggregate_id))?;
        Ok(Response::new(pb::RetryDeadLettersResponse {
            applied: i32::try_from(retried.applied).unwrap_or(i32::MAX),
            remaining: i32::try_from(retried.remaining).unwrap_or(i32::MAX),
            reason: retried.reason,
        }))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<pb::DiscardDeadLetterRequest>,
    ) -> Result<Response<pb::DiscardDeadLetterResponse>, Status> {
        let tenant = rpc::principal(&request)?.tenant;
        let (_, extensions, message) = request.into_parts();
        let subscriber = self.subscriber(&message.subscriber)?.clone();
        let event_id = uuid(&message.event_id);
        let work = async move { subscriber.discard(&tenant, event_id).await };
        let left = rpc::run_to_completion(&extensions, work).await?.map_err(|error| told(&error))?;
        let left = left.ok_or_else(|| no_letter("event_id", event_id))?;
        let remaining = i32::try_from(left).unwrap_or(i32::MAX);
        Ok(Response::new(pb::DiscardDeadLetterResponse { remaining }))
    }

    async fn replay_events(
        &self,
        request: Request<pb::ReplayEventsRequest>,
    ) -> Result<Response<pb::ReplayEventsResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let subscriber = self.subscriber(&message.subscriber)?.clone();
        let from = match message.from() {
            pb::ReplayFrom::End => Place::END,
            pb::ReplayFrom::Start | pb::ReplayFrom::Unspecified => Place::START,
        };
        let source = message.source.clone();
        let work = async move { subscriber.replay(&source, from).await };
        let log_id = rpc::run_to_completion(&extensions, work).await?.map_err(|error| told(&error))?;
        let log_id = log_id.ok_or_else(|| {
            let message = format!("`{}` never offered a log to this subscriber", message.source);
            Problem::not_found(DOMAIN, "LOG_NOT_FOUND", message).to_status()
        })?;
        let buckets = i32::try_from(db::BUCKETS).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ReplayEventsResponse { log_id: log_id.to_string(), buckets }))
    }
}

fn letter_message(subscriber: &str, letter: Letter) -> pb::DeadLetter {
    let (seconds, nanos) = Time::from_micros(letter.park_time).parts();
    pb::DeadLetter {
        subscriber: subscriber.to_owned(),
        source: letter.source,
        log_id: letter.log_id.to_string(),
        bucket: letter.bucket,
        position: letter.position,
        event_id: letter.event_id.to_string(),
        aggregate_id: letter.aggregate_id.to_string(),
        aggregate_seq: letter.aggregate_seq,
        kind: letter.kind,
        reason: letter.reason,
        tries: letter.tries,
        park_time: Some(prost_types::Timestamp { seconds, nanos }),
    }
}

fn no_letter(field: &'static str, id: Uuid) -> Status {
    let message = "nothing like this is parked here, or it waits behind another event";
    Problem::not_found(DOMAIN, "DEAD_LETTER_NOT_FOUND", message).with(field, id).to_status()
}

pub(crate) fn told(error: &db::Error) -> Status {
    match error.is_transient() {
        true => {
            tracing::warn!(%error, "the database is not available");
            let message = "the database is not available; try again";
            Problem::unavailable(DOMAIN, "DATABASE_UNAVAILABLE", message).to_status()
        }
        false => rpc::internal(error),
    }
}

/// An id whose shape its rule has checked.
fn uuid(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_default()
}

fn cursor_bytes(letter: &Letter) -> Vec<u8> {
    let mut bytes = letter.log_id.as_bytes().to_vec();
    bytes.extend(letter.bucket.to_be_bytes());
    bytes.extend(letter.position.to_be_bytes());
    bytes.extend(letter.source.as_bytes());
    bytes
}

fn cursor(bytes: &[u8]) -> Option<(String, Uuid, i32, i64)> {
    let log_id = Uuid::from_slice(bytes.get(..16)?).ok()?;
    let bucket = i32::from_be_bytes(bytes.get(16..20)?.try_into().ok()?);
    let position = i64::from_be_bytes(bytes.get(20..28)?.try_into().ok()?);
    let source = String::from_utf8(bytes.get(28..)?.to_vec()).ok()?;
    Some((source, log_id, bucket, position))
}
