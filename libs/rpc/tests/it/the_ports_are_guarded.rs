//! The ports take no more than they can, and no strangers.

use std::time::Duration;

use rpc::server::{Error, bind};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{DESCRIPTORS, bare, ok, request, serve, settings};

#[tokio::test]
async fn an_address_in_use_is_one_clear_line() {
    let first = bind(&settings(), DESCRIPTORS).unwrap();
    let mut second = settings();
    second.listen = first.rpc_addr();
    let error = bind(&second, DESCRIPTORS).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} is already in use", first.rpc_addr())), "{error}");
    assert!(error.contains("--listen"), "{error}");
    second = settings();
    second.ops_listen = first.ops_addr();
    assert!(bind(&second, DESCRIPTORS).unwrap_err().to_string().contains("--ops-listen"));
}

#[tokio::test]
async fn without_authentication_only_this_machine_may_call() {
    let mut settings = settings();
    settings.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(bind(&settings, DESCRIPTORS), Err(Error::Open(_))));
    settings.insecure = true;
    assert!(bind(&settings, DESCRIPTORS).is_ok());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let mut settings = settings();
    settings.handshake_max = Duration::from_millis(10);
    let running = serve(&settings, |_| async { ok() }).await;
    let mut silent = TcpStream::connect(running.rpc_addr).await.unwrap();
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_work() {
    let mut settings = settings();
    (settings.connections_max, settings.handshake_max) = (1, Duration::from_secs(3_600));
    let running = serve(&settings, |_| async { ok() }).await;
    let mut client = bare(&running);
    client.audit_ledger(request()).await.unwrap();
    let mut second = TcpStream::connect(running.rpc_addr).await.unwrap();
    assert_eq!(second.read(&mut [0; 64]).await.unwrap(), 0);
    client.audit_ledger(request()).await.unwrap();
}
