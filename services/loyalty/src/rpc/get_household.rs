//! GetHousehold: a household and its members.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::create_household::household_message;
use super::refusal::household_not_found;
use super::wire::{only_id, uuid_text};
use crate::store::{Owner, households, members};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetHouseholdRequest>,
) -> Result<pb::GetHouseholdResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let household_id = only_id(&message.household_id, "household_id")?;
    let (db, owner) = (api.db.reader(), Owner::new(&caller.tenant, household_id));
    let household = households::find(db, &owner).await.map_err(|e| told(&e))?;
    let household = household.ok_or_else(|| household_not_found(&message.household_id))?;
    let members = members::elsewhere_in(db, &owner).await.map_err(|e| told(&e))?;
    let members = members.into_iter().map(|member| pb::HouseholdMember {
        member_id: uuid_text(member.id),
        role: member.role.map_or(0, |role| role as i32),
    });
    Ok(pb::GetHouseholdResponse {
        household: Some(household_message(&household)),
        members: members.collect(),
    })
}
