//! The model's commands and policies as calls of the running service.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::{self, balance, program, request_id, timestamp, usd};
use crate::model::{Do, Policy, Release, Returns, Told, Totals};
use crate::model_tiers::{Falls, Span, Tiers};

/// A program with this policy.
pub fn program_message(program_id: &str, policy: Policy) -> pb::Program {
    use pb::release_policy::Policy as When;
    let when = match policy.release {
        Release::AtOnce => None,
        Release::AfterDays(days) => Some(When::AfterDays(i32::try_from(days).expect("days"))),
        Release::OnConfirmation => Some(When::OnConfirmation(true)),
    };
    let tier = |(n, dollars): (usize, &i64)| pb::Tier {
        tier_id: format!("tier-{n}"),
        threshold: Some(usd(*dollars, 0)),
        ..Default::default()
    };
    let life = i32::try_from(policy.life_days).expect("days");
    pb::Program {
        earning_rule: Some(pb::EarningRule {
            points: policy.points_per_dollar,
            per: Some(usd(1, 0)),
            version: 0,
        }),
        expiry_policy: Some(pb::ExpiryPolicy {
            policy: Some(pb::expiry_policy::Policy::RollingDays(life)),
            round_to: 0,
            sliding: policy.sliding,
        }),
        release_policy: when.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: match policy.returns {
            Returns::OnlyPending => pb::ReturnPolicy::OnlyPending.into(),
            Returns::WithinBalance => pb::ReturnPolicy::WithinBalance.into(),
            Returns::Unlimited => pb::ReturnPolicy::Unlimited.into(),
        },
        tiers: [0].iter().chain(policy.tiers.dollars).enumerate().map(tier).collect(),
        tier_policy: Some(tier_policy(policy.tiers)),
        ..program(program_id)
    }
}

fn tier_policy(tiers: Tiers) -> pb::TierPolicy {
    use pb::tier_policy::Window;
    pb::TierPolicy {
        window: Some(match tiers.span {
            Span::CalendarYear => Window::CalendarYear(true),
            Span::Anniversary => Window::Anniversary(true),
            Span::Months(months) => Window::RollingMonths(i32::try_from(months).expect("months")),
            Span::Lifetime => Window::Lifetime(true),
        }),
        downgrade: match tiers.falls {
            Falls::Recalculate => pb::TierDowngrade::Recalculate.into(),
            Falls::OneDown => pb::TierDowngrade::OneDown.into(),
            Falls::Never => pb::TierDowngrade::Never.into(),
        },
        grace_days: i32::try_from(tiers.grace_days).expect("days"),
        ..Default::default()
    }
}

/// Offers something for [`Do::Redeem`].
pub async fn offer(client: &Client, program_id: &str, price_points: i64) {
    let reward = pb::Reward {
        program_id: program_id.into(),
        reward_id: format!("for-{price_points}"),
        price_points,
        stock: Some(pb::reward::Stock::Unlimited(true)),
        ..Default::default()
    };
    let request = pb::CreateRewardRequest { request_id: request_id(), reward: Some(reward) };
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(client.clone());
    rewards.create_reward(request).await.expect("the reward is created");
}

/// Calls the service and returns what it told, with the balance after it.
///
/// # Panics
/// If it refuses as the model never does.
pub async fn call(
    client: &Client,
    request_id: &str,
    member_id: &str,
    command: Do,
) -> (Told, Option<pb::Balance>) {
    let (request_id, member_id) = (request_id.to_owned(), member_id.to_owned());
    let asked = ask(client, request_id, member_id, command).await;
    asked.map_or_else(|status| (Told::Refused(known(&status)), None), |(told, balance)| (told, balance))
}

fn known(status: &Status) -> &'static str {
    let reason = calls::reason(status);
    let reasons = [
        "ACTIVITY_EXISTS",
        "ACTIVITY_NOT_FOUND",
        "ACTIVITY_OVER",
        "ACTIVITY_RELEASED",
        "RETURN_EXCEEDS_ACTIVITY",
        "INSUFFICIENT_POINTS",
        "EXPIRES_IN_PAST",
    ];
    reasons.into_iter().find(|known| *known == reason).unwrap_or_else(|| panic!("unexpected: {status:?}"))
}

