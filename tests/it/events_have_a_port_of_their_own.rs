//! Nobody but another service can deliver events: the public port does not know the method, the internal one
//! asks for the credential.

use harness::calls::reason;
use harness::house::House;
use harness::process::{Process, rapport};
use harness::servers::Postgres;
use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::subscriber_service_client::SubscriberServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request};
use uuid::Uuid;

fn delivery() -> pb::DeliverRequest {
    let log_id = Uuid::from_u128(1).to_string();
    pb::DeliverRequest { source: "loyalty".into(), log_id, kinds: Vec::new(), slices: Vec::new() }
}

async fn channel(address: &str) -> Channel {
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
    channel.connect().await.expect("somebody listens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_port_does_not_take_events() {
    let house = House::sqlite().await;
    let refused = SubscriberServiceClient::new(house.client()).deliver(delivery()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unimplemented, "METHOD_NOT_OFFERED"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_internal_port_takes_nothing_else_and_asks_for_the_credential() {
    let url = Postgres::start().fresh_database().await;
    Process::migrate_service("notification", &url);
    let token = "a-secret-of-these-services";
    let process = Process::notification_with(&url, &[("RAPPORT__EVENTS__TOKEN", token)]);
    let mut subscriber = SubscriberServiceClient::new(channel(process.events()).await);
    let refused = subscriber.deliver(delivery()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
    for (given, right) in [("another-secret-of-nobody", false), (token, true)] {
        let mut request = Request::new(delivery());
        request.metadata_mut().insert("authorization", format!("Bearer {given}").parse().expect("ascii"));
        assert_eq!(subscriber.deliver(request).await.is_ok(), right, "{given}");
    }
    let mut request = Request::new(proto::rapport::notification::v1::ListTemplatesRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    let templates = proto::rapport::notification::v1::template_service_client::TemplateServiceClient::new;
    let refused = templates(channel(process.events()).await).list_templates(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    process.terminate();
}

#[test]
fn off_loopback_it_needs_a_credential() {
    let url = "postgres://nobody@127.0.0.1:9/none";
    let arguments = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
    let arguments =
        [&["notification", "--database-url", url, "--events-listen", "0.0.0.0:0"], &arguments[..]];
    let output = rapport(&arguments.concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("0.0.0.0:0") && told.contains("credential"), "{told}");
}
