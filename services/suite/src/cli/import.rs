//! Arguments of `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use proto::rapport::feedback::v1 as pb;

use super::{OutputArgs, TargetArgs, help};
use crate::import::Meaning;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) command: ImportCommand,
}

/// What to import.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Purchases from a CSV file: each becomes an activity that earns points
    #[command(after_help = help::PURCHASES)]
    Purchases(Box<PurchasesArgs>),
    /// Feedback from a CSV or JSON lines file: each row becomes a submission
    #[command(after_help = help::FEEDBACK_IMPORT)]
    Feedback(Box<FeedbackArgs>),
}

/// What the numbers of the amount column count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AmountUnit {
    /// The currency's smallest unit: cents
    Minor,
    /// The currency's unit: dollars
    Major,
}

/// Arguments of `import purchases`.
#[derive(Debug, Args)]
pub(crate) struct PurchasesArgs {
    /// A CSV file with a header line, or JSON lines if it is named .jsonl; plain or compressed with gzip
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The program that the purchases belong to
    #[arg(long, value_name = "ID")]
    pub(crate) program: String,
    /// Column with the number of the purchase, unique within the program
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: String,
    /// Column with your own key of the customer
    #[arg(long, value_name = "NAME")]
    pub(crate) member_column: String,
    /// Column with the time: RFC 3339, or local time as 2017-01-31T12:00:00, or a date
    #[arg(long, value_name = "NAME")]
    pub(crate) time_column: String,
    /// Column with the amount
    #[arg(long, value_name = "NAME")]
    pub(crate) amount_column: String,
    /// What the numbers of the amount column count
    #[arg(long, value_enum, value_name = "UNIT", default_value_t = AmountUnit::Major)]
    pub(crate) amount_unit: AmountUnit,
    /// Currency of the amounts, an ISO 4217 code
    #[arg(long, value_name = "CODE")]
    pub(crate) currency: String,
    /// IANA zone of times that name none; a time that occurs twice means the first, one that does not occur
    /// the first moment after
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: String,
    /// Batches under way at once; purchases of one member keep their order
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) streams: u16,
    /// Exit with 1 if any row was refused
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `import feedback`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answers").required(true).multiple(true)
    .args(["nps_column", "csat_column", "ces_column", "text_column"]))]
pub(crate) struct FeedbackArgs {
    /// A CSV file with a header line, or JSON lines if it is named .jsonl; plain or compressed with gzip
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The system that the file comes from; with the id it tells submissions apart
    #[arg(long, value_name = "ID")]
    pub(crate) source: String,
    /// How the feedback reached the company
    #[arg(long, value_enum, value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// Column with the source's own number of the submission
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: String,
    /// Column with the member who answered, a UUID
    #[arg(long, value_name = "NAME", conflicts_with = "customer_column")]
    pub(crate) member_column: Option<String>,
    /// Column with your own key of the customer who answered
    #[arg(long, value_name = "NAME")]
    pub(crate) customer_column: Option<String>,
    /// Column with the time of the answer: RFC 3339, or local time as 2017-01-31T12:00:00, or a date
    #[arg(long, value_name = "NAME")]
    pub(crate) time_column: Option<String>,
    /// IANA zone of times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: String,
    /// Column with a likelihood to recommend, 0 to 10; may be given again for further questions
    #[arg(long, value_name = "NAME")]
    pub(crate) nps_column: Vec<String>,
    /// Column with a satisfaction, 1 to 5; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) csat_column: Vec<String>,
    /// Column with an effort, 1 to 7; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) ces_column: Vec<String>,
    /// Which end of the effort scale is good
    #[arg(long, value_enum, value_name = "END", default_value_t = EffortEnd::Easy)]
    pub(crate) ces_high_is: EffortEnd,
    /// Column with the customer's own words
    #[arg(long, value_name = "NAME")]
    pub(crate) text_column: Option<String>,
    /// Language of the words, such as en or zh-Hans
    #[arg(long, value_name = "TAG", default_value = "")]
    pub(crate) language: String,
    /// Column with the moment of the journey
    #[arg(long, value_name = "NAME")]
    pub(crate) touchpoint_column: Option<String>,
    /// Column with the branch
    #[arg(long, value_name = "NAME")]
    pub(crate) branch_column: Option<String>,
    /// Column with the member of staff
    #[arg(long, value_name = "NAME")]
    pub(crate) staff_column: Option<String>,
    /// Batches under way at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) streams: u16,
    /// Exit with 1 if any row was refused
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What a high effort number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EffortEnd {
    /// 7: it was easy
    Easy,
    /// 7: it was hard
    Hard,
}

/// How feedback reached the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ChannelName {
    /// A survey on a web page
    SurveyWeb,
    /// A survey by e-mail
    SurveyEmail,
    /// In the app
    InApp,
    /// Text message
    Sms,
    /// A call
    PhoneHotline,
    /// Chat with a person
    LiveChat,
    /// A conversation
    Interview,
    /// A public review
    ReviewSite,
    /// A mention in social media
    SocialMention,
    /// An e-mail
    Email,
    /// The complaint desk
    ComplaintDesk,
    /// A member of staff passed it on
    Employee,
}

impl From<ChannelName> for pb::Channel {
    fn from(name: ChannelName) -> pb::Channel {
        match name {
            ChannelName::SurveyWeb => pb::Channel::SurveyWeb,
            ChannelName::SurveyEmail => pb::Channel::SurveyEmail,
            ChannelName::InApp => pb::Channel::InApp,
            ChannelName::Sms => pb::Channel::Sms,
            ChannelName::PhoneHotline => pb::Channel::PhoneHotline,
            ChannelName::LiveChat => pb::Channel::LiveChat,
            ChannelName::Interview => pb::Channel::Interview,
            ChannelName::ReviewSite => pb::Channel::ReviewSite,
            ChannelName::SocialMention => pb::Channel::SocialMention,
            ChannelName::Email => pb::Channel::Email,
            ChannelName::ComplaintDesk => pb::Channel::ComplaintDesk,
            ChannelName::Employee => pb::Channel::Employee,
        }
    }
}

impl FeedbackArgs {
    /// The columns that are read, with what they mean.
    pub(crate) fn columns(&self) -> Vec<(Meaning, String)> {
        let ces = match self.ces_high_is {
            EffortEnd::Easy => Meaning::CesHighIsEasy,
            EffortEnd::Hard => Meaning::CesHighIsHard,
        };
        let one =
            |meaning, name: &Option<String>| name.iter().map(move |name| (meaning, name.clone())).collect();
        let many = |meaning, names: &[String]| names.iter().map(|name| (meaning, name.clone())).collect();
        let columns: [Vec<(Meaning, String)>; 10] = [
            vec![(Meaning::Id, self.id_column.clone())],
            one(Meaning::Member, &self.member_column),
            one(Meaning::Customer, &self.customer_column),
            one(Meaning::Time, &self.time_column),
            many(Meaning::Nps, &self.nps_column),
            many(Meaning::Csat, &self.csat_column),
            many(ces, &self.ces_column),
            one(Meaning::Text, &self.text_column),
            one(Meaning::Touchpoint, &self.touchpoint_column),
            one(Meaning::Branch, &self.branch_column),
        ];
        let staff = one(Meaning::Staff, &self.staff_column);
        columns.into_iter().flatten().chain(staff).collect()
    }
}
