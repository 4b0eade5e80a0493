//! The model's commands and policies as calls of the running service.

use ambient::Time;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::{self, balance, program, request_id, timestamp, usd};
use crate::goodwill::{self, Purse};
use crate::model::{Do, Policy, Release, Returns, Standing, Told, Totals};
use crate::model_caps::{Anew, Cap};
use crate::model_life::Lasts;
use crate::model_purses::Shop;
use crate::model_tiers::{Falls, Later, Span, Tiers};
use crate::orders::{self, Order};
use crate::reward_client::{self, Redemptions};

/// The code of the further currency of a shop.
pub const COINS: &str = "coins";

/// Creates the program of a shop, and what it offers. Its tiers change on the next day, if they do.
pub async fn create_shop(client: &Client, program_id: &str, shop: &Shop) {
    create(client, program_id, shop).await;
    for (n, offer) in shop.rewards.iter().enumerate() {
        reward_client::offer(client, program_id, n, offer).await;
    }
    let tiers = shop.purses[0].tiers;
    let Some(Later { dollars, falls, grace_days, .. }) = tiers.later else { return };
    let policy = Policy { tiers: Tiers { dollars, falls, grace_days, ..tiers }, ..shop.purses[0] };
    let mut program = program_message(program_id, policy);
    if shop.by_credits {
        count_credits(&mut program, dollars);
    }
    calls::update_program(client, program, &["tiers", "tier_policy"]).await.expect("the tiers change");
}

/// Thresholds as so many credits, one for each cent.
fn count_credits(program: &mut pb::Program, dollars: &[i64]) {
    program.tier_policy.as_mut().expect("a policy").basis = pb::TierBasis::Credits.into();
    for (tier, dollars) in program.tiers.iter_mut().zip([0].iter().chain(dollars)) {
        (tier.threshold, tier.threshold_count) = (None, dollars * 100);
    }
}

async fn create(client: &Client, program_id: &str, shop: &Shop) {
    let program = program_message(program_id, shop.purses[0]);
    let currency = |code: &str| pb::FurtherCurrency { code: code.into(), ..Default::default() };
    let coins = shop
        .purses
        .get(1)
        .map(|policy| pb::FurtherCurrency { expiry_policy: expiry(policy), ..currency(COINS) });
    let status = shop
        .by_credits
        .then(|| pb::FurtherCurrency { kind: pb::CurrencyKind::Qualifying.into(), ..currency("status") });
    let further_currencies: Vec<_> = coins.into_iter().chain(status).collect();
    if further_currencies.is_empty() && shop.purses[0].cap.is_none() {
        calls::create_program_like(client, program).await;
        return;
    }
    let mut program = pb::Program { further_currencies, earning_rule: None, ..program };
    if shop.by_credits {
        count_credits(&mut program, shop.purses[0].tiers.dollars);
    }
    calls::create_program_like(client, program).await;
    let rule = |code: &str, points: i64, per: Money, most: Option<Cap>| pb::Rule {
        rule_id: format!("purchases-{code}"),
        point_currency_code: code.into(),
        activity_types: vec![pb::ActivityType::Purchase.into()],
        effect: Some(pb::rule::Effect::PointsPerAmount(pb::PointsPerAmount {
            points,
            per: Some(per),
            ..Default::default()
        })),
        caps: most.iter().map(cap).collect(),
        ..Default::default()
    };
    let codes = ["", COINS].into_iter().zip(&shop.purses);
    let mut rules: Vec<_> =
        codes.map(|(code, policy)| rule(code, policy.points_per_dollar, usd(1, 0), policy.cap)).collect();
    rules.extend(shop.by_credits.then(|| rule("status", 1, usd(0, 1), None)));
    activate(client, pb::RuleSet { program_id: program_id.into(), rules, ..Default::default() }).await;
}

