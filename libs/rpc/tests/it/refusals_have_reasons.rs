//! Every refusal has a code, a reason and its values.

use proto::rapport::loyalty::v1::AuditLedgerRequest;
use rpc::Problem;
use tonic::{Code, Request, Status};

use crate::support::{SERVICE, bare, http, ok, reason, request, serve, settings};

#[tokio::test]
async fn a_refusal_crosses_the_wire_with_all_its_details() {
    let refusal = || {
        Problem::precondition("rapport.test", "INSUFFICIENT_POINTS", "40 points are missing")
            .with("missing", 40)
            .subject("member/7")
    };
    let running = serve(&settings(), move |_| async move { Err(refusal().into()) }).await;
    let status = bare(&running).audit_ledger(request()).await.unwrap_err();
    assert_eq!(Problem::from_status(&status), refusal());
}

#[tokio::test]
async fn a_request_that_is_too_large_is_said_to_be_that() {
    let running = serve(&settings(), |_| async { ok() }).await;
    let program_id = "x".repeat(rpc::MESSAGE_BYTES_MAX + 1);
    let status =
        bare(&running).audit_ledger(Request::new(AuditLedgerRequest { program_id })).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_names_the_field() {
    let running = serve(&settings(), |_| async { ok() }).await;
    let program_id = "x".repeat(65);
    let status =
        bare(&running).audit_ledger(Request::new(AuditLedgerRequest { program_id })).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(Problem::from_status(&status).details.fields[0].0, "program_id");
}

#[tokio::test]
async fn what_nobody_explained_is_explained() {
    let running = serve(&settings(), |_| async { Err(Status::not_found("gone")) }).await;
    let status = bare(&running).audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), status.message(), &*reason(&status)), (Code::NotFound, "gone", "NOT_FOUND"));
}

#[tokio::test]
async fn a_method_that_is_not_offered_is_said_to_be_that() {
    let running = serve(&settings(), |_| async { ok() }).await;
    for path in [format!("/{SERVICE}/Nothing"), "/nobody.Service/Nothing".to_owned()] {
        let uri = format!("http://{}{path}", running.rpc_addr);
        let call = http::Request::post(uri).header("content-type", "application/grpc");
        let response = http().request(call.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!((status.code(), &*reason(&status)), (Code::Unimplemented, "METHOD_NOT_OFFERED"));
    }
}

#[tokio::test]
async fn the_same_layers_stand_before_calls_within_the_process() {
    let bound = rpc::server::bind(&settings(), crate::support::DESCRIPTORS).unwrap();
    let stack = bound.in_process(crate::support::routes(|request| async move {
        assert_eq!(&*rpc::principal(&request)?.tenant, "default");
        panic!("a bug")
    }));
    let mut client = proto::rapport::loyalty::v1::audit_service_client::AuditServiceClient::new(stack);
    let status = client.audit_ledger(request()).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Internal, "INTERNAL"));
}
