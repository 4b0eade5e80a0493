//! `rapport import`: rows of a file become what happened, through the gRPC API of a running suite. Purchases
//! become activities here; for feedback see [`intake`].
//!
//! A row is known by its id and never by its content, so a file may be imported again and again: what was
//! recorded is answered as replayed. Purchases of one member are sent in the order of the file. Memory does
//! not grow with the file.

mod intake;
mod members;
mod pipeline;
mod progress;
pub(crate) mod purchase;
mod records;
mod rows;
mod send;
mod source;
mod submissions;
mod summary;
pub(crate) mod when;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use intake::{Intake, Taken};
pub(crate) use pipeline::{BATCH, Feeder, Gone, start};
pub(crate) use progress::Progress;
pub(crate) use records::Broken;
pub(crate) use rows::{Rows, Shape};
pub(crate) use send::Sender;
pub(crate) use source::{Format as FileFormat, embedded};
pub(crate) use submissions::{Mapping, Meaning, Submissions};
pub(crate) use summary::Tally;

use crate::cli::{ImportArgs, ImportCommand, PurchasesArgs};
use crate::output::{self, Format};
use crate::{Failure, programs, target};
use summary::Summary;

/// Purchases that a stream collects before it sends them.
const WINDOW: usize = 8 * BATCH;

/// Runs the sub-command.
pub(crate) async fn run(args: ImportArgs) -> Result<(), Failure> {
    match args.command {
        ImportCommand::Purchases(args) => purchases(&args).await,
        ImportCommand::Feedback(args) => intake::run(&args).await,
    }
}

async fn purchases(args: &PurchasesArgs) -> Result<(), Failure> {
    let currency = programs::currency_of(&args.currency)?;
    let shape = Shape {
        id_column: args.id_column.clone(),
        member_column: args.member_column.clone(),
        time_column: args.time_column.clone(),
        amount_column: args.amount_column.clone(),
        amount_unit: args.amount_unit,
        currency,
        zone: programs::zone_of(&args.time_zone)?,
    };
    let source = source::open(&args.file)?;
    let progress = Arc::new(Progress::of_file(source.bytes, source.progress));
    let rows =
        Rows::open(source.reader, source.format, shape).map_err(|broken| unreadable(&args.file, &broken))?;
    let client = target::connect_batch(&args.target.target).await?;
    let program = programs::read(client.clone(), &args.program).await?;
    if program.money_currency_code != currency.code() {
        return Err(Failure::failed(format!(
            "program `{}` counts in {}, but --currency says {}; nothing was imported",
            args.program,
            program.money_currency_code,
            currency.code()
        )));
    }
    let started = Instant::now();
    let sender = Sender::new(client, purchase::Program::new(&args.program), None, progress.clone());
    let (feeder, workers) = start(&sender, usize::from(args.streams), WINDOW);
    let reading = tokio::task::spawn_blocking({
        let progress = progress.clone();
        move || feed(rows, feeder, &progress)
    });
    let sent = workers.finish().await;
    let (read, end) = reading.await.map_err(|_| Failure::failed("reading the file came to a sudden end"))?;
    progress.finish();
    let sent = sent.map_err(|failure| {
        Failure::failed(format!(
            "{failure}; the import stopped half-way: run it again, what is recorded already will be replayed"
        ))
    })?;
    let summary = Summary::of(read.plus(&sent), end.is_none(), started.elapsed());
    match args.output.output {
        Format::Json => output::json(&summary)?,
        Format::Text => output::print(&summary.text()),
    }
    if let Some(broken) = end {
        return Err(unreadable(&args.file, &broken));
    }
    match summary.refused() {
        refused if refused > 0 && args.strict => {
            Err(Failure::failed(format!("{refused} row(s) were refused, and --strict allows none")))
        }
        _ => Ok(()),
    }
}

/// Reads to the end, or to where reading ends, and counts what never reaches the server.
fn feed<R: Read>(mut rows: Rows<R>, mut feeder: Feeder, progress: &Progress) -> (Tally, Option<Broken>) {
    let mut tally = Tally::default();
    let mut end = None;
    while let Some(row) = rows.next() {
        match row {
            Ok(Ok(purchase)) => {
                tally.read += 1;
                if feeder.push(purchase).is_err() {
                    // A worker gave up; it says why.
                    return (tally, None);
                }
            }
            Ok(Err(bad)) => {
                tally.read += 1;
                tally.refused += 1;
                progress.refused(bad.line, &bad.column, &bad.reason);
            }
            Err(broken) => {
                end = Some(broken);
                break;
            }
        }
    }
    // What came before the break is good.
    let _ = feeder.flush();
    (tally, end)
}

fn unreadable(file: &Path, broken: &Broken) -> Failure {
    Failure::failed(format!("{}: {broken}", file.display()))
}
