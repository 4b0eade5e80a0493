//! Puts the service together from its parts.

use std::path::PathBuf;
use std::time::Duration;

use ambient::{Clock, Ids};
use db::Db;
use proto::rapport::notification::v1 as pb;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::consume;
use crate::domain::Channel;
use crate::rpc::Api;
use crate::send::Sender;

/// How the service works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that messages are appended to, beside the inbox; none if there is no such channel.
    pub file_sink: Option<PathBuf>,
    /// Pause between looks for deliveries that nobody announced.
    pub send_pause: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { file_sink: None, send_pause: Duration::from_secs(1) }
    }
}

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its database, migrated.
    pub db: Db,
    /// Business time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: Ids,
}

/// The running service. Clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    api: Api,
    sender: Option<Sender>,
    stop: CancellationToken,
    workers: TaskTracker,
}

/// Starts the service: its worker runs from here on.
///
/// # Errors
/// That the database refused, or `Settings` if the file of messages cannot be used.
pub async fn build(settings: Settings, deps: Deps) -> Result<Service, db::Error> {
    let Deps { db, clock, ids } = deps;
    let pages = requests::page_tokens(&db, &ids).await?;
    let open = |path: &PathBuf| {
        let told = |e| db::Error::Settings(format!("message file {} cannot be used: {e}", path.display()));
        Sender::open(path, db.clone(), &ids).map_err(told)
    };
    let sender = settings.file_sink.as_ref().map(open).transpose()?;
    let api = Api { db, clock, pages };
    let service = Service { api, sender, stop: CancellationToken::new(), workers: TaskTracker::new() };
    if let Some(sender) = service.sender() {
        service.workers.spawn(sender.run(settings.send_pause, service.stop.clone()));
    }
    Ok(service)
}

impl Service {
    /// Adds its gRPC services to `routes`.
    pub fn add_to(&self, routes: Routes) -> Routes {
        /// The same limit for every service.
        macro_rules! limited {
            ($server:path) => {
                <$server>::new(self.api.clone()).max_decoding_message_size(rpc::MESSAGE_BYTES_MAX)
            };
        }
        routes
            .add_service(limited!(pb::template_service_server::TemplateServiceServer<Api>))
            .add_service(limited!(pb::notification_service_server::NotificationServiceServer<Api>))
            .add_service(limited!(pb::inbox_service_server::InboxServiceServer<Api>))
    }

    /// The full names of its gRPC services, for health.
    pub fn names() -> Vec<String> {
        proto::services_of("rapport.notification.v1")
    }

    /// What it does with the events of other services.
    pub fn handler(&self) -> events::Handler {
        let mut channels = vec![Channel::InApp];
        channels.extend(self.sender.as_ref().map(|_| Channel::File));
        let sender = self.sender.clone();
        let applied = move || {
            if let Some(sender) = &sender {
                sender.wake();
            }
        };
        consume::handler(self.api.clock.clone(), channels, applied)
    }

    /// The worker that hands messages over to the file, to be driven by hand; none without a file.
    pub fn sender(&self) -> Option<Sender> {
        self.sender.clone()
    }

    #[cfg(test)]
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// What seals its page tokens.
    pub fn pages(&self) -> rpc::PageTokens {
        self.api.pages.clone()
    }

    /// True if it can answer.
    pub async fn is_ready(&self) -> bool {
        self.api.db.is_ready().await
    }

    /// Ends background work; calls and events go on.
    pub async fn stop_workers(&self) {
        self.stop.cancel();
        self.workers.close();
        self.workers.wait().await;
    }

    /// Hands over what the last events left, once; whatever is still queued then waits for the next start.
    pub async fn close(&self) {
        if let Some(sender) = &self.sender
            && let Err(error) = sender.run_once().await
        {
            tracing::warn!(%error, "the last messages could not be handed over; they stay queued");
        }
    }
}
