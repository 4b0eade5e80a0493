//! EnrollMember: a new member with an empty wallet.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, exists, program_not_found};
use super::wire::{read_token, timestamp, uuid, uuid_text};
use crate::domain::{Program, Wallet};
use crate::ledger::enrolled;
use crate::store::members::{self, Member};
use crate::store::{Owner, Tenant, wallets};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::EnrollMemberRequest>,
) -> Result<pb::EnrollMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    found.into_result(DOMAIN)?;
    let program_id = &message.program_id;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, program_id).await;
    let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(program_id))?;
    let now = api.clock.now();
    let member_id = api.ids.v4();
    let member = Member {
        id: member_id,
        program_id: program_id.clone(),
        external_id: message.external_id.clone(),
        wallet_id: member_id,
        state: members::ACTIVE,
        create_time: now,
    };
    let call = caller.call(DOMAIN, "EnrollMember", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, program_id), call, now };
    let traceparent = telemetry::traceparent().unwrap_or_default();
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, program, member) = (tenant.clone(), program.clone(), member.clone());
        let traceparent = traceparent.clone();
        async move { enroll(tx, &tenant, &program, &member, traceparent).await }.boxed()
    });
    let (response, replayed): (pb::EnrollMemberResponse, bool) = submitted.await?;
    Ok(pb::EnrollMemberResponse { replayed, ..response })
}

async fn enroll(
    tx: &db::Tx,
    tenant: &Tenant,
    program: &Program,
    member: &Member,
    traceparent: String,
) -> Result<Written, db::Error> {
    if let Some(first) = members::find_external(tx, tenant, &program.id, &member.external_id).await? {
        let problem = exists("MEMBER_EXISTS", "a member with this external_id").with("member_id", first.id);
        return Ok(Written::refused(&problem));
    }
    let owner = Owner::new(tenant, member.wallet_id);
    let order_key = events::next_order_key(events::machine_now_micros(), 0);
    let wallet = Wallet::opened(member.wallet_id, program, member.create_time, order_key);
    members::insert(tx, tenant, member).await?;
    wallets::insert(tx, &owner, &wallet).await?;
    events::append(tx, vec![enrolled(&owner, member, traceparent, order_key)]).await?;
    let response = pb::EnrollMemberResponse {
        member: Some(member_message(member)),
        read_token: read_token(wallet.id, wallet.version),
        replayed: false,
    };
    Ok(Written::done(&response))
}

pub(super) fn member_message(member: &Member) -> pb::Member {
    let state = match member.state {
        members::ACTIVE => pb::MemberState::Active,
        _ => pb::MemberState::Unspecified,
    };
    pb::Member {
        member_id: uuid_text(member.id),
        program_id: member.program_id.clone(),
        external_id: member.external_id.clone(),
        wallet_id: uuid_text(member.wallet_id),
        state: state.into(),
        create_time: Some(timestamp(member.create_time)),
    }
}
