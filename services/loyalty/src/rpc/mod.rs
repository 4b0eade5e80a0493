//! The wire: decodes requests into the domain's terms, runs them, encodes what came out. One file per RPC.

mod activate_rule_set;
mod activity_wire;
mod adjust_points;
mod adjust_reward_stock;
mod approve_review;
mod audit_ledger;
mod backtest_rules;
mod batch_adjust_points;
mod batch_approve_reviews;
mod batch_enroll_members;
mod batch_record_activities;
mod call;
mod cancel_activity;
pub mod canonical;
mod capture_redemption;
mod change_member_state;
mod confirm_activity;
mod create_household;
mod create_program;
mod create_redemption;
mod create_reward;
mod create_rule_set;
mod enroll_member;
mod enrolment;
mod explain_activity;
mod explanation;
mod export_lots;
mod export_member;
mod export_members;
mod export_postings;
mod exporting;
mod extend_expiry;
mod extend_hold;
mod get_activity;
mod get_balance;
mod get_household;
mod get_liability_report;
mod get_member;
mod get_program;
mod get_redemption;
mod get_reward;
mod get_rule_set;
mod get_tier_history;
mod liability_wire;
mod list_activities;
mod list_eligible_rewards;
mod list_households;
mod list_lots;
mod list_members;
mod list_postings;
mod list_programs;
mod list_redemptions;
mod list_referrals;
mod list_requests;
mod list_reviews;
mod list_rewards;
mod list_rule_sets;
mod lookup_member;
mod member_wire;
mod move_member;
mod program_wire;
mod quote_payment;
pub(crate) mod record_activity;
mod redeem_reward;
mod redemption_wire;
mod referrer;
mod refund_redemption;
pub(crate) mod refusal;
mod reinstate_points;
mod reject_review;
mod retire_rule_set;
mod reverse_activity;
mod reward_wire;
mod rule_set_term;
mod rule_wire;
mod seal_liability_period;
mod settled;
mod simulate_activity;
mod tier_wire;
mod transfer_points;
mod update_member;
mod update_program;
mod update_reward;
mod upload_reward_codes;
mod velocity_wire;
mod void_redemption;
mod waiting;
pub(crate) mod wire;

use ambient::{Clock, Ids};
use cache::Cache;
use change_member_state::{close_member, erase_member, reactivate_member, suspend_member};
use db::Db;
use move_member::{
    add_household_member, merge_members, remove_household_member, unmerge_members, update_household_member,
};
use proto::rapport::loyalty::v1 as pb;
use requests::serve;
use std::sync::Arc;

use crate::ledger::{Catalogue, Lanes};

pub(crate) use audit_ledger::response as audit_response;
pub(crate) use get_balance::snapshot as balance_snapshot;

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) bell: events::Bell,
    pub(crate) catalogue: Catalogue,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) pages: rpc::PageTokens,
}

serve!(Api, pb, pb::program_service_server::ProgramService {
    create_program(CreateProgramRequest) -> CreateProgramResponse;
    get_program(GetProgramRequest) -> GetProgramResponse;
    update_program(UpdateProgramRequest) -> UpdateProgramResponse;
    list_programs(ListProgramsRequest) -> ListProgramsResponse;
});

serve!(Api, pb, pb::member_service_server::MemberService {
    enroll_member(EnrollMemberRequest) -> EnrollMemberResponse;
    batch_enroll_members(BatchEnrollMembersRequest) -> BatchEnrollMembersResponse;
    get_member(GetMemberRequest) -> GetMemberResponse;
    lookup_member(LookupMemberRequest) -> LookupMemberResponse;
    list_members(ListMembersRequest) -> ListMembersResponse;
    list_referrals(ListReferralsRequest) -> ListReferralsResponse;
    update_member(UpdateMemberRequest) -> UpdateMemberResponse;
    suspend_member(SuspendMemberRequest) -> SuspendMemberResponse;
    reactivate_member(ReactivateMemberRequest) -> ReactivateMemberResponse;
    close_member(CloseMemberRequest) -> CloseMemberResponse;
    erase_member(EraseMemberRequest) -> EraseMemberResponse;
    merge_members(MergeMembersRequest) -> MergeMembersResponse;
    unmerge_members(UnmergeMembersRequest) -> UnmergeMembersResponse;
} streams {
    ExportMemberStream = export_member(ExportMemberRequest) -> ExportMemberResponse;
    ExportMembersStream = export_members(ExportMembersRequest) -> ExportMembersResponse;
});

serve!(Api, pb, pb::household_service_server::HouseholdService {
    create_household(CreateHouseholdRequest) -> CreateHouseholdResponse;
    get_household(GetHouseholdRequest) -> GetHouseholdResponse;
    list_households(ListHouseholdsRequest) -> ListHouseholdsResponse;
    add_household_member(AddHouseholdMemberRequest) -> AddHouseholdMemberResponse;
    update_household_member(UpdateHouseholdMemberRequest) -> UpdateHouseholdMemberResponse;
    remove_household_member(RemoveHouseholdMemberRequest) -> RemoveHouseholdMemberResponse;
});

