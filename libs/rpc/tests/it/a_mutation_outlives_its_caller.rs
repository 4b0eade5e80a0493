//! A mutation, once begun, ends, whatever becomes of its caller.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tonic::Code;

use crate::support::{bare, ok, reason, request, serve, settings};

struct Tell(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[tokio::test]
async fn a_mutation_ends_though_its_caller_vanished_and_keeps_its_place_until_then() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let mut settings = settings();
    (settings.in_flight_max, settings.queue_max) = (1, 0);
    let mut running = serve(&settings, move |request| {
        let (tell, released) = (tell.clone(), released.clone());
        async move {
            let _handler = Tell(tell.clone(), "handler gone");
            let mutation = async move {
                let _ = tell.send("begun");
                released.notified().await;
                let _ = tell.send("ended");
            };
            rpc::run_to_completion(request.extensions(), mutation).await?;
            ok()
        }
    })
    .await;
    let mut client = bare(&running);
    let call = tokio::spawn(async move { client.audit_ledger(request()).await });
    assert_eq!(told.recv().await, Some("begun"));
    call.abort();
    assert_eq!(told.recv().await, Some("handler gone"));

    let status = bare(&running).audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Unavailable, "OVERLOADED"));

    release.notify_one();
    assert_eq!(told.recv().await, Some("ended"));
    assert!(running.drain().await);
}

#[tokio::test]
async fn a_server_that_closes_waits_for_mutations_whose_callers_are_gone() {
    let begun = Arc::new(Notify::new());
    let told = begun.clone();
    let mut settings = settings();
    settings.drain = Duration::from_millis(50);
    let mut running = serve(&settings, move |request| {
        let told = told.clone();
        async move {
            let mutation = async move {
                told.notify_one();
                std::future::pending().await
            };
            rpc::run_to_completion(request.extensions(), mutation).await?
        }
    })
    .await;
    let mut client = bare(&running);
    let call = tokio::spawn(async move { client.audit_ledger(request()).await });
    begun.notified().await;
    call.abort();
    assert!(!running.drain().await, "the server closed over a mutation");
}
