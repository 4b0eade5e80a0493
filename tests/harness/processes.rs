//! The four services as four processes on PostgreSQL and Redis.

use std::time::Duration;

use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::event_log_service_client::EventLogServiceClient;
use rpc::client::Client;
use suite::compose::Role;

use crate::house::client;
use crate::process::Process;
use crate::servers::{Postgres, Redis};

/// How long events may take to arrive, on a busy machine.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// Four running processes.
pub struct Processes {
    running: Vec<(Role, Process, String)>,
}

impl Processes {
    /// Starts them on fresh databases, with these variables in their environments.
    pub async fn start(environment: &[(&str, &str)]) -> Processes {
        Processes::start_on(Postgres::start(), Redis::start().url(), environment).await
    }

    /// As [`Processes::start`], on these servers.
    pub async fn start_on(postgres: &Postgres, redis_url: &str, environment: &[(&str, &str)]) -> Processes {
        let mut processes = Processes { running: Vec::new() };
        // Who takes events first: the others are told where it takes them.
        for role in [Role::Scoring, Role::Notification, Role::Feedback, Role::Loyalty] {
            let url = postgres.fresh_database().await;
            Process::migrate_service(role.name(), &url);
            let subscribers = processes.subscribers_of(role);
            let subscribers = subscribers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let environment: Vec<(&str, &str)> = subscribers.chain(environment.iter().copied()).collect();
            let redis = ["--redis-url", redis_url];
            let flags = if role == Role::Loyalty { &redis[..] } else { &[] };
            processes.running.push((role, Process::service(role, &url, flags, &environment), url));
        }
        processes
    }

    fn subscribers_of(&self, role: Role) -> Vec<(String, String)> {
        if !role.leaves_events() {
            return Vec::new();
        }
        let subscribers = self.running.iter().filter(|(other, ..)| other.takes_events());
        let variable =
            |other: Role| format!("RAPPORT__{}__SUBSCRIBERS__{}", role.name(), other.name()).to_uppercase();
        subscribers
            .map(|(other, process, _)| (variable(*other), format!("http://{}", process.events())))
            .collect()
    }

    /// One of them, to kill it.
    pub fn of(&mut self, role: Role) -> &mut Process {
        let found = self.running.iter_mut().find(|(other, ..)| *other == role);
        found.map(|(_, process, _)| process).expect("all four are there")
    }

    /// Where the data of one of them is.
    pub fn database_url(&self, role: Role) -> &str {
        let found = self.running.iter().find(|(other, ..)| *other == role);
        found.map(|(.., url)| url.as_str()).expect("all four are there")
    }

    /// Where one of them answers.
    pub fn target(&self, role: Role) -> String {
        let found = self.running.iter().find(|(other, ..)| *other == role);
        found.map(|(_, process, _)| process.target()).expect("all four are there")
    }

    /// A client of one of them.
    pub async fn client(&self, role: Role) -> Client {
        client(&self.target(role)).await
    }

    /// Resolves when every event is applied; a process that has just started asks first where its
    /// subscribers stand.
    pub async fn settled(&self) {
        for role in Role::ALL.into_iter().filter(|role| role.leaves_events()) {
            applied(&self.client(role).await, 2).await;
        }
    }

    /// SIGTERM to each; all must end well.
    pub fn terminate(self) {
        for (_, process, _) in self.running.into_iter().rev() {
            process.terminate();
        }
    }
}

/// A suite in as many processes as it is run in.
pub enum Shape {
    /// Four, on PostgreSQL and Redis.
    Four(Processes),
    /// One, embedded.
    One(Box<Process>),
}

impl Shape {
    /// The process of a service.
    pub fn of(&mut self, role: Role) -> &mut Process {
        match self {
            Shape::Four(processes) => processes.of(role),
            Shape::One(process) => process,
        }
    }

    /// A client of a service.
    pub async fn client(&self, role: Role) -> Client {
        match self {
            Shape::Four(processes) => processes.client(role).await,
            Shape::One(process) => client(&process.target()).await,
        }
    }

    /// Resolves when every event is applied.
    pub async fn settled(&self) {
        match self {
            Shape::Four(processes) => processes.settled().await,
            // One process tells of both logs.
            Shape::One(process) => applied(&client(&process.target()).await, 4).await,
        }
    }

    /// SIGTERM to each process; all must end well.
    pub fn terminate(self) {
        match self {
            Shape::Four(processes) => processes.terminate(),
            Shape::One(process) => process.terminate(),
        }
    }
}

/// Resolves when every event of a process is applied by as many subscribers.
pub async fn applied(source: &Client, subscribers: usize) {
    let mut service = EventLogServiceClient::new(source.clone());
    let asking = async {
        loop {
            let asked = service.list_subscriptions(pb::ListSubscriptionsRequest {}).await;
            let answer = asked.expect("an answer").into_inner();
            assert_eq!(answer.subscriptions.len(), subscribers);
            let stands_still =
                |s: &pb::Subscription| s.buckets_unknown + s.buckets_diverged + s.buckets_truncated > 0;
            let idle = |s: &pb::Subscription| s.lag == 0 && s.buckets == 64 && !stands_still(s);
            if answer.pending == 0 && answer.subscriptions.iter().all(idle) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SETTLE_MAX, asking).await.expect("every event is applied");
}
