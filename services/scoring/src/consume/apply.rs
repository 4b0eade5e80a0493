//! A batch of events in one open transaction: their facts are folded and counted in memory, and everything
//! they change is written with one statement per table.

use std::collections::BTreeSet;

use db::sea_orm::ConnectionTrait;
use db::{Owner, Tenant, Tx};
use events::{Cause, Failed, Received};
use uuid::Uuid;

use super::decode;
use crate::domain::Observation;
use crate::store::{effects, gate, observations, profiles};

/// Applies what these events say and was not applied yet.
///
/// # Errors
/// The first event that cannot be decoded: then nothing may be committed. `Busy` while scores and profiles
/// are being made again: then events wait.
pub(super) async fn apply(tx: &Tx, events: &[Received]) -> Result<(), Failed> {
    let told = told(events)?;
    if told.is_empty() {
        return Ok(());
    }
    write(tx, told).await.map_err(|error| Failed { index: 0, cause: error.into() })
}

/// What the events say, in their order.
fn told(events: &[Received]) -> Result<Vec<(Owner, Observation)>, Failed> {
    let mut told = Vec::with_capacity(events.len());
    let mut tenant = Tenant::new("");
    for (index, event) in events.iter().enumerate() {
        let refused = |why: String| Failed {
            index,
            cause: Cause::Refused(format!("{} {}: {why}", event.kind, event.event_id)),
        };
        let Some(facts) = decode(event).map_err(refused)? else { continue };
        if tenant.id() != event.tenant_id {
            tenant = Tenant::new(&event.tenant_id);
        }
        let owner = Owner::new(&tenant, facts.owner_id);
        for (ordinal, what) in (0..).zip(facts.what) {
            let observation = Observation {
                fact_id: facts.id,
                ordinal,
                order_key: event.order_key,
                anonymous: facts.anonymous,
                time: facts.time,
                what,
            };
            told.push((owner.clone(), observation));
        }
    }
    Ok(told)
}

async fn write(tx: &Tx, told: Vec<(Owner, Observation)>) -> Result<(), db::Error> {
    let backend = tx.get_database_backend();
    db::traced(backend, "SELECT rebuild FOR SHARE", gate::pass(tx)).await?;
    let customers = effects::customers(told.iter());
    let opened = db::traced(backend, "SELECT profile FOR UPDATE", profiles::open(tx, &customers)).await?;
    let fresh = db::traced(backend, "SELECT observation", fresh(tx, told)).await?;
    if fresh.is_empty() {
        return Ok(());
    }
    db::traced(backend, "INSERT observation", observations::insert(tx, &fresh)).await?;
    db::traced(backend, "UPDATE profile", effects::write(tx, opened, &fresh)).await
}

