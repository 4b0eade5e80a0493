//! MarkRead: messages of a recipient that were read, all of them or none.

use std::collections::BTreeSet;

use ambient::Time;
use futures::FutureExt;
use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, notification_not_found};
use super::wire::uuid;
use crate::domain::Message;
use crate::store::{Owner, messages, recipients};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::MarkReadRequest>,
) -> Result<pb::MarkReadResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let recipient_id = uuid(&message.recipient_id, &Path::ROOT, "recipient_id", &mut found);
    let ids = decode(&message, &mut found);
    found.into_result(DOMAIN)?;
    let call = caller.call(DOMAIN, "MarkRead", request_id, &message);
    let owner = Owner::new(&caller.tenant, recipient_id);
    let (up_to_seq, now) = (message.up_to_seq, api.clock.now());
    let scope = owner.clone();
    let submitted = api.submit_once(&caller, scope, call, move |tx| {
        let (owner, ids) = (owner.clone(), ids.clone());
        async move { mark(tx, &owner, &ids, up_to_seq, now).await }.boxed()
    });
    let (response, replayed): (pb::MarkReadResponse, bool) = submitted.await?;
    Ok(pb::MarkReadResponse { replayed, ..response })
}

fn decode(message: &pb::MarkReadRequest, found: &mut Violations) -> Vec<Uuid> {
    let given = &message.notification_ids;
    if given.is_empty() && message.up_to_seq == 0 {
        found.add(&Path::ROOT, "notification_ids", "is required unless up_to_seq is given");
    }
    let ids: BTreeSet<Uuid> = given.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect();
    if given.iter().any(|id| Uuid::try_parse(id).is_err()) {
        found.add(&Path::ROOT, "notification_ids", "must be UUIDs");
    }
    ids.into_iter().collect()
}

async fn mark(
    tx: &db::Tx,
    owner: &Owner,
    ids: &[Uuid],
    up_to_seq: i64,
    now: Time,
) -> Result<Written, db::Error> {
    let locked = recipients::lock(tx, std::slice::from_ref(owner)).await?.remove(owner);
    // Who never got a message has none to read.
    let mut inbox = locked.unwrap_or_default();
    let named = messages::find(tx, owner, ids).await?;
    if let Some(id) = ids.iter().find(|id| named.iter().all(|message| message.id != **id)) {
        return Ok(Written::refused(&notification_not_found(*id)));
    }
    let unread: Vec<Message> = named
        .into_iter()
        .filter(|message| message.read_time.is_never() && message.seq > up_to_seq)
        .map(|message| Message { read_time: now, ..message })
        .collect();
    messages::mark_read(tx, owner, &unread).await?;
    let below = if up_to_seq > 0 { messages::mark_read_up_to(tx, owner, up_to_seq, now).await? } else { 0 };
    let marked_count = below + i64::try_from(unread.len()).unwrap_or(0);
    if marked_count > 0 {
        inbox.read(marked_count);
        recipients::update(tx, &[(owner.clone(), inbox)]).await?;
    }
    let unread_count = inbox.unread;
    let response = pb::MarkReadResponse { marked_count, unread_count, replayed: false };
    Ok(Written::done(&response))
}

#[cfg(test)]
mod tests {
    use super::super::{get_notification, list_inbox, list_notifications};
    use super::*;
    use crate::fixture::{House, START, TENANT, call, recipient, redeemed, refused, request_id};

    async fn house_with_messages(count: u128) -> House {
        let house = House::with_file().await;
        let events: Vec<_> = (1..=count).map(|n| redeemed(n, 7)).collect();
        house.apply(&events).await.unwrap();
        house
    }

    fn request(ids: &[&str], up_to_seq: i64) -> pb::MarkReadRequest {
        pb::MarkReadRequest {
            request_id: request_id(),
            recipient_id: recipient(7).id().to_string(),
            notification_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            up_to_seq,
        }
    }

    async fn mark(
        house: &House,
        tenant: &str,
        request: &pb::MarkReadRequest,
    ) -> Result<(i64, i64, bool), Status> {
        let marked = handle(house.service.api(), call(tenant, request.clone())).await?;
        Ok((marked.marked_count, marked.unread_count, marked.replayed))
    }

