//! What the service says of every member, asked one by one.

use std::sync::Arc;

use ambient::Time;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::points_service_client::PointsServiceClient;
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
