//! A server with one scripted method, and a client without any cleverness.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proto::rapport::loyalty::v1::audit_service_client::AuditServiceClient;
use proto::rapport::loyalty::v1::audit_service_server::{AuditService, AuditServiceServer};
use proto::rapport::loyalty::v1::{
    AuditLedgerRequest, AuditLedgerResponse, ListRequestsRequest, ListRequestsResponse,
};
use rpc::Problem;
use rpc::client::Client;
use rpc::server::{Readiness, Running, Settings};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) const SERVICE: &str = "rapport.loyalty.v1.AuditService";
pub(crate) const DESCRIPTORS: &[&[u8]] = &[proto::FILE_DESCRIPTOR_SET];

pub(crate) type Answer = Result<Response<AuditLedgerResponse>, Status>;
type Script = dyn Fn(Request<AuditLedgerRequest>) -> BoxFuture<'static, Answer> + Send + Sync;

pub(crate) struct Scripted(Arc<Script>);

#[tonic::async_trait]
impl AuditService for Scripted {
    async fn audit_ledger(&self, request: Request<AuditLedgerRequest>) -> Answer {
        (self.0)(request).await
    }

    async fn list_requests(
        &self,
        _: Request<ListRequestsRequest>,
    ) -> Result<Response<ListRequestsResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

pub(crate) fn routes<F>(script: impl Fn(Request<AuditLedgerRequest>) -> F + Send + Sync + 'static) -> Routes
where
    F: Future<Output = Answer> + Send + 'static,
{
    let scripted = Scripted(Arc::new(move |request| Box::pin(script(request))));
    let service = AuditServiceServer::new(scripted).max_decoding_message_size(rpc::MESSAGE_BYTES_MAX);
    Routes::new(service)
}

pub(crate) fn settings() -> Settings {
    Settings::new(any_port(), any_port())
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) async fn serve<F>(
    settings: &Settings,
    script: impl Fn(Request<AuditLedgerRequest>) -> F + Send + Sync + 'static,
) -> Running
where
    F: Future<Output = Answer> + Send + 'static,
{
    let bound = rpc::server::bind(settings, DESCRIPTORS).unwrap();
    let readiness = Readiness::new(|| async { true });
    bound.serve(routes(script), &[SERVICE.to_owned()], readiness).await.unwrap()
}

pub(crate) fn ok() -> Answer {
    Ok(Response::new(AuditLedgerResponse::default()))
}

/// Sends headers as they are: tonic's own channel acts on some of them.
pub(crate) type Http = HttpClient<HttpConnector, Body>;

pub(crate) fn http() -> Http {
    HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http()
}

pub(crate) fn bare(running: &Running) -> AuditServiceClient<Http> {
    let origin = format!("http://{}", running.rpc_addr).parse().unwrap();
    AuditServiceClient::with_origin(http(), origin)
}

pub(crate) fn request() -> Request<AuditLedgerRequest> {
    Request::new(AuditLedgerRequest::default())
}

pub(crate) fn with_header(name: &'static str, value: &'static str) -> Request<AuditLedgerRequest> {
    let mut request = request();
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

pub(crate) fn reason(status: &Status) -> String {
    assert!(status.get_details_error_info().is_some(), "no ErrorInfo in {status:?}");
    Problem::from_status(status).reason.into_owned()
}

/// With all the cleverness of ours.
pub(crate) fn client(running: &Running) -> AuditServiceClient<Client> {
    let target = format!("http://{}", running.rpc_addr);
    AuditServiceClient::new(Client::lazy(&target, rpc::client::Settings::new(DESCRIPTORS)).unwrap())
}
