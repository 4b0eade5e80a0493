//! A batch of events in one open transaction: which messages they trigger is decided purely, and everything
//! they change is written with one statement per table.

use std::collections::{BTreeSet, HashMap, HashSet};

use ambient::Time;
use db::Tx;
use db::sea_orm::ConnectionTrait;
use events::{Cause, Failed, Received};
use uuid::Uuid;

use super::decode;
use crate::domain::{Channel, Inbox, Notice, Origin, Template, Trigger, notification_id, notify};
use crate::store::templates::{self, Key};
use crate::store::{Owner, Tenant, deliveries, messages, recipients};

/// A message that an event asks for.
struct Wanted {
    /// The position of the event in the batch.
    index: usize,
    owner: Owner,
    origin: Origin,
    trigger: Trigger,
}

/// Makes the messages of these events that do not exist yet, with their deliveries over `channels`.
///
/// # Errors
/// The first event that cannot be decoded, or whose message cannot be made: then nothing may be committed.
pub(super) async fn apply(
    tx: &Tx,
    events: &[Received],
    channels: &[Channel],
    now: Time,
) -> Result<(), Failed> {
    let wanted = wanted(events)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let told = |error: db::Error| Failed { index: 0, cause: error.into() };
    let backend = tx.get_database_backend();
    let owners: BTreeSet<&Owner> = wanted.iter().map(|w| &w.owner).collect();
    let owners: Vec<Owner> = owners.into_iter().cloned().collect();
    let open = recipients::open(tx, &owners);
    let mut inboxes = db::traced(backend, "SELECT recipient FOR UPDATE", open).await.map_err(told)?;
    // Everything else is read in statements of its own: one that waited for the locks above would still see
    // other tables as they were before it waited.
    let fresh = db::traced(backend, "SELECT message", fresh(tx, wanted)).await.map_err(told)?;
    let templates = db::traced(backend, "SELECT template", newest(tx, &fresh)).await.map_err(told)?;
    let notices = make(&mut inboxes, &fresh, &templates, channels, now)?;
    db::traced(backend, "INSERT message", write(tx, inboxes, notices)).await.map_err(told)
}

/// What the events ask for, in their order.
fn wanted(events: &[Received]) -> Result<Vec<Wanted>, Failed> {
    let mut wanted = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let refused = |told: String| Failed {
            index,
            cause: Cause::Refused(format!("{} {}: {told}", event.kind, event.event_id)),
        };
        let Some(occurrence) = decode(event).map_err(refused)? else { continue };
        let tenant = Tenant::new(&event.tenant_id);
        for (ordinal, trigger) in occurrence.triggers().into_iter().enumerate() {
            let notification_id = notification_id(event.event_id, trigger.template.id(), ordinal);
            let owner = Owner::new(&tenant, trigger.recipient_id);
            let origin = Origin { event_id: event.event_id, notification_id };
            wanted.push(Wanted { index, owner, origin, trigger });
        }
    }
    Ok(wanted)
}

/// Leaves out the messages that exist: their events were applied before.
async fn fresh(tx: &Tx, wanted: Vec<Wanted>) -> Result<Vec<Wanted>, db::Error> {
    let ids: BTreeSet<(Owner, Uuid)> =
        wanted.iter().map(|w| (w.owner.clone(), w.origin.notification_id)).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut known: HashSet<Uuid> = messages::existing(tx, &ids).await?;
    Ok(wanted.into_iter().filter(|w| known.insert(w.origin.notification_id)).collect())
}

async fn newest(tx: &Tx, wanted: &[Wanted]) -> Result<HashMap<Key, Template>, db::Error> {
    let keys: BTreeSet<Key> = wanted.iter().map(template_key).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    templates::newest(tx, &keys).await
}

fn template_key(wanted: &Wanted) -> Key {
    Key { tenant: wanted.owner.tenant().clone(), template_id: wanted.trigger.template.id().to_owned() }
}