async fn ask(
    client: &Client,
    request_id: String,
    member_id: String,
    command: Do,
) -> Result<(Told, Option<pb::Balance>), Status> {
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let money = |cents: i64| usd(cents / 100, i32::try_from(cents % 100).expect("cents"));
    match command {
        // The service settles by itself; a list asks for it.
        Do::Settle => {
            let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
            points
                .list_lots(pb::ListLotsRequest { member_id: member_id.clone(), ..Default::default() })
                .await?;
            let request = pb::GetBalanceRequest { member_id, ..Default::default() };
            Ok((Told::Done, balance(client, request).await?.balance))
        }
        Do::Buy { key, cents, at } => {
            let activity = pb::Activity {
                r#type: pb::ActivityType::Purchase.into(),
                amount: Some(money(cents)),
                occurred_time: Some(timestamp(Time::from_micros(at))),
                external_id: format!("order-{key}"),
                ..Default::default()
            };
            let request = pb::RecordActivityRequest { request_id, member_id, activity: Some(activity) };
            let done = activities.record_activity(request).await?.into_inner();
            Ok((Told::Earned(done.activity.expect("an activity").points), done.balance))
        }
        Do::Confirm(key) => {
            let activity = Some(pb::confirm_activity_request::Activity::ExternalId(format!("order-{key}")));
            let request = pb::ConfirmActivityRequest { request_id, member_id, activity };
            let done = activities.confirm_activity(request).await?.into_inner();
            Ok((Told::Released(done.points_released), done.balance))
        }
        Do::Cancel(key) => {
            let activity = Some(pb::cancel_activity_request::Activity::ExternalId(format!("order-{key}")));
            let request =
                pb::CancelActivityRequest { request_id, member_id, activity, reason: "changed".into() };
            let done = activities.cancel_activity(request).await?.into_inner();
            Ok((back(done.reversal), done.balance))
        }
        Do::Return(key, part) => {
            use pb::reverse_activity_request::{Activity, Returned};
            let request = pb::ReverseActivityRequest {
                request_id,
                member_id,
                activity: Some(Activity::ExternalId(format!("order-{key}"))),
                returned: Some(part.map_or(Returned::Whole(true), |part| Returned::Amount(money(part)))),
                reason: "broken".into(),
            };
            let done = activities.reverse_activity(request).await?.into_inner();
            Ok((back(done.reversal), done.balance))
        }
        Do::Adjust(points) => adjust(client, request_id, member_id, points).await,
        Do::Extend(..) | Do::Reinstate(_) => prolong(client, request_id, member_id, command).await,
        Do::Redeem(price) => {
            let reward_id = format!("for-{price}");
            let request = pb::RedeemRewardRequest { request_id, member_id, reward_id, quantity: 1 };
            Ok((Told::Done, calls::redeem(client, request).await?.balance))
        }
    }
}

async fn prolong(
    client: &Client,
    request_id: String,
    member_id: String,
    command: Do,
) -> Result<(Told, Option<pb::Balance>), Status> {
    let mut service = pb::points_service_client::PointsServiceClient::new(client.clone());
    let moment = |at: i64| Some(timestamp(Time::from_micros(at)));
    let (reason, approver) = ("goodwill".to_owned(), "chief".to_owned());
    if let Do::Extend(before, to) = command {
        let (expiring_before, expire_time) = (moment(before), moment(to));
        let request =
            pb::ExtendExpiryRequest { request_id, member_id, expiring_before, expire_time, reason, approver };
        let done = service.extend_expiry(request).await?.into_inner();
        return Ok((Told::Points(done.points_extended), done.balance));
    }
    let Do::Reinstate(since) = command else { panic!("{command:?} lets nothing live longer") };
    let (expired_since, expire_time) = (moment(since), None);
    let request =
        pb::ReinstatePointsRequest { request_id, member_id, expired_since, expire_time, reason, approver };
    let done = service.reinstate_points(request).await?.into_inner();
    Ok((Told::Points(done.points_reinstated), done.balance))
}

async fn adjust(
    client: &Client,
    request_id: String,
    member_id: String,
    points: i64,
) -> Result<(Told, Option<pb::Balance>), Status> {
    let mut service = pb::points_service_client::PointsServiceClient::new(client.clone());
    let request = pb::AdjustPointsRequest {
        request_id,
        member_id,
        points,
        reason: "goodwill".into(),
        approver: "chief".into(),
        expected_version: 0,
        for_review: false,
    };
    Ok((Told::Done, service.adjust_points(request).await?.into_inner().balance))
}

fn back(reversal: Option<pb::Reversal>) -> Told {
    let r = reversal.expect("a reversal");
    let taken = [r.points_from_pending, r.points_from_available];
    Told::Back([r.points_owed, taken[0], taken[1], r.points_in_arrears, r.points_waived])
}

/// The totals of a balance.
pub fn totals_in(b: &pb::Balance) -> Totals {
    [b.pending, b.available, b.arrears, b.issued, b.reversed, b.redeemed, b.expired, b.adjusted, b.waived]
}
