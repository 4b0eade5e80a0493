//! Applying: as much as possible in one transaction, and what fails in ever smaller parts, until the event
//! that is to blame stands alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use proto::rapport::event::v1 as pb;
use uuid::Uuid;

use super::continuity::{Piece, Verdict, judge};
use super::{Subscriber, cursors, trace};
use crate::entity::cursor;
use crate::handler::{Cause, Failed, Received};
use crate::{Handler, Place};

/// How often a batch is looked at again when the answer to its COMMIT was lost.
const SETTLE_MAX: usize = 3;

/// What stopped the handler.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The handler refused an event, or panicked. The event is named by its place in the batch if it is
    /// known.
    Refused(String, Option<usize>),
    /// The database refused its statements.
    Database(db::Error),
}

/// Why a transaction was given up.
#[derive(Debug)]
pub(super) enum Failure {
    /// The handler refused an event: this one, if it is known.
    Refused {
        /// Why.
        reason: String,
        /// Its bucket and position.
        culprit: Option<(i32, i64)>,
    },
    /// The database refused.
    Database(db::Error),
}

/// Why, and the bucket and position of the event if it is known.
type Refusal = (String, Option<(i32, i64)>);

/// One transaction's worth of pieces, of different buckets.
#[derive(Debug)]
struct Batch {
    source: String,
    log_id: Uuid,
    pieces: Vec<Piece>,
    /// What the handler refused in the last attempt.
    refused: Mutex<Option<Refusal>>,
}

/// What became of a piece: the verdict on it, and where the cursor stands now.
type Settled = (i32, Verdict, Place);

impl Subscriber {
    /// Applies pieces by bucket, each exactly once; one outcome per bucket.
    pub(super) async fn apply_all(
        &self,
        source: &str,
        log_id: Uuid,
        pieces: Vec<Piece>,
    ) -> Result<Vec<pb::Outcome>, db::Error> {
        let mut outcomes: BTreeMap<i32, pb::Outcome> = BTreeMap::new();
        let mut stopped: BTreeSet<i32> = BTreeSet::new();
        let mut parts = VecDeque::from([pieces]);
        while let Some(mut part) = parts.pop_front() {
            part.retain(|piece| !stopped.contains(&piece.bucket));
            if part.is_empty() {
                continue;
            }
            match self.commit(source, log_id, part.clone()).await {
                Ok(settled) => {
                    for (bucket, verdict, cursor) in settled {
                        outcomes.insert(bucket, outcome(bucket, state(verdict), cursor));
                    }
                }
                Err(Failure::Database(error)) if passes(&error) => return Err(error),
                Err(failure) => match divide(part, failure.culprit()) {
                    Ok(divided) => divided.into_iter().rev().for_each(|part| parts.push_front(part)),
                    Err(piece) => {
                        let (bucket, before) = (piece.bucket, piece.after);
                        let parked = self.failed(source, log_id, *piece, failure).await?;
                        let state = match parked {
                            Some(_) => pb::SliceState::Applied,
                            None => pb::SliceState::Failed,
                        };
                        outcomes.insert(bucket, outcome(bucket, state, parked.unwrap_or(before)));
                        if parked.is_none() {
                            stopped.insert(bucket);
                        }
                    }
                },
            }
        }
        Ok(outcomes.into_values().collect())
    }

    /// One transaction: lock the cursors, apply what continues them, move them.
    async fn commit(&self, source: &str, log_id: Uuid, pieces: Vec<Piece>) -> Result<Vec<Settled>, Failure> {
        let spans = trace::begin(&pieces);
        let batch = Arc::new(Batch { source: source.to_owned(), log_id, pieces, refused: Mutex::default() });
        let mut tries = 1;
        let settled = loop {
            let (subscriber, work) = (self.clone(), batch.clone());
            let transaction = self.db.transact(move |tx| {
                let (subscriber, batch) = (subscriber.clone(), work.clone());
                async move { subscriber.write(tx, &batch).await }.boxed()
            });
            match trace::within(&spans, transaction).await {
                // The cursors tell whether it happened.
                Err(db::Error::CommitUnknown(_)) if tries < SETTLE_MAX => tries += 1,
                outcome => break outcome,
            }
        };
        trace::end(spans, settled.is_ok());
        match settled {
            Ok(settled) => {
                (self.handler.applied)();
                Ok(settled)
            }
            Err(error) => {
                let refused = batch.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(match refused {
                    Some((reason, culprit)) => Failure::Refused { reason, culprit },
                    None => Failure::Database(error),
                })
            }
        }
    }

