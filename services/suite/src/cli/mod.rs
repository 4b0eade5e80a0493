//! The command line: what can be asked, with examples. Nothing here does anything.

mod events;
mod export;
mod help;
mod import;
mod report;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use uuid::Uuid;

pub(crate) use events::{EventsArgs, EventsCommand, From};
pub(crate) use export::{ExportArgs, ExportCommand, ExportFormat, IntoArgs, WhenArgs};
pub(crate) use import::{AmountUnit, FeedbackArgs, ImportArgs, ImportCommand, PurchasesArgs};
pub(crate) use report::{LiabilityArgs, ReportArgs, ReportCommand, ReportFormat};
pub(crate) use server::{ConfigArgs, MigrateArgs, RebuildArgs, ServerArgs};

use crate::output::Format;
use crate::target;

/// Rapport: listen to customers, measure, reward and speak up, as gRPC services.
#[derive(Debug, Parser)]
#[command(name = "rapport", version, after_help = help::ROOT, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole suite in one process, with nothing to install
    #[command(after_help = help::ALL)]
    All(ServerArgs),
    /// Run the feedback service on PostgreSQL
    #[command(after_help = help::FEEDBACK)]
    Feedback(ServerArgs),
    /// Run the scoring service on PostgreSQL
    #[command(after_help = help::SCORING)]
    Scoring(ServerArgs),
    /// Run the loyalty service on PostgreSQL, with Redis or without
    #[command(after_help = help::LOYALTY)]
    Loyalty(ServerArgs),
    /// Run the notification service on PostgreSQL
    #[command(after_help = help::NOTIFICATION)]
    Notification(ServerArgs),
    /// Bring databases to the schema of this version
    #[command(after_help = help::MIGRATE)]
    Migrate(MigrateArgs),
    /// Derive scores and profiles anew from the observations that are kept
    #[command(after_help = help::REBUILD)]
    Rebuild(RebuildArgs),
    /// Replay a year of real purchases through the suite and show what came of it
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Create, read, list and change loyalty programs
    #[command(after_help = help::PROGRAMS)]
    Programs(ProgramsArgs),
    /// Import what happened elsewhere
    #[command(after_help = help::PURCHASES)]
    Import(ImportArgs),
    /// Write postings, lots or members of a program as CSV or JSON lines
    #[command(after_help = help::EXPORT)]
    Export(ExportArgs),
    /// Check every invariant of the ledger
    #[command(after_help = help::AUDIT)]
    Audit(AuditArgs),
    /// Report what a program owes its members
    #[command(after_help = help::LIABILITY)]
    Report(ReportArgs),
    /// See how far events are, and decide about those that cannot be applied
    #[command(after_help = help::EVENTS)]
    Events(EventsArgs),
    /// Print the settings in force, secrets masked, or the commented defaults
    #[command(after_help = help::CONFIG)]
    Config(ConfigArgs),
    /// Ask a running suite whether it is ready
    #[command(after_help = help::HEALTHCHECK)]
    Healthcheck(HealthcheckArgs),
    /// Print completions for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// A running suite.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArgs {
    /// Address of the suite
    #[arg(long, value_name = "URL", default_value = target::DEFAULT)]
    pub(crate) target: String,
}

/// How to write the result.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to write the result
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A fresh directory for the data; a temporary one, removed at the end, unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the suite listens meanwhile; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where health and metrics are answered meanwhile
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) ops_listen: SocketAddr,
    /// Go on serving afterwards, until interrupted, and keep the data
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `programs`.
#[derive(Debug, Args)]
pub(crate) struct ProgramsArgs {
    #[command(subcommand)]
    pub(crate) command: ProgramsCommand,
}

