//! AssignCase: somebody is to work on a case.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::uuid;
use tonic::{Request, Status};

use super::Api;
use super::call::Asked;
use super::refusal::DOMAIN;
use crate::domain::Work;
use crate::store::Owner;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::AssignCaseRequest>,
) -> Result<pb::AssignCaseResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&asked.request_id, &Path::ROOT, "request_id", &mut found);
    let case_id = uuid(&asked.case_id, &Path::ROOT, "case_id", &mut found);
    found.into_result(DOMAIN)?;
    let work = Asked {
        owner: Owner::new(&caller.tenant, case_id),
        work: Work::Assign { agent_id: asked.agent_id.clone() },
        version: asked.version,
        note: asked.note.clone(),
        call: caller.call(DOMAIN, "AssignCase", request_id, &asked),
    };
    let respond = |case| pb::AssignCaseResponse { case: Some(case), replayed: false };
    let (response, replayed) = api.work(&caller, work, respond).await?;
    Ok(pb::AssignCaseResponse { replayed, ..response })
}
