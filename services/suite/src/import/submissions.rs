//! Rows of a file as submissions of feedback, one by one.

use std::io::Read;

use chrono_tz::Tz;
use proto::rapport::feedback::v1 as pb;
use uuid::Uuid;

use super::records::{BadRow, Broken, Record, Records};
use super::rows::key;
use super::source::Format;
use super::when;
use crate::money::shortened;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The source's own key of the submission.
    Id,
    /// The member who answered.
    Member,
    /// The caller's own key of the customer who answered.
    Customer,
    /// When it was answered.
    Time,
    /// Likelihood to recommend, 0 to 10.
    Nps,
    /// Satisfaction, 1 to 5.
    Csat,
    /// Effort, 1 to 7; 7 is easiest.
    CesHighIsEasy,
    /// Effort, 1 to 7; 1 is easiest.
    CesHighIsHard,
    /// The customer's own words.
    Text,
    /// The moment of the journey.
    Touchpoint,
    /// The branch.
    Branch,
    /// The member of staff.
    Staff,
}

/// What the columns are called and what their values mean.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) source_id: String,
    pub(crate) channel: pb::Channel,
    pub(crate) language: String,
    pub(crate) zone: Tz,
    /// Columns that are read; each question of a scale has its own.
    pub(crate) columns: Vec<(Meaning, String)>,
}

/// A submission and where it stands in its file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) feedback: pb::Feedback,
}

/// Reads submissions.
pub(crate) struct Submissions<R> {
    records: Records<R>,
    mapping: Mapping,
}

impl<R: Read> Submissions<R> {
    /// Begins to read.
    pub(crate) fn open(inner: R, format: Format, mapping: Mapping) -> Result<Submissions<R>, Broken> {
        let columns: Vec<&str> = mapping.columns.iter().map(|(_, name)| name.as_str()).collect();
        Ok(Submissions { records: Records::open(inner, format, &columns)?, mapping })
    }

    /// The next row; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Option<Result<Result<Row, BadRow>, Broken>> {
        let record = self.records.next()?;
        Some(record.map(|row| row.and_then(|record| self.mapping.row(&record))))
    }
}

impl Mapping {
    fn row(&self, record: &Record) -> Result<Row, BadRow> {
        let mut feedback = pb::Feedback {
            source_id: self.source_id.clone(),
            channel: self.channel.into(),
            language: self.language.clone(),
            ..pb::Feedback::default()
        };
        for (place, (meaning, column)) in self.columns.iter().enumerate() {
            let value = record.get(place);
            if !value.is_empty() || *meaning == Meaning::Id {
                self.set(&mut feedback, *meaning, (column, value))
                    .map_err(|reason| record.bad(column, reason))?;
            }
        }
        if feedback.answers.is_empty() && feedback.text.is_empty() {
            return Err(record.bad("", "nothing was answered"));
        }
        Ok(Row { line: record.line, feedback })
    }

    fn set(
        &self,
        feedback: &mut pb::Feedback,
        meaning: Meaning,
        (column, value): (&str, &str),
    ) -> Result<(), String> {
        use pb::answer::Value;
        use pb::customer::Id;
        let effort = |direction: pb::EffortDirection| {
            whole(value, 1, 7).map(|value| Value::Ces(pb::Effort { value, direction: direction.into() }))
        };
        let customer = |id| Some(pb::Customer { id: Some(id) });
        let answer = match meaning {
            Meaning::Id => return key(value).map(|id| feedback.submission_id = id),
            Meaning::Member => {
                let id =
                    Uuid::try_parse(value).map_err(|_| format!("`{}` is not a UUID", shortened(value)))?;
                feedback.customer = customer(Id::MemberId(id.to_string()));
                return Ok(());
            }
            Meaning::Customer => {
                feedback.customer = customer(Id::ExternalId(key(value)?));
                return Ok(());
            }
            Meaning::Time => {
                let at = when::parse(value, self.zone).map_err(|wrong| wrong.to_string())?;
                let (seconds, nanos) = at.parts();
                feedback.answer_time = Some(prost_types::Timestamp { seconds, nanos });
                return Ok(());
            }
            Meaning::Text => return keep(&mut feedback.text, value),
            Meaning::Touchpoint => return keep(&mut feedback.touchpoint, value),
            Meaning::Branch => return keep(&mut feedback.branch_id, value),
            Meaning::Staff => return keep(&mut feedback.staff_id, value),
            Meaning::Nps => whole(value, 0, 10).map(Value::Nps)?,
            Meaning::Csat => whole(value, 1, 5).map(Value::Csat)?,
            Meaning::CesHighIsEasy => effort(pb::EffortDirection::HighIsEasy)?,
            Meaning::CesHighIsHard => effort(pb::EffortDirection::HighIsHard)?,
        };
        feedback.answers.push(pb::Answer { question_id: column.to_owned(), value: Some(answer) });
        Ok(())
    }
}

