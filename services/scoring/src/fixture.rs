//! What the tests of this crate stand on: a service with a database of its own, and events for it.

use std::sync::Arc;

use ambient::{Clock, Ids, Time};
use db::sea_orm::{ConnectionTrait, Statement};
use db::{Db, Owner, Synchronous, Tenant};
use events::{Cause, Failed, Received};
use futures::FutureExt;
use prost::Message;
use proto::google::r#type::Money;
use proto::rapport::feedback::v1 as feedback;
use proto::rapport::loyalty::v1 as loyalty;
use requests::wire::timestamp;
use rpc::Principal;
use tempfile::TempDir;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::domain::Profile;
use crate::store::profiles;
use crate::{Deps, Migrator, Service, build};

/// When the tests begin: an hour, a day and a year.
pub(crate) const START: Time = Time::from_micros(1_767_225_600_000_000);
/// Whose rows most tests are about.
pub(crate) const TENANT: &str = "acme";
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// A service with its database.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) service: Service,
    _dir: TempDir,
}

impl House {
    pub(crate) async fn open() -> House {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scoring.sqlite");
        std::fs::File::create(&file).unwrap();
        let settings = db::Settings::Sqlite { file, synchronous: Synchronous::Normal };
        let db = Box::pin(Db::connect(&settings)).await.unwrap();
        db::migrate::<Migrator>(&db).await.unwrap();
        let clock = Clock::manual(START);
        let deps = Deps { db: db.clone(), clock: clock.clone(), ids: Ids::Random };
        let service = build(deps).await.unwrap();
        House { db, clock, service, _dir: dir }
    }

    /// Applies events as the event library does. An error is the event's position and what is wrong with it.
    pub(crate) async fn apply(&self, events: &[Received]) -> Result<(), String> {
        let handler = self.service.handler();
        let events: Arc<[Received]> = events.into();
        let applied = self.db.transact(move |tx| {
            let (apply, events) = (handler.apply.clone(), events.clone());
            async move { apply(tx, &events).await.map_err(told) }.boxed()
        });
        applied.await.map_err(|error| error.to_string())
    }

    /// What is known of a customer.
    pub(crate) async fn profile(&self, tenant: &str, customer: u128) -> Option<Profile> {
        let owner = Owner::new(&Tenant::new(tenant), Uuid::from_u128(customer));
        profiles::find(self.db.reader(), &owner).await.unwrap().unwrap()
    }

    /// Every row of the tables that are made from observations, in the order of their keys.
    pub(crate) async fn derived(&self) -> Vec<String> {
        let profile = "bucket, tenant_id, hex(customer_id), enroll_time, first_purchase_time, \
            last_purchase_time, purchase_count, spend, visit_count, activity_count, nps, nps_time, \
            hex(nps_fact_id), csat, csat_time, hex(csat_fact_id), answer_count, dismissed_count, \
            cases_opened_count, cases_resolved_count, tier_id, tier_rank, tier_time, tier_order_key, \
            hex(tier_fact_id), redemption_count, points_spent, order_key";
        let histogram = "tenant_id, series, dimension, slot_hours, slot, value, b0, b1, b2, b3, b4, b5, b6, \
            b7, b8, b9, b10";
        let watermark = "tenant_id, order_key";
        let mut rows = Vec::new();
        for (table, columns) in [("profile", profile), ("histogram", histogram), ("watermark", watermark)] {
            let joined = columns.split(", ").collect::<Vec<_>>().join(" || '|' || ");
            let sql = format!("SELECT '{table}|' || {joined} AS line FROM {table} ORDER BY line");
            rows.extend(self.lines(&sql).await);
        }
        rows
    }

    /// The column `line` of every row that a statement finds.
    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let statement = Statement::from_string(self.db.backend(), sql);
        let rows = self.db.reader().query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get("", "line").unwrap()).collect()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> usize {
        self.lines(&format!("SELECT 'x' AS line FROM {table}")).await.len()
    }
}

fn told(failed: Failed) -> db::Error {
    match failed.cause {
        Cause::Refused(told) => db::Error::Settings(format!("{} {told}", failed.index)),
        Cause::Database(error) => error,
    }
}

/// Numbers that look drawn and are the same in every run.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % bound
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as i64)).unwrap()]
    }
}

pub(crate) fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

/// The moment so many microseconds after the start.
pub(crate) fn at(micros: i64) -> Option<prost_types::Timestamp> {
    Some(timestamp(START.plus_micros(micros)))
}

/// An event of [`TENANT`]; events with the same number are the same event.
pub(crate) fn event(n: u128, kind: &str, payload: &impl Message) -> Received {
    Received {
        source: "anywhere".into(),
        event_id: Uuid::from_u128(n),
        tenant_id: TENANT.into(),
        aggregate_id: Uuid::from_u128(1),
        aggregate_seq: i64::try_from(n).unwrap(),
        kind: kind.into(),
        order_key: START.micros() + i64::try_from(n).unwrap(),
        traceparent: String::new(),
        payload: payload.encode_to_vec(),
    }
}

/// A member bought something for so many millionths of a euro.
pub(crate) fn purchase(n: u128, member: u128, micros: i64, amount_micros: i64) -> Received {
    let nanos = i32::try_from(amount_micros % 1_000_000).unwrap() * 1_000;
    let amount = Money { currency_code: "EUR".into(), units: amount_micros / 1_000_000, nanos };
    let payload = loyalty::ActivityRecorded {
        member_id: id(member),
        program_id: "club".into(),
        activity_id: id(n),
        r#type: loyalty::ActivityType::Purchase.into(),
        occurred_time: at(micros),
        amount: Some(amount),
    };
    event(n, "rapport.loyalty.v1.ActivityRecorded", &payload)
}

