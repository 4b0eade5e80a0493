//! Bad input gets a code, a reason and the field that is wrong, and changes nothing.

use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, enroll, program, purchase, reason, record,
    redeem, redemption, request_id, usd,
};
use harness::house::House;
use pb::member_service_client::MemberServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

everywhere! {
    activities_that_make_no_sense;
    texts_that_postgresql_does_not_keep;
    programs_that_make_no_sense;
    tiers_that_make_no_sense;
    strangers_are_not_found;
    messages_too_large_and_deadlines_passed;
}

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    details.map(|d| d.field_violations.into_iter().map(|v| v.field).collect()).unwrap_or_default()
}

async fn activities_that_make_no_sense(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let money =
        |currency: &str, units: i64, nanos: i32| Some(Money { currency_code: currency.into(), units, nanos });
    let with_amount = |amount: Option<Money>| {
        let mut request = purchase(&member, 1);
        request.activity.as_mut().unwrap().amount = amount;
        request
    };
    for amount in [
        None,
        money("USD", -1, 0),
        money("USD", 1, -1),
        money("USD", i64::MAX, 0),
        money("USD", 1, 1),
        money("", 1, 0),
        money("dollars", 1, 0),
    ] {
        let refused = record(&client, with_amount(amount.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{amount:?}");
        assert_eq!(fields(&refused), ["activity.amount"], "{amount:?}");
        assert_eq!(reason(&refused), "FIELDS_INVALID");
    }
    let mut torn = purchase(&member, 1);
    torn.activity.as_mut().unwrap().external_id = "order\0 17".into();
    assert_eq!(fields(&record(&client, torn).await.unwrap_err()), ["activity.external_id"]);
    let euro = record(&client, with_amount(money("EUR", 1, 0))).await.unwrap_err();
    assert_eq!((euro.code(), reason(&euro).as_str()), (Code::FailedPrecondition, "CURRENCY_MISMATCH"));
    let nonsense = pb::RecordActivityRequest {
        request_id: "1".into(),
        member_id: "anna".into(),
        activity: Some(pb::Activity { r#type: 99, ..Default::default() }),
    };
    let refused = record(&client, nonsense).await.unwrap_err();
    assert_eq!(fields(&refused), ["request_id", "member_id", "activity.type"], "all at once");
    let empty = record(&client, pb::RecordActivityRequest::default()).await.unwrap_err();
    assert_eq!(fields(&empty), ["request_id", "member_id", "activity"]);
    assert_eq!(balance_of(&client, &member).await.version, 1);
    house.end().await;
}

async fn texts_that_postgresql_does_not_keep(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let mut members = MemberServiceClient::new(client.clone());
    let torn = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    for (key, value, place) in [("shoe", "3\0", r#"["shoe"]"#), ("a\0", "1", r#"["a\0"]"#)] {
        let filter = pb::MemberFilter { attributes: torn(key, value), ..Default::default() };
        let (program_id, filter) = (PROGRAM.to_owned(), Some(filter));
        let list = pb::ListMembersRequest { program_id, filter, ..Default::default() };
        let refused = members.list_members(list.clone()).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELDS_INVALID"));
        assert_eq!(fields(&refused), [format!("filter.attributes{place}")]);
        let pb::ListMembersRequest { program_id, filter, .. } = list;
        let export = pb::ExportMembersRequest { program_id, filter, ..Default::default() };
        let refused = members.export_members(export).await.unwrap_err();
        assert_eq!(fields(&refused), [format!("filter.attributes{place}")]);
        let mut bought = purchase(&member, 1);
        bought.activity.as_mut().unwrap().attributes = torn(key, value);
        let refused = record(&client, bought).await.unwrap_err();
        assert_eq!(fields(&refused), [format!("activity.attributes{place}")]);
        let (member_id, update_mask) = (member.clone(), Some(mask("profile.attributes")));
        let profile = Some(pb::MemberProfile { attributes: torn(key, value), ..Default::default() });
        let member = Some(pb::Member { member_id, profile, ..Default::default() });
        let update = pb::UpdateMemberRequest { request_id: request_id(), member, update_mask };
        let refused = members.update_member(update).await.unwrap_err();
        assert_eq!(fields(&refused), [format!("member.profile.attributes{place}")]);
    }
    assert_eq!(balance_of(&client, &member).await.version, 1);
    house.end().await;
}

fn mask(path: &str) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: vec![path.to_owned()] }
}

fn expiring(policy: pb::expiry_policy::Policy, round_to: i32) -> Option<pb::ExpiryPolicy> {
    Some(pb::ExpiryPolicy { policy: Some(policy), round_to, sliding: false })
}

/// Two tiers by spend.
fn tiered() -> pb::Program {
    let tier = |id: &str, units: i64| pb::Tier {
        tier_id: id.into(),
        threshold: Some(usd(units, 0)),
        ..Default::default()
    };
    let tier_policy = Some(pb::TierPolicy::default());
    pb::Program { tiers: vec![tier("a", 0), tier("b", 5)], tier_policy, ..program(PROGRAM) }
}

/// The same tiers by activities.
fn tiered_by_activities() -> pb::Program {
    let tier =
        |id: &str, threshold_count| pb::Tier { tier_id: id.into(), threshold_count, ..Default::default() };
    let tier_policy = pb::TierPolicy { basis: pb::TierBasis::Activities.into(), ..Default::default() };
    pb::Program {
        tiers: vec![tier("a", 0), tier("b", 5)],
        tier_policy: Some(tier_policy),
        ..program(PROGRAM)
    }
}

async fn tiers_that_make_no_sense(house: House) {
    use pb::tier_policy::Window::{Anniversary, Lifetime, RollingMonths};
    type Change = fn(&mut pb::Program, &mut pb::TierPolicy);
    let client = house.client();
    let of_spend: [(Change, &str); 15] = [
        (|p, _| p.tiers[0].threshold = Some(usd(3, 0)), "tiers[0].threshold"),
        (|p, _| p.tiers[1].threshold = Some(usd(0, 0)), "tiers[1].threshold"),
        (|p, _| p.tiers[1].tier_id = "a".into(), "tiers[1].tier_id"),
        (|p, _| p.tiers[1].threshold = None, "tiers[1].threshold"),
        (|p, _| p.tiers[1].keep_threshold = Some(usd(6, 0)), "tiers[1].keep_threshold"),
        (|p, _| p.tiers[1].keep_count = Some(1), "tiers[1].threshold_count"),
        (|p, _| p.tiers[1].earn_percent = 99, "tiers[1].earn_percent"),
        (|p, _| p.tiers[1].reward_discount_percent = 100, "tiers[1].reward_discount_percent"),
        (|p, _| p.tiers[1].perks = vec![String::new()], "tiers[1].perks"),
        (|p, _| p.tiers[1].perks = vec!["tea".into(), "\0".into()], "tiers[1].perks[1]"),
        (|_, policy| policy.activity_types = vec![99], "tier_policy.activity_types"),
        (|_, policy| policy.window = Some(RollingMonths(121)), "tier_policy.rolling_months"),
        (|_, policy| policy.window = Some(Anniversary(false)), "tier_policy.anniversary"),
        (
            |_, policy| (policy.window, policy.warn_days) = (Some(RollingMonths(2)), 56),
            "tier_policy.warn_days",
        ),
        (
            |_, policy| (policy.window, policy.grace_days) = (Some(Lifetime(true)), 1),
            "tier_policy.grace_days",
        ),
    ];
    let of_activities: [(Change, &str); 3] = [
        (|p, _| p.tiers[1].threshold = Some(usd(1, 0)), "tiers[1].threshold"),
        (|p, _| p.tiers[1].threshold_count = 0, "tiers[1].threshold_count"),
        (|p, _| p.tiers[1].keep_count = Some(6), "tiers[1].keep_count"),
    ];
    let of_spend = of_spend.into_iter().map(|case| (tiered(), case));
    let of_activities = of_activities.into_iter().map(|case| (tiered_by_activities(), case));
    for (mut program, (change, field)) in of_spend.chain(of_activities) {
        let mut policy = program.tier_policy.take().unwrap();
        change(&mut program, &mut policy);
        program.tier_policy = Some(policy);
        assert_eq!(refused_fields(&client, program).await, [format!("program.{field}")]);
    }
    for valid in [tiered(), tiered_by_activities()] {
        let program_id = format!("{}-{}", valid.program_id, valid.tiers[1].threshold_count);
        create_program_like(&client, pb::Program { program_id, ..valid }).await;
    }
    house.end().await;
}

/// The fields for which a program is refused.
async fn refused_fields(client: &Client, program: pb::Program) -> Vec<String> {
    let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(program) };
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let refused = programs.create_program(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    fields(&refused)
}

async fn programs_that_make_no_sense(house: House) {
    use pb::expiry_policy::Policy::{Annual, RollingDays};
    let client = house.client();
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let valid = program(PROGRAM);
    let cases = [
        (pb::Program { program_id: "no spaces".into(), ..valid.clone() }, "program.program_id"),
        (pb::Program { time_zone: "Mars/Olympus".into(), ..valid.clone() }, "program.time_zone"),
        (pb::Program { money_currency_code: String::new(), ..valid.clone() }, "program.money_currency_code"),
        (pb::Program { money_currency_code: "usd".into(), ..valid.clone() }, "program.money_currency_code"),
        (
            pb::Program { expiry_policy: expiring(RollingDays(0), 0), ..valid.clone() },
            "program.expiry_policy.rolling_days",
        ),
        (
            pb::Program {
                expiry_policy: Some(pb::ExpiryPolicy { sliding: true, ..Default::default() }),
                ..valid.clone()
            },
            "program.expiry_policy.policy",
        ),
        (
            pb::Program { expiry_policy: expiring(RollingDays(1), 9), ..valid.clone() },
            "program.expiry_policy.round_to",
        ),
        (
            pb::Program {
                expiry_policy: expiring(Annual(pb::AnnualExpiry { month: 4, day: 31, years_later: 0 }), 0),
                ..valid.clone()
            },
            "program.expiry_policy.annual.day",
        ),
        (
            pb::Program {
                expiry_policy: Some(pb::ExpiryPolicy {
                    policy: Some(Annual(pb::AnnualExpiry { month: 4, day: 30, years_later: 0 })),
                    round_to: 0,
                    sliding: true,
                }),
                ..valid.clone()
            },
            "program.expiry_policy.sliding",
        ),
        (
            pb::Program {
                earning_rule: Some(pb::EarningRule { points: 1, per: Some(usd(0, 0)), version: 0 }),
                ..valid.clone()
            },
            "program.earning_rule.per",
        ),
    ];
    for (program, field) in cases {
        let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(program) };
        let refused = programs.create_program(request).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
    create_program(&client).await;
    let again = pb::CreateProgramRequest { request_id: request_id(), program: Some(valid) };
    let refused = programs.create_program(again).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "PROGRAM_EXISTS"));
    house.end().await;
}

async fn strangers_are_not_found(house: House) {
    let client = house.client();
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let named = pb::Program { display_name: "Club".into(), ..program(PROGRAM) };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".into()] });
    let rename = pb::UpdateProgramRequest { request_id: request_id(), program: Some(named), update_mask };
    let early = programs.update_program(rename.clone()).await.unwrap_err();
    assert_eq!((early.code(), reason(&early)), (Code::NotFound, "PROGRAM_NOT_FOUND".into()));
    create_program(&client).await;
    // Nothing was remembered of it.
    programs.update_program(rename).await.unwrap();
    let member = enroll(&client, "anna").await;
    let stranger = request_id();
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let mut redemptions = pb::redemption_service_client::RedemptionServiceClient::new(client.clone());
    let enrolment = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: "nowhere".into(),
        external_id: "anna".into(),
        ..Default::default()
    };
    let lookup = pb::LookupMemberRequest {
        program_id: PROGRAM.into(),
        key: Some(pb::lookup_member_request::Key::ExternalId("nobody".into())),
    };
    let balance = pb::GetBalanceRequest { member_id: stranger.clone(), ..Default::default() };
    let postings = pb::ListPostingsRequest { member_id: stranger.clone(), ..Default::default() };
    let lost = pb::GetRedemptionRequest { member_id: member.clone(), redemption_id: stranger.clone() };
    let told = [
        members.enroll_member(enrolment).await.unwrap_err(),
        members.lookup_member(lookup).await.unwrap_err(),
        members.get_member(pb::GetMemberRequest { member_id: stranger.clone() }).await.unwrap_err(),
        points.get_balance(balance).await.unwrap_err(),
        points.list_postings(postings).await.unwrap_err(),
        redemptions.get_redemption(lost).await.unwrap_err(),
        record(&client, purchase(&stranger, 1)).await.unwrap_err(),
        redeem(&client, redemption(&member, "unicorn")).await.unwrap_err(),
    ];
    let reasons = told.map(|status| {
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        reason(&status)
    });
    assert_eq!(
        reasons,
        [
            "PROGRAM_NOT_FOUND",
            "MEMBER_NOT_FOUND",
            "MEMBER_NOT_FOUND",
            "MEMBER_NOT_FOUND",
            "MEMBER_NOT_FOUND",
            "REDEMPTION_NOT_FOUND",
            "MEMBER_NOT_FOUND",
            "REWARD_NOT_FOUND"
        ]
    );
    house.end().await;
}

async fn messages_too_large_and_deadlines_passed(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let mut large = purchase(&member, 1);
    large.activity.as_mut().unwrap().external_id = "x".repeat(5 * 1024 * 1024);
    let refused = activities.record_activity(large).await.unwrap_err();
    assert_eq!(reason(&refused), "MESSAGE_TOO_LARGE", "{refused:?}");
    let mut late = Request::new(purchase(&member, 1));
    late.metadata_mut().insert("grpc-timeout", "1n".parse().unwrap());
    let refused = activities.record_activity(late).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused:?}");
    let many = (0..1_001).map(|_| purchase(&member, 1)).collect();
    let batch = pb::BatchRecordActivitiesRequest { requests: many, mode: 0 };
    let refused = activities.batch_record_activities(batch).await.unwrap_err();
    assert_eq!(fields(&refused), ["requests"]);
    assert_eq!(balance_of(&client, &member).await.version, 1);
    house.end().await;
}
