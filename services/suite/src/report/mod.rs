//! `rapport report`: what a program owes its members, as a page, as a table, or for machines.

mod chart;
mod page;
mod shown;

use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::report_service_client::ReportServiceClient;

use crate::cli::{LiabilityArgs, ReportArgs, ReportCommand, ReportFormat};
use crate::{Failure, new_file, output, programs, target};
use shown::Shown;

/// Asks a running suite.
pub(crate) async fn run(args: ReportArgs) -> Result<(), Failure> {
    match args.command {
        ReportCommand::Liability(args) => liability(&args).await,
    }
}

async fn liability(args: &LiabilityArgs) -> Result<(), Failure> {
    let client = target::connect_batch(&args.target.target).await?;
    let program = programs::read(client.clone(), &args.program).await?;
    let request = pb::GetLiabilityReportRequest {
        program_id: args.program.clone(),
        currency_code: args.currency.clone(),
        first_month: args.from.clone(),
        last_month: args.to.clone(),
        skip_breakage: false,
    };
    let answer = ReportServiceClient::new(client).get_liability_report(request).await?.into_inner();
    let shown = Shown::of(&program, &answer);
    let text = match args.format {
        ReportFormat::Html => page::html(&shown)?,
        ReportFormat::Json => shown.json()?,
        ReportFormat::Csv => shown.csv()?,
    };
    match &args.output {
        None => output::print(&text),
        Some(file) => new_file::write(file, &text)?,
    }
    shown.verdict()
}
