//! UpdateMember: what is known of a member changes, once per request id, unless somebody else was faster.

use ambient::Time;
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use rpc::Problem;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::member_wire::{self, etag, member_message, profile};
use super::refusal::{DOMAIN, exists, member_closed, member_not_found};
use super::wire::uuid;
use crate::domain::{Member, MemberState, Profile};
use crate::store::{Owner, Tenant, members};

/// The names of what may change of a profile.
const FIELDS: [&str; 8] =
    ["display_name", "emails", "phones", "attributes", "locale", "time_zone", "birthday", "consents"];

/// What changes.
#[derive(Clone, Debug, Default)]
struct Changes {
    external_id: Option<String>,
    /// The new values, and the names of those that count.
    profile: Profile,
    fields: Vec<&'static str>,
}

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::UpdateMemberRequest>,
) -> Result<pb::UpdateMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let now = api.clock.now();
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.member.clone().unwrap_or_default();
    let member_id = uuid(&given.member_id, &Path::ROOT.field("member"), "member_id", &mut found);
    let mask = message.update_mask.as_ref().map_or(&[][..], |mask| &mask.paths);
    let changes = changes(&given, mask, &mut found);
    found.into_result(DOMAIN)?;
    let owner = Owner::new(&caller.tenant, member_id);
    // Request ids are unique within a wallet, and there is none without a member.
    let known = members::find(api.db.reader(), &caller.tenant, member_id).await;
    let known = known.map_err(|e| super::call::told(&e))?;
    let known = known.ok_or_else(|| member_not_found(&given.member_id))?;
    // Nothing is kept of what is said of whom nothing may be known.
    if known.state == MemberState::Erased {
        return Err(member_closed().into());
    }
    let call = caller.call(DOMAIN, "UpdateMember", request_id, &message);
    let command = Once { scope: owner, call, now };
    let (tenant, expected) = (caller.tenant.clone(), given.etag);
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, expected, changes) = (tenant.clone(), expected.clone(), changes.clone());
        async move { write(tx, (&tenant, member_id), &expected, changes, now).await }.boxed()
    });
    let (response, replayed): (pb::UpdateMemberResponse, bool) = submitted.await?;
    Ok(pb::UpdateMemberResponse { replayed, ..response })
}

fn changes(given: &pb::Member, mask: &[String], found: &mut Violations) -> Changes {
    let root = Path::ROOT;
    let path = root.field("member");
    let mut changes = Changes::default();
    if mask.is_empty() {
        found.add(&root.field("update_mask"), "paths", "must name what to change");
    }
    for name in mask {
        let field = name.strip_prefix("profile.").unwrap_or_default();
        if name == "external_id" {
            let external_id = &given.external_id;
            if external_id.is_empty() || external_id.chars().count() > 200 {
                found.add(&path, "external_id", "must have 1 to 200 characters");
            }
            member_wire::external_id(external_id, &path, found);
            changes.external_id = Some(external_id.clone());
        } else if name == "profile" {
            changes.fields.extend(FIELDS);
        } else if let Some(field) = FIELDS.into_iter().find(|known| *known == field) {
            changes.fields.push(field);
        } else {
            let may = "external_id, profile and its fields may change";
            found.add(&root.field("update_mask"), "paths", format!("must not name {name:?}: {may}"));
        }
    }
    let new = given.profile.clone().unwrap_or_default();
    let (path, mut of_profile) = (path.field("profile"), Violations::default());
    changes.profile = profile(&new, &path, &mut of_profile);
    // What the mask does not name may be anything.
    for field in FIELDS.into_iter().filter(|field| changes.fields.contains(field)) {
        let name = format!("member.profile.{field}");
        for violation in of_profile.listed().iter().filter(|violation| violation.field == name) {
            found.add(&path, field, violation.description.clone());
        }
    }
    changes
}

async fn write(
    tx: &Tx,
    (tenant, member_id): (&Tenant, Uuid),
    expected: &str,
    changes: Changes,
    now: Time,
) -> Result<Written, db::Error> {
    let Some(mut member) = members::lock(tx, tenant, member_id).await? else {
        return Ok(Written::refused(&member_not_found(&member_id.to_string())));
    };
    if member.state == MemberState::Erased {
        return Ok(Written::refused_and_forgotten(&member_closed()));
    }
    if member.state.is_over() {
        return Ok(Written::refused(&member_closed()));
    }
    if !expected.is_empty() && expected != etag(&member) {
        return Ok(Written::refused(&changed_since(expected, &member)));
    }
    if let Some(external_id) = changes.external_id.as_ref().filter(|id| **id != member.external_id) {
        let taken = members::find_external(tx, tenant, &member.program_id, external_id).await?;
        if let Some(first) = taken {
            let problem = exists("MEMBER_EXISTS", "a member with this external_id");
            return Ok(Written::refused(&problem.with("member_id", first.id)));
        }
        member.external_id.clone_from(external_id);
    }
    for field in changes.fields {
        apply(&mut member.profile, &changes.profile, field);
    }
    member.version = member.version.saturating_add(1);
    member.update_time = now.max(member.update_time);
    members::update(tx, tenant, &member).await?;
    let member = Some(member_message(&member));
    Ok(Written::done(&pb::UpdateMemberResponse { member, replayed: false }))
}

fn apply(profile: &mut Profile, new: &Profile, field: &str) {
    match field {
        "display_name" => profile.display_name.clone_from(&new.display_name),
        "emails" => profile.emails.clone_from(&new.emails),
        "phones" => profile.phones.clone_from(&new.phones),
        "attributes" => profile.attributes.clone_from(&new.attributes),
        "locale" => profile.locale.clone_from(&new.locale),
        "time_zone" => profile.time_zone.clone_from(&new.time_zone),
        "birthday" => profile.birthday = new.birthday,
        _ => profile.consents.clone_from(&new.consents),
    }
}

fn changed_since(expected: &str, member: &Member) -> Problem {
    let message = format!("member {} was changed meanwhile; read it again", member.id);
    Problem::aborted(DOMAIN, "ETAG_MISMATCH", message).with("expected", expected).with("actual", etag(member))
}
