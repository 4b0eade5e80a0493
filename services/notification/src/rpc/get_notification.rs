//! GetNotification: one message with its deliveries.

use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, notification_not_found};
use super::wire::{opt_timestamp, timestamp, uuid};
use crate::domain::{Channel, Delivery, DeliveryState, Message};
use crate::store::{Owner, deliveries, messages};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetNotificationRequest>,
) -> Result<pb::GetNotificationResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let recipient_id = uuid(&message.recipient_id, &Path::ROOT, "recipient_id", &mut found);
    let notification_id = uuid(&message.notification_id, &Path::ROOT, "notification_id", &mut found);
    found.into_result(DOMAIN)?;
    let owner = Owner::new(&caller.tenant, recipient_id);
    let read = messages::find(api.db.reader(), &owner, &[notification_id]).await.map_err(|e| told(&e))?;
    let mut notifications = api.with_deliveries(&owner, &read).await?;
    let notification = notifications.pop().ok_or_else(|| notification_not_found(notification_id))?;
    Ok(pb::GetNotificationResponse { notification: Some(notification) })
}

impl Api {
    /// Messages of a recipient, each with its deliveries.
    pub(super) async fn with_deliveries(
        &self,
        owner: &Owner,
        read: &[Message],
    ) -> Result<Vec<pb::Notification>, Status> {
        let found = deliveries::of(self.db.reader(), owner, read).await.map_err(|e| told(&e))?;
        let none = Vec::new();
        let deliveries = |message: &Message| found.get(&message.seq).unwrap_or(&none);
        Ok(read.iter().map(|message| notification(owner, message, deliveries(message))).collect())
    }
}

fn notification(owner: &Owner, message: &Message, deliveries: &[Delivery]) -> pb::Notification {
    pb::Notification {
        notification_id: message.id.to_string(),
        recipient_id: owner.id().to_string(),
        seq: message.seq,
        template_id: message.template_id.clone(),
        template_version: message.template_version,
        subject: message.text.subject.clone(),
        body: message.text.body.clone(),
        event_id: message.event_id.to_string(),
        create_time: Some(timestamp(message.create_time)),
        read_time: opt_timestamp(message.read_time),
        deliveries: deliveries.iter().map(delivery).collect(),
    }
}

fn delivery(delivery: &Delivery) -> pb::Delivery {
    pb::Delivery {
        channel: channel(delivery.channel).into(),
        state: state(delivery.state).into(),
        attempt: delivery.attempt,
    }
}

fn channel(channel: Channel) -> pb::Channel {
    match channel {
        Channel::InApp => pb::Channel::InApp,
        Channel::File => pb::Channel::File,
    }
}

fn state(state: DeliveryState) -> pb::DeliveryState {
    match state {
        DeliveryState::Queued => pb::DeliveryState::Queued,
        DeliveryState::Leased => pb::DeliveryState::Leased,
        DeliveryState::HandedOver => pb::DeliveryState::HandedOver,
        DeliveryState::Accepted => pb::DeliveryState::Accepted,
        DeliveryState::Delivered => pb::DeliveryState::Delivered,
        DeliveryState::Bounced => pb::DeliveryState::Bounced,
        DeliveryState::Rejected => pb::DeliveryState::Rejected,
        DeliveryState::Ambiguous => pb::DeliveryState::Ambiguous,
    }
}
