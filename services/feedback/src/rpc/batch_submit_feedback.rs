//! BatchSubmitFeedback: many submissions in one transaction.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::uuid_text;
use tonic::{Request, Status};

use super::Api;
use super::intake::Outcome;
use super::refusal::{DOMAIN, problem};
use super::submission::decode;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchSubmitFeedbackRequest>,
) -> Result<pb::BatchSubmitFeedbackResponse, Status> {
    let (caller, sent) = Caller::open(request)?;
    let mut found = Violations::default();
    let decoded = sent.feedback.iter().enumerate();
    let given = decoded.filter_map(|(i, one)| decode(one, &Path::ROOT.item("feedback", i), &mut found));
    let given: Vec<_> = given.collect();
    found.into_result(DOMAIN)?;
    let policy = match sent.policy() {
        pb::BatchPolicy::Unspecified => pb::BatchPolicy::Continue,
        policy => policy,
    };
    let outcomes = api.intake.take(&caller, given, policy).await?;
    Ok(pb::BatchSubmitFeedbackResponse { results: outcomes.iter().map(result).collect() })
}

fn result(outcome: &Outcome) -> pb::SubmissionResult {
    use pb::submission_result::Result as One;
    let result = match outcome {
        Ok(taken) => One::Taken(pb::TakenSubmission {
            feedback_id: taken.feedback.id.to_string(),
            case_id: uuid_text(taken.feedback.case_id),
            replayed: taken.replayed,
        }),
        Err(refusal) => One::Refused(rpc::to_proto(&problem(refusal).to_status())),
    };
    pb::SubmissionResult { result: Some(result) }
}

#[cfg(test)]
mod tests {
    use pb::answer::Value::{Csat, Nps};
    use pb::submission_result::Result as One;

    use super::*;
    use crate::fixture::{House, TENANT, call, survey};

    /// Takes four submissions of which the second is refused and the fourth repeats the first; tells what
    /// became of each, and how many records and cases there are then.
    async fn batch(policy: pb::BatchPolicy) -> (Vec<&'static str>, i64, i64) {
        let house = House::open().await;
        let submit = |feedback: Vec<pb::Feedback>, policy: pb::BatchPolicy| {
            let message = pb::BatchSubmitFeedbackRequest { feedback, policy: policy.into() };
            handle(house.service.api(), call(TENANT, message))
        };
        submit(vec![survey("taken", "ann", Nps(9))], pb::BatchPolicy::Unspecified).await.unwrap();
        let feedback = vec![
            survey("1", "ann", Csat(1)),
            survey("taken", "ann", Nps(8)),
            survey("2", "ann", Csat(5)),
            survey("1", "ann", Csat(1)),
        ];
        let answer = submit(feedback, policy).await.unwrap();
        let told = answer.results.iter().map(|result| match result.result.as_ref().unwrap() {
            One::Taken(taken) if taken.replayed => "replayed",
            One::Taken(_) => "taken",
            One::Refused(status) if status.code == tonic::Code::Aborted as i32 => "stopped",
            One::Refused(_) => "refused",
        });
        (told.collect(), house.count("feedback").await, house.count("service_case").await)
    }

    #[tokio::test]
    async fn a_refused_submission_does_to_the_others_what_the_policy_says() {
        let continued = (vec!["taken", "refused", "taken", "replayed"], 3, 1);
        assert_eq!(batch(pb::BatchPolicy::Unspecified).await, continued);
        assert_eq!(batch(pb::BatchPolicy::Continue).await, continued);
        assert_eq!(
            batch(pb::BatchPolicy::Stop).await,
            (vec!["taken", "refused", "stopped", "stopped"], 2, 1)
        );
        let nothing = (vec!["stopped", "refused", "stopped", "stopped"], 1, 0);
        assert_eq!(batch(pb::BatchPolicy::AllOrNothing).await, nothing);
    }
}