fn make(
    inboxes: &mut HashMap<Owner, Inbox>,
    wanted: &[Wanted],
    templates: &HashMap<Key, Template>,
    channels: &[Channel],
    now: Time,
) -> Result<Vec<(Owner, Notice)>, Failed> {
    let mut notices = Vec::with_capacity(wanted.len());
    for one in wanted {
        let Wanted { index, owner, origin, trigger } = one;
        let missing = |what: &str| {
            let error = db::Error::Damaged(format!("a {what} was not found where it must be"));
            Failed { index: *index, cause: error.into() }
        };
        let template = templates.get(&template_key(one)).ok_or_else(|| missing("template"))?;
        let inbox = inboxes.get_mut(owner).ok_or_else(|| missing("recipient"))?;
        let notice = notify(inbox, *origin, trigger, template, channels, now).map_err(|(part, flaw)| {
            // The flaw's own text may repeat values of the event.
            let (id, version) = (&template.id, template.version);
            let told = format!("template {id} version {version}: its {} {}", part.name(), flaw.name());
            Failed { index: *index, cause: Cause::Refused(told) }
        })?;
        notices.push((owner.clone(), notice));
    }
    Ok(notices)
}

async fn write(
    tx: &Tx,
    inboxes: HashMap<Owner, Inbox>,
    notices: Vec<(Owner, Notice)>,
) -> Result<(), db::Error> {
    let changed: BTreeSet<&Owner> = notices.iter().map(|(owner, _)| owner).collect();
    let changed: Vec<_> = inboxes.into_iter().filter(|(owner, _)| changed.contains(owner)).collect();
    deliveries::insert(tx, &notices).await?;
    let made: Vec<_> = notices.into_iter().map(|(owner, notice)| (owner, notice.message)).collect();
    messages::insert(tx, &made).await?;
    recipients::update(tx, &changed).await
}

#[cfg(test)]
mod tests {
    use proto::rapport::loyalty::v1 as loyalty;

    use super::*;
    use crate::domain::{Delivery, Message};
    use crate::fixture::{House, START, event, recipient, redeemed, template, tier_changed};
    use crate::store::Tenant;

    async fn messages_of(house: &House, owner: &Owner) -> Vec<Message> {
        let mut found = messages::page(house.db.reader(), owner, i64::MAX, false, 1_000).await.unwrap();
        found.reverse();
        found
    }

    /// Keeps a version as the service does.
    async fn keep(house: &House, template_id: &str, version: i64, body: &str) {
        let given = template(template_id, "Subject", body);
        let kept = Template {
            id: given.template_id,
            version,
            subject: given.subject,
            body: given.body,
            variables: Vec::new(),
            create_time: START,
        };
        let kept = house.db.transact(move |tx| {
            let kept = kept.clone();
            let tenant = Tenant::new(crate::fixture::TENANT);
            futures::FutureExt::boxed(async move { templates::insert(tx, &tenant, &kept).await })
        });
        kept.await.unwrap();
    }

    #[tokio::test]
    async fn a_batch_makes_its_messages_in_order_numbered_by_recipient() {
        let house = House::open().await;
        let batch = [redeemed(1, 7), tier_changed(2, 8, 1, 2), redeemed(3, 7), tier_changed(4, 7, 2, 1)];
        house.apply(&batch).await.unwrap();
        let of_seven = messages_of(&house, &recipient(7)).await;
        let told: Vec<_> =
            of_seven.iter().map(|m| (m.seq, m.template_id.as_str(), m.event_id.as_u128())).collect();
        assert_eq!(told, [(1, "reward_redeemed", 1), (2, "reward_redeemed", 3)]);
        assert_eq!(of_seven[0].id, notification_id(Uuid::from_u128(1), "reward_redeemed", 0));
        assert_eq!(of_seven[0].text.body, "You spent 10 points on 1 x mug.\nYou have 90 points left.");
        assert_eq!((of_seven[0].create_time, of_seven[0].read_time), (START, Time::NEVER));
        assert_eq!(messages_of(&house, &recipient(8)).await[0].text.subject, "Welcome to gold");
        let inbox = recipients::find(house.db.reader(), &recipient(7)).await.unwrap();
        assert_eq!(inbox, Inbox { seq: 2, unread: 2, version: 2 });
    }

    #[tokio::test]
    async fn an_event_that_comes_again_changes_nothing() {
        let house = House::with_file().await;
        house.apply(&[redeemed(1, 7), redeemed(2, 7)]).await.unwrap();
        let before = messages_of(&house, &recipient(7)).await;
        keep(&house, "reward_redeemed", 2, "another text").await;
        house.clock.advance_to(START.plus_micros(1_000_000));
        house.apply(&[redeemed(2, 7), redeemed(3, 7), redeemed(3, 7), redeemed(1, 7)]).await.unwrap();
        let after = messages_of(&house, &recipient(7)).await;
        assert_eq!(after[..2], before[..]);
        assert_eq!((after.len(), after[2].event_id), (3, Uuid::from_u128(3)));
        assert_eq!((house.count("message").await, house.count("delivery").await), (3, 6));
        let inbox = recipients::find(house.db.reader(), &recipient(7)).await.unwrap();
        assert_eq!(inbox, Inbox { seq: 3, unread: 3, version: 3 });
    }

