//! Feature flags: their values without a flag service, and where the service is.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::{Reader, file_pairs};

/// The names read here, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "FLAGS",
    "FLAGS_FILE",
    "UNLEASH_URL",
    "UNLEASH_TOKEN",
    "UNLEASH_TOKEN_FILE",
    "UNLEASH_POLL_SECONDS",
];

/// Where flags come from.
#[derive(Clone, Debug, Default)]
pub struct FlagSettings {
    /// Values by name, in force while no service has answered yet.
    pub defaults: HashMap<String, bool>,
    /// The service that decides otherwise.
    pub unleash: Option<Unleash>,
}

/// An Unleash server's client API (docs.getunleash.io/reference/api/unleash).
#[derive(Clone, Debug)]
pub struct Unleash {
    /// Up to and with `/api`.
    pub url: String,
    /// A client token.
    pub token: Option<SecretString>,
    /// The pause between two questions.
    pub poll: Duration,
}

/// Reads the flags. Those in the environment win over those in the file.
pub(super) fn read(reader: &mut Reader) -> FlagSettings {
    const POLL_SECONDS_MAX: u64 = 3600;
    let mut defaults = HashMap::new();
    if let Some(path) = reader.get("FLAGS_FILE").map(str::to_owned) {
        let pairs = file_pairs(Path::new(&path)).and_then(|pairs| {
            pairs
                .into_iter()
                .map(|(name, value)| flag(&name.to_ascii_lowercase(), &value))
                .collect::<Result<Vec<_>, _>>()
        });
        defaults.extend(reader.checked("FLAGS_FILE", pairs).unwrap_or_default());
    }
    let listed = reader.parsed("FLAGS", "", |text| {
        text.split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => flag(name.trim(), value.trim()),
                None => flag(pair, "on"),
            })
            .collect::<Result<Vec<_>, _>>()
    });
    defaults.extend(listed.unwrap_or_default());
    let token = reader.secret("UNLEASH_TOKEN", "UNLEASH_TOKEN_FILE");
    let poll = reader
        .number("UNLEASH_POLL_SECONDS", 15, POLL_SECONDS_MAX)
        .max(1);
    let url = reader
        .get("UNLEASH_URL")
        .map(|text| match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                Ok(text.trim_end_matches('/').to_owned())
            }
            _ => Err("is not a URL; use for example https://flags.example.com/api".to_owned()),
        });
    let url = url.and_then(|url| reader.checked("UNLEASH_URL", url));
    FlagSettings {
        defaults,
        unleash: url.map(|url| Unleash {
            url,
            token: token.map(Into::into),
            poll: Duration::from_secs(poll),
        }),
    }
}

fn flag(name: &str, value: &str) -> Result<(String, bool), String> {
    match value {
        "on" | "true" | "1" => Ok((name.to_owned(), true)),
        "off" | "false" | "0" => Ok((name.to_owned(), false)),
        _ => Err(format!("gives {name} a value that is neither on nor off")),
    }
}
