//! JSON lines on standard output: one object a line, the same first fields on each.

use std::fmt;
use std::io::Write;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::request_id;

/// Sends every event of this process to standard output, and panics as events too.
/// A second call changes nothing.
pub(crate) fn start(release: &str, environment: &str, level: LevelFilter) {
    let lines = JsonLines {
        release: release.to_owned(),
        environment: environment.to_owned(),
    };
    // Fails only where a subscriber is in place already, which then keeps serving.
    let _ = tracing_subscriber::fmt()
        .event_format(lines)
        .with_max_level(level)
        .with_writer(|| Stdout)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            at = panic.location().map(tracing::field::display),
            "panic: {}",
            panic.payload_as_str().unwrap_or("no message")
        );
    }));
}

/// Standard output that never fails: a service whose log reader is gone keeps serving.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The shape of a line: `timestamp`, `level`, `message`, `release`, `environment`, fields.
struct JsonLines {
    release: String,
    environment: String,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut line = Map::new();
        let now = jiff::Timestamp::now();
        line.insert("timestamp".into(), format!("{now:.3}").into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("message".into(), fields.message.into());
        line.insert("release".into(), self.release.as_str().into());
        line.insert("environment".into(), self.environment.as_str().into());
        if !metadata.target().starts_with(env!("CARGO_CRATE_NAME")) {
            line.insert("logger".into(), metadata.target().into());
        }
        if let Some(id) = request_id::current() {
            line.insert("request_id".into(), id.as_str().into());
        }
        line.extend(fields.others);
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// The fields of one event as JSON values.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.insert(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.insert(field, value.into());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }
}
