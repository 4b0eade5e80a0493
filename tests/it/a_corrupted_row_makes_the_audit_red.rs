//! The audit that means something: one damaged row of any kind makes it red, and names the check.

use db::sea_orm::ConnectionTrait;
use futures::FutureExt;
use harness::calls::{
    PROGRAM, create_program, create_program_like, create_reward, enroll, program, purchase, reason, record,
    redeem, redemption, request_id,
};
use harness::holds::{capture, captured, held, hold, refund, refunded};
use harness::house::House;
use harness::moves::{merge, merger};
use harness::offers::{upload, voucher};
use harness::process::rapport;
use pb::audit_service_client::AuditServiceClient;
use pb::points_service_client::PointsServiceClient;
use pb::report_service_client::ReportServiceClient;
use proto::rapport::loyalty::v1 as pb;

use crate::points_are_of_several_currencies::{COINS, coins, of, offer};
use crate::rules_say_what_activities_earn::{per_dollar, under};

in_process! {
    one_row_of_each_kind;
    what_is_not_there_is_not_sound;
}

/// A statement that damages one row, and the check that must find it.
const DAMAGES: &[(&str, &str)] = &[
    ("UPDATE wallet SET available = available + 1", "wallet_totals_match_postings"),
    ("UPDATE wallet SET available = available + 1", "member_and_program_accounts_agree"),
    ("UPDATE wallet SET issued = issued + 1, available = available + 1", "available_and_pending_match_lots"),
    ("UPDATE wallet SET held = held + 1", "held_matches_open_holds"),
    ("UPDATE wallet SET next_hold = next_hold - 1 WHERE held > 0", "next_hold_is_the_first_end_of_a_hold"),
    ("UPDATE redemption SET state = 3 WHERE state = 2", "held_matches_open_holds"),
    ("UPDATE redemption SET points_refunded = 1 WHERE state = 1", "redemptions_match_their_postings"),
    ("UPDATE redemption SET quantity_captured = 0 WHERE state = 1", "stock_matches_redemptions"),
    ("UPDATE wallet SET posting_seq = posting_seq + 1", "postings_are_numbered_without_gaps"),
    ("UPDATE wallet SET lot_seq = lot_seq + 1", "credits_match_their_lots"),
    ("UPDATE wallet SET event_seq = event_seq + 1", "events_are_numbered_without_gaps"),
    ("UPDATE wallet SET tier_progress = 1", "tier_progress_matches_credits"),
    ("UPDATE wallet SET tier_rank = 1", "tiers_match_their_history"),
    ("UPDATE wallet SET tier_seq = tier_seq + 1", "tiers_match_their_history"),
    ("UPDATE tier_history SET rank = 3", "tiers_match_their_history"),
    ("UPDATE tier_history SET superseded_time = known_time", "tiers_match_their_history"),
    ("DELETE FROM tier_history", "tiers_match_their_history"),
    ("UPDATE wallet SET next_expire = next_expire + 1 WHERE available > 0", "nothing_falls_due_unnoticed"),
    ("UPDATE wallet SET waived = waived + 1", "member_and_program_accounts_agree"),
    ("DELETE FROM wallet", "postings_and_lots_have_a_wallet"),
    ("DELETE FROM wallet", "wallets_and_members_belong_together"),
    ("DELETE FROM member", "wallets_and_members_belong_together"),
    ("UPDATE member SET role = 1", "wallets_and_members_belong_together"),
    ("UPDATE member SET merged_into = referred_by", "wallets_and_members_belong_together"),
    (NO_HOUSEHOLD, "wallets_and_members_belong_together"),
    ("UPDATE lot SET remaining = remaining - 1 WHERE remaining > 0", "lots_match_their_allocations"),
    ("UPDATE lot SET remaining = remaining - 1 WHERE remaining > 0", "available_and_pending_match_lots"),
    ("UPDATE lot SET pending = 1 WHERE remaining > 0", "available_and_pending_match_lots"),
    ("UPDATE lot SET expired = 1", "expired_matches_lots"),
    ("UPDATE posting SET points = points + 1 WHERE reason = 1", "wallet_totals_match_postings"),
    ("UPDATE posting SET points = points + 1 WHERE reason = 3", "postings_match_their_allocations"),
    ("UPDATE posting SET other_wallet_id = wallet_id WHERE debit = 11", "transfers_are_given_and_received"),
    ("DELETE FROM posting WHERE reason = 1", "postings_are_numbered_without_gaps"),
    ("UPDATE allocation SET points = points + 1", "lots_match_their_allocations"),
    ("UPDATE allocation SET credit = 1", "lots_match_their_allocations"),
    ("UPDATE allocation SET credit = 1", "postings_match_their_allocations"),
    ("UPDATE activity SET points = points + 1", "activities_match_their_postings"),
    ("UPDATE activity SET points_reversed = 1", "activities_match_their_postings"),
    (
        "UPDATE activity SET outstanding = '[{\"purse\":1,\"since\":0,\"points\":1}]'",
        "outstanding_was_waived",
    ),
    ("UPDATE activity SET returned_micros = 1", "tier_credits_match_activities"),
    ("UPDATE activity SET amount_micros = 1", "tier_credits_match_activities"),
    ("UPDATE tier_credit SET credits = 1", "tier_credits_match_activities"),
    ("UPDATE redemption SET points_held = 900, points_captured = 900", "redemptions_match_their_postings"),
    ("UPDATE redemption SET quantity = 2", "stock_matches_redemptions"),
    ("UPDATE reward_stock SET remaining = 0", "stock_matches_redemptions"),
    ("UPDATE reward_stock SET codes_out = 2 WHERE codes_out = 1", "codes_match_redemptions"),
    ("DELETE FROM reward_code WHERE seq = 1", "codes_match_redemptions"),
    ("DELETE FROM command WHERE method = 'RedeemReward'", "postings_name_a_recorded_command"),
    ("DELETE FROM command WHERE method = 'CreateRedemption'", "postings_name_a_recorded_command"),
    ("DELETE FROM command WHERE method = 'CaptureRedemption'", "postings_name_a_recorded_command"),
    ("DELETE FROM command WHERE method = 'RefundRedemption'", "postings_name_a_recorded_command"),
    ("DELETE FROM command WHERE method = 'MergeMembers'", "postings_name_a_recorded_command"),
    ("DELETE FROM event_log WHERE aggregate_seq = 2", "events_are_numbered_without_gaps"),
    (MORE_COINS, "wallet_totals_match_postings"),
    (MORE_COINS, "member_and_program_accounts_agree"),
    (MORE_COINS, "available_and_pending_match_lots"),
    ("UPDATE wallet SET purses = (SELECT MAX(purses) FROM wallet)", "nothing_is_left_behind"),
    ("UPDATE redemption SET purse = 0", "redemptions_match_their_postings"),
    ("UPDATE wallet SET purses = REPLACE(purses, '\"held\":0', '\"held\":1')", "held_matches_open_holds"),
    ("UPDATE wallet SET purses = ''", "wallet_totals_match_postings"),
    ("UPDATE posting SET purse = 0 WHERE purse = 1", "wallet_totals_match_postings"),
    ("UPDATE posting SET purse = 2 WHERE purse = 1", "wallet_totals_match_postings"),
    ("UPDATE posting SET purse = 0 WHERE purse = 1", "credits_match_their_lots"),
    ("UPDATE lot SET purse = 0 WHERE purse = 1", "available_and_pending_match_lots"),
    (
        "UPDATE lot SET member_id = activity_id WHERE purse = 1",
        "points_are_in_the_name_of_somebody_who_is_here",
    ),
    ("UPDATE lot SET expired = 1 WHERE purse = 1", "expired_matches_lots"),
    ("UPDATE lot SET expire_time = expire_time - 1 WHERE purse = 1", "nothing_falls_due_unnoticed"),
    ("UPDATE activity SET earned = REPLACE(earned, '2000', '2001')", "activities_match_their_postings"),
    ("UPDATE activity SET earned = ''", "activities_match_their_postings"),
    ("UPDATE program SET tier_basis = 4", "tier_credits_match_activities"),
    ("UPDATE liability_month SET issued = issued + 1, available = available + 1", LIABILITY),
    ("UPDATE liability_month SET refunded = refunded + 1, redeemed = redeemed + 1", LIABILITY),
    ("UPDATE liability_month SET purse = 2 WHERE purse = 1", LIABILITY),
    ("DELETE FROM liability_month", LIABILITY),
    ("UPDATE rolled_wallet SET since = 0, seq = seq - 1", LIABILITY),
];

