//! ListNotifications: the messages to a recipient with their deliveries, newest first.

use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::DOMAIN;
use super::wire::uuid;
use crate::store::{Owner, messages};
use rpc::page::number;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListNotificationsRequest>,
) -> Result<pb::ListNotificationsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut violations = Violations::default();
    let recipient_id = uuid(&message.recipient_id, &Path::ROOT, "recipient_id", &mut violations);
    violations.into_result(DOMAIN)?;
    let list = caller.list(&api.pages, "ListNotifications", &message.recipient_id, message.page_size)?;
    let before = list.open(&message.page_token)?.map_or(i64::MAX, |cursor| number(&cursor));
    let owner = Owner::new(&caller.tenant, recipient_id);
    let page = messages::page(api.db.reader(), &owner, before, false, list.limit());
    let mut found = page.await.map_err(|e| told(&e))?;
    let next_page_token = list.next(
        &mut found,
        |message| message.text.subject.len() + message.text.body.len(),
        |message| message.seq.to_be_bytes().to_vec(),
    );
    let notifications = api.with_deliveries(&owner, &found).await?;
    Ok(pb::ListNotificationsResponse { notifications, next_page_token })
}
