//! What telemetry promises when it is off, started twice, or has lost its collector.

extern crate rapport_telemetry as telemetry;

use std::time::Duration;

use telemetry::{Context, KeyValue, LogFormat, Settings, SpanKind};
use tokio::net::TcpListener;

fn settings(otlp_endpoint: Option<String>) -> Settings {
    Settings { otlp_endpoint, log_format: LogFormat::Pretty, ..Settings::default() }
}

/// One test: the provider is one per process, and the order matters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_never_gets_in_the_way() {
    let off = telemetry::init(settings(None)).unwrap();
    assert!(!telemetry::enabled());
    let attributes =
        std::iter::from_fn(|| -> Option<KeyValue> { panic!("attributes were built for nobody") });
    let inside = telemetry::span("idle", SpanKind::Internal, attributes, async { telemetry::trace_id() });
    assert_eq!(inside.await, None);

    // A collector that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let on = telemetry::init(settings(Some(endpoint))).unwrap();
    assert!(telemetry::enabled());
    let inside = telemetry::span("busy", SpanKind::Internal, [], async {
        assert!(telemetry::is_recording());
        telemetry::fail(&std::io::Error::other("failed"));
        telemetry::traceparent()
    });
    let line = inside.await.unwrap();
    assert_eq!(telemetry::trace_id(), None);
    let restored = telemetry::context_from(&line);
    let attached = restored.attach();
    assert_eq!(telemetry::traceparent().as_deref(), Some(&*line));
    drop(attached);

    let unsampled =
        telemetry::context_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").attach();
    let attributes =
        std::iter::from_fn(|| -> Option<KeyValue> { panic!("attributes were built for nobody") });
    telemetry::span("unsampled", SpanKind::Internal, attributes, async {}).await;
    drop(unsampled);

    let counter = telemetry::meter().u64_counter("test.things").build();
    counter.add(2, &[KeyValue::new("kind", "odd")]);
    assert!(off.render_metrics().contains("test_things_total{kind=\"odd\"} 2"), "{}", off.render_metrics());
    assert_eq!(off.render_metrics(), on.render_metrics());

    let patience = Duration::from_millis(50);
    let ended = tokio::time::timeout(Duration::from_secs(20), on.shutdown(patience)).await;
    assert!(!ended.expect("shutdown hung"), "a dead collector took spans");
    assert!(off.shutdown(patience).await);
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let wrong = Settings { log_level: "loud,=".to_owned(), ..Settings::default() };
    assert!(telemetry::init(wrong).unwrap_err().to_string().starts_with("log level `loud,=`"));
    let wrong = Settings { trace_sample_ratio: 1.5, ..Settings::default() };
    assert_eq!(
        telemetry::init(wrong).unwrap_err().to_string(),
        "trace sample ratio 1.5 is not between 0 and 1"
    );
    let wrong = settings(Some("not an address".to_owned()));
    assert!(telemetry::init(wrong).unwrap_err().to_string().contains("`not an address`"));
}

#[test]
fn text_that_is_no_traceparent_is_no_context() {
    for text in ["", "00-0-0-00", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "é"] {
        let _attached = telemetry::context_from(text).attach();
        assert_eq!(telemetry::traceparent(), None);
    }
    let identified = telemetry::identified(Context::new());
    let _attached = identified.attach();
    assert_eq!(telemetry::trace_id().unwrap().len(), 32);
}
