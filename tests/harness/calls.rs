//! The calls that every story makes.

use ambient::{Ids, Time};
use proto::google::r#type::Money;
use proto::rapport::feedback::v1 as feedback;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::notification::v1 as notification;
use proto::rapport::scoring::v1 as scoring;
use rpc::client::Client;
use tonic::Status;
use uuid::Uuid;

/// The program of most stories.
pub const PROGRAM: &str = "club";

/// A new request id.
pub fn request_id() -> String {
    Ids::Random.v4().to_string()
}

/// One point per whole USD, 90 days, tiers at 0 / 1,000 / 2,500 / 5,000 USD.
pub fn program(program_id: &str) -> pb::Program {
    let tier = |id: &str, units: i64| pb::Tier {
        tier_id: id.into(),
        threshold: Some(usd(units, 0)),
        ..Default::default()
    };
    pb::Program {
        program_id: program_id.into(),
        money_currency_code: "USD".into(),
        earning_rule: Some(pb::EarningRule { points: 1, per: Some(usd(1, 0)), version: 0 }),
        expiry_policy: Some(pb::ExpiryPolicy {
            policy: Some(pb::expiry_policy::Policy::RollingDays(90)),
            ..Default::default()
        }),
        tiers: vec![tier("base", 0), tier("silver", 1_000), tier("gold", 2_500), tier("platinum", 5_000)],
        ..Default::default()
    }
}

/// An amount in USD.
pub fn usd(units: i64, cents: i32) -> Money {
    Money { currency_code: "USD".into(), units, nanos: cents * 10_000_000 }
}

/// A moment on the wire.
pub fn timestamp(at: Time) -> prost_types::Timestamp {
    let (seconds, nanos) = at.parts();
    prost_types::Timestamp { seconds, nanos }
}

/// Creates [`PROGRAM`].
pub async fn create_program(client: &Client) {
    create_program_like(client, program(PROGRAM)).await;
}

/// Creates a program and returns it as the service did.
pub async fn create_program_like(client: &Client, program: pb::Program) -> pb::Program {
    let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(program) };
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let response = programs.create_program(request).await.expect("the program is created");
    response.into_inner().program.expect("a program")
}

/// Changes what the mask names of a program, and returns all of it.
///
/// # Errors
/// What the service refused.
pub async fn update_program(
    client: &Client,
    program: pb::Program,
    mask: &[&str],
) -> Result<pb::Program, Status> {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateProgramRequest {
        request_id: request_id(),
        program: Some(program),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    Ok(programs.update_program(request).await?.into_inner().program.expect("a program"))
}

/// Enrols a member in [`PROGRAM`] and returns its id.
pub async fn enroll(client: &Client, external_id: &str) -> String {
    enroll_in(client, PROGRAM, external_id).await
}

/// Enrols a member and returns its id.
pub async fn enroll_in(client: &Client, program_id: &str, external_id: &str) -> String {
    let request = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: program_id.into(),
        external_id: external_id.into(),
        ..Default::default()
    };
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let response = members.enroll_member(request).await.expect("the member is enrolled").into_inner();
    response.member.expect("a member").member_id
}

/// A purchase of whole dollars, now.
pub fn purchase(member_id: &str, units: i64) -> pb::RecordActivityRequest {
    pb::RecordActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::Activity {
            r#type: pb::ActivityType::Purchase.into(),
            amount: Some(usd(units, 0)),
            ..Default::default()
        }),
    }
}

/// Records an activity.
pub async fn record(
    client: &Client,
    request: pb::RecordActivityRequest,
) -> Result<pb::RecordActivityResponse, Status> {
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    Ok(activities.record_activity(request).await?.into_inner())
}

/// A reward at this price, with this stock or without limit.
pub async fn create_reward(client: &Client, reward_id: &str, price_points: i64, stock: Option<i64>) {
    let stock = stock.map_or(pb::reward::Stock::Unlimited(true), pb::reward::Stock::Remaining);
    let reward = pb::Reward {
        program_id: PROGRAM.into(),
        reward_id: reward_id.into(),
        price_points,
        stock: Some(stock),
        ..Default::default()
    };
    let request = pb::CreateRewardRequest { request_id: request_id(), reward: Some(reward) };
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(client.clone());
    rewards.create_reward(request).await.expect("the reward is created");
}

