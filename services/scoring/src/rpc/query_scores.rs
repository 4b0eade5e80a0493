//! QueryScores: one metric over a window, in total and for each value of a dimension.

use ambient::Time;
use futures::FutureExt;
use proto::rapport::scoring::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::time;
use tonic::{Request, Status};

use super::Api;
use super::receipt::{Frame, score};
use super::refusal::{DOMAIN, groups_too_many, rebuilding, told};
use crate::domain::{Dimension, Metric, Window, WindowFlaw};
use crate::store::scores::{self, Counted, Grouped};
use crate::store::{gate, watermarks};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::QueryScoresRequest>,
) -> Result<pb::QueryScoresResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let metric = metric(message.metric(), &mut found);
    let window = window(&message, &mut found);
    let grouped = grouped(&message, &mut found);
    found.into_result(DOMAIN)?;
    // The rules above leave a violation where they leave nothing.
    let (Some(metric), Some(window)) = (metric, window) else {
        return Err(rpc::internal(&db::Error::Aborted));
    };
    let (counted, asked) = (Counted { tenant: caller.tenant, metric, window }, grouped.clone());
    // One snapshot: the parts must add up to the total, and none of it be half of a rebuild.
    let read = api.db.snapshot(move |tx| {
        let (counted, asked) = (counted.clone(), asked.clone());
        async move {
            if let Err(shut) = gate::check(tx).await? {
                return Ok(Err(shut));
            }
            let watermark = watermarks::find(tx, &counted.tenant).await?;
            let total = scores::total(tx, &counted).await?;
            let groups = match &asked {
                Some(asked) => scores::groups(tx, &counted, asked).await?,
                None => Some(scores::Groups::new()),
            };
            Ok(Ok((watermark, total, groups)))
        }
        .boxed()
    });
    let (watermark, total, groups) = read.await.map_err(|e| told(&e))?.map_err(rebuilding)?;
    let frame = Frame { metric, window, watermark: watermark.map(Time::from_micros) };
    let dimension = message.dimension();
    let mut groups = groups.ok_or_else(|| groups_too_many(dimension.as_str_name()))?;
    if let Some(value) = grouped.and_then(|grouped| grouped.value) {
        groups.entry(value).or_default();
    }
    let scores = groups
        .into_iter()
        .map(|(value, counts)| score(&frame, pb::Segment { dimension: dimension.into(), value }, &counts));
    let scores = scores.collect();
    Ok(pb::QueryScoresResponse { total: Some(score(&frame, pb::Segment::default(), &total)), scores })
}

fn metric(given: pb::Metric, found: &mut Violations) -> Option<Metric> {
    match given {
        pb::Metric::Unspecified => {
            found.add(&Path::ROOT, "metric", "is required");
            None
        }
        pb::Metric::Nps => Some(Metric::Nps),
        pb::Metric::Csat => Some(Metric::Csat),
        pb::Metric::CesHighIsEasy => Some(Metric::CesHighIsEasy),
        pb::Metric::CesHighIsHard => Some(Metric::CesHighIsHard),
    }
}

fn window(message: &pb::QueryScoresRequest, found: &mut Violations) -> Option<Window> {
    let (start, end) = (message.start_time, message.end_time);
    for (given, field) in [(&start, "start_time"), (&end, "end_time")] {
        if given.is_none() {
            found.add(&Path::ROOT, field, "is required");
        }
    }
    let start = time(start, &Path::ROOT, "start_time", found)?;
    let end = time(end, &Path::ROOT, "end_time", found)?;
    let refused = |flaw| match flaw {
        WindowFlaw::Empty => "must lie after start_time",
        WindowFlaw::TooLong => "must not lie more than 3653 days after start_time",
    };
    let window = Window::try_new(start, end);
    window.map_err(|flaw| found.add(&Path::ROOT, "end_time", refused(flaw))).ok()
}

