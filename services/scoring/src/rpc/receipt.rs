//! Scores with their receipts, as they leave the service.

use ambient::Time;
use proto::rapport::scoring::v1 as pb;
use requests::wire::timestamp;

use crate::domain::{Counts, Metric, Window};

/// What every score of a response has in its receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) metric: Metric,
    pub(super) window: Window,
    pub(super) watermark: Option<Time>,
}

/// The score of a segment.
pub(super) fn score(frame: &Frame, segment: pb::Segment, counts: &Counts) -> pb::Score {
    let (definition, figure) = (frame.metric.definition(), frame.metric.figure(&counts.answers));
    let numerator = |(name, count): (&str, i64)| pb::Numerator { name: name.to_owned(), count };
    let receipt = pb::Receipt {
        definition_id: definition.id.to_owned(),
        definition_version: definition.version,
        formula: definition.formula.to_owned(),
        scale: definition.scale.to_owned(),
        direction: pb::Direction::HigherIsBetter.into(),
        funnel: Some(funnel(counts)),
        numerators: figure.numerators.into_iter().map(numerator).collect(),
        denominator: figure.denominator,
        interval: figure.interval.map(|interval| pb::Interval {
            low: interval.low,
            high: interval.high,
            method: definition.interval.to_owned(),
        }),
        mean: figure.mean,
        answer_counts: counts
            .answers
            .given()
            .map(|(answer, count)| pb::AnswerCount { answer, count })
            .collect(),
        start_time: Some(timestamp(frame.window.start())),
        end_time: Some(timestamp(frame.window.end())),
        watermark_time: frame.watermark.map(timestamp),
    };
    pb::Score { segment: Some(segment), value: figure.value, receipt: Some(receipt) }
}

fn funnel(counts: &Counts) -> pb::Funnel {
    pb::Funnel { answered: counts.answers.total(), dismissed: counts.dismissed, ..pb::Funnel::default() }
}
