//! A bare tonic server that answers every balance with the same one: what gRPC itself costs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use futures::stream::BoxStream;
use proto::rapport::loyalty::v1 as pb;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

struct Echo {
    answer: pb::GetBalanceResponse,
}

/// The answer has the size of a real one.
fn answer() -> pb::GetBalanceResponse {
    let balance = pb::Balance {
        currency_code: "points".into(),
        available: 100_123,
        issued: 100_456,
        redeemed: 333,
        next_expire_time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 123_456_000 }),
        version: 12_345,
        ..Default::default()
    };
    let usd = |units: i64| Some(harness::calls::usd(units, 50));
    let tier = pb::TierStatus {
        tier_id: "platinum".into(),
        rank: 4,
        end_time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        progress: usd(100_123),
        to_stay: usd(0),
        ..Default::default()
    };
    pb::GetBalanceResponse {
        member_id: harness::calls::named("member"),
        wallet_id: harness::calls::named("member"),
        balance: Some(balance),
        tier: Some(tier),
        read_token: "1-01234567-12345".into(),
        further_balances: Vec::new(),
    }
}

#[tonic::async_trait]
impl pb::points_service_server::PointsService for Echo {
    type ExportPostingsStream = BoxStream<'static, Result<pb::ExportPostingsResponse, Status>>;
    type ExportLotsStream = BoxStream<'static, Result<pb::ExportLotsResponse, Status>>;

    async fn get_balance(
        &self,
        _: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        Ok(Response::new(self.answer.clone()))
    }

    async fn get_tier_history(
        &self,
        _: Request<pb::GetTierHistoryRequest>,
    ) -> Result<Response<pb::GetTierHistoryResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn list_postings(
        &self,
        _: Request<pb::ListPostingsRequest>,
    ) -> Result<Response<pb::ListPostingsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn list_lots(
        &self,
        _: Request<pb::ListLotsRequest>,
    ) -> Result<Response<pb::ListLotsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn export_postings(
        &self,
        _: Request<pb::ExportPostingsRequest>,
    ) -> Result<Response<Self::ExportPostingsStream>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn export_lots(
        &self,
        _: Request<pb::ExportLotsRequest>,
    ) -> Result<Response<Self::ExportLotsStream>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn adjust_points(
        &self,
        _: Request<pb::AdjustPointsRequest>,
    ) -> Result<Response<pb::AdjustPointsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn extend_expiry(
        &self,
        _: Request<pb::ExtendExpiryRequest>,
    ) -> Result<Response<pb::ExtendExpiryResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn reinstate_points(
        &self,
        _: Request<pb::ReinstatePointsRequest>,
    ) -> Result<Response<pb::ReinstatePointsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn transfer_points(
        &self,
        _: Request<pb::TransferPointsRequest>,
    ) -> Result<Response<pb::TransferPointsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }

    async fn batch_adjust_points(
        &self,
        _: Request<pb::BatchAdjustPointsRequest>,
    ) -> Result<Response<pb::BatchAdjustPointsResponse>, Status> {
        Err(Status::unimplemented("this server echoes balances"))
    }
}

/// Runs until killed; says its address first.
pub(crate) async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    std::io::stdout().flush().expect("a flushed address");
    let sockets = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |socket| {
        socket.inspect(|socket| socket.set_nodelay(true).expect("nodelay"))
    });
    let service = pb::points_service_server::PointsServiceServer::new(Echo { answer: answer() });
    let server = tonic::transport::Server::builder().add_service(service).serve_with_incoming(sockets);
    server.await.expect("the echo server runs");
}

/// The echo server as a process of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) target: String,
}

impl Server {
    pub(crate) fn start() -> Server {
        let this = std::env::current_exe().expect("a path");
        let mut child = Command::new(this).arg("--echo").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a piped output"));
        output.read_line(&mut line).expect("an address");
        Server { child, target: format!("http://{}", line.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
