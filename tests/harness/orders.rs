//! What becomes of a purchase that was made under a key.

use pb::activity_service_client::ActivityServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

/// Which request it is, about which purchase.
pub struct Order {
    /// The request's id.
    pub request_id: String,
    /// Who bought it.
    pub member_id: String,
    /// Its key.
    pub key: u32,
}

/// What became of the points of each currency, and the balance after it.
pub type Reversed = Result<(Vec<pb::Reversal>, Option<pb::Balance>), Status>;

const REASON: &str = "changed";

/// How a purchase is named to the service.
pub fn external_id(key: u32) -> String {
    format!("order-{key}")
}

/// Releases its points at once: how many of each currency, and the balance after it.
///
/// # Errors
/// What the service refused.
pub async fn confirm(client: &Client, of: Order) -> Result<(Vec<i64>, Option<pb::Balance>), Status> {
    let Order { request_id, member_id, key } = of;
    let activity = Some(pb::confirm_activity_request::Activity::ExternalId(external_id(key)));
    let request = pb::ConfirmActivityRequest { request_id, member_id, activity };
    let done = ActivityServiceClient::new(client.clone()).confirm_activity(request).await?.into_inner();
    let further = done.further_points_released.iter().map(|further| further.points);
    Ok(([done.points_released].into_iter().chain(further).collect(), done.balance))
}

/// Calls it off before its points are released.
///
/// # Errors
/// What the service refused.
pub async fn cancel(client: &Client, of: Order) -> Reversed {
    let Order { request_id, member_id, key } = of;
    let activity = Some(pb::cancel_activity_request::Activity::ExternalId(external_id(key)));
    let request = pb::CancelActivityRequest { request_id, member_id, activity, reason: REASON.into() };
    let done = ActivityServiceClient::new(client.clone()).cancel_activity(request).await?.into_inner();
    Ok((done.reversal.into_iter().chain(done.further_reversals).collect(), done.balance))
}

/// Takes back so much of it, or all that is left.
///
/// # Errors
/// What the service refused.
pub async fn take_back(client: &Client, of: Order, part: Option<Money>) -> Reversed {
    use pb::reverse_activity_request::{Activity, Returned};
    let Order { request_id, member_id, key } = of;
    let request = pb::ReverseActivityRequest {
        request_id,
        member_id,
        activity: Some(Activity::ExternalId(external_id(key))),
        returned: Some(part.map_or(Returned::Whole(true), Returned::Amount)),
        reason: REASON.into(),
    };
    let done = ActivityServiceClient::new(client.clone()).reverse_activity(request).await?.into_inner();
    Ok((done.reversal.into_iter().chain(done.further_reversals).collect(), done.balance))
}
