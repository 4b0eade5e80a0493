//! Arguments of `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputArgs, TargetArgs, help};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) command: ImportCommand,
}

/// What to import.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Purchases from a CSV file: each becomes an activity that earns points
    #[command(after_help = help::PURCHASES)]
    Purchases(Box<PurchasesArgs>),
}

/// What the numbers of the amount column count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AmountUnit {
    /// The currency's smallest unit: cents
    Minor,
    /// The currency's unit: dollars
    Major,
}

/// Arguments of `import purchases`.
#[derive(Debug, Args)]
pub(crate) struct PurchasesArgs {
    /// A CSV file with a header line, plain or compressed with gzip
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The program that the purchases belong to
    #[arg(long, value_name = "ID")]
    pub(crate) program: String,
    /// Column with the number of the purchase, unique within the program
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: String,
    /// Column with your own key of the customer
    #[arg(long, value_name = "NAME")]
    pub(crate) member_column: String,
    /// Column with the time: RFC 3339, or local time as 2017-01-31T12:00:00, or a date
    #[arg(long, value_name = "NAME")]
    pub(crate) time_column: String,
    /// Column with the amount
    #[arg(long, value_name = "NAME")]
    pub(crate) amount_column: String,
    /// What the numbers of the amount column count
    #[arg(long, value_enum, value_name = "UNIT", default_value_t = AmountUnit::Major)]
    pub(crate) amount_unit: AmountUnit,
    /// Currency of the amounts, an ISO 4217 code
    #[arg(long, value_name = "CODE")]
    pub(crate) currency: String,
    /// IANA zone of times that name none; a time that occurs twice means the first, one that does not occur
    /// the first moment after
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: String,
    /// Batches under way at once; purchases of one member keep their order
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) streams: u16,
    /// Exit with 1 if any row was refused
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
