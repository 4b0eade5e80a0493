//! GetCase: one case with its steps.

use db::Pick;
use futures::FutureExt;
use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::uuid;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::case_message::{message, step_message};
use super::refusal::{DOMAIN, case_not_found};
use crate::store::{Owner, cases};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetCaseRequest>,
) -> Result<pb::GetCaseResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let mut found = Violations::default();
    let id = uuid(&asked.case_id, &Path::ROOT, "case_id", &mut found);
    found.into_result(DOMAIN)?;
    let owner = Owner::new(&caller.tenant, id);
    // One snapshot: the case and its steps must agree.
    let read = api.db.snapshot(move |tx| {
        let owner = owner.clone();
        async move {
            let case = cases::find(tx, &owner, Pick::All).await?;
            Ok((case, cases::steps(tx, &owner).await?))
        }
        .boxed()
    });
    let (case, steps) = read.await.map_err(|e| told(&e))?;
    let case = case.ok_or_else(|| case_not_found(id))?;
    let steps = steps.iter().map(step_message).collect();
    Ok(pb::GetCaseResponse { case: Some(pb::Case { steps, ..message(&case, api.clock.now()) }) })
}
