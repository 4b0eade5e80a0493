//! GetTemplate: one version of a template, shipped or own.

use proto::rapport::notification::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::template_not_found;
use super::wire::template_message;
use crate::domain::Template;
use crate::store::templates::{self, Key};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetTemplateRequest>,
) -> Result<pb::GetTemplateResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let template = api.template(&caller, message.template_id, message.version).await?;
    Ok(pb::GetTemplateResponse { template: Some(template_message(&template)) })
}

impl Api {
    /// A template of the caller's tenant; version 0 means the newest.
    pub(super) async fn template(
        &self,
        caller: &Caller,
        template_id: String,
        version: i64,
    ) -> Result<Template, Status> {
        let key = Key { tenant: caller.tenant.clone(), template_id };
        let found = templates::find(self.db.reader(), &key, version).await.map_err(|e| told(&e))?;
        Ok(found.ok_or_else(|| template_not_found(&key.template_id, version))?)
    }
}
