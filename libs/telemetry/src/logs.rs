//! Log lines: one JSON object per line for machines, one readable line on a terminal, both with the trace id.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// How an event becomes a line.
pub(crate) enum Lines {
    Json { service: String },
    Pretty { colours: bool },
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Lines::Json { service } => json(service, &mut writer, event),
            Lines::Pretty { colours } => pretty(*colours, context, writer, event),
        }
    }
}

fn json(service: &str, writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut fields = Fields(Map::new());
    let put =
        |fields: &mut Fields, key: &str, value: String| fields.0.insert(key.to_owned(), Value::String(value));
    event.record(&mut fields);
    put(&mut fields, "time", time);
    put(&mut fields, "level", event.metadata().level().to_string());
    put(&mut fields, "target", event.metadata().target().to_owned());
    put(&mut fields, "service", service.to_owned());
    if let Some((trace, span)) = ids(event) {
        put(&mut fields, "trace_id", trace);
        put(&mut fields, "span_id", span);
    }
    let line = serde_json::to_string(&fields.0).map_err(|_| fmt::Error)?;
    writeln!(writer, "{line}")
}

fn pretty<S, N>(
    colours: bool,
    context: &FmtContext<'_, S, N>,
    mut writer: Writer<'_>,
    event: &Event<'_>,
) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let level = *event.metadata().level();
    SystemTime.format_time(&mut writer)?;
    if colours {
        let colour = match level {
            tracing::Level::ERROR => 31,
            tracing::Level::WARN => 33,
            tracing::Level::INFO => 32,
            _ => 34,
        };
        write!(writer, " \x1b[{colour}m{level:>5}\x1b[0m ")?;
    } else {
        write!(writer, " {level:>5} ")?;
    }
    write!(writer, "{}: ", event.metadata().target())?;
    for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
        write!(writer, "{}", span.name())?;
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
            && !fields.is_empty()
        {
            write!(writer, "{{{fields}}}")?;
        }
        writer.write_str(": ")?;
    }
    context.field_format().format_fields(writer.by_ref(), event)?;
    if let Some((trace, _)) = ids(event) {
        write!(writer, " trace_id={trace}")?;
    }
    writeln!(writer)
}

/// Trace and span id of the current context. OpenTelemetry logs while it holds the context, so its own lines
/// go without.
fn ids(event: &Event<'_>) -> Option<(String, String)> {
    if event.metadata().target().starts_with("opentelemetry") {
        return None;
    }
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
    })
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(lines: Lines, work: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.event_format(lines));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn work() {
        let call = crate::context_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let _attached = call.attach();
        tracing::warn!(attempts = 3, ok = false, "a \"quoted\" thing");
    }

    #[test]
    fn a_json_line_is_one_object_with_the_ids_of_its_call() {
        let line = written(Lines::Json { service: "loyalty".to_owned() }, work);
        assert_eq!(line.lines().count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        let expected = [
            ("message", Value::from("a \"quoted\" thing")),
            ("level", Value::from("WARN")),
            ("attempts", Value::from(3)),
            ("ok", Value::from(false)),
            ("service", Value::from("loyalty")),
            ("trace_id", Value::from("0af7651916cd43dd8448eb211c80319c")),
            ("span_id", Value::from("b7ad6b7169203331")),
        ];
        for (key, value) in expected {
            assert_eq!(object[key], value, "{key}");
        }
    }

    #[test]
    fn a_line_for_people_ends_with_the_trace_id() {
        let line = written(Lines::Pretty { colours: false }, work);
        assert!(
            line.contains("WARN rapport_telemetry::logs::tests: a \"quoted\" thing attempts=3 ok=false"),
            "{line}"
        );
        assert!(line.ends_with(" trace_id=0af7651916cd43dd8448eb211c80319c\n"), "{line}");
    }
}
