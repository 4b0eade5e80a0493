//! `rapport events`: how far events are, and what is to be done about those that cannot be applied.

use std::fmt::Write as _;

use ambient::Time;
use indicatif::{ProgressBar, ProgressDrawTarget};
use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::rapport::event::v1::event_log_service_client::EventLogServiceClient;
use rpc::client::Client;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::{EventsArgs, EventsCommand, From, OutputArgs};
use crate::output::{self, Format, grouped};
use crate::{Failure, target};

/// Asks a running suite.
pub(crate) async fn run(args: EventsArgs) -> Result<(), Failure> {
    match args.command {
        EventsCommand::Lag { target, output } => {
            lag(EventLogServiceClient::new(target::connect(&target.target).await?), output).await
        }
        EventsCommand::List { subscriber, target, output } => {
            list(target::connect(&target.target).await?, &subscriber, output).await
        }
        EventsCommand::Retry { subscriber, source, aggregate_id, target, output } => {
            let client = target::connect(&target.target).await?;
            retry(client, subscriber, source, aggregate_id, output).await
        }
        EventsCommand::Discard { subscriber, event_id, target, output } => {
            discard(target::connect(&target.target).await?, subscriber, event_id, output).await
        }
        EventsCommand::ExportState { subscriber, source, target, output } => {
            export_state(target::connect_batch(&target.target).await?, source, subscriber, output).await
        }
        EventsCommand::Replay { subscriber, source, from, target, output } => {
            replay(target::connect(&target.target).await?, subscriber, source, from, output).await
        }
    }
}

fn show<T: Serialize>(value: &T, text: &str, output: OutputArgs) -> Result<(), Failure> {
    match output.output {
        Format::Json => output::json(value),
        Format::Text => {
            output::print(text);
            Ok(())
        }
    }
}

#[derive(Debug, Serialize)]
struct Lag {
    pending: i64,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug, Serialize)]
struct Subscription {
    source: String,
    subscriber: String,
    lag: i64,
    oldest_age_seconds: Option<f64>,
    buckets: i32,
    buckets_unknown: i32,
    buckets_failing: i32,
    buckets_diverged: i32,
    buckets_truncated: i32,
    reachable: bool,
}

async fn lag(mut client: EventLogServiceClient<Client>, output: OutputArgs) -> Result<(), Failure> {
    let answer = client.list_subscriptions(pb::ListSubscriptionsRequest {}).await?.into_inner();
    let age = |age: prost_types::Duration| age.seconds as f64 + f64::from(age.nanos) / 1e9;
    let subscription = |s: pb::Subscription| Subscription {
        source: s.source,
        subscriber: s.subscriber,
        lag: s.lag,
        oldest_age_seconds: s.oldest_age.map(age),
        buckets: s.buckets,
        buckets_unknown: s.buckets_unknown,
        buckets_failing: s.buckets_failing,
        buckets_diverged: s.buckets_diverged,
        buckets_truncated: s.buckets_truncated,
        reachable: s.reachable,
    };
    let subscriptions: Vec<_> = answer.subscriptions.into_iter().map(subscription).collect();
    let lag = Lag { pending: answer.pending, subscriptions };
    show(&lag, &lag.text(), output)?;
    let stopped: i32 = lag.subscriptions.iter().map(|s| s.buckets_diverged + s.buckets_truncated).sum();
    match stopped {
        0 => Ok(()),
        count => Err(Failure::failed(format!(
            "{count} bucket(s) stand still until you decide: see `rapport events replay --help` and \
             `rapport events export-state --help`"
        ))),
    }
}

impl Lag {
    fn text(&self) -> String {
        let mut text = format!("events without a position: {}\n", grouped(self.pending));
        for s in &self.subscriptions {
            let oldest = s.oldest_age_seconds.map_or_else(String::new, |age| format!(", oldest {age:.1} s"));
            let state = if s.reachable { "" } else { ", NOT REACHABLE" };
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{} -> {}: {} behind{oldest}{state}; of {} buckets {} unknown, {} failing, {} diverged, \
                 {} truncated",
                s.source,
                s.subscriber,
                grouped(s.lag),
                s.buckets,
                s.buckets_unknown,
                s.buckets_failing,
                s.buckets_diverged,
                s.buckets_truncated
            );
        }
        text
    }
}

#[derive(Debug, Serialize)]
struct Letter {
    source: String,
    bucket: i32,
    position: i64,
    event_id: String,
    aggregate_id: String,
    aggregate_seq: i64,
    kind: String,
    reason: String,
    tries: i32,
    park_time: String,
}

