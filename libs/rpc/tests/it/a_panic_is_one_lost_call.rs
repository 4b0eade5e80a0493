//! A panic costs one call its answer, and nobody else anything.

use std::sync::Arc;
use std::sync::Mutex;

use tonic::Code;

use crate::support::{bare, ok, reason, request, serve, settings};

#[tokio::test]
async fn a_panic_is_internal_and_the_connection_lives() {
    let callers = Arc::new(Mutex::new(Vec::new()));
    let seen = callers.clone();
    let running = serve(&settings(), move |request| {
        let first = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.remote_addr().unwrap());
            seen.len() == 1
        };
        async move {
            assert!(!first, "a bug about customer 4711");
            ok()
        }
    })
    .await;
    let mut client = bare(&running);
    let status = client.audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Internal, "INTERNAL"));
    assert!(status.message().starts_with("internal error, trace "), "{}", status.message());
    assert!(!format!("{status:?}").contains("4711"));
    client.audit_ledger(request()).await.unwrap();
    let callers = callers.lock().unwrap();
    assert_eq!(callers[0], callers[1], "the second call came over another connection");
}

#[tokio::test]
async fn a_panic_in_a_mutation_is_internal() {
    let running = serve(&settings(), |request| async move {
        let mutation = async { panic!("in the middle of a change") };
        rpc::run_to_completion(request.extensions(), mutation).await?
    })
    .await;
    let status = bare(&running).audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Internal, "INTERNAL"));
}
