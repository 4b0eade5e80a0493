//! ListTemplates: the newest version of every template, page by page.

use proto::rapport::notification::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::wire::template_message;
use crate::store::templates;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListTemplatesRequest>,
) -> Result<pb::ListTemplatesResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let list = caller.list(&api.pages, "ListTemplates", "", message.page_size)?;
    let cursor = list.open(&message.page_token)?.unwrap_or_default();
    let after = String::from_utf8_lossy(&cursor);
    let mut found =
        templates::page(api.db.reader(), &caller.tenant, &after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(
        &mut found,
        |template| template.subject.len() + template.body.len(),
        |template| template.id.as_bytes().to_vec(),
    );
    Ok(pb::ListTemplatesResponse { templates: found.iter().map(template_message).collect(), next_page_token })
}