/// Lets rules hold from now on.
async fn activate(client: &Client, rules: pb::RuleSet) {
    let mut service = pb::rule_service_client::RuleServiceClient::new(client.clone());
    let (program_id, rule_set) = (rules.program_id.clone(), Some(rules));
    let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set };
    let draft = service.create_rule_set(request).await.expect("a draft").into_inner();
    let version = draft.rule_set.expect("a rule set").version;
    let request =
        pb::ActivateRuleSetRequest { request_id: request_id(), program_id, version, start_time: None };
    service.activate_rule_set(request).await.expect("the rules hold");
}

fn cap(cap: &Cap) -> pb::Cap {
    let period = match cap.anew {
        Anew::Purchase => pb::CapPeriod::Activity,
        Anew::Day => pb::CapPeriod::Day,
        Anew::Month => pb::CapPeriod::Month,
        Anew::Never => pb::CapPeriod::Lifetime,
    };
    let overflow = if cap.rejects { pb::CapOverflow::Reject } else { pb::CapOverflow::Cap };
    let owner = if cap.of_program { pb::CapOwner::Program } else { pb::CapOwner::Member };
    pb::Cap {
        points_max: cap.points,
        owner: owner.into(),
        period: period.into(),
        overflow: overflow.into(),
        budget_id: String::new(),
    }
}

fn expiry(policy: &Policy) -> Option<pb::ExpiryPolicy> {
    use pb::expiry_policy::Policy as Until;
    let number = |n: u32| i32::try_from(n).expect("a small number");
    let life = match policy.life.lasts {
        Lasts::Endless => return None,
        Lasts::Days(days) => Until::RollingDays(i32::try_from(days).expect("days")),
        Lasts::Months(months) => Until::RollingMonths(number(months)),
        Lasts::Until(month, day, years_later) => Until::Annual(pb::AnnualExpiry {
            month: number(month),
            day: number(day),
            years_later: number(years_later),
        }),
    };
    let period = policy.life.rounded.map(|months| match months {
        1 => pb::ExpiryPeriod::Month,
        3 => pb::ExpiryPeriod::Quarter,
        _ => pb::ExpiryPeriod::Year,
    });
    let round_to = period.unwrap_or_default().into();
    Some(pb::ExpiryPolicy { policy: Some(life), round_to, sliding: policy.sliding })
}

/// A program with this policy.
fn program_message(program_id: &str, policy: Policy) -> pb::Program {
    use pb::release_policy::Policy as When;
    let when = match policy.release {
        Release::AtOnce => None,
        Release::AfterDays(days) => Some(When::AfterDays(i32::try_from(days).expect("days"))),
        Release::OnConfirmation => Some(When::OnConfirmation(true)),
    };
    let tier = |(n, dollars): (usize, &i64)| pb::Tier {
        tier_id: format!("tier-{n}"),
        threshold: Some(usd(*dollars, 0)),
        ..Default::default()
    };
    pb::Program {
        earning_rule: Some(pb::EarningRule {
            points: policy.points_per_dollar,
            per: Some(usd(1, 0)),
            version: 0,
        }),
        expiry_policy: expiry(&policy),
        release_policy: when.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: match policy.returns {
            Returns::OnlyPending => pb::ReturnPolicy::OnlyPending.into(),
            Returns::WithinBalance => pb::ReturnPolicy::WithinBalance.into(),
            Returns::Unlimited => pb::ReturnPolicy::Unlimited.into(),
        },
        tiers: [0].iter().chain(policy.tiers.dollars).enumerate().map(tier).collect(),
        tier_policy: Some(tier_policy(policy.tiers)),
        redemption_policy: Some(pb::RedemptionPolicy {
            max_hold_seconds: 2_592_000,
            late_refund_policy: match policy.grace_days {
                None => pb::LateRefundPolicy::Expire.into(),
                Some(_) => pb::LateRefundPolicy::Grace.into(),
            },
            late_refund_grace_days: i32::try_from(policy.grace_days.unwrap_or(0)).expect("days"),
        }),
        ..program(program_id)
    }
}

