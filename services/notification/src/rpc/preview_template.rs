//! PreviewTemplate: what a template makes of given values.

use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, template_invalid};
use super::wire::variables;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::PreviewTemplateRequest>,
) -> Result<pb::PreviewTemplateResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let template = api.template(&caller, message.template_id, message.version).await?;
    let mut found = Violations::default();
    let mut values = template.samples();
    for (i, given) in variables(&message.values, &Path::ROOT, "values", &mut found).into_iter().enumerate() {
        if values.insert(given.name, given.sample).is_none() {
            found.add(&Path::ROOT.item("values", i), "name", "must be a variable of the template");
        }
    }
    found.into_result(DOMAIN)?;
    // The template passed its check when it was created, so it is these values that it fails with.
    let rendered = template.render(&values);
    let rendered = rendered.map_err(|flaw| template_invalid(&template.id, &[flaw], |_| "values"))?;
    Ok(pb::PreviewTemplateResponse {
        version: template.version,
        subject: rendered.subject,
        body: rendered.body,
    })
}
