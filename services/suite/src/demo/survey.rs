//! The answers of a real survey: overall satisfaction as CSAT, each customer under the number of the
//! questionnaire, each country as a branch.

use std::sync::Arc;

use chrono_tz::Tz;
use proto::rapport::feedback::v1 as pb;
use rpc::client::Client;

use crate::Failure;
use crate::import::{FileFormat, Intake, Mapping, Meaning, Progress, Submissions, Taken};

/// 266 questionnaires; see tests/data/README.md for where they come from.
const ANSWERS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/survey_abc.csv"));
/// Who left the question open.
const UNANSWERED: i64 = 4;

/// Submits all answers.
pub(super) async fn submit(client: Client) -> Result<Taken, Failure> {
    let columns = [
        (Meaning::Id, "ID"),
        (Meaning::Customer, "ID"),
        (Meaning::Csat, "Satisfaction"),
        (Meaning::Branch, "country"),
    ];
    let mapping = Mapping {
        source_id: "survey-abc".to_owned(),
        channel: pb::Channel::SurveyWeb,
        language: String::new(),
        zone: Tz::UTC,
        columns: columns.map(|(meaning, name)| (meaning, name.to_owned())).into(),
    };
    let rows = Submissions::open(ANSWERS, FileFormat::Csv, mapping);
    let rows = rows.map_err(|broken| Failure::failed(format!("the embedded survey: {broken}")))?;
    // Questionnaires without the answer are refused; that is no news.
    let (taken, broken) = Intake::new(client, Arc::new(Progress::silent())).take(rows, 1).await?;
    match broken {
        None if taken.refused == UNANSWERED => Ok(taken),
        None => Err(Failure::failed(format!("{} answer(s) of the survey were refused", taken.refused))),
        Some(broken) => Err(Failure::failed(format!("the embedded survey: {broken}"))),
    }
}
