//! Where traces go: nowhere unless there is a collector.

use url::Url;

use super::reader::Reader;

/// The names read here, without the prefix.
pub(super) const NAMES: &[&str] = &["OTLP_ENDPOINT", "OTLP_SAMPLE_PERCENT"];

/// A collector that speaks OTLP over HTTP (opentelemetry.io/docs/specs/otlp).
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// The whole address, with `/v1/traces`.
    pub endpoint: String,
    /// The share of new traces that are sent, from 0 to 100. A caller's own decision is
    /// followed.
    pub sample_percent: u8,
}

/// Reads where traces go; nothing where they are not sent.
pub(super) fn read(reader: &mut Reader) -> Option<Otlp> {
    let percent = reader.number("OTLP_SAMPLE_PERCENT", 100, 100);
    let checked = match Url::parse(reader.get("OTLP_ENDPOINT")?) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            let path = url.path().trim_end_matches('/').to_owned();
            if !path.ends_with("/v1/traces") {
                url.set_path(&format!("{path}/v1/traces"));
            }
            Ok(url.to_string())
        }
        _ => Err("is not a URL; use for example http://collector:4318".to_owned()),
    };
    Some(Otlp {
        endpoint: reader.checked("OTLP_ENDPOINT", checked)?,
        sample_percent: u8::try_from(percent).unwrap_or(100),
    })
}