fn grouped(message: &pb::QueryScoresRequest, found: &mut Violations) -> Option<Grouped> {
    let dimension = match message.dimension() {
        pb::Dimension::Unspecified => {
            if message.dimension_value.is_some() {
                found.add(&Path::ROOT, "dimension_value", "must not be set without a dimension");
            }
            return None;
        }
        pb::Dimension::Channel => Dimension::Channel,
        pb::Dimension::Touchpoint => Dimension::Touchpoint,
        pb::Dimension::Branch => Dimension::Branch,
        pb::Dimension::Staff => Dimension::Staff,
    };
    Some(Grouped { dimension, value: message.dimension_value.clone() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proto::rapport::feedback::v1::{self as feedback, RatingScale as S};

    use super::*;
    use crate::domain::Counts;
    use crate::fixture::{
        Draw, HOUR, House, MINUTE, START, TENANT, at, call, feedback_event, refused, submitted,
    };

    const DIMENSIONS: [pb::Dimension; 4] =
        [pb::Dimension::Channel, pb::Dimension::Touchpoint, pb::Dimension::Branch, pb::Dimension::Staff];
    const SCALES: [(pb::Metric, S); 4] = [
        (pb::Metric::Nps, S::Nps),
        (pb::Metric::Csat, S::Csat),
        (pb::Metric::CesHighIsEasy, S::CesHighIsEasy),
        (pb::Metric::CesHighIsHard, S::CesHighIsHard),
    ];

    fn request(metric: pb::Metric, from: i64, to: i64) -> pb::QueryScoresRequest {
        pb::QueryScoresRequest {
            metric: metric.into(),
            start_time: at(from),
            end_time: at(to),
            ..pb::QueryScoresRequest::default()
        }
    }

    async fn query(
        house: &House,
        tenant: &str,
        request: pb::QueryScoresRequest,
    ) -> Result<pb::QueryScoresResponse, Status> {
        handle(house.service.api(), call(tenant, request)).await
    }

    /// Feedback on hour and day boundaries, beside them, and anywhere within six days.
    fn drawn(draw: &mut Draw, n: u128) -> (&'static str, feedback::FeedbackSubmitted) {
        let micros = (draw.below(144) - 72) * HOUR + draw.of(&[0, -1, 1, 17 * MINUTE, 59 * MINUTE]);
        let (_, scale) = draw.of(&SCALES);
        let value = 1 + i32::try_from(draw.below(5)).unwrap();
        let mut payload = submitted(n, 7, micros, &[(scale, value), (S::Nps, value + 5)]);
        payload.channel = i32::try_from(draw.below(4)).unwrap();
        payload.branch_id = draw.of(&["", "north", "south", "é"]).into();
        payload.touchpoint = draw.of(&["delivery", "checkout"]).into();
        if draw.below(4) == 0 {
            payload.status = feedback::ResponseStatus::Dismissed.into();
            payload.ratings.clear();
        }
        (draw.of(&[TENANT, "other"]), payload)
    }

    /// Counts by looking at everything that was said.
    fn counted(
        told: &[(&str, feedback::FeedbackSubmitted)],
        tenant: &str,
        scale: S,
        (from, to): (i64, i64),
        value_of: impl Fn(&feedback::FeedbackSubmitted) -> String,
    ) -> BTreeMap<String, Counts> {
        let mut found: BTreeMap<String, Counts> = BTreeMap::new();
        for (_, payload) in told.iter().filter(|(of, _)| *of == tenant) {
            let given = payload.answer_time.unwrap();
            let micros = Time::from_parts(given.seconds, given.nanos).unwrap().micros() - START.micros();
            let dismissed = payload.status() == feedback::ResponseStatus::Dismissed;
            let ratings: Vec<_> = payload.ratings.iter().filter(|rating| rating.scale() == scale).collect();
            if micros < from || micros >= to || (!dismissed && ratings.is_empty()) {
                continue;
            }
            let counts = found.entry(value_of(payload)).or_default();
            counts.dismissed += i64::from(dismissed);
            ratings.iter().for_each(|rating| counts.answers.add(rating.value, 1));
        }
        found
    }

    fn counts_of(score: &pb::Score) -> (Vec<(i32, i64)>, i64) {
        let receipt = score.receipt.as_ref().unwrap();
        let counts = receipt.answer_counts.iter().map(|count| (count.answer, count.count)).collect();
        (counts, receipt.funnel.unwrap().dismissed)
    }

    fn value_of(dimension: pb::Dimension, payload: &feedback::FeedbackSubmitted) -> String {
        match dimension {
            pb::Dimension::Unspecified => String::new(),
            pb::Dimension::Channel => match payload.channel {
                1 => "SURVEY_WEB".to_owned(),
                2 => "SURVEY_EMAIL".to_owned(),
                3 => "IN_APP".to_owned(),
                _ => String::new(),
            },
            pb::Dimension::Touchpoint => payload.touchpoint.clone(),
            pb::Dimension::Branch => payload.branch_id.clone(),
            pb::Dimension::Staff => payload.staff_id.clone(),
        }
    }

    #[tokio::test]
    async fn any_window_is_answered_as_if_everything_were_counted_again() {
        let house = House::open().await;
        let mut draw = Draw(11);
        let told: Vec<_> = (1..=400).map(|n| drawn(&mut draw, n)).collect();
        for (i, (tenant, payload)) in told.iter().enumerate() {
            let event = feedback_event(1 + i as u128, payload);
            house.apply(&[events::Received { tenant_id: (*tenant).into(), ..event }]).await.unwrap();
        }
        for _ in 0..400 {
            let edge = |draw: &mut Draw| {
                (draw.below(150) - 75) * HOUR + draw.of(&[0, 0, -1, 1, 17 * MINUTE, 30 * MINUTE])
            };
            let (a, b) = (edge(&mut draw), edge(&mut draw));
            let (from, to) = (a.min(b), a.max(b) + 1);
            let ((metric, scale), dimension) = (draw.of(&SCALES), draw.of(&DIMENSIONS));
            let tenant = draw.of(&[TENANT, "other"]);
            let asked = pb::QueryScoresRequest { dimension: dimension.into(), ..request(metric, from, to) };
            let found = query(&house, tenant, asked.clone()).await.unwrap();
            let all = counted(&told, tenant, scale, (from, to), |_| String::new());
            let all = all.get("").copied().unwrap_or_default();
            let total = found.total.as_ref().unwrap();
            assert_eq!(counts_of(total), (all.answers.given().collect(), all.dismissed), "{from} {to}");
            let expected = counted(&told, tenant, scale, (from, to), |f| value_of(dimension, f));
            let by_value: Vec<_> = found
                .scores
                .iter()
                .map(|score| {
                    let segment = score.segment.as_ref().unwrap();
                    assert_eq!(segment.dimension(), dimension);
                    (segment.value.clone(), counts_of(score))
                })
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(value, counts)| (value, (counts.answers.given().collect(), counts.dismissed)))
                .collect();
            assert_eq!(by_value, expected, "{from} {to} {dimension:?}");
            let one = draw.of(&["", "north", "IN_APP", "nowhere"]);
            let asked = pb::QueryScoresRequest { dimension_value: Some(one.into()), ..asked };
            let alone = query(&house, tenant, asked).await.unwrap();
            let none = (one.to_owned(), (Vec::new(), 0));
            let wanted = expected.iter().find(|(value, _)| value == one).unwrap_or(&none);
            assert_eq!((alone.total, alone.scores.len()), (found.total, 1));
            assert_eq!(counts_of(&alone.scores[0]), wanted.1);
        }
    }

    #[tokio::test]
    async fn a_score_has_a_receipt() {
        let house = House::open().await;
        let empty = query(&house, TENANT, request(pb::Metric::Nps, 0, HOUR)).await.unwrap().total.unwrap();
        let receipt = empty.receipt.unwrap();
        assert_eq!((empty.value, receipt.interval, receipt.watermark_time), (None, None, None));
        let answers = [10, 10, 9, 3, 8];
        let events: Vec<_> = (1..)
            .zip(answers)
            .map(|(n, value)| feedback_event(n, &submitted(n, 0, MINUTE, &[(S::Nps, value)])))
            .collect();
        house.apply(&events).await.unwrap();
        let found = query(&house, TENANT, request(pb::Metric::Nps, 0, HOUR)).await.unwrap().total.unwrap();
        let receipt = found.receipt.unwrap();
        assert_eq!((found.value, receipt.mean), (Some(40.0), Some(8.0)));
        assert_eq!((receipt.definition_id.as_str(), receipt.definition_version), ("nps", 1));
        let numerators: Vec<_> = receipt.numerators.iter().map(|n| (n.name.as_str(), n.count)).collect();
        assert_eq!(numerators, [("promoters", 3), ("detractors", 1)]);
        assert_eq!((receipt.denominator, receipt.funnel.unwrap().sent), (5, None));
        assert_eq!((receipt.start_time, receipt.end_time), (at(0), at(HOUR)));
        assert_eq!(receipt.watermark_time, at(5));
        let interval = receipt.interval.unwrap();
        assert!(interval.low < 40.0 && interval.high > 40.0);
    }

    #[tokio::test]
    async fn what_cannot_be_answered_is_told_by_field() {
        let house = House::open().await;
        let refusal = async |request: pb::QueryScoresRequest| {
            let (reason, fields) = refused(query(&house, TENANT, request).await);
            assert_eq!(reason, "FIELDS_INVALID");
            fields.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        let nps = pb::Metric::Nps;
        assert_eq!(refusal(request(nps, 5, 5)).await, ["end_time"]);
        assert_eq!(refusal(request(nps, 0, 3_653 * 24 * HOUR + 1)).await, ["end_time"]);
        let unset = pb::QueryScoresRequest { end_time: None, ..request(nps, 0, 1) };
        assert_eq!(refusal(unset).await, ["end_time"]);
        let value = Some("north".to_owned());
        let valued = pb::QueryScoresRequest { dimension_value: value, ..request(nps, 0, 1) };
        assert_eq!(refusal(valued).await, ["dimension_value"]);
        assert!(query(&house, TENANT, request(nps, 0, 3_653 * 24 * HOUR)).await.is_ok());
    }

    #[tokio::test]
    async fn too_many_values_of_a_dimension_are_refused_but_one_can_be_named() {
        let house = House::open().await;
        let events: Vec<_> = (1..=1_001_u128)
            .map(|n| {
                // Half of them lie where single answers are counted, half where whole hours are.
                let mut payload = submitted(n, 0, i64::from(n % 2 == 0) * HOUR, &[(S::Csat, 4)]);
                payload.staff_id = format!("s{n:04}");
                feedback_event(n, &payload)
            })
            .collect();
        let asked = |to: i64, value: Option<&str>| pb::QueryScoresRequest {
            dimension: pb::Dimension::Staff.into(),
            dimension_value: value.map(str::to_owned),
            ..request(pb::Metric::Csat, 0, to)
        };
        house.apply(&events[..1_000]).await.unwrap();
        assert_eq!(query(&house, TENANT, asked(HOUR + 1, None)).await.unwrap().scores.len(), 1_000);
        house.apply(&events[1_000..]).await.unwrap();
        for to in [HOUR + 1, 2 * HOUR, 24 * HOUR] {
            assert_eq!(refused(query(&house, TENANT, asked(to, None)).await).0, "GROUPS_TOO_MANY");
            let one = query(&house, TENANT, asked(to, Some("s1001"))).await.unwrap();
            assert_eq!((one.scores[0].value, one.total.unwrap().value), (Some(1.0), Some(1.0)));
        }
    }
}