/// Leaves out what is there, however the service heard of it, and the second of the same.
async fn fresh(tx: &Tx, told: Vec<(Owner, Observation)>) -> Result<Vec<(Owner, Observation)>, db::Error> {
    let facts: BTreeSet<(Owner, Uuid)> =
        told.iter().map(|(owner, observation)| (owner.clone(), observation.fact_id)).collect();
    let facts: Vec<_> = facts.into_iter().collect();
    let known = observations::existing(tx, &facts).await?;
    let mut taken = BTreeSet::new();
    let is_fresh = |(owner, observation): &(Owner, Observation)| {
        let fact = (owner.clone(), observation.fact_id);
        !known.contains(&fact) && taken.insert((fact, observation.ordinal))
    };
    let mut fresh = told;
    fresh.retain(is_fresh);
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use proto::rapport::feedback::v1::{FeedbackSubmitted, RatingScale as S, ResponseStatus};
    use proto::rapport::loyalty::v1::{ActivityRecorded, ActivityType, MemberEnrolled};

    use super::*;
    use crate::fixture::{
        Draw, HOUR, House, MINUTE, START, TENANT, at, event, feedback_event, history, id, opened, purchase,
        redeemed, resolved, submitted, tier_changed,
    };

    const ACTIVITY: &str = "rapport.loyalty.v1.ActivityRecorded";

    #[tokio::test]
    async fn a_batch_leaves_what_is_known_of_its_customers() {
        let house = House::open().await;
        let enrolled = MemberEnrolled {
            member_id: id(7),
            program_id: "club".into(),
            enroll_time: at(-HOUR),
            ..MemberEnrolled::default()
        };
        let visit = ActivityRecorded {
            member_id: id(7),
            activity_id: id(4),
            r#type: ActivityType::CheckIn.into(),
            occurred_time: at(0),
            ..ActivityRecorded::default()
        };
        let batch = [
            purchase(1, 7, 5 * MINUTE, 2_500_000),
            purchase(2, 7, 3 * MINUTE, 990_000),
            purchase(3, 8, 0, 1),
            event(4, ACTIVITY, &visit),
            event(5, "rapport.loyalty.v1.MemberEnrolled", &enrolled),
            feedback_event(6, &submitted(6, 7, MINUTE, &[(S::Nps, 9), (S::Csat, 2)])),
            opened(7, 7, MINUTE),
            opened(9, 7, MINUTE),
            resolved(7, 7, 2 * MINUTE),
            tier_changed(10, 7, HOUR, "gold"),
            redeemed(11, 7, 40),
        ];
        house.apply(&batch).await.unwrap();
        let profile = house.profile(TENANT, 7).await.unwrap();
        let moment = |micros: i64| Some(START.plus_micros(micros));
        assert_eq!(profile.enroll_time, moment(-HOUR));
        assert_eq!(profile.first_purchase_time, moment(3 * MINUTE));
        assert_eq!(profile.last_purchase_time, moment(5 * MINUTE));
        assert_eq!(profile.spend.0.iter().collect::<Vec<_>>(), [(&"EUR".to_owned(), &3_490_000)]);
        assert_eq!((profile.purchase_count, profile.visit_count, profile.activity_count), (2, 1, 3));
        assert_eq!(profile.last_nps.map(|given| given.value), Some(9));
        assert_eq!(profile.last_csat.map(|given| given.value), Some(2));
        assert_eq!((profile.answer_count, profile.cases_opened_count, profile.cases_open_count()), (1, 2, 1));
        assert_eq!(profile.tier.map(|tier| tier.tier_id), Some("gold".to_owned()));
        assert_eq!((profile.redemption_count, profile.points_spent), (1, 40));
        assert_eq!(profile.order_key, START.micros() + 11);
        assert_eq!(house.profile(TENANT, 8).await.unwrap().purchase_count, 1);
        assert_eq!(house.count("observation").await, 12);
    }

    #[tokio::test]
    async fn an_event_that_comes_again_changes_nothing() {
        let house = House::open().await;
        let events = history(&mut Draw(3), 1, 200);
        let twice: Vec<_> = events.iter().chain(&events[..50]).cloned().collect();
        house.apply(&twice).await.unwrap();
        let (before, kept) = (house.derived().await, house.count("observation").await);
        house.apply(&events).await.unwrap();
        house.apply(&twice[150..]).await.unwrap();
        assert_eq!(house.derived().await, before);
        assert_eq!(house.count("observation").await, kept);
    }

    #[tokio::test]
    async fn what_is_heard_of_in_another_way_is_the_same_fact() {
        let house = House::open().await;
        let events = history(&mut Draw(6), 1, 200);
        house.apply(&events).await.unwrap();
        let before = house.derived().await;
        let told = events.into_iter().map(|event| Received { event_id: Uuid::nil(), ..event });
        house.apply(&told.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(house.derived().await, before);
    }

    #[tokio::test]
    async fn order_and_batches_do_not_matter() {
        let (one, many) = (House::open().await, House::open().await);
        let events = history(&mut Draw(4), 1, 300);
        one.apply(&events).await.unwrap();
        let reversed: Vec<_> = events.into_iter().rev().collect();
        for batch in reversed.chunks(7) {
            many.apply(batch).await.unwrap();
        }
        assert_eq!(one.derived().await, many.derived().await);
    }

    #[tokio::test]
    async fn nobody_known_has_no_profile() {
        let house = House::open().await;
        let anonymous = feedback_event(1, &submitted(1, 0, 0, &[(S::Nps, 3)]));
        house.apply(&[anonymous]).await.unwrap();
        assert_eq!((house.count("profile").await, house.count("observation").await), (0, 1));
        assert_eq!(house.lines("SELECT value AS line FROM histogram WHERE dimension = 1").await.len(), 2);
    }

    #[tokio::test]
    async fn another_tenants_customer_with_the_same_id_is_another() {
        let house = House::open().await;
        let foreign = Received { tenant_id: "other".into(), ..purchase(1, 7, 0, 5) };
        // The same purchase under two tenants is two.
        house.apply(&[foreign, purchase(1, 7, HOUR, 9)]).await.unwrap();
        let last = |profile: Option<crate::domain::Profile>| profile.unwrap().last_purchase_time;
        assert_eq!(last(house.profile("other", 7).await), Some(START));
        assert_eq!(last(house.profile(TENANT, 7).await), Some(START.plus_micros(HOUR)));
        assert_eq!(house.profile("third", 7).await, None);
    }

    #[tokio::test]
    async fn an_event_that_makes_no_sense_is_refused_by_name_and_nothing_is_kept() {
        let house = House::open().await;
        let spoilt = |spoil: fn(&mut FeedbackSubmitted)| {
            let mut payload = submitted(9, 7, 0, &[(S::Csat, 5)]);
            spoil(&mut payload);
            feedback_event(9, &payload)
        };
        let unpaid = ActivityRecorded {
            member_id: id(7),
            activity_id: id(9),
            r#type: ActivityType::Purchase.into(),
            occurred_time: at(0),
            ..ActivityRecorded::default()
        };
        let garbled = Received { payload: b"\xff\xff".to_vec(), ..purchase(9, 7, 0, 1) };
        for (bad, told) in [
            (spoilt(|f| f.ratings[0].value = 6), "a rating is not on its scale"),
            (spoilt(|f| f.customer_id = "secret".into()), "customer_id is not a UUID"),
            (spoilt(|f| f.answer_time = None), "answer_time is missing"),
            (spoilt(|f| f.status = 77), "status is not known"),
            (spoilt(|f| f.ratings[0].scale = 99), "ratings have a scale that this version does not know"),
            (spoilt(|f| f.channel = 99), "channel is one that this version does not know"),
            (event(9, ACTIVITY, &unpaid), "amount is missing"),
            (garbled, "the payload is not the message that its kind names"),
        ] {
            let kind = bad.kind.clone();
            let refused = house.apply(&[purchase(1, 7, 0, 1), bad]).await.unwrap_err();
            assert_eq!(refused, format!("1 {kind} {}: {told}", Uuid::from_u128(9)));
        }
        assert_eq!((house.count("observation").await, house.count("profile").await), (0, 0));
    }

    #[tokio::test]
    async fn what_is_not_listened_to_leaves_nothing_and_feedback_without_ratings_is_an_answer() {
        let house = House::open().await;
        let other = Received { kind: "rapport.loyalty.v1.PointsEarned".into(), ..purchase(2, 8, 0, 1) };
        house.apply(&[feedback_event(1, &submitted(1, 7, 0, &[])), other]).await.unwrap();
        let profile = house.profile(TENANT, 7).await.unwrap();
        assert_eq!((profile.answer_count, profile.last_nps), (1, None));
        assert_eq!((house.count("histogram").await, house.count("observation").await), (0, 1));
    }

    #[tokio::test]
    async fn a_dismissed_question_is_no_answer() {
        let house = House::open().await;
        let mut payload = submitted(1, 7, 0, &[(S::Nps, 3)]);
        payload.status = ResponseStatus::Dismissed.into();
        house.apply(&[feedback_event(1, &payload)]).await.unwrap();
        let profile = house.profile(TENANT, 7).await.unwrap();
        assert_eq!((profile.answer_count, profile.dismissed_count, profile.last_nps), (0, 1, None));
    }
}
