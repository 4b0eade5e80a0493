//! ListRequests: who asked for what, and what became of it.

use ambient::Time;
use pb::list_requests_request::Scope;
use prost::Message;
use prost_types::Any;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Record, Selection};
use tonic::{Request, Status};
use uuid::Uuid;

use super::call::told;
use super::refusal::{DOMAIN, member_not_found, program_not_found};
use super::wire::{cursor, only_id, period, place, timestamp, uuid, uuid_text};
use super::{Api, record_activity};
use crate::store::{Owner, Tenant, wallets};

const METHOD: &str = "ListRequests";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListRequestsRequest>,
) -> Result<pb::ListRequestsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let filter = message.filter.clone().unwrap_or_default();
    let mut wanted = selection(&filter)?;
    let of_program = matches!(message.scope, Some(Scope::ProgramId(_)));
    let activities = wanted.methods.iter().any(|method| method == record_activity::METHOD);
    if of_program || !(wanted.methods.is_empty() || activities) {
        // By far the most calls are of this kind: without them there is an index.
        wanted.but_for = Some(record_activity::METHOD);
    }
    let scope = scope(api, &caller.tenant, &message).await?;
    let asked = format!("{} {:?}", scope.id(), filter.encode_to_vec());
    let list = caller.list(&api.pages, METHOD, &asked, message.page_size)?;
    let opened = list.open(&message.page_token)?;
    let before = opened.and_then(|bytes| place(&bytes)).unwrap_or((Time::NEVER, Uuid::max()));
    let found = requests::page(api.db.reader(), &scope, &wanted, before, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let bytes = |of: &Record| of.request.len().saturating_add(of.reply.len());
    let next_page_token = list.next(&mut found, bytes, |of| cursor(of.create_time, of.request_id));
    Ok(pb::ListRequestsResponse { requests: found.into_iter().map(recorded).collect(), next_page_token })
}

/// The scope of the ids of the calls that are asked for, which exists.
async fn scope(api: &Api, tenant: &Tenant, message: &pb::ListRequestsRequest) -> Result<Owner, Status> {
    let db = api.db.reader();
    match message.scope.as_ref() {
        Some(Scope::ProgramId(program_id)) => {
            let program = api.catalogue.program(db, tenant, program_id).await.map_err(|e| told(&e))?;
            program.ok_or_else(|| program_not_found(program_id))?;
            Ok(Owner::named(tenant, program_id))
        }
        named => {
            let member_id = match named {
                Some(Scope::MemberId(member_id)) => member_id.as_str(),
                _ => "",
            };
            let owner = Owner::new(tenant, only_id(member_id, "member_id")?);
            let found = wallets::find(db, &owner).await.map_err(|e| told(&e))?;
            found.ok_or_else(|| member_not_found(member_id))?;
            Ok(owner)
        }
    }
}

fn selection(filter: &pb::RequestFilter) -> Result<Selection, Status> {
    let (path, mut found) = (Path::ROOT.field("filter"), Violations::default());
    let id = filter.request_id.as_str();
    let request_id = (!id.is_empty()).then(|| uuid(id, &path, "request_id", &mut found));
    let is_recorded = |method: &String| {
        let request = proto::message_of(&request_name(method));
        request.is_some_and(|request| request.get_field_by_name("request_id").is_some())
    };
    if !filter.methods.iter().all(is_recorded) {
        found.add(&path, "methods", "must be RPCs that take a request_id, such as AdjustPoints");
    }
    let decided = [(filter.create_since, "create_since"), (filter.create_before, "create_before")];
    let (since, before) = period(decided, &path, &mut found);
    found.into_result(DOMAIN)?;
    let is_done = match filter.outcome() {
        pb::RequestOutcome::Unspecified => None,
        pb::RequestOutcome::Done => Some(true),
        pb::RequestOutcome::Refused => Some(false),
    };
    let subject = Some(filter.subject.clone()).filter(|subject| !subject.is_empty());
    let methods = filter.methods.clone();
    Ok(Selection { methods, subject, request_id, since, before, is_done, but_for: None })
}

/// The full name of the request of an RPC.
fn request_name(method: &str) -> String {
    format!("{DOMAIN}.v1.{method}Request")
}

fn recorded(record: Record) -> pb::RecordedRequest {
    let is_done = record.status == 0;
    let error = (!is_done && !record.reply.is_empty()).then(|| Message::decode(record.reply.as_slice()).ok());
    // What an erasure has forgotten is empty; each call has a request id.
    let request = (!record.request.is_empty()).then(|| Any {
        type_url: format!("type.googleapis.com/{}", request_name(&record.method)),
        value: record.request,
    });
    pb::RecordedRequest {
        request_id: uuid_text(record.request_id),
        method: record.method,
        subject: record.subject,
        create_time: Some(timestamp(record.create_time)),
        outcome: if is_done { pb::RequestOutcome::Done } else { pb::RequestOutcome::Refused }.into(),
        error: error.flatten(),
        request,
    }
}
