//! Clients try again where that is safe, and not for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto::rapport::loyalty::v1::audit_service_client::AuditServiceClient;
use rpc::Problem;
use rpc::client::{Client, Error, Settings};
use rpc::server::Running;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::{Code, Status};

use crate::support::{Answer, DESCRIPTORS, any_port, ok, reason, request, serve, settings};

fn hasty() -> Settings {
    let mut settings = Settings::new(DESCRIPTORS);
    settings.backoff = Duration::from_millis(1);
    settings
}

async fn counting(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (Running, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let running = serve(&settings(), move |_| {
        let answer = answer(counted.fetch_add(1, Ordering::SeqCst));
        async { answer }
    })
    .await;
    (running, calls)
}

fn unavailable() -> Status {
    Problem::unavailable("test", "BUSY", "later").retry_after(Duration::from_millis(2)).into()
}

async fn client(running: &Running, settings: Settings) -> AuditServiceClient<Client> {
    let target = format!("http://{}", running.rpc_addr);
    AuditServiceClient::new(Client::connect(&target, settings).await.unwrap())
}

#[tokio::test]
async fn a_server_that_was_unavailable_twice_is_asked_a_third_time() {
    let (running, calls) = counting(|n| if n < 2 { Err(unavailable()) } else { ok() }).await;
    client(&running, hasty()).await.audit_ledger(request()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_that_stays_unavailable_is_soon_asked_once_per_call() {
    let (running, calls) = counting(|_| Err(unavailable())).await;
    let mut client = client(&running, hasty()).await;
    let mut attempts = Vec::new();
    for _ in 0..4 {
        let before = calls.load(Ordering::SeqCst);
        let status = client.audit_ledger(request()).await.unwrap_err();
        assert_eq!((status.code(), &*reason(&status)), (Code::Unavailable, "BUSY"));
        attempts.push(calls.load(Ordering::SeqCst) - before);
    }
    assert_eq!(attempts, [4, 1, 1, 1]);
}

#[tokio::test]
async fn a_refusal_that_would_be_repeated_is_not_asked_for_again() {
    for code in [Code::Internal, Code::Aborted, Code::ResourceExhausted, Code::DeadlineExceeded] {
        let (running, calls) = counting(move |_| Err(Status::new(code, "no"))).await;
        let status = client(&running, hasty()).await.audit_ledger(request()).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let later =
        || Problem::unavailable("test", "BUSY", "later").retry_after(Duration::from_secs(3_600)).into();
    let (running, calls) = counting(move |_| Err(later())).await;
    let status = client(&running, hasty()).await.audit_ledger(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_is_replaced() {
    let (running, calls) = counting(|_| ok()).await;
    let proxy = TcpListener::bind(any_port()).await.unwrap();
    let target = format!("http://{}", proxy.local_addr().unwrap());
    let server = running.rpc_addr;
    tokio::spawn(async move {
        let (mut broken, _) = proxy.accept().await.unwrap();
        broken.read_exact(&mut [0; 100]).await.unwrap();
        drop(broken);
        let (mut inbound, _) = proxy.accept().await.unwrap();
        let mut outbound = TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
    });
    let mut client = AuditServiceClient::new(Client::lazy(&target, hasty()).unwrap());
    client.audit_ledger(request()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_went_away_is_found_again() {
    let (mut running, _) = counting(|_| ok()).await;
    let mut client = client(&running, hasty()).await;
    client.audit_ledger(request()).await.unwrap();
    assert!(running.drain().await);
    let mut again = settings();
    again.listen = running.rpc_addr;
    let _second = serve(&again, |_| async { ok() }).await;
    client.audit_ledger(request()).await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_one_clear_line() {
    // Bound and not listening: no other test can get the port.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind(any_port()).unwrap();
    let target = format!("http://{}", reserved.local_addr().unwrap());
    let error = Client::connect(&target, hasty()).await.unwrap_err();
    let line = format!("no Rapport server answers at {target}; start one with `rapport all`");
    assert_eq!(error.to_string(), line);
    let mut lazy = AuditServiceClient::new(Client::lazy(&target, hasty()).unwrap());
    let status = lazy.audit_ledger(request()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), &*reason(&status)),
        (Code::Unavailable, &*line, "UNREACHABLE")
    );
    assert!(matches!(Client::lazy("localhost", hasty()), Err(Error::Target { .. })));
}

#[tokio::test]
async fn a_call_without_an_answer_ends_with_the_right_code() {
    let running = serve(&settings(), |_| std::future::pending()).await;
    let mut settings = hasty();
    settings.deadline = Duration::from_millis(20);
    let status = client(&running, settings).await.audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}