    async fn write(&self, tx: &db::Tx, batch: &Batch) -> Result<Vec<Settled>, db::Error> {
        let buckets: Vec<i32> = batch.pieces.iter().map(|piece| piece.bucket).collect();
        let mut locked = cursors::lock(tx, &batch.source, batch.log_id, &buckets).await?;
        let mut settled = Vec::with_capacity(buckets.len());
        let mut moved: Vec<cursor::Model> = Vec::new();
        let mut events: Vec<(i32, i64, Received)> = Vec::new();
        for piece in &batch.pieces {
            let Some(mut cursor) = locked.remove(&piece.bucket) else {
                settled.push((piece.bucket, Verdict::Diverged, Place::ZERO));
                continue;
            };
            let verdict = judge(cursor.place(), piece);
            match verdict {
                Verdict::Apply => {
                    let own = piece.events.iter().map(|(at, event)| (piece.bucket, *at, event.clone()));
                    events.extend(own);
                    cursor.move_to(piece.through);
                }
                Verdict::Move(place) => cursor.move_to(place),
                Verdict::Have | Verdict::Rewind | Verdict::Diverged | Verdict::Truncated => {}
            }
            settled.push((piece.bucket, verdict, cursor.place()));
            if matches!(verdict, Verdict::Apply | Verdict::Move(_)) {
                moved.push(cursor);
            }
        }
        let events = self.join_parked(tx, (&batch.source, batch.log_id), events).await?;
        self.hand_over(tx, batch, events).await?;
        cursors::save(tx, &moved).await?;
        Ok(settled)
    }

    async fn hand_over(
        &self,
        tx: &db::Tx,
        batch: &Batch,
        events: Vec<(i32, i64, Received)>,
    ) -> Result<(), db::Error> {
        if events.is_empty() {
            return Ok(());
        }
        let (places, events): (Vec<(i32, i64)>, Vec<Received>) =
            events.into_iter().map(|(bucket, position, event)| ((bucket, position), event)).unzip();
        match handle(&self.handler, tx, &events).await {
            Ok(()) => Ok(()),
            Err(Trouble::Database(error)) => Err(error),
            Err(Trouble::Refused(reason, index)) => {
                let culprit = index.and_then(|index| places.get(index).copied());
                *batch.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((reason, culprit));
                Err(db::Error::Aborted)
            }
        }
    }
}

/// Runs the handler; a panic in it is a refusal.
pub(super) async fn handle(handler: &Handler, tx: &db::Tx, events: &[Received]) -> Result<(), Trouble> {
    let applied = AssertUnwindSafe((handler.apply)(tx, events)).catch_unwind().await;
    match applied {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Failed { index, cause: Cause::Refused(reason) })) => {
            Err(Trouble::Refused(reason, Some(index)))
        }
        Ok(Err(Failed { cause: Cause::Database(error), .. })) => Err(Trouble::Database(error)),
        Err(_) => Err(Trouble::Refused("the handler panicked".to_owned(), None)),
    }
}

impl Failure {
    fn culprit(&self) -> Option<(i32, i64)> {
        match self {
            Failure::Refused { culprit, .. } => *culprit,
            Failure::Database(_) => None,
        }
    }
}

/// True for what has nothing to do with the events.
fn passes(error: &db::Error) -> bool {
    error.is_transient() || matches!(error, db::Error::CommitUnknown(_))
}

/// Parts of a part that failed, in order: the culprit apart if it is known, otherwise slices first, then the
/// events of one. What cannot be divided is the error.
fn divide(mut part: Vec<Piece>, culprit: Option<(i32, i64)>) -> Result<Vec<Vec<Piece>>, Box<Piece>> {
    if part.len() > 1 {
        let alone = culprit.and_then(|(bucket, _)| part.iter().position(|piece| piece.bucket == bucket));
        return Ok(match alone {
            Some(at) => {
                let piece = part.remove(at);
                vec![part, vec![piece]]
            }
            None => {
                let rest = part.split_off(part.len() / 2);
                vec![part, rest]
            }
        });
    }
    let Some(piece) = part.pop() else { return Ok(Vec::new()) };
    if piece.events.len() <= 1 {
        return Err(Box::new(piece));
    }
    let position = culprit.map(|(_, position)| position);
    let at = piece.events.iter().position(|(at, _)| Some(*at) == position);
    let Some(at) = at else {
        let middle = piece.events.len() / 2;
        let (first, second) = piece.split(middle);
        return Ok(vec![vec![first], vec![second]]);
    };
    let (before, rest) = piece.split(at);
    let (culprit, after) = rest.split(1);
    let parts = [before, culprit, after].into_iter();
    Ok(parts
        .filter(|piece| !piece.events.is_empty() || piece.through != piece.after)
        .map(|p| vec![p])
        .collect())
}

fn state(verdict: Verdict) -> pb::SliceState {
    match verdict {
        Verdict::Apply | Verdict::Have => pb::SliceState::Applied,
        Verdict::Rewind | Verdict::Move(_) => pb::SliceState::Rewind,
        Verdict::Diverged => pb::SliceState::LogDiverged,
        Verdict::Truncated => pb::SliceState::LogTruncated,
    }
}

fn outcome(bucket: i32, state: pb::SliceState, cursor: Place) -> pb::Outcome {
    pb::Outcome { bucket, state: state.into(), cursor: Some(cursor.message()) }
}