fn tier_policy(tiers: Tiers) -> pb::TierPolicy {
    use pb::tier_policy::Window;
    pb::TierPolicy {
        window: Some(match tiers.span {
            Span::CalendarYear => Window::CalendarYear(true),
            Span::Anniversary => Window::Anniversary(true),
            Span::Months(months) => Window::RollingMonths(i32::try_from(months).expect("months")),
            Span::Lifetime => Window::Lifetime(true),
        }),
        downgrade: match tiers.falls {
            Falls::Recalculate => pb::TierDowngrade::Recalculate.into(),
            Falls::OneDown => pb::TierDowngrade::OneDown.into(),
            Falls::Never => pb::TierDowngrade::Never.into(),
        },
        grace_days: i32::try_from(tiers.grace_days).expect("days"),
        ..Default::default()
    }
}

/// The code of a purse's currency; empty: the main one.
pub fn code(purse: usize) -> String {
    if purse == 0 { String::new() } else { COINS.to_owned() }
}

/// Calls the service and returns what it told of each currency, or of the one that it was asked about, with
/// the balance after it of that one, or of the main one.
///
/// # Panics
/// If it refuses as the model never does.
pub async fn call(
    client: &Client,
    request_id: &str,
    member_id: &str,
    (purse, command): (usize, Do),
    redemptions: &Redemptions,
) -> (Vec<Told>, Option<pb::Balance>) {
    let (request_id, member_id) = (request_id.to_owned(), member_id.to_owned());
    let asked = if command.names_currency() {
        let asked = ask_of(client, request_id, member_id, (purse, command), redemptions).await;
        asked.map(|(told, balance)| (vec![told], balance))
    } else {
        ask(client, request_id, member_id, command).await
    };
    asked.unwrap_or_else(|status| (vec![Told::Refused(known(&status))], None))
}

fn known(status: &Status) -> &'static str {
    let reason = calls::reason(status);
    let reasons = [
        "ACTIVITY_EXISTS",
        "ACTIVITY_NOT_FOUND",
        "ACTIVITY_OVER",
        "ACTIVITY_RELEASED",
        "RETURN_EXCEEDS_ACTIVITY",
        "INSUFFICIENT_POINTS",
        "REWARD_PRICE_NOT_FOUND",
        "LIMIT_REACHED",
        "OUT_OF_STOCK",
        "AMOUNT_REQUIRED",
        "NO_PAYMENT_RATE",
        "EXPIRES_IN_PAST",
        "REDEMPTION_NOT_FOUND",
        "ALREADY_CAPTURED",
        "ALREADY_VOIDED",
        "HOLD_EXPIRED",
        "HOLD_ENDS",
        "NOT_CAPTURED",
        "CAPTURE_EXCEEDS_HOLD",
        "REFUND_EXCEEDS_REDEMPTION",
        "MEMBER_SUSPENDED",
        "MEMBER_CLOSED",
    ];
    reasons.into_iter().find(|known| *known == reason).unwrap_or_else(|| panic!("unexpected: {status:?}"))
}

async fn ask(
    client: &Client,
    request_id: String,
    member_id: String,
    command: Do,
) -> Result<(Vec<Told>, Option<pb::Balance>), Status> {
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let money = |cents: i64| usd(cents / 100, i32::try_from(cents % 100).expect("cents"));
    match command {
        // The service settles by itself; a list asks for it.
        Do::Settle => {
            let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
            points
                .list_lots(pb::ListLotsRequest { member_id: member_id.clone(), ..Default::default() })
                .await?;
            let request = pb::GetBalanceRequest { member_id, ..Default::default() };
            let told = balance(client, request).await?;
            Ok((vec![Told::Done; 1 + told.further_balances.len()], told.balance))
        }
        Do::Become(to) => {
            let (told, version) = change(client, (request_id, member_id), to).await?;
            Ok((told, Some(pb::Balance { version, ..Default::default() })))
        }
        Do::Buy { key, cents, at } => {
            let activity = pb::Activity {
                r#type: pb::ActivityType::Purchase.into(),
                amount: Some(money(cents)),
                occurred_time: Some(timestamp(Time::from_micros(at))),
                external_id: orders::external_id(key),
                ..Default::default()
            };
            let request = pb::RecordActivityRequest { request_id, member_id, activity: Some(activity) };
            let done = activities.record_activity(request).await?.into_inner();
            let activity = done.activity.expect("an activity");
            let further = activity.further_points.iter().map(|earned| Told::Earned(earned.points));
            Ok(([Told::Earned(activity.points)].into_iter().chain(further).collect(), done.balance))
        }
        Do::Confirm(key) => {
            let (released, balance) = orders::confirm(client, Order { request_id, member_id, key }).await?;
            Ok((released.into_iter().map(Told::Released).collect(), balance))
        }
        Do::Cancel(key) => {
            let (back, balance) = orders::cancel(client, Order { request_id, member_id, key }).await?;
            Ok((back.iter().map(told_back).collect(), balance))
        }
        Do::Return(key, part) => {
            let order = Order { request_id, member_id, key };
            let (back, balance) = orders::take_back(client, order, part.map(money)).await?;
            Ok((back.iter().map(told_back).collect(), balance))
        }
        _ => {
            panic!("{command:?} is not about all currencies")
        }
    }
}

