//! `rapport import feedback`: rows of a file become submissions, through the gRPC API of a running suite.
//!
//! A row is known by its source and id, so a file may be imported again and again: what was taken is answered
//! as replayed. Memory does not grow with the file.

use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt as _};
use proto::rapport::feedback::v1 as pb;
use proto::rapport::feedback::v1::feedback_service_client::FeedbackServiceClient;
use proto::rapport::feedback::v1::submission_result::Result as Outcome;
use rpc::client::Client;
use serde::Serialize;
use tokio::sync::mpsc;
use tonic::Status;

use super::progress::Progress;
use super::records::Broken;
use super::send::{is_about_the_row, patiently};
use super::submissions::{Mapping, Row, Submissions};
use super::{BATCH, source, unreadable};
use crate::cli::FeedbackArgs;
use crate::output::{self, Format, grouped};
use crate::{Failure, failure, programs, target};

/// Batches that wait to be sent.
const WAITING: usize = 2;

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    /// Rows of the file.
    pub(crate) read: i64,
    /// Taken now.
    pub(crate) accepted: i64,
    /// Taken by an earlier import.
    pub(crate) replayed: i64,
    /// Not taken: bad rows, and what the service refused.
    pub(crate) refused: i64,
    /// Cases that the accepted ones opened.
    pub(crate) cases_opened: i64,
}

/// Sends batches. Clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    client: FeedbackServiceClient<Client>,
    progress: Arc<Progress>,
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    taken: Taken,
    /// False if the file could not be read to its end.
    complete: bool,
    seconds: f64,
}

/// Imports what the arguments name and says what became of it.
pub(super) async fn run(args: &FeedbackArgs) -> Result<(), Failure> {
    let mapping = Mapping {
        source_id: args.source.clone(),
        channel: args.channel.into(),
        language: args.language.clone(),
        zone: programs::zone_of(&args.time_zone)?,
        columns: args.columns(),
    };
    let source = source::open(&args.file)?;
    let progress = Arc::new(Progress::of_file(source.bytes, source.progress));
    let rows = Submissions::open(source.reader, source.format, mapping)
        .map_err(|broken| unreadable(&args.file, &broken))?;
    let client = target::connect_batch(&args.target.target).await?;
    let started = Instant::now();
    let sent = Intake::new(client, progress.clone()).take(rows, usize::from(args.streams)).await;
    progress.finish();
    let (taken, end) = sent.map_err(|failure| {
        Failure::failed(format!(
            "{failure}; the import stopped half-way: run it again, what is taken already will be replayed"
        ))
    })?;
    let seconds = (started.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
    let summary = Summary { taken, complete: end.is_none(), seconds };
    match args.output.output {
        Format::Json => output::json(&summary)?,
        Format::Text => output::print(&summary.text()),
    }
    match end {
        Some(broken) => Err(unreadable(&args.file, &broken)),
        None if taken.refused > 0 && args.strict => {
            let refused = taken.refused;
            Err(Failure::failed(format!("{refused} row(s) were refused, and --strict allows none")))
        }
        None => Ok(()),
    }
}

impl Intake {
    pub(crate) fn new(client: Client, progress: Arc<Progress>) -> Intake {
        Intake { client: FeedbackServiceClient::new(client), progress }
    }

    /// Sends all rows, with as many batches under way at once; says what became of them, and why the file
    /// could not be read to its end, if so.
    pub(crate) async fn take<R: Read + Send + 'static>(
        self,
        rows: Submissions<R>,
        streams: usize,
    ) -> Result<(Taken, Option<Broken>), Failure> {
        let (full, waiting) = mpsc::channel(WAITING);
        let progress = self.progress.clone();
        let reading = tokio::task::spawn_blocking(move || read(rows, &full, &progress));
        let batches = stream::unfold(waiting, |mut waiting| async {
            let batch: Vec<Row> = waiting.recv().await?;
            Some((batch, waiting))
        });
        let answers = batches.map(|batch| self.send(batch)).buffer_unordered(streams.max(1));
        let mut answers = std::pin::pin!(answers);
        let mut taken = Taken::default();
        while let Some(answer) = answers.next().await {
            taken = taken.plus(answer?);
        }
        let (read, end) =
            reading.await.map_err(|_| Failure::failed("reading the file came to a sudden end"))?;
        Ok((taken.plus(read), end))
    }

    /// A submission that cannot be decoded spoils its whole batch: such a batch is halved until it stands
    /// alone.
    async fn send(&self, batch: Vec<Row>) -> Result<Taken, Failure> {
        let mut taken = Taken::default();
        self.progress.answered(batch.len());
        let mut waiting = vec![batch];
        while let Some(mut rows) = waiting.pop() {
            match self.call(&rows).await {
                Ok(results) if results.len() == rows.len() => {
                    for (row, result) in rows.iter().zip(results) {
                        self.count(row, result, &mut taken)?;
                    }
                }
                Ok(results) => {
                    let (got, sent) = (results.len(), rows.len());
                    return Err(Failure::failed(format!("the server answered {got} of {sent} submissions")));
                }
                Err(status) if is_about_the_row(&status) && rows.len() > 1 => {
                    let tail = rows.split_off(rows.len() / 2);
                    waiting.extend([tail, rows]);
                }
                Err(status) if is_about_the_row(&status) => {
                    rows.iter().for_each(|row| self.refuse(row.line, &status, &mut taken));
                }
                Err(status) => return Err(status.into()),
            }
        }
        Ok(taken)
    }

    async fn call(&self, rows: &[Row]) -> Result<Vec<pb::SubmissionResult>, Status> {
        let answer = patiently(|| {
            let mut client = self.client.clone();
            let feedback = rows.iter().map(|row| row.feedback.clone()).collect();
            let request =
                pb::BatchSubmitFeedbackRequest { feedback, policy: pb::BatchPolicy::Continue.into() };
            async move { client.batch_submit_feedback(request).await }
        });
        Ok(answer.await?.into_inner().results)
    }

    fn count(&self, row: &Row, result: pb::SubmissionResult, taken: &mut Taken) -> Result<(), Failure> {
        match result.result {
            Some(Outcome::Taken(one)) if one.replayed => taken.replayed += 1,
            Some(Outcome::Taken(one)) => {
                taken.accepted += 1;
                taken.cases_opened += i64::from(!one.case_id.is_empty());
            }
            Some(Outcome::Refused(error)) => self.refuse(row.line, &rpc::from_proto(error), taken),
            None => return Err(Failure::failed("the server answered without a result")),
        }
        Ok(())
    }

    fn refuse(&self, line: u64, status: &Status, taken: &mut Taken) {
        taken.refused += 1;
        self.progress.refused(line, "", &failure::line_of(status));
    }
}

