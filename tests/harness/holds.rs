//! Calls about rewards that are held.

use pb::redemption_service_client::RedemptionServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::request_id;

/// One unit of a reward, held for so many seconds; 0: as long as the program allows.
pub fn hold(member_id: &str, reward_id: &str, hold_seconds: i64) -> pb::CreateRedemptionRequest {
    pb::CreateRedemptionRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        reward_id: reward_id.into(),
        quantity: 1,
        hold_seconds,
        ..Default::default()
    }
}

/// Holds a reward as asked.
pub async fn held(
    client: &Client,
    request: pb::CreateRedemptionRequest,
) -> Result<pb::CreateRedemptionResponse, Status> {
    Ok(RedemptionServiceClient::new(client.clone()).create_redemption(request).await?.into_inner())
}

/// All that is held.
pub fn capture(of: &pb::Redemption) -> pb::CaptureRedemptionRequest {
    pb::CaptureRedemptionRequest {
        request_id: request_id(),
        member_id: of.member_id.clone(),
        redemption_id: of.redemption_id.clone(),
        portion: None,
    }
}

/// Captures as asked.
pub async fn captured(
    client: &Client,
    request: pb::CaptureRedemptionRequest,
) -> Result<pb::CaptureRedemptionResponse, Status> {
    Ok(RedemptionServiceClient::new(client.clone()).capture_redemption(request).await?.into_inner())
}

/// What is held goes back.
pub fn void(of: &pb::Redemption) -> pb::VoidRedemptionRequest {
    pb::VoidRedemptionRequest {
        request_id: request_id(),
        member_id: of.member_id.clone(),
        redemption_id: of.redemption_id.clone(),
        reason: "changed its mind".into(),
    }
}

/// Voids as asked.
pub async fn voided(
    client: &Client,
    request: pb::VoidRedemptionRequest,
) -> Result<pb::VoidRedemptionResponse, Status> {
    Ok(RedemptionServiceClient::new(client.clone()).void_redemption(request).await?.into_inner())
}

/// A hold lasts for so many seconds from now on.
pub async fn extended(
    client: &Client,
    of: &pb::Redemption,
    hold_seconds: i64,
) -> Result<pb::ExtendHoldResponse, Status> {
    let request = pb::ExtendHoldRequest {
        request_id: request_id(),
        member_id: of.member_id.clone(),
        redemption_id: of.redemption_id.clone(),
        hold_seconds,
    };
    Ok(RedemptionServiceClient::new(client.clone()).extend_hold(request).await?.into_inner())
}

/// So many of the points that were spent; all that are left unless given.
pub fn refund(of: &pb::Redemption, points: Option<i64>) -> pb::RefundRedemptionRequest {
    pb::RefundRedemptionRequest {
        request_id: request_id(),
        member_id: of.member_id.clone(),
        redemption_id: of.redemption_id.clone(),
        portion: points.map(pb::refund_redemption_request::Portion::Points),
        reason: "broken".into(),
    }
}

/// Refunds as asked.
pub async fn refunded(
    client: &Client,
    request: pb::RefundRedemptionRequest,
) -> Result<pb::RefundRedemptionResponse, Status> {
    Ok(RedemptionServiceClient::new(client.clone()).refund_redemption(request).await?.into_inner())
}

/// A redemption as a receipt.
pub async fn receipt(client: &Client, of: &pb::Redemption) -> pb::GetRedemptionResponse {
    let request =
        pb::GetRedemptionRequest { member_id: of.member_id.clone(), redemption_id: of.redemption_id.clone() };
    let mut service = RedemptionServiceClient::new(client.clone());
    service.get_redemption(request).await.expect("a receipt").into_inner()
}

/// The redemptions of a member in a state, last made first.
pub async fn listed(client: &Client, member_id: &str, state: pb::RedemptionState) -> Vec<pb::Redemption> {
    let mut service = RedemptionServiceClient::new(client.clone());
    let mut request = pb::ListRedemptionsRequest {
        member_id: member_id.into(),
        page_size: 2,
        state: state.into(),
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = service.list_redemptions(request.clone()).await.expect("a page").into_inner();
        all.extend(page.redemptions);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}