async fn list(client: Client, subscriber: &str, output: OutputArgs) -> Result<(), Failure> {
    let mut letters = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListDeadLettersRequest {
            subscriber: subscriber.to_owned(),
            page_size: 1_000,
            page_token: std::mem::take(&mut page_token),
        };
        let mut client = DeadLetterServiceClient::new(client.clone());
        let page = client.list_dead_letters(request).await?.into_inner();
        letters.extend(page.dead_letters.into_iter().map(letter));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut text = format!("{} parked\n", grouped(i64::try_from(letters.len()).unwrap_or(i64::MAX)));
    for letter in &letters {
        let why = if letter.reason.is_empty() { "waits behind another" } else { &letter.reason };
        let _ = writeln!(
            text,
            "{} {} {} of {} {} since {}: {why}",
            letter.source,
            letter.event_id,
            letter.kind,
            letter.aggregate_id,
            letter.aggregate_seq,
            letter.park_time
        );
    }
    show(&letters, &text, output)
}

fn letter(letter: pb::DeadLetter) -> Letter {
    let parked = letter.park_time.and_then(|at| Time::from_parts(at.seconds, at.nanos));
    Letter {
        source: letter.source,
        bucket: letter.bucket,
        position: letter.position,
        event_id: letter.event_id,
        aggregate_id: letter.aggregate_id,
        aggregate_seq: letter.aggregate_seq,
        kind: letter.kind,
        reason: letter.reason,
        tries: letter.tries,
        park_time: parked.map(|at| at.to_string()).unwrap_or_default(),
    }
}

#[derive(Debug, Serialize)]
struct Retried {
    applied: i32,
    remaining: i32,
    reason: String,
}

async fn retry(
    client: Client,
    subscriber: String,
    source: String,
    aggregate_id: Uuid,
    output: OutputArgs,
) -> Result<(), Failure> {
    let aggregate_id = aggregate_id.to_string();
    let request = pb::RetryDeadLettersRequest { subscriber, source, aggregate_id };
    let answer = DeadLetterServiceClient::new(client).retry_dead_letters(request).await?.into_inner();
    let retried = Retried { applied: answer.applied, remaining: answer.remaining, reason: answer.reason };
    let text = format!("{} applied, {} still parked\n", retried.applied, retried.remaining);
    show(&retried, &text, output)?;
    match retried.remaining {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("the first of them failed again: {}", retried.reason))),
    }
}

#[derive(Debug, Serialize)]
struct Discarded {
    remaining: i32,
}

async fn discard(
    client: Client,
    subscriber: String,
    event_id: Uuid,
    output: OutputArgs,
) -> Result<(), Failure> {
    let request = pb::DiscardDeadLetterRequest { subscriber, event_id: event_id.to_string() };
    let answer = DeadLetterServiceClient::new(client).discard_dead_letter(request).await?.into_inner();
    let text = format!("dropped; {} of its aggregate still parked\n", answer.remaining);
    show(&Discarded { remaining: answer.remaining }, &text, output)
}

#[derive(Debug, Serialize)]
struct Exported {
    facts: i64,
}

async fn export_state(
    client: Client,
    source: String,
    subscriber: String,
    output: OutputArgs,
) -> Result<(), Failure> {
    let request = pb::ExportStateRequest { source, subscriber };
    let mut parts = EventLogServiceClient::new(client).export_state(request).await?.into_inner();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let mut last = pb::ExportStateResponse::default();
    while let Some(part) = parts.message().await? {
        last = part;
        bar.set_message(format!("{} facts", grouped(last.facts)));
        bar.tick();
    }
    bar.finish_and_clear();
    if !last.done {
        return Err(Failure::failed("the export ended early: start it again".to_owned()));
    }
    let text = format!("{} facts brought; the log is read from here on\n", grouped(last.facts));
    show(&Exported { facts: last.facts }, &text, output)
}

#[derive(Debug, Serialize)]
struct Replayed {
    log_id: String,
    buckets: i32,
}

async fn replay(
    client: Client,
    subscriber: String,
    source: String,
    from: From,
    output: OutputArgs,
) -> Result<(), Failure> {
    let from = match from {
        From::Start => pb::ReplayFrom::Start,
        From::End => pb::ReplayFrom::End,
    };
    let request = pb::ReplayEventsRequest { subscriber, source, from: from.into() };
    let answer = DeadLetterServiceClient::new(client).replay_events(request).await?.into_inner();
    let text = format!("{} buckets of log {} are read anew\n", answer.buckets, answer.log_id);
    show(&Replayed { log_id: answer.log_id, buckets: answer.buckets }, &text, output)
}
