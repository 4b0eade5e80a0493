//! What the services say: of every member, asked one by one, and of all together.

use std::sync::Arc;

use ambient::Time;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::rapport::feedback::v1 as feedback;
use proto::rapport::feedback::v1::case_service_client::CaseServiceClient;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::points_service_client::PointsServiceClient;
use proto::rapport::notification::v1 as notification;
use proto::rapport::notification::v1::inbox_service_client::InboxServiceClient;
use proto::rapport::scoring::v1 as scoring;
use proto::rapport::scoring::v1::score_service_client::ScoreServiceClient;
use rpc::client::Client;

use crate::Failure;

/// Calls under way at once.
const PARALLEL: usize = 32;

/// Points of one member.
#[derive(Clone, Debug)]
pub(super) struct Balance {
    pub(super) member_id: Arc<str>,
    pub(super) available: i64,
    pub(super) expired: i64,
}

/// Satisfaction over all answers, with its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Csat {
    pub(super) top2: f64,
    pub(super) interval: [f64; 2],
    pub(super) answers: i64,
}

/// Balances as they are now; expiries that are due are settled in them, whether or not a worker came by.
pub(super) async fn balances(
    client: Client,
    members: &[(String, Arc<str>)],
) -> Result<Vec<Balance>, Failure> {
    let answers = ask(client, members, None).await?;
    let balance = |(member_id, answer): (Arc<str>, pb::GetBalanceResponse)| {
        let balance = answer.balance.unwrap_or_default();
        Balance { member_id, available: balance.available, expired: balance.expired }
    };
    Ok(answers.into_iter().map(balance).collect())
}

/// How many members stood on each tier at a moment, by tier, lowest first.
pub(super) async fn tiers(
    client: Client,
    members: &[(String, Arc<str>)],
    as_of: Time,
) -> Result<Vec<(String, i64)>, Failure> {
    let mut counts: Vec<(i32, String, i64)> = Vec::new();
    for (_, answer) in ask(client, members, Some(as_of)).await? {
        let tier = answer.tier.ok_or_else(|| Failure::failed("the server answered without the tier"))?;
        match counts.iter_mut().find(|(_, tier_id, _)| *tier_id == tier.tier_id) {
            Some((.., count)) => *count += 1,
            None => counts.push((tier.rank, tier.tier_id, 1)),
        }
    }
    counts.sort();
    Ok(counts.into_iter().map(|(_, tier_id, count)| (tier_id, count)).collect())
}

async fn ask(
    client: Client,
    members: &[(String, Arc<str>)],
    as_of: Option<Time>,
) -> Result<Vec<(Arc<str>, pb::GetBalanceResponse)>, Failure> {
    let client = PointsServiceClient::new(client);
    let as_of = as_of.map(Time::parts).map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos });
    let members = members.iter().map(|(_, member_id)| member_id.clone()).collect::<Vec<_>>();
    let asked = stream::iter(members).map(|member_id| {
        let mut client = client.clone();
        async move {
            let request = pb::GetBalanceRequest {
                member_id: member_id.to_string(),
                as_of,
                ..pb::GetBalanceRequest::default()
            };
            let answer = client.get_balance(request).await?;
            Ok::<_, Failure>((member_id, answer.into_inner()))
        }
    });
    asked.buffered(PARALLEL).try_collect().await
}

/// The satisfaction score over everything answered in the two years from a moment on.
pub(super) async fn csat(client: Client, start: Time) -> Result<Csat, Failure> {
    let moment = |at: Time| {
        let (seconds, nanos) = at.parts();
        Some(prost_types::Timestamp { seconds, nanos })
    };
    let request = scoring::QueryScoresRequest {
        metric: scoring::Metric::Csat.into(),
        start_time: moment(start),
        end_time: moment(start.plus_micros(2 * 365 * 86_400_000_000)),
        ..scoring::QueryScoresRequest::default()
    };
    let answer = ScoreServiceClient::new(client).query_scores(request).await?.into_inner();
    let missing = || Failure::failed("the scoring service has no satisfaction score");
    let score = answer.total.ok_or_else(missing)?;
    let receipt = score.receipt.ok_or_else(missing)?;
    let interval = receipt.interval.ok_or_else(missing)?;
    let top2 = score.value.ok_or_else(missing)?;
    Ok(Csat { top2, interval: [interval.low, interval.high], answers: receipt.denominator })
}

/// How many messages members and those who complained have in their inboxes.
pub(super) async fn messages(client: Client, members: &[Balance]) -> Result<i64, Failure> {
    let members = members.iter().map(|balance| balance.member_id.to_string());
    let recipients: Vec<String> = members.chain(complainers(client.clone()).await?).collect();
    let asked = stream::iter(recipients).map(|recipient_id| {
        let mut client = InboxServiceClient::new(client.clone());
        let request = notification::ListInboxRequest {
            recipient_id,
            page_size: 1,
            ..notification::ListInboxRequest::default()
        };
        async move { Ok::<_, Failure>(client.list_inbox(request).await?.into_inner().unread_count) }
    });
    asked.buffer_unordered(PARALLEL).try_fold(0, |sum, count| async move { Ok(sum + count) }).await
}

/// Everybody who has a case, each once.
async fn complainers(client: Client) -> Result<Vec<String>, Failure> {
    let mut client = CaseServiceClient::new(client);
    let request = feedback::ListCasesRequest { page_size: 1_000, ..feedback::ListCasesRequest::default() };
    let cases = client.list_cases(request).await?.into_inner().cases;
    let mut customers: Vec<String> = cases.into_iter().map(|case| case.customer_id).collect();
    customers.sort();
    customers.dedup();
    Ok(customers)
}