/// What to do with programs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProgramsCommand {
    /// Create a program; the same command again changes nothing
    #[command(after_help = help::PROGRAMS_CREATE)]
    Create(Box<CreateArgs>),
    /// Read one program
    #[command(after_help = help::PROGRAMS_GET)]
    Get {
        /// The program
        #[arg(value_name = "ID")]
        program_id: String,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show what `apply` would change
    #[command(after_help = help::PROGRAMS_DIFF)]
    Diff(FileArgs),
    /// Make a program, its rules and its rewards what a file says
    #[command(after_help = help::PROGRAMS_APPLY)]
    Apply(FileArgs),
    /// List all programs
    #[command(after_help = help::PROGRAMS_LIST)]
    List {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Arguments of `programs diff` and `programs apply`.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The program, its rule set and its rewards, as TOML
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `programs create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Your own identifier of the program
    #[arg(value_name = "ID")]
    pub(crate) program_id: String,
    /// Currency of every amount of this program, an ISO 4217 code
    #[arg(long, value_name = "CODE")]
    pub(crate) currency: String,
    /// Points that one unit of the currency earns; 0.5 means 5 points for each 10 units
    #[arg(long, value_name = "NUMBER")]
    pub(crate) points_per_unit: String,
    /// Points live this many times 24 hours
    #[arg(long, value_name = "N", conflicts_with = "expiry_months")]
    pub(crate) expiry_days: Option<i32>,
    /// Points live this many calendar months
    #[arg(long, value_name = "N")]
    pub(crate) expiry_months: Option<i32>,
    /// Points live to the end of this day of the year, the next one or that of a later year
    #[arg(long, value_name = "MM-DD[+YEARS]", conflicts_with_all = ["expiry_days", "expiry_months"])]
    pub(crate) expiry_date: Option<String>,
    /// Points live on to the end of the period in which they would end
    #[arg(long, value_enum, value_name = "PERIOD")]
    pub(crate) expiry_round_to: Option<ExpiryPeriod>,
    /// Each activity and each redemption gives all points of a member a new life
    #[arg(long, conflicts_with = "expiry_date")]
    pub(crate) expiry_sliding: bool,
    /// Points may be spent so many days after the activity, or once it is confirmed
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(1..=3650))]
    pub(crate) release_days: Option<i32>,
    /// Points may be spent once their activity is confirmed
    #[arg(long, conflicts_with = "release_days")]
    pub(crate) release_on_confirmation: bool,
    /// What is taken back of the points of a returned activity
    #[arg(long, value_enum, value_name = "POLICY", default_value = "within-balance")]
    pub(crate) return_policy: ReturnPolicy,
    /// Spend of a calendar year that reaches each tier, lowest first, as AMOUNT or NAME=AMOUNT
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) tiers: Vec<String>,
    /// IANA zone in which days, months and years are counted
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: String,
    /// A name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) display_name: String,
    /// Identifier of this call; made from the arguments unless given
    #[arg(long, value_name = "UUID")]
    pub(crate) request_id: Option<Uuid>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Audit the files in this directory instead, beside a running suite or without one
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Only this program
    #[arg(long, value_name = "ID", default_value = "")]
    pub(crate) program: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `healthcheck`.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// Operations address of the suite
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7401")]
    pub(crate) ops: String,
}

/// What is taken back of the points of a returned activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReturnPolicy {
    /// Those that are still pending; the rest is waived
    OnlyPending,
    /// Available ones, too; what was spent is waived
    WithinBalance,
    /// All: what was spent is repaid by later points
    Unlimited,
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExpiryPeriod {
    /// The month
    Month,
    /// January to March, and so on
    Quarter,
    /// The year
    Year,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                let examples = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(examples.contains(&format!("  {path}")), "{path}: {examples}");
                check(sub, &path);
            }
        }
        check(&Cli::command(), "rapport");
    }

    #[test]
    fn every_example_parses() {
        for line in help::all().lines().filter_map(|line| line.strip_prefix("  rapport ")) {
            let command = line.split(" > ").next().unwrap().split(" | ").next().unwrap();
            let words = std::iter::once("rapport").chain(command.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}
