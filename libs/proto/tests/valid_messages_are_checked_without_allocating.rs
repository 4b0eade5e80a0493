//! The check of a valid message costs no memory. Alone in its file, as the allocator counts for the whole
//! process.

use std::alloc::System;

use proto::rapport::loyalty::v1::{
    Activity, ActivityType, BatchRecordActivitiesRequest, RecordActivityRequest,
};
use proto::rapport::loyalty::v1::{CreateProgramRequest, EarningRule, PointCurrency, Program};
use rapport_proto as proto;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const UUID: &str = "7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68";

/// The fewest allocations of a few runs: other threads of the test runner may allocate now and then.
fn allocations<T: proto::Validate>(message: &T) -> usize {
    proto::check(message).expect("it is valid");
    let count = || {
        let region = Region::new(ALLOCATOR);
        proto::check(message).expect("it is valid");
        region.change().allocations
    };
    (0..10).map(|_| count()).min().unwrap_or(usize::MAX)
}

#[test]
fn valid_messages_are_checked_without_allocating() {
    let activity =
        Activity { r#type: ActivityType::Visit.into(), external_id: "é".repeat(200), ..Activity::default() };
    let request =
        RecordActivityRequest { request_id: UUID.into(), member_id: UUID.into(), activity: Some(activity) };
    assert_eq!(allocations(&BatchRecordActivitiesRequest { requests: vec![request; 1000], mode: 0 }), 0);

    let program = Program {
        program_id: "coffee-2026".into(),
        money_currency_code: "EUR".into(),
        point_currency: Some(PointCurrency { code: "beans".into(), ..PointCurrency::default() }),
        earning_rule: Some(EarningRule {
            points: 1,
            per: Some(Default::default()),
            ..EarningRule::default()
        }),
        ..Program::default()
    };
    assert_eq!(allocations(&CreateProgramRequest { request_id: UUID.into(), program: Some(program) }), 0);
}
