//! Messages: made once from an event, numbered within their recipient, never changed but for being read.

use ambient::Time;
use uuid::Uuid;

use super::delivery::{Channel, Delivery};
use super::inbox::Inbox;
use super::render::Flaw;
use super::template::{Part, Rendered, Template};
use super::trigger::Trigger;

/// A message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// From [`super::notification_id`].
    pub id: Uuid,
    /// Number within the recipient's messages, from 1.
    pub seq: i64,
    /// The template it was made from.
    pub template_id: String,
    /// The version that was the newest then.
    pub template_version: i64,
    /// What it says.
    pub text: Rendered,
    /// The event that caused it.
    pub event_id: Uuid,
    /// When it was made.
    pub create_time: Time,
    /// When it was read; `NEVER` while it is unread.
    pub read_time: Time,
}

/// A message with the deliveries that it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The message.
    pub message: Message,
    /// One per channel.
    pub deliveries: Vec<Delivery>,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The event.
    pub event_id: Uuid,
    /// The message's id, made from it.
    pub notification_id: Uuid,
}

/// Makes the message of a trigger. A flaw leaves the inbox as it was.
///
/// # Errors
/// What is wrong with the template, given these values.
pub fn notify(
    inbox: &mut Inbox,
    origin: Origin,
    trigger: &Trigger,
    template: &Template,
    channels: &[Channel],
    now: Time,
) -> Result<Notice, (Part, Flaw)> {
    let text = template.render(&trigger.values)?;
    let message = Message {
        id: origin.notification_id,
        seq: inbox.receive(),
        template_id: template.id.clone(),
        template_version: template.version,
        text,
        event_id: origin.event_id,
        create_time: now,
        read_time: Time::NEVER,
    };
    Ok(Notice { message, deliveries: channels.iter().map(|channel| Delivery::first(*channel)).collect() })
}
