//! SubmitFeedback: one submission, once by its identity.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::uuid_text;
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::submission::{decode, message};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::SubmitFeedbackRequest>,
) -> Result<pb::SubmitFeedbackResponse, Status> {
    let (caller, sent) = Caller::open(request)?;
    let mut found = Violations::default();
    let given = decode(&sent.feedback.unwrap_or_default(), &Path::ROOT.field("feedback"), &mut found);
    found.into_result(DOMAIN)?;
    let missing = || rpc::error::internal_because("a valid submission was not decoded");
    let given = given.ok_or_else(missing)?;
    let outcomes = api.intake.take(&caller, vec![given], pb::BatchPolicy::Continue).await?;
    let outcome = outcomes.into_iter().next().ok_or_else(missing)?;
    let taken = outcome.map_err(|refusal| problem(&refusal).to_status())?;
    Ok(pb::SubmitFeedbackResponse {
        feedback: Some(message(&taken.feedback)),
        case_id: uuid_text(taken.feedback.case_id),
        replayed: taken.replayed,
    })
}

#[cfg(test)]
mod tests {
    use pb::answer::Value::{Csat, Nps};

    use super::super::{get_feedback, list_feedback};
    use super::*;
    use crate::fixture::{House, TENANT, call, refused, survey};

    async fn submit(
        house: &House,
        tenant: &str,
        feedback: pb::Feedback,
    ) -> Result<pb::SubmitFeedbackResponse, Status> {
        let message = pb::SubmitFeedbackRequest { feedback: Some(feedback) };
        handle(house.service.api(), call(tenant, message)).await
    }

    async fn list(house: &House, tenant: &str, customer: &str, page_size: i32) -> Vec<String> {
        let id = pb::customer::Id::ExternalId(customer.into());
        let customer = (!customer.is_empty()).then_some(pb::Customer { id: Some(id) });
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = pb::ListFeedbackRequest { customer: customer.clone(), page_size, page_token };
            let page = list_feedback::handle(house.service.api(), call(tenant, message)).await.unwrap();
            listed.extend(page.feedback.into_iter().map(|one| one.submission_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return listed;
            }
        }
    }

    #[tokio::test]
    async fn a_voice_is_counted_once_however_often_it_is_sent() {
        let house = House::open().await;
        let one = || submit(&house, TENANT, survey("1", "ann", Csat(1)));
        let answers = futures::future::join_all((0..16).map(|_| one())).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert!(answers.iter().all(|answer| answer.feedback == answers[0].feedback));
        assert!(!answers[0].case_id.is_empty() && answers.iter().all(|a| a.case_id == answers[0].case_id));
        for table in ["feedback", "answer", "service_case", "case_step"] {
            assert_eq!(house.count(table).await, 1, "{table}");
        }
        let feedback_id = &answers[0].feedback.as_ref().unwrap().feedback_id;
        assert_eq!(house.history(feedback_id).await, ["FeedbackSubmitted"]);
        assert_eq!(house.history(&answers[0].case_id).await, ["CaseOpened"]);
    }

    #[tokio::test]
    async fn equal_words_of_two_people_are_two_voices_and_tenants_never_meet() {
        let house = House::open().await;
        for (tenant, id) in [(TENANT, "1"), (TENANT, "2"), ("other", "1")] {
            assert!(!submit(&house, tenant, survey(id, "ann", Nps(9))).await.unwrap().replayed);
        }
        assert_eq!(list(&house, TENANT, "", 50).await.len(), 2);
        assert_eq!(list(&house, "other", "", 50).await, ["1"]);
        let taken = submit(&house, TENANT, survey("2", "ann", Nps(9))).await.unwrap().feedback.unwrap();
        let get = |tenant| {
            let message = pb::GetFeedbackRequest { feedback_id: taken.feedback_id.clone() };
            get_feedback::handle(house.service.api(), call(tenant, message))
        };
        assert_eq!(get(TENANT).await.unwrap().feedback, Some(taken.clone()));
        assert_eq!(refused(get("other").await).0, "FEEDBACK_NOT_FOUND");
    }

    #[tokio::test]
    async fn another_content_under_the_same_key_is_refused_and_changes_nothing() {
        let house = House::open().await;
        submit(&house, TENANT, survey("1", "ann", Nps(9))).await.unwrap();
        let refusal = submit(&house, TENANT, survey("1", "ann", Nps(1))).await;
        assert_eq!(refused(refusal).0, "SUBMISSION_EXISTS");
        assert_eq!((house.count("feedback").await, house.count("service_case").await), (1, 0));
    }

    #[tokio::test]
    async fn contradictions_are_told_by_their_fields_all_at_once() {
        let house = House::open().await;
        let twice = [survey("1", "ann", Nps(9)).answers, survey("1", "ann", Nps(9)).answers].concat();
        let named = |name: &str| pb::Attribute { name: name.into(), value: String::new() };
        let bad = pb::Feedback {
            answers: twice,
            status: pb::ResponseStatus::Dismissed.into(),
            attributes: vec![named("a"), named("a")],
            answer_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..survey("1", "ann", Nps(9))
        };
        let (reason, fields) = refused(submit(&house, TENANT, bad).await);
        assert_eq!(reason, "FIELDS_INVALID");
        let expected = [
            "feedback.status",
            "feedback.answer_time",
            "feedback.answers[1].question_id",
            "feedback.attributes[1].name",
        ];
        assert_eq!(fields, expected);
        let silent = pb::Feedback { answers: Vec::new(), ..survey("1", "ann", Nps(9)) };
        assert_eq!(refused(submit(&house, TENANT, silent).await).1, ["feedback.answers"]);
        assert_eq!(house.count("feedback").await, 0);
    }

    #[tokio::test]
    async fn lists_show_the_newest_first_each_once_of_one_customer_or_of_all() {
        let house = House::open().await;
        for n in 0..7 {
            house.clock.advance_to(house.clock.now().plus_micros(i64::from(n % 2)));
            let customer = if n % 3 == 0 { "ann" } else { "bob" };
            submit(&house, TENANT, survey(&n.to_string(), customer, Nps(9))).await.unwrap();
        }
        let mut anns = list(&house, TENANT, "ann", 2).await;
        anns.sort();
        assert_eq!(anns, ["0", "3", "6"]);
        let pages = list(&house, TENANT, "", 2).await;
        assert_eq!(pages, list(&house, TENANT, "", 1_000).await);
        let mut all = pages;
        all.sort();
        assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6"]);
        let anonymous = pb::Feedback { customer: None, ..survey("7", "", Nps(9)) };
        let taken = submit(&house, TENANT, anonymous).await.unwrap();
        assert_eq!(taken.feedback.unwrap().customer, None);
    }
}
