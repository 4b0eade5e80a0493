//! Arguments of `events`.

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{OutputArgs, TargetArgs, help};

/// Arguments of `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    pub(crate) command: EventsCommand,
}

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Show how far the subscribers of a suite's event logs are
    #[command(after_help = help::EVENTS_LAG)]
    Lag {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List events that a subscriber could not apply
    #[command(after_help = help::EVENTS_LIST)]
    List {
        /// The subscriber
        #[arg(long, value_name = "NAME")]
        subscriber: String,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Apply the parked events of one aggregate in order, until one fails
    #[command(after_help = help::EVENTS_RETRY)]
    Retry {
        /// The subscriber
        #[arg(long, value_name = "NAME")]
        subscriber: String,
        /// The service whose events they are
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Whose history they are part of
        #[arg(value_name = "AGGREGATE_ID")]
        aggregate_id: Uuid,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Drop a parked event for good; it must be the first of its aggregate
    #[command(after_help = help::EVENTS_DISCARD)]
    Discard {
        /// The subscriber
        #[arg(long, value_name = "NAME")]
        subscriber: String,
        /// The event
        #[arg(value_name = "EVENT_ID")]
        event_id: Uuid,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Bring a subscriber everything that a source knows, whatever its log still holds
    #[command(after_help = help::EVENTS_EXPORT_STATE)]
    ExportState {
        /// The subscriber
        #[arg(long, value_name = "NAME")]
        subscriber: String,
        /// The service whose state it is; the target must be a process of it
        #[arg(long, value_name = "NAME")]
        source: String,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Let a subscriber read a log again, or past what it cannot read
    #[command(after_help = help::EVENTS_REPLAY)]
    Replay {
        /// The subscriber
        #[arg(long, value_name = "NAME")]
        subscriber: String,
        /// The service whose log it is
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Where to begin
        #[arg(long, value_enum, value_name = "PLACE")]
        from: From,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// With the oldest event that the log still holds
    Start,
    /// After the newest event: what was missed stays missed
    End,
}
