//! Over a real socket: what breaks a rule or cannot be decoded is answered before any handler runs.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BufMut as _;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::activity_service_client::ActivityServiceClient;
use proto::rapport::loyalty::v1::activity_service_server::{ActivityService, ActivityServiceServer};
use proto::rapport::loyalty::v1::{
    Activity, ActivityType, BatchRecordActivitiesRequest, BatchRecordActivitiesResponse,
    RecordActivityRequest, RecordActivityResponse,
};
use rapport_proto as proto;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

type Result = std::result::Result<(), Box<dyn Error>>;

const UUID: &str = "7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68";

/// Counts the calls that reach it.
#[derive(Clone, Default)]
struct Handler(Arc<AtomicUsize>);

impl Handler {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[tonic::async_trait]
impl ActivityService for Handler {
    async fn record_activity(
        &self,
        _: Request<RecordActivityRequest>,
    ) -> std::result::Result<Response<RecordActivityResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(RecordActivityResponse { replayed: true, ..RecordActivityResponse::default() }))
    }

    async fn batch_record_activities(
        &self,
        _: Request<BatchRecordActivitiesRequest>,
    ) -> std::result::Result<Response<BatchRecordActivitiesResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(BatchRecordActivitiesResponse::default()))
    }

    async fn confirm_activity(
        &self,
        _: Request<pb::ConfirmActivityRequest>,
    ) -> std::result::Result<Response<pb::ConfirmActivityResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Default::default()))
    }

    async fn cancel_activity(
        &self,
        _: Request<pb::CancelActivityRequest>,
    ) -> std::result::Result<Response<pb::CancelActivityResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Default::default()))
    }

    async fn reverse_activity(
        &self,
        _: Request<pb::ReverseActivityRequest>,
    ) -> std::result::Result<Response<pb::ReverseActivityResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Default::default()))
    }

    async fn get_activity(
        &self,
        _: Request<pb::GetActivityRequest>,
    ) -> std::result::Result<Response<pb::GetActivityResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Default::default()))
    }

    async fn list_activities(
        &self,
        _: Request<pb::ListActivitiesRequest>,
    ) -> std::result::Result<Response<pb::ListActivitiesResponse>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Default::default()))
    }
}

async fn serve() -> std::result::Result<(Handler, Channel), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let handler = Handler::default();
    let service = ActivityServiceServer::new(handler.clone());
    let server = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    Ok((handler, Channel::from_shared(format!("http://{address}"))?.connect().await?))
}

fn valid() -> RecordActivityRequest {
    let activity = Activity { r#type: ActivityType::Visit.into(), ..Activity::default() };
    RecordActivityRequest { request_id: UUID.into(), member_id: UUID.into(), activity: Some(activity) }
}

/// The fields that a refusal names, after a look at everything else it must carry.
fn refused_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("FIELDS_INVALID", "rapport.loyalty"));
    let listed = &details.bad_request().expect("a BadRequest").field_violations;
    listed.iter().map(|one| one.field.clone()).collect()
}

#[tokio::test]
async fn a_valid_request_reaches_the_handler() -> Result {
    let (handler, channel) = serve().await?;
    let response = ActivityServiceClient::new(channel).record_activity(valid()).await?;
    assert!(response.into_inner().replayed);
    assert_eq!(handler.calls(), 1);
    Ok(())
}

#[tokio::test]
async fn an_invalid_request_is_answered_with_all_violations() -> Result {
    let (handler, channel) = serve().await?;
    let mut client = ActivityServiceClient::new(channel);
    let mut request = valid();
    request.request_id = "mine".into();
    request.activity.get_or_insert_default().r#type = 99;
    request.activity.get_or_insert_default().external_id = "x".repeat(201);
    let status = client.record_activity(request).await.expect_err("it is invalid");
    assert_eq!(refused_fields(&status), ["request_id", "activity.type", "activity.external_id"]);
    assert!(status.message().starts_with("request_id: must be a UUID"), "{}", status.message());
    assert!(status.message().ends_with("(and 2 more)"), "{}", status.message());

    let status = client.record_activity(RecordActivityRequest::default()).await.expect_err("it is empty");
    assert_eq!(refused_fields(&status), ["request_id", "member_id", "activity"]);
    assert_eq!(handler.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_fits_into_the_headers_of_every_client() -> Result {
    let (handler, channel) = serve().await?;
    let requests = vec![RecordActivityRequest::default(); 1001];
    let batch = BatchRecordActivitiesRequest { requests, mode: 0 };
    let status =
        ActivityServiceClient::new(channel).batch_record_activities(batch).await.expect_err("it is empty");
    let fields = refused_fields(&status);
    assert_eq!(fields[..3], ["requests", "requests[0].request_id", "requests[0].member_id"]);
    assert!(status.message().ends_with("(and 3003 more)"), "{}", status.message());
    // Base64 makes four characters of three bytes; the strictest clients stop at 8192 bytes of headers.
    let header_bytes = status.details().len() / 3 * 4 + status.message().len();
    assert!(fields.len() > 40 && header_bytes < 7168, "{} fields, {header_bytes} bytes", fields.len());
    assert_eq!(handler.calls(), 0);
    Ok(())
}

/// Sends bytes as they are.
#[derive(Default)]
struct Raw<U>(PhantomData<U>);

impl<U> Encoder for Raw<U> {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> std::result::Result<(), Status> {
        target.put_slice(&item);
        Ok(())
    }
}

impl Codec for Raw<RecordActivityResponse> {
    type Encode = Vec<u8>;
    type Decode = RecordActivityResponse;
    type Encoder = Self;
    type Decoder = <proto::Codec<RecordActivityRequest, RecordActivityResponse> as Codec>::Decoder;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        proto::Codec::<RecordActivityRequest, _>::default().decoder()
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_the_connection_lives_on() -> Result {
    let (handler, channel) = serve().await?;
    let mut raw = tonic::client::Grpc::new(channel.clone());
    // 0x7b opens a group of a field that the schema does not know, within a group, and so on.
    for bytes in [b"\xff".to_vec(), b"\x0a\x05abc".to_vec(), vec![0x7b; 1_000_000]] {
        raw.ready().await?;
        let path = "/rapport.loyalty.v1.ActivityService/RecordActivity".parse()?;
        let sent = raw.unary(Request::new(bytes), path, Raw::<RecordActivityResponse>::default()).await;
        let status = sent.expect_err("it is malformed");
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!((status.code(), info.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    }
    assert_eq!(handler.calls(), 0);
    ActivityServiceClient::new(channel).record_activity(valid()).await?;
    Ok(())
}
