//! Calls about members who are merged, and about households.

use ambient::Time;
use pb::activity_service_client::ActivityServiceClient;
use pb::household_service_client::HouseholdServiceClient;
use pb::member_service_client::MemberServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::{balance, purchase, record, request_id};
use crate::house::START;

/// So many days after the start.
pub fn day(n: i64) -> Time {
    START.plus_micros(n * 86_400_000_000)
}

/// Merges a member into another one.
pub fn merger(member_id: &str, into: &str) -> pb::MergeMembersRequest {
    pb::MergeMembersRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        into_member_id: into.into(),
        note: "two cards".into(),
    }
}

/// Merges a member as asked.
pub async fn merge(
    client: &Client,
    request: pb::MergeMembersRequest,
) -> Result<pb::MergeMembersResponse, Status> {
    Ok(MemberServiceClient::new(client.clone()).merge_members(request).await?.into_inner())
}

/// Takes a merger back.
pub async fn unmerge(client: &Client, member_id: &str) -> Result<pb::UnmergeMembersResponse, Status> {
    unmerge_as(client, request_id(), member_id).await
}

/// [`unmerge`] with this request id.
pub async fn unmerge_as(
    client: &Client,
    request_id: String,
    member_id: &str,
) -> Result<pb::UnmergeMembersResponse, Status> {
    let request = pb::UnmergeMembersRequest { request_id, member_id: member_id.into(), note: String::new() };
    Ok(MemberServiceClient::new(client.clone()).unmerge_members(request).await?.into_inner())
}

/// A member as it is now.
pub async fn member(client: &Client, member_id: &str) -> pb::Member {
    let request = pb::GetMemberRequest { member_id: member_id.into() };
    let found = MemberServiceClient::new(client.clone()).get_member(request).await.expect("the member");
    found.into_inner().member.expect("a member")
}

/// The id of a member's tier.
pub async fn tier(client: &Client, member_id: &str) -> String {
    let request = pb::GetBalanceRequest { member_id: member_id.into(), ..Default::default() };
    balance(client, request).await.expect("a balance").tier.expect("a tier").tier_id
}

/// Takes back all of an activity.
pub async fn reverse(client: &Client, member_id: &str, activity_id: &str) -> Result<pb::Reversal, Status> {
    let request = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(activity_id.into())),
        returned: Some(pb::reverse_activity_request::Returned::Whole(true)),
        ..Default::default()
    };
    let response = ActivityServiceClient::new(client.clone()).reverse_activity(request).await?;
    Ok(response.into_inner().reversal.expect("a reversal"))
}

/// Records a purchase and returns the id of the activity.
pub async fn buys(client: &Client, member_id: &str, units: i64) -> String {
    record(client, purchase(member_id, units)).await.expect("done").activity.expect("an activity").activity_id
}

/// Creates a household, twice with one request, and returns its id.
pub async fn household(client: &Client, program_id: &str) -> String {
    let request = pb::CreateHouseholdRequest {
        request_id: request_id(),
        program_id: program_id.into(),
        display_name: "Elm Street".into(),
    };
    let mut service = HouseholdServiceClient::new(client.clone());
    let created = service.create_household(request.clone()).await.expect("done").into_inner();
    let again = service.create_household(request).await.expect("done").into_inner();
    assert_eq!(again, pb::CreateHouseholdResponse { replayed: true, ..created.clone() });
    created.household.expect("a household").household_id
}

/// Lets a member join a household.
pub async fn join(
    client: &Client,
    household_id: &str,
    member_id: &str,
    role: pb::HouseholdRole,
) -> Result<pb::AddHouseholdMemberResponse, Status> {
    join_as(client, request_id(), (household_id, member_id), role).await
}

/// [`join`] with this request id.
pub async fn join_as(
    client: &Client,
    request_id: String,
    (household_id, member_id): (&str, &str),
    role: pb::HouseholdRole,
) -> Result<pb::AddHouseholdMemberResponse, Status> {
    let request = pb::AddHouseholdMemberRequest {
        request_id,
        household_id: household_id.into(),
        member_id: member_id.into(),
        role: role.into(),
        note: String::new(),
    };
    Ok(HouseholdServiceClient::new(client.clone()).add_household_member(request).await?.into_inner())
}

/// Lets a member leave its household.
pub async fn leave(client: &Client, member_id: &str) -> Result<pb::RemoveHouseholdMemberResponse, Status> {
    leave_as(client, request_id(), member_id).await
}

/// [`leave`] with this request id.
pub async fn leave_as(
    client: &Client,
    request_id: String,
    member_id: &str,
) -> Result<pb::RemoveHouseholdMemberResponse, Status> {
    let request =
        pb::RemoveHouseholdMemberRequest { request_id, member_id: member_id.into(), note: String::new() };
    Ok(HouseholdServiceClient::new(client.clone()).remove_household_member(request).await?.into_inner())
}