/// One unit of a reward.
pub fn redemption(member_id: &str, reward_id: &str) -> pb::RedeemRewardRequest {
    pb::RedeemRewardRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        reward_id: reward_id.into(),
        quantity: 1,
        ..Default::default()
    }
}

/// Redeems a reward.
pub async fn redeem(
    client: &Client,
    request: pb::RedeemRewardRequest,
) -> Result<pb::RedeemRewardResponse, Status> {
    let mut redemptions = pb::redemption_service_client::RedemptionServiceClient::new(client.clone());
    Ok(redemptions.redeem_reward(request).await?.into_inner())
}

/// Reads a balance.
pub async fn balance(
    client: &Client,
    request: pb::GetBalanceRequest,
) -> Result<pb::GetBalanceResponse, Status> {
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    Ok(points.get_balance(request).await?.into_inner())
}

/// The balance of a member now.
pub async fn balance_of(client: &Client, member_id: &str) -> pb::Balance {
    let request = pb::GetBalanceRequest { member_id: member_id.into(), ..Default::default() };
    balance(client, request).await.expect("a balance").balance.expect("a balance")
}

/// The machine-readable reason of an error.
pub fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    status.get_details_error_info().map_or_else(|| format!("no ErrorInfo in {status:?}"), |info| info.reason)
}

/// A request id that is the same for the same name.
pub fn named(name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// An answer to a survey of the shop, by a member.
pub fn answer(submission_id: &str, member_id: &str, value: feedback::answer::Value) -> feedback::Feedback {
    let id = feedback::customer::Id::MemberId(member_id.into());
    feedback::Feedback {
        source_id: "shop-survey".into(),
        submission_id: submission_id.into(),
        channel: feedback::Channel::SurveyWeb.into(),
        customer: Some(feedback::Customer { id: Some(id) }),
        answers: vec![feedback::Answer { question_id: "overall".into(), value: Some(value) }],
        ..Default::default()
    }
}

/// Submits feedback.
pub async fn submit(
    client: &Client,
    feedback: feedback::Feedback,
) -> Result<feedback::SubmitFeedbackResponse, Status> {
    let request = feedback::SubmitFeedbackRequest { feedback: Some(feedback) };
    let mut service = feedback::feedback_service_client::FeedbackServiceClient::new(client.clone());
    Ok(service.submit_feedback(request).await?.into_inner())
}

/// What the scoring service knows of a customer.
pub async fn profile(client: &Client, customer_id: &str) -> Result<scoring::CustomerProfile, Status> {
    let request = scoring::GetCustomerProfileRequest { customer_id: customer_id.into() };
    let mut customers = scoring::customer_service_client::CustomerServiceClient::new(client.clone());
    Ok(customers.get_customer_profile(request).await?.into_inner().profile.expect("a profile"))
}

/// A metric over all time, in all and by channel.
pub async fn scores(client: &Client, metric: scoring::Metric) -> scoring::QueryScoresResponse {
    let request = scoring::QueryScoresRequest {
        metric: metric.into(),
        start_time: Some(timestamp(Time::from_micros(1_600_000_000_000_000))),
        end_time: Some(timestamp(Time::from_micros(1_900_000_000_000_000))),
        dimension: scoring::Dimension::Channel.into(),
        ..Default::default()
    };
    let mut service = scoring::score_service_client::ScoreServiceClient::new(client.clone());
    service.query_scores(request).await.expect("scores").into_inner()
}

/// The templates of an inbox, oldest message first.
pub async fn told(client: &Client, recipient_id: &str) -> Vec<String> {
    let request = notification::ListInboxRequest {
        recipient_id: recipient_id.into(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut inboxes = notification::inbox_service_client::InboxServiceClient::new(client.clone());
    let mut messages = inboxes.list_inbox(request).await.expect("an inbox").into_inner().messages;
    messages.sort_by_key(|message| message.seq);
    messages.into_iter().map(|message| message.template_id).collect()
}
