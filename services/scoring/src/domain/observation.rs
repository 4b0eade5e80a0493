//! Facts about customers, as they are kept for ever.

use ambient::Time;
use uuid::Uuid;

use super::metric::Metric;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it is about: the same however the service heard of it.
    pub fact_id: Uuid,
    /// Its number among the facts about it, from 0.
    pub ordinal: i32,
    /// Machine time of its source when it was recorded, in microseconds since 1970.
    pub order_key: i64,
    /// True if nobody knows whom it is about: it is in the scores, but in no profile.
    pub anonymous: bool,
    /// When it was so.
    pub time: Time,
    /// What.
    pub what: What,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An answer on a scale.
    Answer {
        /// What was measured.
        metric: Metric,
        /// The answer.
        value: i32,
        /// Where.
        place: Place,
    },
    /// A submission that was closed without an answer.
    Dismissed(Place),
    /// A submission without an answer on a scale.
    Unrated(Place),
    /// Something was bought.
    Purchase {
        /// What was paid, in millionths of the currency's unit; never negative.
        amount_micros: i64,
        /// The currency, as ISO 4217.
        currency: String,
    },
    /// The customer came by.
    Visit,
    /// Any other activity.
    Activity,
    /// A case was opened.
    CaseOpened(Uuid),
    /// A case ended.
    CaseResolved(Uuid),
    /// Another tier took effect; none if its id is empty.
    TierChanged {
        /// The tier.
        tier_id: String,
        /// Its position, from 1.
        rank: i32,
    },
    /// Points were spent on a reward.
    Redeemed {
        /// How many points; never negative.
        points: i64,
        /// The reward.
        reward_id: String,
    },
    /// The customer joined a program.
    Enrolled(String),
}

/// Where an answer was given and what it is about; empty texts are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The channel, by name.
    pub channel: String,
    /// The moment of the journey.
    pub touchpoint: String,
    /// The branch.
    pub branch_id: String,
    /// The member of staff.
    pub staff_id: String,
}

/// By what answers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The channel.
    Channel,
    /// The moment of the journey.
    Touchpoint,
    /// The branch.
    Branch,
    /// The member of staff.
    Staff,
}

/// What is counted apart from everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// The answers of a metric.
    Answers(Metric),
    /// Submissions that were closed without an answer.
    Dismissals,
}

/// What a fact adds to the scores: one in a bin of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The series.
    pub series: Series,
    /// The answer; 0 where there is none.
    pub bin: i32,
    /// Where.
    pub place: &'a Place,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 4] =
        [Dimension::Channel, Dimension::Touchpoint, Dimension::Branch, Dimension::Staff];

    /// Its value of a place.
    pub fn of(self, place: &Place) -> &str {
        match self {
            Dimension::Channel => &place.channel,
            Dimension::Touchpoint => &place.touchpoint,
            Dimension::Branch => &place.branch_id,
            Dimension::Staff => &place.staff_id,
        }
    }
}

impl Observation {
    /// What it adds to the scores; none if it is not about them.
    pub fn mark(&self) -> Option<Mark<'_>> {
        match &self.what {
            What::Answer { metric, value, place } => {
                Some(Mark { series: Series::Answers(*metric), bin: *value, place })
            }
            What::Dismissed(place) => Some(Mark { series: Series::Dismissals, bin: 0, place }),
            What::Unrated(_)
            | What::Purchase { .. }
            | What::Visit
            | What::Activity
            | What::CaseOpened(_)
            | What::CaseResolved(_)
            | What::TierChanged { .. }
            | What::Redeemed { .. }
            | What::Enrolled(_) => None,
        }
    }

    /// True if it tells of a submission of feedback.
    pub fn is_feedback(&self) -> bool {
        matches!(self.what, What::Answer { .. } | What::Dismissed(_) | What::Unrated(_))
    }
}
