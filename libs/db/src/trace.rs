//! Spans around groups of statements.

use sea_orm::DbBackend;
use telemetry::names::attribute::{DB_QUERY_SUMMARY, DB_SYSTEM_NAME};
use telemetry::{KeyValue, SpanKind, Spanned};

/// Runs a group of statements in a client span named by `summary`: what is done, to which table, without
/// values.
pub fn traced<F: Future>(backend: DbBackend, summary: &'static str, statements: F) -> Spanned<F> {
    let system = match backend {
        DbBackend::Postgres => "postgresql",
        _ => "sqlite",
    };
    let attributes = [KeyValue::new(DB_SYSTEM_NAME, system), KeyValue::new(DB_QUERY_SUMMARY, summary)];
    telemetry::span(summary, SpanKind::Client, attributes, statements)
}
