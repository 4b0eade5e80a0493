//! What the tests of this crate stand on: a service with a database of its own, and events for it.

use std::path::PathBuf;
use std::sync::Arc;

use ambient::{Clock, Ids, Time};
use db::{Db, Synchronous};
use events::{Cause, Failed, Received};
use futures::FutureExt;
use prost::Message;
use proto::rapport::loyalty::v1 as loyalty;
use proto::rapport::notification::v1 as pb;
use rpc::Principal;
use tempfile::TempDir;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::store::{Owner, Tenant};
use crate::{Deps, Migrator, Service, Settings, build};

/// When the tests begin.
pub(crate) const START: Time = Time::from_micros(1_767_225_600_000_000);
/// Whose rows most tests are about.
pub(crate) const TENANT: &str = "acme";

/// A service whose worker is driven by hand.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) service: Service,
    dir: TempDir,
}

impl House {
    /// A service without a file.
    pub(crate) async fn open() -> House {
        House::started(tempfile::tempdir().unwrap(), false).await
    }

    /// A service that appends to [`House::file`].
    pub(crate) async fn with_file() -> House {
        House::started(tempfile::tempdir().unwrap(), true).await
    }

    async fn started(dir: TempDir, file: bool) -> House {
        let database = dir.path().join("notification.sqlite");
        std::fs::OpenOptions::new().create(true).append(true).open(&database).unwrap();
        let settings = db::Settings::Sqlite { file: database, synchronous: Synchronous::Normal };
        let db = Box::pin(Db::connect(&settings)).await.unwrap();
        db::migrate::<Migrator>(&db).await.unwrap();
        let clock = Clock::manual(START);
        let deps = Deps { db: db.clone(), clock: clock.clone(), ids: Ids::Random };
        let file_sink = file.then(|| dir.path().join("messages.jsonl"));
        let service = build(Settings { file_sink, ..Settings::default() }, deps).await.unwrap();
        service.stop_workers().await;
        House { db, clock, service, dir }
    }

    /// The same service after its process was killed and started again.
    pub(crate) async fn restarted(self) -> House {
        let House { db, service, dir, .. } = self;
        drop(service);
        db.close().await;
        House::started(dir, true).await
    }

    /// The file that messages are appended to.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("messages.jsonl")
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

    /// The number of rows of a table, as the database counts them.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        use db::sea_orm::{ConnectionTrait, Statement};
        let sql = format!("SELECT COUNT(*) AS n FROM {table}");
        let statement = Statement::from_string(self.db.backend(), sql);
        let row = self.db.reader().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// Runs a statement beside the service.
    pub(crate) async fn execute(&self, sql: &'static str) {
        use db::sea_orm::ConnectionTrait;
        let run = self
            .db
            .transact(move |tx| async move { Ok(tx.execute_unprepared(sql).await.map(|_| ())?) }.boxed());
        run.await.unwrap();
    }
}

fn told(failed: Failed) -> db::Error {
    match failed.cause {
        Cause::Refused(told) => db::Error::Settings(format!("{} {told}", failed.index)),
        Cause::Database(error) => error,
    }
}

/// The recipient with this number, of [`TENANT`].
pub(crate) fn recipient(n: u128) -> Owner {
    Owner::new(&Tenant::new(TENANT), Uuid::from_u128(n))
}

/// An event of [`TENANT`]; events with the same number are the same event.
pub(crate) fn event(n: u128, kind: &str, payload: &impl Message) -> Received {
    Received {
        source: "loyalty".into(),
        event_id: Uuid::from_u128(n),
        tenant_id: TENANT.into(),
        aggregate_id: Uuid::from_u128(1),
        aggregate_seq: 1,
        kind: kind.into(),
        order_key: 1,
        traceparent: String::new(),
        payload: payload.encode_to_vec(),
    }
}

/// Somebody redeemed a mug for 10 points.
pub(crate) fn redeemed(n: u128, member: u128) -> Received {
    let payload = loyalty::RewardRedeemed {
        member_id: Uuid::from_u128(member).to_string(),
        program_id: "club".into(),
        redemption_id: Uuid::from_u128(n).to_string(),
        reward_id: "mug".into(),
        quantity: 1,
        points: 10,
        available: 90,
        ..loyalty::RewardRedeemed::default()
    };
    event(n, "rapport.loyalty.v1.RewardRedeemed", &payload)
}

/// A tier changed from one position to another.
pub(crate) fn tier_changed(n: u128, wallet: u128, from_rank: i32, to_rank: i32) -> Received {
    let payload = loyalty::TierChanged {
        wallet_id: Uuid::from_u128(wallet).to_string(),
        from_tier_id: "base".into(),
        to_tier_id: "gold".into(),
        from_rank,
        to_rank,
        ..loyalty::TierChanged::default()
    };
    event(n, "rapport.loyalty.v1.TierChanged", &payload)
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

/// A version of a template with one variable of a tenant's own, `name`.
pub(crate) fn template(template_id: &str, subject: &str, body: &str) -> pb::Template {
    let value = Some(pb::template_variable::Value::Text("Ann".into()));
    let own = crate::domain::Shipped::from_id(template_id).is_none();
    let variables = own.then(|| pb::TemplateVariable { name: "name".into(), value });
    pb::Template {
        template_id: template_id.into(),
        subject: subject.into(),
        body: body.into(),
        variables: variables.into_iter().collect(),
        ..pb::Template::default()
    }
}

/// The reason and the fields of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, Vec<(String, String)>) {
    use tonic_types::StatusExt;
    let details = answer.expect_err("it is refused").get_error_details();
    let reason = details.error_info().expect("an ErrorInfo").reason.clone();
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (reason, fields.into_iter().map(|f| (f.field, f.description)).collect())
}
