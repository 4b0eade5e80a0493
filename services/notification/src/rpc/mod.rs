//! The wire: decodes requests into the domain's terms, runs them, encodes what came out. One file per RPC.

mod call;
mod create_template_version;
mod get_notification;
mod get_template;
mod list_inbox;
mod list_notifications;
mod list_templates;
mod mark_read;
mod preview_template;
mod refusal;
mod wire;

use ambient::Clock;
use db::Db;
use proto::rapport::notification::v1 as pb;
use requests::serve;

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) pages: rpc::PageTokens,
}

serve!(Api, pb, pb::template_service_server::TemplateService {
    create_template_version(CreateTemplateVersionRequest) -> CreateTemplateVersionResponse;
    get_template(GetTemplateRequest) -> GetTemplateResponse;
    list_templates(ListTemplatesRequest) -> ListTemplatesResponse;
    preview_template(PreviewTemplateRequest) -> PreviewTemplateResponse;
});

serve!(Api, pb, pb::notification_service_server::NotificationService {
    get_notification(GetNotificationRequest) -> GetNotificationResponse;
    list_notifications(ListNotificationsRequest) -> ListNotificationsResponse;
});

serve!(Api, pb, pb::inbox_service_server::InboxService {
    list_inbox(ListInboxRequest) -> ListInboxResponse;
    mark_read(MarkReadRequest) -> MarkReadResponse;
});
