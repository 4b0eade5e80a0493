//! A message as one line of JSON.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Message;
use crate::store::Owner;

#[derive(Serialize)]
struct Line<'a> {
    notification_id: Uuid,
    tenant_id: &'a str,
    recipient_id: Uuid,
    template_id: &'a str,
    subject: &'a str,
    body: &'a str,
    create_time: String,
}

#[derive(Deserialize)]
struct Id {
    notification_id: Uuid,
}

/// Adds a message to `lines`, its line break included.
pub(super) fn write(lines: &mut Vec<u8>, owner: &Owner, message: &Message) -> serde_json::Result<()> {
    let line = Line {
        notification_id: message.id,
        tenant_id: owner.tenant().id(),
        recipient_id: owner.id(),
        template_id: &message.template_id,
        subject: &message.text.subject,
        body: &message.text.body,
        create_time: message.create_time.to_string(),
    };
    serde_json::to_writer(&mut *lines, &line)?;
    lines.push(b'\n');
    Ok(())
}

/// The id of the message in a line; none if it is not one.
pub(super) fn id_of(line: &[u8]) -> Option<Uuid> {
    serde_json::from_slice::<Id>(line).ok().map(|id| id.notification_id)
}
