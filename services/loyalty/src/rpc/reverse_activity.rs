//! ReverseActivity: an activity is taken back, all of it or in part, through the ledger.

use std::collections::BTreeMap;

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::activity_wire::{activity_message, activity_ref};
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, positive_amount, read_token, reversals, uuid};
use crate::domain::{Command, Returned, ReverseActivity};
use crate::ledger::{Answered, Asked};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ReverseActivityRequest>,
) -> Result<pb::ReverseActivityResponse, Status> {
    use pb::reverse_activity_request::{Activity, Returned as Part};
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let (id, external_id) = match &message.activity {
        Some(Activity::ActivityId(id)) => (id.as_str(), ""),
        Some(Activity::ExternalId(id)) => ("", id.as_str()),
        None => ("", ""),
    };
    let activity = activity_ref(id, external_id, &mut found);
    let returned = match &message.returned {
        Some(Part::Amount(given)) => {
            positive_amount(Some(given), &Path::ROOT, "amount", &mut found).map(Returned::Amount)
        }
        Some(Part::Items(items)) => returned_items(items, &mut found),
        Some(Part::Whole(_)) | None => Some(Returned::Whole),
    };
    found.into_result(DOMAIN)?;
    let note = message.reason.clone();
    let command = Command::ReverseActivity(ReverseActivity {
        member_id,
        activity,
        returned: returned.unwrap_or(Returned::Whole),
        note,
    });
    let call = Asked { call: caller.call(DOMAIN, "ReverseActivity", request_id, &message), encode };
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::ReverseActivityResponse, bool) = submitted?;
    Ok(pb::ReverseActivityResponse { replayed, ..response })
}

fn returned_items(given: &pb::ReturnedItems, found: &mut Violations) -> Option<Returned> {
    let path = Path::ROOT.field("items");
    let mut items = BTreeMap::new();
    for (n, item) in given.items.iter().enumerate() {
        let place = usize::try_from(item.item).ok()?;
        let quantity = (item.quantity > 0).then_some(item.quantity);
        if items.insert(place, quantity).is_some() {
            found.add(&path.item("items", n), "item", "must be named once");
        }
    }
    Some(Returned::Items(items.into_iter().collect()))
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let (reversal, further_reversals) = reversals(reply, answered.program);
    let response = pb::ReverseActivityResponse {
        activity: reply.activity().map(|one| activity_message(answered.program, one)),
        reversal: Some(reversal),
        further_reversals,
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
