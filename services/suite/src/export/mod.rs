//! `rapport export`: postings, lots or members of a program, from the gRPC API of a running suite to a file
//! or a pipe.
//!
//! Rows are written while they arrive, so memory does not grow with their number, and a slow reader slows the
//! suite's end of the stream. A connection that breaks is made again, and the export goes on behind the last
//! chunk that it wrote.

mod columns;
mod rows;
mod source;
mod write;

use std::io;

use ambient::Time;
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget};
use proto::rapport::loyalty::v1 as pb;
use rpc::Problem;
use rpc::client::Client;
use tonic::{Code, Status};

use crate::cli::{ExportArgs, ExportCommand, IntoArgs, WhenArgs};
use crate::import::when;
use crate::output::{self, grouped};
use crate::{Failure, new_file, patience, programs, target};
use source::Asked;
use write::Rows;

/// Runs the sub-command.
pub(crate) async fn run(args: ExportArgs) -> Result<(), Failure> {
    let (asked, into) = asked(args.command)?;
    let client = target::connect_batch(&into.target.target).await?;
    let mut rows = Rows::open(&into, asked.columns()).map_err(|error| unwritten(&into, &error))?;
    let mut export = Export { client, asked, count: 0, cursor: String::new(), bar: bar(&into) };
    let outcome = export.run(&mut rows).await;
    export.bar.finish_and_clear();
    let outcome = match outcome {
        Ok(()) => rows.finish().map(|()| export.count).map_err(Stopped::Unwritten),
        Err(stopped) => Err(stopped),
    };
    match outcome {
        Ok(count) => {
            if let Some(file) = &into.output {
                output::note(&format!("{} row(s) in {}", grouped(count), file.display()));
            }
            Ok(())
        }
        // Whoever read it has seen enough.
        Err(Stopped::Unwritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stopped::Unwritten(error)) => Err(unwritten(&into, &error)),
        Err(Stopped::Refused(status)) => Err(status.into()),
    }
}

/// What is asked for, and where it goes.
fn asked(command: ExportCommand) -> Result<(Asked, IntoArgs), Failure> {
    let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    Ok(match command {
        ExportCommand::Postings { member, when, into } => {
            let (start_time, end_time) = range(&when)?;
            let (program_id, member_id) = (into.program.clone(), text(member));
            let request = pb::ExportPostingsRequest {
                program_id,
                member_id,
                start_time,
                end_time,
                ..Default::default()
            };
            (Asked::Postings(request), into)
        }
        ExportCommand::Lots { member, open_only, into } => {
            let (program_id, member_id) = (into.program.clone(), text(member));
            let request = pb::ExportLotsRequest { program_id, member_id, open_only, ..Default::default() };
            (Asked::Lots(request), into)
        }
        ExportCommand::Members { when, into } => {
            let (enrolled_since, enrolled_before) = range(&when)?;
            let filter = pb::MemberFilter { enrolled_since, enrolled_before, ..Default::default() };
            let (program_id, filter) = (into.program.clone(), Some(filter));
            let request = pb::ExportMembersRequest { program_id, filter, ..Default::default() };
            (Asked::Members(request), into)
        }
    })
}

type Moment = Option<prost_types::Timestamp>;

fn range(given: &WhenArgs) -> Result<(Moment, Moment), Failure> {
    let zone = programs::zone_of(&given.time_zone)?;
    let read = |flag: &str, text: &Option<String>| {
        let time = text.as_ref().map(|text| when::parse(text, zone)).transpose();
        time.map_err(|wrong| Failure::usage(format!("{flag}: {wrong}")))
    };
    let (from, to) = (read("--from", &given.from)?, read("--to", &given.to)?);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        return Err(Failure::usage("--to must lie after --from"));
    }
    let moment = |time: Time| {
        let (seconds, nanos) = time.parts();
        prost_types::Timestamp { seconds, nanos }
    };
    Ok((from.map(moment), to.map(moment)))
}

/// Draws nothing unless standard error is a terminal, nor between rows on the same terminal.
fn bar(into: &IntoArgs) -> ProgressBar {
    match into.output.is_none() && output::is_terminal() {
        true => ProgressBar::hidden(),
        false => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
    }
}

fn unwritten(into: &IntoArgs, error: &io::Error) -> Failure {
    match &into.output {
        Some(file) => new_file::unwritten(file, error),
        None => Failure::failed(format!("standard output cannot be written: {error}")),
    }
}

/// Why an export is not complete.
enum Stopped {
    /// By the suite, or by the way to it.
    Refused(Status),
    /// By where rows go.
    Unwritten(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Unwritten(error)
    }
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Stopped {
        Stopped::Refused(status)
    }
}

/// An export under way.
struct Export {
    client: Client,
    asked: Asked,
    /// Rows that were written.
    count: i64,
    /// Behind them.
    cursor: String,
    bar: ProgressBar,
}

impl Export {
    /// Writes every row once, over as many streams as it takes.
    async fn run(&mut self, rows: &mut Rows) -> Result<(), Stopped> {
        // Breaks in a row without a chunk in between.
        let mut breaks = 0;
        loop {
            let before = self.cursor.clone();
            match self.stream(rows).await {
                Ok(()) => return Ok(()),
                Err(Stopped::Refused(status)) if passes(&status) => {
                    breaks = if self.cursor == before { breaks + 1 } else { 1 };
                    if !patience::wait(breaks).await {
                        return Err(Stopped::Refused(status));
                    }
                }
                Err(stopped) => return Err(stopped),
            }
        }
    }

    /// One stream, from where the one before it ended.
    async fn stream(&mut self, rows: &mut Rows) -> Result<(), Stopped> {
        let mut chunks = self.asked.open(&self.client, &self.cursor).await?;
        while let Some(chunk) = chunks.try_next().await? {
            for row in &chunk.rows {
                rows.write(row)?;
            }
            self.cursor = chunk.cursor;
            self.count += i64::try_from(chunk.rows.len()).unwrap_or(0);
            self.bar.set_message(format!("{} rows", grouped(self.count)));
            self.bar.tick();
        }
        Ok(())
    }
}

/// True if the same export may go on later. What a suite says has a reason with a domain; without one, the
/// way to it broke.
fn passes(status: &Status) -> bool {
    let from_suite = !Problem::from_status(status).domain.is_empty();
    !from_suite || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        assert!(passes(&Status::unknown("error reading a body from connection")));
        assert!(passes(&Problem::unavailable("rapport.rpc", "SHUTTING_DOWN", "it ends").to_status()));
        let refused = Problem::not_found("rapport.loyalty", "PROGRAM_NOT_FOUND", "there is no such program");
        assert!(!passes(&refused.to_status()));
    }

    #[test]
    fn a_range_is_read_in_its_zone() {
        let when = |from: &str, to: &str| WhenArgs {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            time_zone: "Europe/Berlin".to_owned(),
        };
        let (from, to) = range(&when("2026-01-01", "2026-02-01T00:00:00Z")).unwrap();
        assert_eq!(from.map(|at| at.seconds), Some(1_767_222_000));
        assert_eq!(to.map(|at| at.seconds), Some(1_769_904_000));
        let told = |from: &str, to: &str| range(&when(from, to)).unwrap_err().to_string();
        assert_eq!(told("2026-01-01", "2026-01-01"), "--to must lie after --from");
        assert!(told("2026-01-01", "soon").starts_with("--to: `soon` is not a time"));
    }
}
