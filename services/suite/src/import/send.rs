//! One batch: its members are enrolled, its purchases recorded, its answers counted.

use std::future::Future;
use std::sync::Arc;

use ambient::{Clock, Time};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::activity_service_client::ActivityServiceClient;
use proto::rapport::loyalty::v1::record_activity_result::Result as Outcome;
use rpc::client::Client;
use tonic::{Code, Response, Status};

use super::members::Members;
use super::progress::Progress;
use super::purchase::{Program, Purchase};
use super::summary::Tally;
use crate::{Failure, failure, patience};

/// Sends batches. Clones share what they have learnt.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: ActivityServiceClient<Client>,
    members: Members,
    program: Arc<Program>,
    /// A clock that follows the purchases; none where time goes by itself.
    replay: Option<Clock>,
    progress: Arc<Progress>,
}

/// A purchase and the request that it became.
struct Row {
    line: u64,
    request: pb::RecordActivityRequest,
}

impl Sender {
    pub(crate) fn new(
        client: Client,
        program: Program,
        replay: Option<Clock>,
        progress: Arc<Progress>,
    ) -> Sender {
        let program = Arc::new(program);
        let members = Members::new(client.clone(), program.clone());
        Sender { client: ActivityServiceClient::new(client), members, program, replay, progress }
    }

    /// The members met so far.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// Sends one batch and waits for its answers.
    pub(super) async fn send(&self, batch: &[Purchase]) -> Result<Tally, Failure> {
        let last = batch.iter().map(|purchase| purchase.occurred).max().unwrap_or(Time::MIN);
        if let Some(clock) = &self.replay {
            clock.advance_to(last);
        }
        let size = batch.len();
        let mut tally = Tally::default();
        let rows = self.requests(batch, &mut tally).await?;
        self.record(rows, &mut tally).await?;
        self.progress.answered(size);
        Ok(tally)
    }

    async fn requests(&self, batch: &[Purchase], tally: &mut Tally) -> Result<Vec<Row>, Failure> {
        let keys: Vec<&str> = batch.iter().map(|purchase| purchase.member.as_str()).collect();
        let members = self.members.resolve(&keys).await;
        let mut rows = Vec::with_capacity(batch.len());
        for (purchase, member) in batch.iter().zip(members) {
            match member {
                Ok(member_id) => {
                    let request = self.program.record(purchase, &member_id);
                    rows.push(Row { line: purchase.line, request });
                }
                Err(status) if is_about_the_row(&status) => self.refuse(purchase.line, &status, tally),
                Err(status) => return Err(status.into()),
            }
        }
        Ok(rows)
    }

    /// A request that cannot be decoded spoils its whole batch: such a batch is halved until it stands alone.
    async fn record(&self, rows: Vec<Row>, tally: &mut Tally) -> Result<(), Failure> {
        let mut waiting = vec![rows];
        let mut failures = 0;
        while let Some(mut rows) = waiting.pop() {
            if rows.is_empty() {
                continue;
            }
            match self.call(&rows).await {
                Ok(results) => {
                    let (again, why) = self.count(rows, results, tally)?;
                    if let Some(why) = why {
                        failures += 1;
                        if !patience::wait(failures).await {
                            return Err(why.into());
                        }
                        waiting.push(again);
                    }
                }
                Err(status) if is_about_the_row(&status) && rows.len() > 1 => {
                    let tail = rows.split_off(rows.len() / 2);
                    waiting.extend([tail, rows]);
                }
                Err(status) if is_about_the_row(&status) => {
                    rows.iter().for_each(|row| self.refuse(row.line, &status, tally));
                }
                Err(status) => return Err(status.into()),
            }
        }
        Ok(())
    }

    async fn call(&self, rows: &[Row]) -> Result<Vec<pb::RecordActivityResult>, Status> {
        let answer = patiently(|| {
            let mut client = self.client.clone();
            let requests = rows.iter().map(|row| row.request.clone()).collect();
            async move {
                client.batch_record_activities(pb::BatchRecordActivitiesRequest { requests, mode: 0 }).await
            }
        });
        Ok(answer.await?.into_inner().results)
    }

    /// Counts the answers; gives back the rows to be sent again, in order, and why.
    fn count(
        &self,
        rows: Vec<Row>,
        results: Vec<pb::RecordActivityResult>,
        tally: &mut Tally,
    ) -> Result<(Vec<Row>, Option<Status>), Failure> {
        if rows.len() != results.len() {
            let (sent, got) = (rows.len(), results.len());
            return Err(Failure::failed(format!("the server answered {got} of {sent} activities")));
        }
        let (mut again, mut why) = (Vec::new(), None);
        for (row, result) in rows.into_iter().zip(results) {
            match result.result {
                Some(Outcome::Response(response)) => {
                    let points = response.activity.map_or(0, |activity| activity.points);
                    tally.points = tally.points.saturating_add(points);
                    tally.without_points += i64::from(points == 0);
                    match response.replayed {
                        true => tally.replayed += 1,
                        false => tally.accepted += 1,
                    }
                }
                Some(Outcome::Error(error)) => {
                    let status = rpc::from_proto(error);
                    if is_passing(status.code()) {
                        why.get_or_insert(status);
                        again.push(row);
                    } else {
                        self.refuse(row.line, &status, tally);
                    }
                }
                None => return Err(Failure::failed("the server answered without a result")),
            }
        }
        Ok((again, why))
    }

    fn refuse(&self, line: u64, status: &Status, tally: &mut Tally) {
        tally.refused += 1;
        self.progress.refused(line, "", &failure::line_of(status));
    }
}

/// Calls until it is answered, as long as trying again may help. Every call carries a `request_id` or only
/// reads.
pub(super) async fn patiently<T, F, C>(call: C) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
    C: Fn() -> F,
{
    let mut failures = 0;
    loop {
        let answer = call().await;
        let passing = answer.as_ref().is_err_and(|status| is_passing(status.code()));
        failures += 1;
        if !passing || !patience::wait(failures).await {
            return answer;
        }
    }
}

/// Another time the answer may be another.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
    )
}

/// The row is at fault, not the program, the caller or the server.
pub(super) fn is_about_the_row(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange)
}
