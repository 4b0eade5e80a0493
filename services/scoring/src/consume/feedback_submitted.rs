//! FeedbackSubmitted of feedback: a customer answered, or closed the question without an answer.

use proto::rapport::feedback::v1 as pb;

use super::fact::Facts;
use crate::domain::{Metric, Place, What};
use events::payload::{message, optional_uuid, time, uuid};

pub(super) const KIND: &str = "rapport.feedback.v1.FeedbackSubmitted";

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::FeedbackSubmitted = message(payload)?;
    let place = Place {
        channel: channel(event.channel),
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
    Ok(Facts::of_any(customer_id, feedback_id, answer_time, what))
}

/// The name of a channel, or its number where it is newer than this version.
fn channel(number: i32) -> String {
    match pb::Channel::try_from(number) {
        Ok(pb::Channel::Unspecified) => String::new(),
        Ok(channel) => channel.as_str_name().trim_start_matches("CHANNEL_").to_owned(),
        Err(_) => number.to_string(),
    }
}

fn answers(ratings: &[pb::Rating], place: Place) -> Result<Vec<What>, String> {
    let mut what = Vec::with_capacity(ratings.len().max(1));
    for rating in ratings {
        // A scale that is newer than this version is in none of its scores.
        let Some(metric) = metric(rating.scale) else { continue };
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
