//! `SubscriberService/TakeState`: facts that come past the log, and where to read the log on from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use proto::rapport::event::v1 as pb;
use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use super::apply::{Trouble, handle};
use super::continuity::received;
use super::deliver::{malformed, unavailable};
use super::{Subscriber, cursors};
use crate::{DOMAIN, Place, Received};

impl Subscriber {
    /// Applies a part of a source's state; with the last one, which says how far the log is, moves the
    /// cursors there. A cursor that is further stays.
    ///
    /// # Errors
    /// UNAVAILABLE if the database is; FAILED_PRECONDITION for a subscriber that takes no state, or a fact
    /// that it refuses; INVALID_ARGUMENT for what is no part of a state.
    pub(super) async fn take_part(
        &self,
        message: pb::TakeStateRequest,
    ) -> Result<pb::TakeStateResponse, Status> {
        if !self.handler.takes_state {
            let told = format!("`{}` takes no state: let it read the log from its end", self.name());
            return Err(Problem::precondition(DOMAIN, "STATE_NOT_TAKEN", told).to_status());
        }
        let log_id = Uuid::try_parse(&message.log_id).map_err(|_| malformed("log_id"))?;
        let through = places(&message.through).ok_or_else(|| malformed("through"))?;
        let mut facts = Vec::with_capacity(message.events.len());
        for event in message.events {
            facts.push(received(&message.source, event).ok_or_else(|| malformed("events"))?);
        }
        facts.retain(|fact| self.handler.kinds.contains(&fact.kind.as_str()));
        self.take_facts(facts).await?;
        if !through.is_empty() {
            let (source, places) = (message.source, Arc::new(through));
            let moved = self.db.transact(move |tx| {
                let (source, places) = (source.clone(), places.clone());
                async move { cursors::advance(tx, &source, log_id, &places).await }.boxed()
            });
            moved.await.map_err(|error| unavailable(&error))?;
        }
        (self.handler.applied)();
        Ok(pb::TakeStateResponse {})
    }

    async fn take_facts(&self, facts: Vec<Received>) -> Result<(), Status> {
        if facts.is_empty() {
            return Ok(());
        }
        let refused: Arc<Mutex<Option<String>>> = Arc::default();
        let (handler, facts, told) = (self.handler.clone(), Arc::new(facts), refused.clone());
        let taken = self.db.transact(move |tx| {
            let (handler, facts, told) = (handler.clone(), facts.clone(), told.clone());
            async move {
                match handle(&handler, tx, &facts).await {
                    Ok(()) => Ok(()),
                    Err(Trouble::Database(error)) => Err(error),
                    Err(Trouble::Refused(reason, _)) => {
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                        Err(db::Error::Aborted)
                    }
                }
            }
            .boxed()
        });
        let error = match taken.await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        Err(match refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(reason) => Problem::precondition(DOMAIN, "STATE_REFUSED", reason).to_status(),
            None => unavailable(&error),
        })
    }
}

/// Where a whole log stood, or nowhere yet; `None` if it is neither.
fn places(through: &[pb::BucketPlace]) -> Option<BTreeMap<i32, Place>> {
    let buckets = 0..i32::try_from(db::BUCKETS).unwrap_or(i32::MAX);
    let mut places = BTreeMap::new();
    for stand in through {
        let place = Place::of(stand.place.as_ref()).filter(|place| place.position >= 0)?;
        places.insert(stand.bucket, place);
    }
    let whole = places.keys().copied().eq(buckets);
    (whole || through.is_empty()).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stands_in_all_its_buckets_or_nowhere_yet() {
        let stand = |bucket, position| pb::BucketPlace {
            bucket,
            place: Some(pb::Place { position, event_id: String::new() }),
        };
        let whole: Vec<_> = (0..64).map(|bucket| stand(bucket, i64::from(bucket))).collect();
        assert_eq!(places(&whole).map(|places| places.len()), Some(64));
        assert_eq!(places(&[]).map(|places| places.len()), Some(0));
        assert_eq!(places(&whole[1..]), None, "the other cursors would be forgotten");
        let spoilt = |at: usize, by: pb::BucketPlace| {
            let mut spoilt = whole.clone();
            spoilt[at] = by;
            places(&spoilt)
        };
        assert_eq!(spoilt(63, stand(64, 1)), None);
        assert_eq!(spoilt(5, stand(6, 1)), None);
        assert_eq!(spoilt(5, stand(5, -1)), None);
        assert_eq!(spoilt(5, pb::BucketPlace { bucket: 5, place: None }), None);
    }
}