    /// The whole inbox, read in pages of two, with the count of the unread.
    async fn inbox(house: &House, tenant: &str, unread_only: bool) -> (Vec<pb::InboxMessage>, i64) {
        let (mut messages, mut page_token) = (Vec::new(), String::new());
        loop {
            let recipient_id = recipient(7).id().to_string();
            let message = pb::ListInboxRequest { recipient_id, page_size: 2, page_token, unread_only };
            let page = list_inbox::handle(house.service.api(), call(tenant, message)).await.unwrap();
            messages.extend(page.messages);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return (messages, page.unread_count);
            }
        }
    }

    #[tokio::test]
    async fn messages_are_read_by_id_by_number_or_both_and_counted_once() {
        let house = house_with_messages(9).await;
        let (all, unread) = inbox(&house, TENANT, false).await;
        assert_eq!(all.iter().map(|m| m.seq).collect::<Vec<_>>(), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(unread, 9);
        let id = |seq: i64| all.iter().find(|m| m.seq == seq).unwrap().notification_id.as_str();
        house.clock.advance_to(START.plus_micros(5_000_000));
        assert_eq!(mark(&house, TENANT, &request(&[id(8), id(2), id(8)], 0)).await.unwrap(), (2, 7, false));
        assert_eq!(mark(&house, TENANT, &request(&[], 3)).await.unwrap(), (2, 5, false));
        assert_eq!(mark(&house, TENANT, &request(&[id(9), id(1), id(5)], 5)).await.unwrap(), (3, 2, false));
        let (left, unread) = inbox(&house, TENANT, true).await;
        assert_eq!((left.iter().map(|m| m.seq).collect::<Vec<_>>(), unread), (vec![7, 6], 2));
        let (read, _) = inbox(&house, TENANT, false).await;
        assert_eq!(
            read.iter().filter(|m| m.read_time.is_some_and(|t| t.seconds == 1_767_225_605)).count(),
            7
        );
        assert_eq!(mark(&house, TENANT, &request(&[], i64::MAX)).await.unwrap(), (2, 0, false));
        house.apply(&[redeemed(10, 7)]).await.unwrap();
        assert_eq!(inbox(&house, TENANT, true).await.1, 1);
    }

    #[tokio::test]
    async fn a_request_acts_once_and_its_id_is_for_it_alone() {
        let house = house_with_messages(2).await;
        let first = request(&[], 1);
        assert_eq!(mark(&house, TENANT, &first).await.unwrap(), (1, 1, false));
        house.apply(&[redeemed(3, 7)]).await.unwrap();
        assert_eq!(mark(&house, TENANT, &first).await.unwrap(), (1, 1, true));
        let other = pb::MarkReadRequest { up_to_seq: 2, ..first };
        assert_eq!(refused(mark(&house, TENANT, &other).await).0, "REQUEST_ID_REUSED");
    }

    #[tokio::test]
    async fn an_unknown_message_refuses_the_whole_request_every_time() {
        let house = house_with_messages(2).await;
        let (all, _) = inbox(&house, TENANT, false).await;
        let unknown = request_id();
        let bad = request(&[&all[0].notification_id, &unknown], 1);
        for _ in 0..2 {
            assert_eq!(refused(mark(&house, TENANT, &bad).await).0, "NOTIFICATION_NOT_FOUND");
        }
        assert_eq!(inbox(&house, TENANT, true).await.1, 2);
        let (reason, fields) = refused(mark(&house, TENANT, &request(&[], 0)).await);
        assert_eq!((reason.as_str(), fields[0].0.as_str()), ("FIELDS_INVALID", "notification_ids"));
        assert_eq!(refused(mark(&house, TENANT, &request(&["x"], 0)).await).0, "FIELDS_INVALID");
    }

    #[tokio::test]
    async fn another_tenant_sees_and_changes_nothing() {
        let house = house_with_messages(2).await;
        let (all, _) = inbox(&house, TENANT, false).await;
        assert_eq!(inbox(&house, "other", false).await, (Vec::new(), 0));
        let named = request(&[&all[0].notification_id], 0);
        assert_eq!(refused(mark(&house, "other", &named).await).0, "NOTIFICATION_NOT_FOUND");
        assert_eq!(mark(&house, "other", &request(&[], 9)).await.unwrap(), (0, 0, false));
        let get = pb::GetNotificationRequest {
            recipient_id: recipient(7).id().to_string(),
            notification_id: all[0].notification_id.clone(),
        };
        let foreign = get_notification::handle(house.service.api(), call("other", get.clone())).await;
        assert_eq!(refused(foreign).0, "NOTIFICATION_NOT_FOUND");
        assert!(get_notification::handle(house.service.api(), call(TENANT, get)).await.is_ok());
        assert_eq!(inbox(&house, TENANT, true).await.1, 2);
    }

    #[tokio::test]
    async fn notifications_show_their_deliveries_as_they_move() {
        let house = house_with_messages(3).await;
        let list = async || {
            let recipient_id = recipient(7).id().to_string();
            let message = pb::ListNotificationsRequest { recipient_id, ..Default::default() };
            list_notifications::handle(house.service.api(), call(TENANT, message)).await.unwrap()
        };
        let states = |response: pb::ListNotificationsResponse| -> Vec<Vec<(i32, i32)>> {
            let of = |n: pb::Notification| n.deliveries.iter().map(|d| (d.channel, d.state)).collect();
            response.notifications.into_iter().map(of).collect()
        };
        let delivered = (pb::Channel::InApp as i32, pb::DeliveryState::Delivered as i32);
        let file = |state: pb::DeliveryState| (pb::Channel::File as i32, state as i32);
        let queued = vec![delivered, file(pb::DeliveryState::Queued)];
        assert_eq!(states(list().await), vec![queued; 3]);
        house.service.close().await;
        let accepted = vec![delivered, file(pb::DeliveryState::Accepted)];
        assert_eq!(states(list().await), vec![accepted; 3]);
    }

    #[tokio::test]
    async fn a_page_token_is_for_its_list_alone() {
        let house = house_with_messages(3).await;
        let recipient_id = recipient(7).id().to_string();
        let list = async |tenant: &str, unread_only: bool, page_token: &str| {
            let (recipient_id, page_token) = (recipient_id.clone(), page_token.to_owned());
            let message = pb::ListInboxRequest { recipient_id, page_size: 1, page_token, unread_only };
            list_inbox::handle(house.service.api(), call(tenant, message)).await
        };
        let token = list(TENANT, false, "").await.unwrap().next_page_token;
        assert_eq!(list(TENANT, false, &token).await.unwrap().messages[0].seq, 2);
        assert_eq!(refused(list(TENANT, true, &token).await).0, "PAGE_TOKEN_INVALID");
        assert_eq!(refused(list("other", false, &token).await).0, "PAGE_TOKEN_INVALID");
        let message = pb::ListNotificationsRequest { recipient_id, page_size: 1, page_token: token };
        let other = list_notifications::handle(house.service.api(), call(TENANT, message)).await;
        assert_eq!(refused(other).0, "PAGE_TOKEN_INVALID");
    }
}
