//! What the tests of this crate stand on: a service with a database of its own, and calls to it.

use std::sync::Arc;

use ambient::{Clock, Ids, Time};
use db::sea_orm::{ConnectionTrait, Statement};
use db::{Db, Synchronous};
use events::Bell;
use proto::rapport::feedback::v1 as pb;
use rpc::Principal;
use tempfile::TempDir;
use tonic::{Request, Status};

use crate::{Deps, Migrator, Service, build};

/// When the tests begin.
pub(crate) const START: Time = Time::from_micros(1_767_225_600_000_000);
/// Whose rows most tests are about.
pub(crate) const TENANT: &str = "acme";

/// A service with a clock that is moved by hand.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) service: Service,
    _dir: TempDir,
}

impl House {
    pub(crate) async fn open() -> House {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("feedback.sqlite");
        std::fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        let settings = db::Settings::Sqlite { file, synchronous: Synchronous::Normal };
        let db = Box::pin(Db::connect(&settings)).await.unwrap();
        db::migrate::<Migrator>(&db).await.unwrap();
        let clock = Clock::manual(START);
        let deps = Deps { db: db.clone(), clock: clock.clone(), ids: Ids::Random, bell: Bell::default() };
        House { db, clock, service: build(deps).await.unwrap(), _dir: dir }
    }

    /// The number of rows of a table, as the database counts them.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let statement =
            Statement::from_string(self.db.backend(), format!("SELECT COUNT(*) AS n FROM {table}"));
        let row = self.db.reader().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// The kinds of all events of a history, in its order, without their package.
    pub(crate) async fn history(&self, aggregate_id: &str) -> Vec<String> {
        let sql = "SELECT kind, aggregate_id FROM event ORDER BY aggregate_seq";
        let rows =
            self.db.reader().query_all_raw(Statement::from_string(self.db.backend(), sql)).await.unwrap();
        let of = |row: &db::sea_orm::QueryResult| {
            row.try_get::<uuid::Uuid>("", "aggregate_id").unwrap().to_string()
        };
        let rows = rows.iter().filter(|row| of(row) == aggregate_id);
        rows.map(|row| {
            let kind: String = row.try_get("", "kind").unwrap();
            kind.rsplit('.').next().unwrap().to_owned()
        })
        .collect()
    }
}

/// A call of somebody of a tenant.
pub(crate) fn call<T>(tenant: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let principal = Principal { tenant: Arc::from(tenant), subject: Arc::from("somebody") };
    request.extensions_mut().insert(principal);
    request
}

/// A new request id.
pub(crate) fn request_id() -> String {
    Ids::Random.v4().to_string()
}

/// A survey answer of a customer, with one answer on a scale.
pub(crate) fn survey(submission_id: &str, customer: &str, value: pb::answer::Value) -> pb::Feedback {
    let id = pb::customer::Id::ExternalId(customer.into());
    pb::Feedback {
        source_id: "shop".into(),
        submission_id: submission_id.into(),
        channel: pb::Channel::SurveyWeb.into(),
        customer: (!customer.is_empty()).then_some(pb::Customer { id: Some(id) }),
        answers: vec![pb::Answer { question_id: "overall".into(), value: Some(value) }],
        ..pb::Feedback::default()
    }
}

/// The reason and the fields of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, Vec<String>) {
    use tonic_types::StatusExt;
    let details = answer.expect_err("it is refused").get_error_details();
    let reason = details.error_info().expect("an ErrorInfo").reason.clone();
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (reason, fields.into_iter().map(|f| f.field).collect())
}
