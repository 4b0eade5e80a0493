//! What waits for a review, read from the record of its request.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use requests::Record;

use super::{adjust_points, create_redemption, record_activity, redeem_reward, transfer_points};

/// The request of a command that may wait.
pub(super) enum Waiting {
    Activity(Box<pb::RecordActivityRequest>),
    Redemption(pb::RedeemRewardRequest),
    Hold(pb::CreateRedemptionRequest),
    Transfer(pb::TransferPointsRequest),
    Adjustment(pb::AdjustPointsRequest),
}

impl Waiting {
    /// None if what was asked was forgotten.
    pub(super) fn of(record: &Record) -> Option<Waiting> {
        let bytes = Some(record.request.as_slice()).filter(|bytes| !bytes.is_empty())?;
        match record.method.as_str() {
            record_activity::METHOD => {
                Message::decode(bytes).ok().map(|one| Waiting::Activity(Box::new(one)))
            }
            redeem_reward::METHOD => Message::decode(bytes).ok().map(Waiting::Redemption),
            create_redemption::METHOD => Message::decode(bytes).ok().map(Waiting::Hold),
            transfer_points::METHOD => Message::decode(bytes).ok().map(Waiting::Transfer),
            adjust_points::METHOD => Message::decode(bytes).ok().map(Waiting::Adjustment),
            _ => None,
        }
    }

    pub(super) fn message(self) -> pb::review::Command {
        use pb::review::Command;
        match self {
            Waiting::Activity(message) => Command::RecordActivity(*message),
            Waiting::Redemption(message) => Command::RedeemReward(message),
            Waiting::Hold(message) => Command::CreateRedemption(message),
            Waiting::Transfer(message) => Command::TransferPoints(message),
            Waiting::Adjustment(message) => Command::AdjustPoints(message),
        }
    }
}