/// Reads to the end, or to where reading ends, and counts what never reaches the server.
fn read<R: Read>(
    mut rows: Submissions<R>,
    full: &mpsc::Sender<Vec<Row>>,
    progress: &Progress,
) -> (Taken, Option<Broken>) {
    let mut taken = Taken::default();
    let mut end = None;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next() {
        match row {
            Ok(Ok(row)) => {
                taken.read += 1;
                batch.push(row);
            }
            Ok(Err(bad)) => {
                taken.read += 1;
                taken.refused += 1;
                progress.refused(bad.line, &bad.column, &bad.reason);
            }
            Err(broken) => {
                end = Some(broken);
                break;
            }
        }
        if batch.len() == BATCH && full.blocking_send(std::mem::take(&mut batch)).is_err() {
            // The sender gave up; it says why.
            return (taken, None);
        }
    }
    // What came before the break is good.
    if !batch.is_empty() {
        let _ = full.blocking_send(batch);
    }
    (taken, end)
}

impl Taken {
    fn plus(self, other: Taken) -> Taken {
        Taken {
            read: self.read + other.read,
            accepted: self.accepted + other.accepted,
            replayed: self.replayed + other.replayed,
            refused: self.refused + other.refused,
            cases_opened: self.cases_opened + other.cases_opened,
        }
    }
}

impl Summary {
    fn text(&self) -> String {
        let Taken { read, accepted, replayed, refused, cases_opened } = self.taken;
        let counted = [
            ("rows read", read),
            ("accepted", accepted),
            ("replayed", replayed),
            ("refused", refused),
            ("cases opened", cases_opened),
        ];
        let rows: String =
            counted.iter().map(|(name, count)| format!("{name:<17}{:>14}\n", grouped(*count))).collect();
        format!("{rows}{:<17}{:>14.1}\n", "seconds", self.seconds)
    }
}