/// Tells how many points of each currency were forfeited, and the version of the wallet after it.
async fn change(
    client: &Client,
    (request_id, member_id): (String, String),
    to: Standing,
) -> Result<(Vec<Told>, i64), Status> {
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let get = pb::GetBalanceRequest { member_id: member_id.clone(), ..Default::default() };
    let reason = String::new();
    let (main, further, token) = match to {
        Standing::Active => {
            let request = pb::ReactivateMemberRequest { request_id, member_id, reason };
            (0, Vec::new(), members.reactivate_member(request).await?.into_inner().read_token)
        }
        Standing::Suspended => {
            let request = pb::SuspendMemberRequest { request_id, member_id, reason };
            (0, Vec::new(), members.suspend_member(request).await?.into_inner().read_token)
        }
        Standing::Closed => {
            let request = pb::CloseMemberRequest { request_id, member_id, reason };
            let done = members.close_member(request).await?.into_inner();
            (done.points_forfeited, done.further_points_forfeited, done.read_token)
        }
    };
    let codes = balance(client, get).await?.further_balances.into_iter().map(|of| of.currency_code);
    let of = |code: String| further.iter().find(|of| of.currency_code == code).map_or(0, |of| of.points);
    let told = [main].into_iter().chain(codes.map(of)).map(Told::Points).collect();
    let version = token.rsplit('-').next().and_then(|version| version.parse().ok());
    Ok((told, version.expect("a token ends with the version")))
}

async fn ask_of(
    client: &Client,
    request_id: String,
    member_id: String,
    (purse, command): (usize, Do),
    redemptions: &Redemptions,
) -> Result<(Told, Option<pb::Balance>), Status> {
    if command.wish().is_some() {
        return reward_client::have(client, request_id, member_id, command, redemptions).await;
    }
    if command.held().is_some() {
        return reward_client::go_on(client, request_id, member_id, command, redemptions).await;
    }
    let purse = Purse { request_id, member_id, currency_code: code(purse) };
    let told = |(points, balance)| (Told::Points(points), balance);
    match command {
        Do::Adjust(points) => Ok((Told::Done, goodwill::adjust(client, purse, points).await?.1)),
        Do::Extend(before, to) => {
            let moments = (Time::from_micros(before), Time::from_micros(to));
            goodwill::extend(client, purse, moments).await.map(told)
        }
        Do::Reinstate(since) => goodwill::reinstate(client, purse, Time::from_micros(since)).await.map(told),
        _ => panic!("{command:?} is no goodwill"),
    }
}

fn told_back(r: &pb::Reversal) -> Told {
    let taken = [r.points_from_pending, r.points_from_available];
    Told::Back([r.points_owed, taken[0], taken[1], r.points_in_arrears, r.points_waived])
}

/// The totals of a balance.
pub fn totals_in(b: &pb::Balance) -> Totals {
    let spent = [b.redeemed, b.expired, b.adjusted, b.waived, b.held];
    let [redeemed, expired, adjusted, waived, held] = spent;
    let owed = (b.arrears, b.issued, b.reversed);
    [b.pending, b.available, owed.0, owed.1, owed.2, redeemed, expired, adjusted, waived, held]
}
