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
use tonic::{Request, Response, Status};

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) pages: rpc::PageTokens,
}

/// Implements one method of a generated trait by the module of the same name.
macro_rules! serve {
    ($service:path { $($method:ident($request:ident) -> $response:ident;)+ }) => {
        #[tonic::async_trait]
        impl $service for Api {
            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                $method::handle(self, request).await.map(Response::new)
            })+
        }
    };
}

serve!(pb::template_service_server::TemplateService {
    create_template_version(CreateTemplateVersionRequest) -> CreateTemplateVersionResponse;
    get_template(GetTemplateRequest) -> GetTemplateResponse;
    list_templates(ListTemplatesRequest) -> ListTemplatesResponse;
    preview_template(PreviewTemplateRequest) -> PreviewTemplateResponse;
});

serve!(pb::notification_service_server::NotificationService {
    get_notification(GetNotificationRequest) -> GetNotificationResponse;
    list_notifications(ListNotificationsRequest) -> ListNotificationsResponse;
});

serve!(pb::inbox_service_server::InboxService {
    list_inbox(ListInboxRequest) -> ListInboxResponse;
    mark_read(MarkReadRequest) -> MarkReadResponse;
});
