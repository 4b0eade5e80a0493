//! Arguments of `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{TargetArgs, help};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    pub(crate) command: ExportCommand,
}

/// What to export.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Every movement of points
    #[command(after_help = help::EXPORT_POSTINGS)]
    Postings {
        /// Only those of this member
        #[arg(long, value_name = "UUID")]
        member: Option<Uuid>,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        into: IntoArgs,
    },
    /// Points that were credited together, with what is left of them
    #[command(after_help = help::EXPORT_LOTS)]
    Lots {
        /// Only those of this member
        #[arg(long, value_name = "UUID")]
        member: Option<Uuid>,
        /// Only those with points remaining
        #[arg(long)]
        open_only: bool,
        #[command(flatten)]
        into: IntoArgs,
    },
    /// Members with what is known of them
    #[command(after_help = help::EXPORT_MEMBERS)]
    Members {
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        into: IntoArgs,
    },
}

/// Of which time: when postings were recorded, or members enrolled.
#[derive(Debug, Args)]
pub(crate) struct WhenArgs {
    /// From this moment on: RFC 3339, or local time as 2017-01-31T12:00:00, or a date
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// IANA zone of times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: String,
}

/// Of which program, and where to.
#[derive(Debug, Args)]
pub(crate) struct IntoArgs {
    /// The program
    #[arg(long, value_name = "ID")]
    pub(crate) program: String,
    /// How to write rows
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    /// A file that appears, or is replaced, once it is complete; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write texts into CSV as they are, even if a spreadsheet would take them for formulas
    #[arg(long)]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// RFC 4180 with a header
    Csv,
    /// A JSON document on each line
    Jsonl,
}