/// Feedback with these answers; of nobody known if the customer is 0.
pub(crate) fn submitted(
    n: u128,
    customer: u128,
    micros: i64,
    ratings: &[(feedback::RatingScale, i32)],
) -> feedback::FeedbackSubmitted {
    let rating = |(scale, value): &(feedback::RatingScale, i32)| feedback::Rating {
        question_id: "q".into(),
        scale: (*scale).into(),
        value: *value,
    };
    feedback::FeedbackSubmitted {
        feedback_id: id(n),
        customer_id: if customer == 0 { String::new() } else { id(customer) },
        channel: feedback::Channel::SurveyWeb.into(),
        status: feedback::ResponseStatus::Answered.into(),
        answer_time: at(micros),
        ratings: ratings.iter().map(rating).collect(),
        ..feedback::FeedbackSubmitted::default()
    }
}

/// Its event.
pub(crate) fn feedback_event(n: u128, payload: &feedback::FeedbackSubmitted) -> Received {
    event(n, "rapport.feedback.v1.FeedbackSubmitted", payload)
}

/// A history of everything that is listened to, of a few customers and places over four days.
pub(crate) fn history(draw: &mut Draw, from: u128, length: u128) -> Vec<Received> {
    (from..from + length).map(|n| any_event(draw, n)).collect()
}

fn any_event(draw: &mut Draw, n: u128) -> Received {
    use feedback::RatingScale as S;
    let customer = u128::try_from(1 + draw.below(9)).unwrap();
    let micros = draw.below(96 * HOUR) - 48 * HOUR;
    let event = match draw.below(10) {
        0..=2 => purchase(n, customer, micros, draw.below(90_000_000)),
        3..=5 => {
            let customer = if draw.below(4) == 0 { 0 } else { customer };
            let drawn = [
                (S::Nps, i32::try_from(draw.below(11)).unwrap()),
                (S::Csat, 1 + i32::try_from(draw.below(5)).unwrap()),
                (S::CesHighIsEasy, 1 + i32::try_from(draw.below(7)).unwrap()),
            ];
            let first = usize::try_from(draw.below(4)).unwrap();
            let mut payload = submitted(n, customer, micros, &drawn[first..]);
            payload.branch_id = draw.of(&["", "north", "south"]).into();
            payload.touchpoint = draw.of(&["delivery", "checkout"]).into();
            if draw.below(5) == 0 {
                payload.status = feedback::ResponseStatus::Dismissed.into();
            }
            feedback_event(n, &payload)
        }
        6 => opened(n, customer, micros),
        7 => resolved(n, customer, micros),
        8 => tier_changed(n, customer, micros, draw.of(&["", "base", "gold"])),
        _ => redeemed(n, customer, 1 + draw.below(500)),
    };
    let tenant_id = draw.of(&[TENANT, TENANT, "other"]).to_owned();
    Received { tenant_id, ..event }
}

/// A case was opened.
pub(crate) fn opened(n: u128, customer: u128, micros: i64) -> Received {
    let payload = feedback::CaseOpened {
        case_id: id(n),
        customer_id: id(customer),
        open_time: at(micros),
        ..feedback::CaseOpened::default()
    };
    event(n, "rapport.feedback.v1.CaseOpened", &payload)
}

/// A case ended.
pub(crate) fn resolved(n: u128, customer: u128, micros: i64) -> Received {
    let payload = feedback::CaseResolved {
        case_id: id(n),
        customer_id: id(customer),
        resolve_time: at(micros),
        ..feedback::CaseResolved::default()
    };
    event(n, "rapport.feedback.v1.CaseResolved", &payload)
}

/// Another tier took effect.
pub(crate) fn tier_changed(n: u128, wallet: u128, micros: i64, tier: &str) -> Received {
    let payload = loyalty::TierChanged {
        wallet_id: id(wallet),
        to_tier_id: tier.into(),
        to_rank: i32::try_from(tier.len()).unwrap(),
        effective_time: at(micros),
        ..loyalty::TierChanged::default()
    };
    event(n, "rapport.loyalty.v1.TierChanged", &payload)
}

/// A member spent points.
pub(crate) fn redeemed(n: u128, member: u128, points: i64) -> Received {
    let payload = loyalty::RewardRedeemed {
        member_id: id(member),
        redemption_id: id(n),
        reward_id: "mug".into(),
        quantity: 1,
        points,
        ..loyalty::RewardRedeemed::default()
    };
    event(n, "rapport.loyalty.v1.RewardRedeemed", &payload)
}

/// A call of somebody of a tenant.
pub(crate) fn call<T>(tenant: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let principal = Principal { tenant: Arc::from(tenant), subject: Arc::from("somebody") };
    request.extensions_mut().insert(principal);
    request
}

/// The reason and the fields of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, Vec<(String, String)>) {
    use tonic_types::StatusExt;
    let details = answer.expect_err("it is refused").get_error_details();
    let reason = details.error_info().expect("an ErrorInfo").reason.clone();
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (reason, fields.into_iter().map(|f| (f.field, f.description)).collect())
}
