//! FeedbackSubmitted of feedback: a customer answered, or closed the question without an answer.

use proto::rapport::feedback::v1 as pb;

use super::fact::Facts;
use crate::domain::{Metric, Place, What};
use events::payload::{message, optional_uuid, time, uuid};

pub(super) const KIND: &str = "rapport.feedback.v1.FeedbackSubmitted";

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::FeedbackSubmitted = message(payload)?;
    let place = Place {
        channel: channel(event.channel)?,
        touchpoint: event.touchpoint,
        branch_id: event.branch_id,
        staff_id: event.staff_id,
    };
    let what = match pb::ResponseStatus::try_from(event.status) {
        Ok(pb::ResponseStatus::Dismissed) => vec![What::Dismissed(place)],
        Ok(pb::ResponseStatus::Answered | pb::ResponseStatus::Unspecified) => answers(&event.ratings, place)?,
        Err(_) => return Err("status is not known".to_owned()),
    };
    let feedback_id = uuid(&event.feedback_id, "feedback_id")?;
    let customer_id = optional_uuid(&event.customer_id, "customer_id")?;
    let answer_time = time(event.answer_time, "answer_time")?;
    Ok(Facts::of_any(feedback_id, (customer_id, feedback_id), answer_time, what))
}

/// The name of a channel; empty if none is given.
fn channel(number: i32) -> Result<String, String> {
    match pb::Channel::try_from(number) {
        Ok(pb::Channel::Unspecified) => Ok(String::new()),
        Ok(channel) => Ok(channel.as_str_name().trim_start_matches("CHANNEL_").to_owned()),
        Err(_) => Err("channel is one that this version does not know".to_owned()),
    }
}

/// An event is heard once. What this version does not know must not be left out, or a later one would never
/// hear of it: such an event is refused, and tried again after an upgrade.
fn answers(ratings: &[pb::Rating], place: Place) -> Result<Vec<What>, String> {
    let mut what = Vec::with_capacity(ratings.len().max(1));
    for rating in ratings {
        let unknown = "ratings have a scale that this version does not know";
        let metric = metric(rating.scale).ok_or(unknown)?;
        if !metric.scale().contains(&rating.value) {
            return Err("a rating is not on its scale".to_owned());
        }
        what.push(What::Answer { metric, value: rating.value, place: place.clone() });
    }
    if what.is_empty() {
        what.push(What::Unrated(place));
    }
    Ok(what)
}

fn metric(scale: i32) -> Option<Metric> {
    match pb::RatingScale::try_from(scale).ok()? {
        pb::RatingScale::Unspecified => None,
        pb::RatingScale::Nps => Some(Metric::Nps),
        pb::RatingScale::Csat => Some(Metric::Csat),
        pb::RatingScale::CesHighIsEasy => Some(Metric::CesHighIsEasy),
        pb::RatingScale::CesHighIsHard => Some(Metric::CesHighIsHard),
    }
}
