//! Who may call: checks of the key that operators start with, and of origins.

use secrecy::SecretString;

/// The names that concern who may call, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "AUTH",
    "ADMIN_KEY",
    "ADMIN_KEY_FILE",
    "RATE_LIMIT_PER_SECOND",
    "CORS_ORIGINS",
];

/// Origins with commas between, each as browsers write it: scheme, host, port if unusual.
pub(super) fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(|origin| match url::Url::parse(origin) {
            Ok(url) if url.origin().ascii_serialization() == origin => Ok(origin.to_owned()),
            _ => Err(format!(
                "holds {origin:?}, which is no origin; use for example https://example.com"
            )),
        })
        .collect()
}

/// Long enough not to be guessed; outside dev also none that stands in an example.
pub(super) fn check_admin_key(key: &str, is_dev: bool) -> Result<SecretString, String> {
    const LENGTH_MIN: usize = 24;
    let lower = key.to_ascii_lowercase();
    let is_example = [
        "changeme",
        "change-me",
        "default",
        "example",
        "password",
        "secret",
    ]
    .iter()
    .any(|word| lower.contains(word));
    if is_example && !is_dev {
        return Err("is one from an example: make your own, such as openssl rand -hex 32".into());
    }
    if key.len() < LENGTH_MIN {
        return Err(format!("has fewer than {LENGTH_MIN} characters"));
    }
    Ok(key.to_owned().into())
}
