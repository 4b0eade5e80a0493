//! A service of this process, whichever it is.

use db::Db;
use events::{Bell, Handler, State};
use rpc::PageTokens;
use tonic::service::Routes;

use super::{Plan, Role, ServicePlan, Store};
use crate::Failure;

/// A running service. Clones share it.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Feedback(feedback::Service),
    Scoring(scoring::Service),
    Loyalty(loyalty::Service),
    Notification(notification::Service),
}

impl Part {
    /// Makes the service of a role on its database; `bell` is rung when it leaves events.
    pub(super) async fn build(
        role: Role,
        plan: &Plan,
        wanted: &ServicePlan,
        db: &Db,
        bell: Bell,
    ) -> Result<Part, Failure> {
        let (db, clock, ids) = (db.clone(), plan.clock.clone(), plan.ids.clone());
        Ok(match role {
            Role::Feedback => Part::Feedback(feedback::build(feedback::Deps { db, clock, ids, bell }).await?),
            Role::Scoring => Part::Scoring(scoring::build(scoring::Deps { db, clock, ids }).await?),
            Role::Loyalty => {
                let lanes = match &wanted.store {
                    Store::Embedded { .. } => 1,
                    Store::Service { .. } => wanted.lanes,
                };
                let settings = loyalty::Settings { lanes, ..loyalty::Settings::default() };
                let cache = wanted.store.cache()?;
                let deps = loyalty::Deps { db, cache, clock, ids, bell };
                Part::Loyalty(loyalty::build(settings, deps).await?)
            }
            Role::Notification => {
                let file_sink = wanted.file_sink.clone();
                let settings = notification::Settings { file_sink, ..notification::Settings::default() };
                let deps = notification::Deps { db, clock, ids };
                Part::Notification(notification::build(settings, deps).await?)
            }
        })
    }

    /// How the service of a role tells everything that it knows, if it leaves events.
    pub(super) fn state(role: Role, db: &Db) -> Option<State> {
        match role {
            Role::Feedback => Some(feedback::state(db)),
            Role::Loyalty => Some(loyalty::state(db)),
            Role::Scoring | Role::Notification => None,
        }
    }

    /// What it does with the events of others, if it takes any.
    pub(super) fn handler(&self) -> Option<Handler> {
        match self {
            Part::Feedback(_) | Part::Loyalty(_) => None,
            Part::Scoring(service) => Some(service.handler()),
            Part::Notification(service) => Some(service.handler()),
        }
    }

    pub(super) fn add_to(&self, routes: Routes) -> Routes {
        match self {
            Part::Feedback(service) => service.add_to(routes),
            Part::Scoring(service) => service.add_to(routes),
            Part::Loyalty(service) => service.add_to(routes),
            Part::Notification(service) => service.add_to(routes),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Part::Feedback(_) => feedback::Service::names(),
            Part::Scoring(_) => scoring::Service::names(),
            Part::Loyalty(_) => loyalty::Service::names(),
            Part::Notification(_) => notification::Service::names(),
        }
    }

    pub(super) fn pages(&self) -> PageTokens {
        match self {
            Part::Feedback(service) => service.pages(),
            Part::Scoring(service) => service.pages(),
            Part::Loyalty(service) => service.pages(),
            Part::Notification(service) => service.pages(),
        }
    }

    pub(super) async fn is_ready(&self) -> bool {
        match self {
            Part::Feedback(service) => service.is_ready().await,
            Part::Scoring(service) => service.is_ready().await,
            Part::Loyalty(service) => service.is_ready().await,
            Part::Notification(service) => service.is_ready().await,
        }
    }

    /// Ends background work; calls and events go on.
    pub(super) async fn stop_workers(&self) {
        match self {
            Part::Feedback(_) | Part::Scoring(_) => {}
            Part::Loyalty(service) => service.stop_workers().await,
            Part::Notification(service) => service.stop_workers().await,
        }
    }

    /// Finishes what is under way.
    pub(super) async fn close(&self) {
        match self {
            Part::Scoring(_) => {}
            Part::Feedback(service) => service.close().await,
            Part::Loyalty(service) => service.close().await,
            Part::Notification(service) => service.close().await,
        }
    }
}
