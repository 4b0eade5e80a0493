//! ListInbox: what a recipient sees in the app, newest first, and how much of it is unread.

use futures::FutureExt;
use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::DOMAIN;
use super::wire::{opt_timestamp, timestamp, uuid};
use crate::domain::Message;
use crate::store::{Owner, messages, recipients};
use rpc::page::number;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListInboxRequest>,
) -> Result<pb::ListInboxResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut violations = Violations::default();
    let recipient_id = uuid(&message.recipient_id, &Path::ROOT, "recipient_id", &mut violations);
    violations.into_result(DOMAIN)?;
    let unread_only = message.unread_only;
    let filter = format!("{} {unread_only}", message.recipient_id);
    let list = caller.list(&api.pages, "ListInbox", &filter, message.page_size)?;
    let before = list.open(&message.page_token)?.map_or(i64::MAX, |cursor| number(&cursor));
    let (owner, limit) = (Owner::new(&caller.tenant, recipient_id), list.limit());
    // One snapshot: the count and the list must agree.
    let read = api.db.snapshot(move |tx| {
        let owner = owner.clone();
        async move {
            let inbox = recipients::find(tx, &owner).await?;
            Ok((inbox, messages::page(tx, &owner, before, unread_only, limit).await?))
        }
        .boxed()
    });
    let (inbox, mut found) = read.await.map_err(|e| told(&e))?;
    let next_page_token = list.next(
        &mut found,
        |message| message.text.subject.len() + message.text.body.len(),
        |message| message.seq.to_be_bytes().to_vec(),
    );
    let messages = found.into_iter().map(inbox_message).collect();
    Ok(pb::ListInboxResponse { messages, next_page_token, unread_count: inbox.unread })
}

fn inbox_message(message: Message) -> pb::InboxMessage {
    pb::InboxMessage {
        notification_id: message.id.to_string(),
        seq: message.seq,
        template_id: message.template_id,
        subject: message.text.subject,
        body: message.text.body,
        create_time: Some(timestamp(message.create_time)),
        read_time: opt_timestamp(message.read_time),
    }
}
