//! What an operator does with a member's points.

use ambient::Time;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::timestamp;

/// How many points it was about, and the balance after it.
pub type Done = Result<(i64, Option<pb::Balance>), Status>;

/// Which request it is, about what.
pub struct Purse {
    /// The request's id.
    pub request_id: String,
    /// Whose points.
    pub member_id: String,
    /// Of which currency; the main one if empty.
    pub currency_code: String,
}

const REASON: &str = "goodwill";
const APPROVER: &str = "chief";

/// Adds points, or takes them if they are negative.
///
/// # Errors
/// What the service refused.
pub async fn adjust(client: &Client, of: Purse, points: i64) -> Done {
    let Purse { request_id, member_id, currency_code } = of;
    let (reason, approver) = (REASON.into(), APPROVER.into());
    let request = pb::AdjustPointsRequest {
        request_id,
        member_id,
        points,
        reason,
        approver,
        currency_code,
        ..Default::default()
    };
    let done = PointsServiceClient::new(client.clone()).adjust_points(request).await?.into_inner();
    Ok((points, done.balance))
}

/// Lets points that expire before a moment live until another one.
///
/// # Errors
/// What the service refused.
pub async fn extend(client: &Client, of: Purse, (before, to): (Time, Time)) -> Done {
    let Purse { request_id, member_id, currency_code } = of;
    let request = pb::ExtendExpiryRequest {
        request_id,
        member_id,
        expiring_before: Some(timestamp(before)),
        expire_time: Some(timestamp(to)),
        reason: REASON.into(),
        approver: APPROVER.into(),
        currency_code,
    };
    let done = PointsServiceClient::new(client.clone()).extend_expiry(request).await?.into_inner();
    Ok((done.points_extended, done.balance))
}

/// Gives points back that expired since a moment.
///
/// # Errors
/// What the service refused.
pub async fn reinstate(client: &Client, of: Purse, since: Time) -> Done {
    let Purse { request_id, member_id, currency_code } = of;
    let request = pb::ReinstatePointsRequest {
        request_id,
        member_id,
        expired_since: Some(timestamp(since)),
        expire_time: None,
        reason: REASON.into(),
        approver: APPROVER.into(),
        currency_code,
    };
    let done = PointsServiceClient::new(client.clone()).reinstate_points(request).await?.into_inner();
    Ok((done.points_reinstated, done.balance))
}