    #[tokio::test]
    async fn the_newest_version_is_used_and_pinned() {
        let house = House::open().await;
        house.apply(&[redeemed(1, 7)]).await.unwrap();
        keep(&house, "reward_redeemed", 2, "Enjoy {{ reward_id }}").await;
        house.apply(&[redeemed(2, 7)]).await.unwrap();
        keep(&house, "reward_redeemed", 3, "Have fun").await;
        let foreign = Received { tenant_id: "other".into(), ..redeemed(3, 7) };
        house.apply(&[foreign, redeemed(4, 7)]).await.unwrap();
        let told = |m: &Message| (m.template_version, m.text.body.clone());
        let made: Vec<_> = messages_of(&house, &recipient(7)).await.iter().map(told).collect();
        assert_eq!(made[1..], [(2, "Enjoy mug".to_owned()), (3, "Have fun".to_owned())]);
        assert_eq!(made[0].0, 1);
        let other = Owner::new(&Tenant::new("other"), Uuid::from_u128(7));
        assert_eq!(messages_of(&house, &other).await[0].template_version, 1, "another tenant has its own");
    }

    #[tokio::test]
    async fn more_recipients_than_any_statement_has_rows() {
        let house = House::with_file().await;
        let events: Vec<_> = (1..=300).map(|n| redeemed(n, 1 + n % 150)).collect();
        house.apply(&events).await.unwrap();
        house.apply(&events).await.unwrap();
        for n in [1, 75, 150] {
            let messages = messages_of(&house, &recipient(n)).await;
            assert_eq!(messages.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2]);
            let found = deliveries::of(house.db.reader(), &recipient(n), &messages).await.unwrap();
            let first = [Channel::InApp, Channel::File].map(Delivery::first);
            assert_eq!((&found[&1][..], &found[&2][..]), (&first[..], &first[..]));
        }
    }

    #[tokio::test]
    async fn an_event_that_makes_no_sense_is_refused_by_name_and_nothing_is_kept() {
        let house = House::open().await;
        let kind = "rapport.loyalty.v1.RewardRedeemed";
        let expiring = "rapport.loyalty.v1.PointsExpiring";
        let whole = loyalty::RewardRedeemed {
            member_id: "secret-name".into(),
            reward_id: "mug".into(),
            quantity: 1,
            points: 10,
            ..loyalty::RewardRedeemed::default()
        };
        let garbled = Received { payload: b"\xff\xff".to_vec(), ..redeemed(9, 7) };
        let no_time = loyalty::PointsExpiring {
            wallet_id: Uuid::from_u128(1).to_string(),
            points: 1,
            ..loyalty::PointsExpiring::default()
        };
        for (bad, told) in [
            (event(9, kind, &whole), "member_id is not a UUID"),
            (garbled, "the payload is not the message that its kind names"),
            (event(9, kind, &loyalty::RewardRedeemed::default()), "member_id is not a UUID"),
            (event(9, expiring, &no_time), "first_expire_time is missing"),
        ] {
            let kind = bad.kind.clone();
            let refused = house.apply(&[redeemed(1, 7), bad]).await.unwrap_err();
            assert_eq!(refused, format!("1 {kind} {}: {told}", Uuid::from_u128(9)));
        }
        assert_eq!((house.count("message").await, house.count("recipient").await), (0, 0));
    }

    #[tokio::test]
    async fn a_template_that_fails_refuses_its_event_without_its_values() {
        let house = House::open().await;
        keep(&house, "reward_redeemed", 2, "{{ reward_id.secret / points }}").await;
        let refused = house.apply(&[tier_changed(1, 7, 1, 2), redeemed(2, 7)]).await.unwrap_err();
        assert_eq!(refused, "1 template reward_redeemed version 2: its body fails");
        assert_eq!(house.count("message").await, 0);
    }

    #[tokio::test]
    async fn other_events_and_lower_tiers_leave_no_trace() {
        let house = House::open().await;
        let other = Received { kind: "rapport.loyalty.v1.PointsEarned".into(), ..redeemed(1, 7) };
        house.apply(&[other, tier_changed(2, 7, 2, 1), tier_changed(3, 7, 0, 0)]).await.unwrap();
        assert_eq!((house.count("message").await, house.count("recipient").await), (0, 0));
    }
}
