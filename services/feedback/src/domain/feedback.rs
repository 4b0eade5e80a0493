//! The normalised record of one voice, whatever the channel.

use ambient::Time;
use uuid::Uuid;

use super::Customer;

/// How feedback reaches the company. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Channel {
    /// A survey on a web page.
    SurveyWeb = 1,
    /// A survey by e-mail.
    SurveyEmail = 2,
    /// In the app.
    InApp = 3,
    /// Text message.
    Sms = 4,
    /// A call.
    PhoneHotline = 5,
    /// Chat with a person.
    LiveChat = 6,
    /// A conversation.
    Interview = 7,
    /// A public review.
    ReviewSite = 8,
    /// A mention in social media.
    SocialMention = 9,
    /// An e-mail.
    Email = 10,
    /// The complaint desk.
    ComplaintDesk = 11,
    /// A member of staff passed it on.
    Employee = 12,
}

impl Channel {
    /// All of them, in the order of their numbers.
    pub const ALL: [Channel; 12] = [
        Channel::SurveyWeb,
        Channel::SurveyEmail,
        Channel::InApp,
        Channel::Sms,
        Channel::PhoneHotline,
        Channel::LiveChat,
        Channel::Interview,
        Channel::ReviewSite,
        Channel::SocialMention,
        Channel::Email,
        Channel::ComplaintDesk,
        Channel::Employee,
    ];

    /// The channel with this number.
    pub fn from_number(number: i32) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| *channel as i32 == number)
    }
}

/// What became of a question. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ResponseStatus {
    /// It was answered.
    Answered = 1,
    /// The customer closed it without an answer.
    Dismissed = 2,
}

impl ResponseStatus {
    /// The status with this number.
    pub fn from_number(number: i32) -> Option<ResponseStatus> {
        [ResponseStatus::Answered, ResponseStatus::Dismissed].into_iter().find(|s| *s as i32 == number)
    }
}

/// Which end of an effort scale is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// 7 is best.
    HighIsEasy,
    /// 1 is best.
    HighIsHard,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Likelihood to recommend, 0 to 10.
    Nps(i32),
    /// Satisfaction, 1 to 5.
    Csat(i32),
    /// Effort, 1 to 7.
    Ces(i32, Direction),
    /// The customer's own words.
    Text(String),
}

/// An answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question, in the source's terms; unique within the record.
    pub question_id: String,
    /// What was answered.
    pub value: Value,
}

/// What a source sends. `source_id` and `submission_id` are its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The system it comes from.
    pub source_id: String,
    /// The source's own key, unique within the source.
    pub submission_id: String,
    /// How it reached the company.
    pub channel: Channel,
    /// Who said it.
    pub customer: Customer,
    /// The moment of the journey; empty if not known.
    pub touchpoint: String,
    /// The branch; empty if not known.
    pub branch_id: String,
    /// The member of staff; empty if not known.
    pub staff_id: String,
    /// When the customer was asked; `NEVER` if not known.
    pub invite_time: Time,
    /// When the customer began to answer; `NEVER` if not known.
    pub start_time: Time,
    /// When it was said; `NEVER` for now.
    pub answer_time: Time,
    /// What became of the question.
    pub status: ResponseStatus,
    /// The answers, in their order.
    pub answers: Vec<Answer>,
    /// The customer's own words; may be empty.
    pub text: String,
    /// A BCP 47 tag; empty if unknown.
    pub language: String,
    /// What the customer agreed to, in the source's terms.
    pub consent_scope: String,
    /// Further facts: names, each once, and values.
    pub attributes: Vec<(String, String)>,
}

/// A submission that was taken; its `answer_time` is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// From [`super::feedback_id`].
    pub id: Uuid,
    /// When it was taken.
    pub ingest_time: Time,
    /// The case that it opened; nil if none.
    pub case_id: Uuid,
    /// What was sent.
    pub sent: Submission,
}