serve!(Api, pb, pb::activity_service_server::ActivityService {
    record_activity(RecordActivityRequest) -> RecordActivityResponse;
    batch_record_activities(BatchRecordActivitiesRequest) -> BatchRecordActivitiesResponse;
    confirm_activity(ConfirmActivityRequest) -> ConfirmActivityResponse;
    cancel_activity(CancelActivityRequest) -> CancelActivityResponse;
    reverse_activity(ReverseActivityRequest) -> ReverseActivityResponse;
    get_activity(GetActivityRequest) -> GetActivityResponse;
    list_activities(ListActivitiesRequest) -> ListActivitiesResponse;
});

serve!(Api, pb, pb::rule_service_server::RuleService {
    create_rule_set(CreateRuleSetRequest) -> CreateRuleSetResponse;
    get_rule_set(GetRuleSetRequest) -> GetRuleSetResponse;
    list_rule_sets(ListRuleSetsRequest) -> ListRuleSetsResponse;
    activate_rule_set(ActivateRuleSetRequest) -> ActivateRuleSetResponse;
    retire_rule_set(RetireRuleSetRequest) -> RetireRuleSetResponse;
    simulate_activity(SimulateActivityRequest) -> SimulateActivityResponse;
    explain_activity(ExplainActivityRequest) -> ExplainActivityResponse;
} streams {
    BacktestRulesStream = backtest_rules(BacktestRulesRequest) -> BacktestRulesResponse;
});

serve!(Api, pb, pb::review_service_server::ReviewService {
    list_reviews(ListReviewsRequest) -> ListReviewsResponse;
    approve_review(ApproveReviewRequest) -> ApproveReviewResponse;
    batch_approve_reviews(BatchApproveReviewsRequest) -> BatchApproveReviewsResponse;
    reject_review(RejectReviewRequest) -> RejectReviewResponse;
});

serve!(Api, pb, pb::points_service_server::PointsService {
    get_balance(GetBalanceRequest) -> GetBalanceResponse;
    get_tier_history(GetTierHistoryRequest) -> GetTierHistoryResponse;
    list_postings(ListPostingsRequest) -> ListPostingsResponse;
    list_lots(ListLotsRequest) -> ListLotsResponse;
    adjust_points(AdjustPointsRequest) -> AdjustPointsResponse;
    batch_adjust_points(BatchAdjustPointsRequest) -> BatchAdjustPointsResponse;
    transfer_points(TransferPointsRequest) -> TransferPointsResponse;
    extend_expiry(ExtendExpiryRequest) -> ExtendExpiryResponse;
    reinstate_points(ReinstatePointsRequest) -> ReinstatePointsResponse;
} streams {
    ExportPostingsStream = export_postings(ExportPostingsRequest) -> ExportPostingsResponse;
    ExportLotsStream = export_lots(ExportLotsRequest) -> ExportLotsResponse;
});

serve!(Api, pb, pb::reward_service_server::RewardService {
    create_reward(CreateRewardRequest) -> CreateRewardResponse;
    update_reward(UpdateRewardRequest) -> UpdateRewardResponse;
    get_reward(GetRewardRequest) -> GetRewardResponse;
    list_rewards(ListRewardsRequest) -> ListRewardsResponse;
    list_eligible_rewards(ListEligibleRewardsRequest) -> ListEligibleRewardsResponse;
    adjust_reward_stock(AdjustRewardStockRequest) -> AdjustRewardStockResponse;
} uploads {
    upload_reward_codes(UploadRewardCodesRequest) -> UploadRewardCodesResponse;
});

serve!(Api, pb, pb::redemption_service_server::RedemptionService {
    redeem_reward(RedeemRewardRequest) -> RedeemRewardResponse;
    create_redemption(CreateRedemptionRequest) -> CreateRedemptionResponse;
    capture_redemption(CaptureRedemptionRequest) -> CaptureRedemptionResponse;
    void_redemption(VoidRedemptionRequest) -> VoidRedemptionResponse;
    extend_hold(ExtendHoldRequest) -> ExtendHoldResponse;
    refund_redemption(RefundRedemptionRequest) -> RefundRedemptionResponse;
    quote_payment(QuotePaymentRequest) -> QuotePaymentResponse;
    get_redemption(GetRedemptionRequest) -> GetRedemptionResponse;
    list_redemptions(ListRedemptionsRequest) -> ListRedemptionsResponse;
});

serve!(Api, pb, pb::audit_service_server::AuditService {
    audit_ledger(AuditLedgerRequest) -> AuditLedgerResponse;
    list_requests(ListRequestsRequest) -> ListRequestsResponse;
});

serve!(Api, pb, pb::report_service_server::ReportService {
    get_liability_report(GetLiabilityReportRequest) -> GetLiabilityReportResponse;
    seal_liability_period(SealLiabilityPeriodRequest) -> SealLiabilityPeriodResponse;
});
