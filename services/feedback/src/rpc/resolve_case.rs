//! ResolveCase: a case ends.

use proto::rapport::feedback::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::Asked;
use crate::domain::Work;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ResolveCaseRequest>,
) -> Result<pb::ResolveCaseResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let ids = (asked.request_id.as_str(), asked.case_id.as_str());
    let work = Work::Resolve { remedy_code: asked.remedy_code.clone() };
    let work = Asked::decode(&caller, ("ResolveCase", &asked), ids, work, (asked.version, &asked.note))?;
    let respond = |case| pb::ResolveCaseResponse { case: Some(case), replayed: false };
    let (response, replayed) = api.work(&caller, work, respond).await?;
    Ok(pb::ResolveCaseResponse { replayed, ..response })
}

#[cfg(test)]
mod tests {
    use super::super::{assign_case, get_case, list_cases, respond_to_case, submit_feedback};
    use super::*;
    use crate::fixture::{House, TENANT, call, refused, request_id, survey};

    const HOUR_MICROS: i64 = 3_600_000_000;

    async fn complain(house: &House, submission_id: &str, csat: i32) -> String {
        let feedback = Some(survey(submission_id, "ann", pb::answer::Value::Csat(csat)));
        let request = call(TENANT, pb::SubmitFeedbackRequest { feedback });
        submit_feedback::handle(house.service.api(), request).await.unwrap().case_id
    }

    async fn assign(house: &House, case_id: &str, agent: &str) -> Result<pb::AssignCaseResponse, Status> {
        let (request_id, case_id, agent_id) = (request_id(), case_id.to_owned(), agent.to_owned());
        let message =
            pb::AssignCaseRequest { request_id, case_id, agent_id, note: String::new(), version: 0 };
        assign_case::handle(house.service.api(), call(TENANT, message)).await
    }

    async fn respond(house: &House, case_id: &str) -> Result<pb::RespondToCaseResponse, Status> {
        let (request_id, case_id, note) = (request_id(), case_id.to_owned(), "We are sorry.".to_owned());
        let message = pb::RespondToCaseRequest { request_id, case_id, note, version: 0 };
        respond_to_case::handle(house.service.api(), call(TENANT, message)).await
    }

    fn resolve(case_id: &str, version: i64) -> pb::ResolveCaseRequest {
        let (request_id, remedy_code) = (request_id(), "refund".to_owned());
        let case_id = case_id.to_owned();
        pb::ResolveCaseRequest { request_id, case_id, remedy_code, note: String::new(), version }
    }

    async fn get(house: &House, tenant: &str, case_id: &str) -> Result<pb::Case, Status> {
        let request = call(tenant, pb::GetCaseRequest { case_id: case_id.into() });
        Ok(get_case::handle(house.service.api(), request).await?.case.unwrap())
    }

    #[tokio::test]
    async fn a_complaint_has_an_owner_a_deadline_an_ending_and_a_history() {
        let house = House::open().await;
        let id = complain(&house, "1", 1).await;
        let api = house.service.api();
        let early = handle(api, call(TENANT, resolve(&id, 0))).await;
        assert_eq!(refused(early).0, "CASE_STATE");
        assign(&house, &id, "bob").await.unwrap();
        house.clock.advance_to(house.clock.now().plus_micros(5 * HOUR_MICROS));
        assert!(get(&house, TENANT, &id).await.unwrap().breached, "nobody answered within four hours");
        respond(&house, &id).await.unwrap();
        assert_eq!(refused(handle(api, call(TENANT, resolve(&id, 2))).await).0, "VERSION_MISMATCH");
        let last = resolve(&id, 3);
        let done = handle(api, call(TENANT, last.clone())).await.unwrap();
        let again = handle(api, call(TENANT, last)).await.unwrap();
        assert_eq!((done.replayed, again.replayed, &done.case), (false, true, &again.case));
        assert_eq!(refused(assign(&house, &id, "eve").await).0, "CASE_STATE");
        let case = get(&house, TENANT, &id).await.unwrap();
        assert_eq!((case.state(), case.version, case.agent_id.as_str()), (pb::CaseState::Resolved, 4, "bob"));
        let steps: Vec<_> =
            case.steps.iter().map(|step| (step.seq, step.action(), step.subject.as_str())).collect();
        let expected = [
            (1, pb::CaseAction::Opened, ""),
            (2, pb::CaseAction::Assigned, "somebody"),
            (3, pb::CaseAction::Responded, "somebody"),
            (4, pb::CaseAction::Resolved, "somebody"),
        ];
        assert_eq!(steps, expected);
        assert_eq!(case.steps[2].note, "We are sorry.");
        let history = ["CaseOpened", "CaseAssigned", "CaseResponded", "CaseResolved"];
        assert_eq!(house.history(&id).await, history);
        assert_eq!(refused(get(&house, "other", &id).await).0, "CASE_NOT_FOUND");
        let foreign = handle(api, call("other", resolve(&id, 0))).await;
        assert_eq!(refused(foreign).0, "CASE_NOT_FOUND");
    }

    #[tokio::test]
    async fn two_agents_at_once_leave_one_owner_and_a_step_each() {
        let house = House::open().await;
        let id = complain(&house, "1", 1).await;
        let agents = ["ann", "bob", "eve"].map(|agent| assign(&house, &id, agent));
        for answer in futures::future::join_all(agents).await {
            answer.unwrap();
        }
        let case = get(&house, TENANT, &id).await.unwrap();
        let seqs: Vec<_> = case.steps.iter().map(|step| step.seq).collect();
        assert_eq!((seqs, case.version), (vec![1, 2, 3, 4], 4));
        assert_eq!(case.agent_id, case.steps[3].agent_id);
        assert_eq!(house.history(&id).await.len(), 4);
    }

    #[tokio::test]
    async fn queues_show_what_is_due_first_and_only_what_was_asked_for() {
        let house = House::open().await;
        let (calm, pressing) = (complain(&house, "1", 2).await, complain(&house, "2", 1).await);
        let third = complain(&house, "3", 2).await;
        assign(&house, &third, "bob").await.unwrap();
        let list = async |asked: pb::ListCasesRequest| {
            let (mut listed, mut page_token) = (Vec::new(), String::new());
            loop {
                let message = pb::ListCasesRequest { page_size: 1, page_token, ..asked.clone() };
                let page = list_cases::handle(house.service.api(), call(TENANT, message)).await.unwrap();
                listed.extend(page.cases.into_iter().map(|case| case.case_id));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return listed;
                }
            }
        };
        let all = list(pb::ListCasesRequest::default()).await;
        assert_eq!((all.len(), &all[0]), (3, &pressing));
        let new = pb::ListCasesRequest { state: pb::CaseState::New.into(), ..Default::default() };
        assert_eq!(list(new).await, [pressing.clone(), calm]);
        let mine = pb::ListCasesRequest { agent_id: "bob".into(), ..Default::default() };
        assert_eq!(list(mine).await, [third]);
        let soon = requests::wire::opt_timestamp(crate::fixture::START.plus_micros(25 * HOUR_MICROS));
        assert_eq!(list(pb::ListCasesRequest { due_before: soon, ..Default::default() }).await, [pressing]);
    }
}
