//! ListCases: the one that is due first first.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::{cursor, place, time};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::case_message::message;
use super::refusal::DOMAIN;
use crate::domain::CaseState;
use crate::store::cases::{self, Filter, Place};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListCasesRequest>,
) -> Result<pb::ListCasesResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let mut found = Violations::default();
    let due_before = time(asked.due_before, &Path::ROOT, "due_before", &mut found);
    found.into_result(DOMAIN)?;
    let filter = Filter {
        state: CaseState::from_number(asked.state),
        agent_id: (!asked.agent_id.is_empty()).then(|| asked.agent_id.clone()),
        due_before,
    };
    let filtered = format!("{filter:?}");
    let list = caller.list(&api.pages, "ListCases", &filtered, asked.page_size)?;
    let after = list.open(&asked.page_token)?.as_deref().and_then(place);
    let after = after.map(|(resolve_due_time, case_id)| Place { resolve_due_time, case_id });
    let read = cases::page(api.db.reader(), &caller.tenant, &filter, after, list.limit());
    let mut found = read.await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |case| cursor(case.resolve_due_time, case.id));
    let now = api.clock.now();
    Ok(pb::ListCasesResponse {
        cases: found.iter().map(|case| message(case, now)).collect(),
        next_page_token,
    })
}
