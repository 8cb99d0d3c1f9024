//! JSON lines on standard output: one object a line, the same first fields on each.

mod lines;

use std::fmt;
use std::io;

use serde::ser::{SerializeMap, Serializer as _};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::request_id;
use lines::Lines;

/// Sends every event of this process to standard output, and panics as events too.
/// A second call changes nothing.
pub(crate) fn start(release: &str, environment: &str, level: LevelFilter) {
    let format = JsonLines {
        release: release.to_owned(),
        environment: environment.to_owned(),
    };
    // Fails only where a subscriber is in place already, which then keeps serving.
    let _ = tracing_subscriber::fmt()
        .event_format(format)
        .with_max_level(level)
        .with_writer(Lines::of_this_process())
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            at = panic.location().map(tracing::field::display),
            "panic: {}",
            panic.payload_as_str().unwrap_or("no message")
        );
    }));
}

/// Writes what still waits. To be called before the process ends.
pub(crate) fn finish() {
    Lines::finish();
}

/// The shape of a line: `timestamp`, `level`, `release`, `environment`, `message`, fields.
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
        self.write_object(&mut writer, event)
            .map_err(|_| fmt::Error)?;
        writeln!(writer)
    }
}

impl JsonLines {
    fn write_object(
        &self,
        writer: &mut Writer<'_>,
        event: &Event<'_>,
    ) -> Result<(), serde_json::Error> {
        let metadata = event.metadata();
        let mut json = serde_json::Serializer::new(Utf8(writer));
        let mut line = json.serialize_map(None)?;
        let now = jiff::Timestamp::now();
        line.serialize_entry("timestamp", &format_args!("{now:.3}"))?;
        line.serialize_entry("level", metadata.level().as_str())?;
        line.serialize_entry("release", &self.release)?;
        line.serialize_entry("environment", &self.environment)?;
        if !metadata.target().starts_with(env!("CARGO_CRATE_NAME")) {
            line.serialize_entry("logger", metadata.target())?;
        }
        if metadata.fields().field("request_id").is_none()
            && let Some(id) = request_id::current()
        {
            line.serialize_entry("request_id", id.as_str())?;
        }
        let mut fields = SerdeMapVisitor::new(line);
        event.record(&mut fields);
        fields.take_serializer()?.end()
    }
}

/// Takes the bytes of a JSON text for a writer that wants text.
struct Utf8<'a, 'w>(&'a mut Writer<'w>);

impl io::Write for Utf8<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        fmt::Write::write_str(self.0, text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