/// A text is taken as it stands.
fn keep(field: &mut String, value: &str) -> Result<(), String> {
    value.clone_into(field);
    Ok(())
}

/// A whole number of a scale; spreadsheets write `4` as `4.0`.
fn whole(text: &str, lowest: i32, highest: i32) -> Result<i32, String> {
    let digits = text
        .split_once('.')
        .map_or(text, |(whole, rest)| if rest.bytes().all(|byte| byte == b'0') { whole } else { text });
    let number = digits.parse().ok().filter(|number| (lowest..=highest).contains(number));
    number.ok_or_else(|| format!("`{}` is not a whole number from {lowest} to {highest}", shortened(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        let columns = [
            (Meaning::Id, "id"),
            (Meaning::Customer, "who"),
            (Meaning::Time, "when"),
            (Meaning::Csat, "overall"),
            (Meaning::Nps, "recommend"),
            (Meaning::Text, "words"),
            (Meaning::Branch, "branch"),
        ];
        Mapping {
            source_id: "survey".into(),
            channel: pb::Channel::SurveyWeb,
            language: String::new(),
            zone: Tz::UTC,
            columns: columns.map(|(meaning, name)| (meaning, name.to_owned())).into(),
        }
    }

    fn told(text: &str) -> Vec<Result<pb::Feedback, String>> {
        let mut rows = Submissions::open(text.as_bytes(), Format::Csv, mapping()).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next() {
            let row = row.unwrap();
            found.push(row.map(|row| row.feedback).map_err(|bad| format!("{}: {}", bad.column, bad.reason)));
        }
        found
    }

    #[test]
    fn columns_become_what_they_mean_and_empty_ones_nothing() {
        let rows = told("branch,id,who,when,overall,recommend,words\nmain,1,ann,2026-01-31,4.0,,fine\n");
        let feedback = rows[0].as_ref().unwrap();
        assert_eq!((feedback.submission_id.as_str(), feedback.branch_id.as_str()), ("1", "main"));
        assert_eq!(feedback.customer.as_ref().unwrap().id, Some(pb::customer::Id::ExternalId("ann".into())));
        let csat = pb::Answer { question_id: "overall".into(), value: Some(pb::answer::Value::Csat(4)) };
        assert_eq!((feedback.answers.as_slice(), feedback.text.as_str()), ([csat].as_slice(), "fine"));
    }

    #[test]
    fn bad_values_are_told_by_their_column() {
        let rows = told(
            "branch,id,who,when,overall,recommend,words\n,1,,,6,,\n,2,,,4.5,,\n,,,,4,,\n,3,,soon,4,,\n\
             ,4,,,,,\n,5,,,,-1,\n",
        );
        let told: Vec<_> = rows.into_iter().map(Result::unwrap_err).collect();
        assert_eq!(told[0], "overall: `6` is not a whole number from 1 to 5");
        assert_eq!(told[1], "overall: `4.5` is not a whole number from 1 to 5");
        assert_eq!(told[2], "id: the value is missing");
        assert!(told[3].starts_with("when: `soon` is not a time"), "{}", told[3]);
        assert_eq!(told[4], ": nothing was answered");
        assert_eq!(told[5], "recommend: `-1` is not a whole number from 0 to 10");
    }
}