/// Whoever was merged is said to be in a household that there is not.
const NO_HOUSEHOLD: &str =
    "UPDATE wallet SET role = 1; UPDATE member SET role = 1, merged_into = referred_by WHERE 1 = 1";

const LIABILITY: &str = "liability_months_match_postings";

const MORE_COINS: &str =
    "UPDATE wallet SET purses = REPLACE(purses, '\"available\":1970', '\"available\":1971')";

async fn one_row_of_each_kind(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { further_currencies: vec![coins()], ..program(PROGRAM) }).await;
    under(&client, vec![per_dollar("points", 1), of(COINS, per_dollar("coins", 2))]).await;
    create_reward(&client, "mug", 30, Some(10)).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 1_000)).await.unwrap();
    redeem(&client, redemption(&member, "mug")).await.unwrap();
    offer(&client, ("sticker", COINS), 30).await.unwrap();
    redeem(&client, redemption(&member, "sticker")).await.unwrap();
    held(&client, hold(&member, "mug", 600)).await.unwrap();
    harness::offers::offer(&client, voucher("voucher", 5)).await.unwrap();
    upload(&client, "voucher", &["A".to_owned(), "B".to_owned()], 2).await.unwrap();
    redeem(&client, redemption(&member, "voucher")).await.unwrap();
    let merged = enroll(&client, "ann").await;
    // The card holds something, which goes along with it and is captured and refunded by its other name.
    let allowance = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: merged.clone(),
        points: 40,
        reason: "goodwill".into(),
        approver: "ben".into(),
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).adjust_points(allowance).await.unwrap();
    let kept = held(&client, hold(&merged, "mug", 600)).await.unwrap().redemption.unwrap();
    merge(&client, merger(&merged, &member)).await.unwrap();
    let named = pb::Redemption { member_id: member.clone(), ..kept };
    captured(&client, capture(&named)).await.unwrap();
    refunded(&client, refund(&named, Some(10))).await.unwrap();
    let report = pb::GetLiabilityReportRequest { program_id: PROGRAM.into(), ..Default::default() };
    ReportServiceClient::new(client.clone()).get_liability_report(report).await.unwrap();
    // Every event has its position, and nothing moves meanwhile.
    house.settle().await;
    assert!(house.audit().await.sound);
    for (damage, check) in DAMAGES {
        // The damage is audited inside the transaction that is then given up.
        let outcome = house.db().transact(|tx| {
            let damage = *damage;
            async move {
                let damaged = tx.execute_unprepared(damage).await?.rows_affected();
                let tenant = loyalty::store::Tenant::new("default");
                let report = loyalty::store::audit(tx, &tenant, "").await?;
                Err::<(), _>(db::Error::Damaged(format!("{damaged} {report:?}")))
            }
            .boxed()
        });
        let report = outcome.await.unwrap_err().to_string();
        assert!(!report.contains("stored row is damaged: 0 "), "{damage} damages nothing");
        let found = report.split("Check {").find(|text| text.contains(check));
        let found = found.unwrap_or_else(|| panic!("{damage}: no {check} in {report}"));
        assert!(!found.contains("violations: 0"), "{damage} is not found by {check}: {report}");
        assert!(!report.contains("Report { imbalance: 0"), "{damage}: {report}");
    }
    house.end().await;
}

async fn what_is_not_there_is_not_sound(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 30)).await.unwrap();
    let audit = async |program_id: &str| {
        let request = pb::AuditLedgerRequest { program_id: program_id.into() };
        AuditServiceClient::new(client.clone()).audit_ledger(request).await
    };
    assert_eq!(audit(PROGRAM).await.unwrap().into_inner().totals.unwrap().issued, 30);
    assert_eq!(reason(&audit("clbu").await.unwrap_err()), "PROGRAM_NOT_FOUND");
    let target = house.target();
    let asked = move || {
        [PROGRAM, "clbu"]
            .map(|name| rapport(&["audit", "--program", name, "--target", &target]).status.code())
    };
    assert_eq!(tokio::task::spawn_blocking(asked).await.unwrap(), [Some(0), Some(1)]);
    house.end().await;
}
