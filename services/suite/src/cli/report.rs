//! Arguments of `report`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{TargetArgs, help};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: ReportCommand,
}

/// What to report.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// What a program owes its members, month by month
    #[command(after_help = help::LIABILITY)]
    Liability(LiabilityArgs),
}

/// Arguments of `report liability`.
#[derive(Debug, Args)]
pub(crate) struct LiabilityArgs {
    /// The program
    #[arg(long, value_name = "ID")]
    pub(crate) program: String,
    /// The first month; the first one in which points moved unless given
    #[arg(long, value_name = "YYYY-MM", default_value = "", hide_default_value = true)]
    pub(crate) from: String,
    /// The last month; the current one unless given
    #[arg(long, value_name = "YYYY-MM", default_value = "", hide_default_value = true)]
    pub(crate) to: String,
    /// Only this points currency
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    pub(crate) currency: String,
    /// How to write the report
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ReportFormat::Html)]
    pub(crate) format: ReportFormat,
    /// A file that appears, or is replaced, once it is complete; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page with charts, which needs nothing else
    Html,
    /// One JSON document
    Json,
    /// A table for a spreadsheet, a row for each currency and month
    Csv,
}
