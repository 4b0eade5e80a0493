//! Events of the domain in the event log.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;

use super::message::encode;
use crate::domain::{Event, Member, Program, Wallet};
use crate::rpc::wire::{timestamp, uuid_text};
use crate::store::Owner;

/// Numbers the events of one command and encodes them. Moves the wallet's order key on.
pub(super) fn events<'a>(
    owner: &Owner,
    program: &Program,
    traceparent: &str,
    wallet: &mut Wallet,
    announced: &'a [Event],
    next_order_key: impl Fn(i64) -> i64,
) -> Vec<(&'a Event, events::Event)> {
    let count = i64::try_from(announced.len()).unwrap_or(0);
    let first = wallet.event_seq - count + 1;
    let numbered = announced.iter().zip(first..).map(|(event, aggregate_seq)| {
        wallet.order_key = next_order_key(wallet.order_key);
        let fact = fact(owner, &program.id, (aggregate_seq, wallet.order_key), event);
        (event, events::Event { traceparent: traceparent.to_owned(), ..fact })
    });
    numbered.collect()
}

/// An event that is not traced; as a fact of the service's state it has `aggregate_seq` 0 where that is not
/// kept.
pub(super) fn fact(
    owner: &Owner,
    program_id: &str,
    (aggregate_seq, order_key): (i64, i64),
    event: &Event,
) -> events::Event {
    let (kind, payload) = encode(owner, program_id, event);
    events::Event {
        tenant_id: owner.tenant().id().to_owned(),
        aggregate_id: owner.id(),
        aggregate_seq,
        order_key,
        kind,
        traceparent: String::new(),
        payload,
    }
}

/// The first event of a wallet.
pub fn enrolled(owner: &Owner, member: &Member, traceparent: String, order_key: i64) -> events::Event {
    let message = pb::MemberEnrolled {
        member_id: uuid_text(member.id),
        wallet_id: uuid_text(member.wallet_id),
        program_id: member.program_id.clone(),
        enroll_time: Some(timestamp(member.create_time)),
    };
    events::Event {
        tenant_id: owner.tenant().id().to_owned(),
        aggregate_id: owner.id(),
        aggregate_seq: 1,
        order_key,
        kind: "rapport.loyalty.v1.MemberEnrolled",
        traceparent,
        payload: message.encode_to_vec(),
    }
}
