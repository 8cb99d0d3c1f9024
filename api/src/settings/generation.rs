//! Content generation: the vendors, where content lies, and how hard the worker tries.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::reader::{Reader, mistake};

/// The names that concern content generation, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "TAVILY_URL",
    "TAVILY_API_KEY",
    "TAVILY_API_KEY_FILE",
    "GEMINI_URL",
    "GEMINI_API_KEY",
    "GEMINI_API_KEY_FILE",
    "GEMINI_MODEL",
    "OUTBOUND_SECONDS",
    "CONTENT_URL",
    "CONTENT_S3_ENDPOINT",
    "WORKER",
    "WORKER_CONCURRENCY",
    "JOB_POLL_MS",
    "JOB_LEASE_MS",
    "JOB_ATTEMPTS",
    "JOB_RETRY_MS",
    "JOBS_KEPT_DAYS",
];

/// Names without our prefix by which the vendors' own clients know their keys; read where
/// ours are not given.
pub(super) const VENDOR_NAMES: [&str; 2] = ["TAVILY_API_KEY", "GEMINI_API_KEY"];

const TAVILY_URL: &str = "https://api.tavily.com";
const GEMINI_URL: &str = "https://generativelanguage.googleapis.com";
const GEMINI_MODEL: &str = "gemini-2.5-flash";
/// Beside the file of an embedded database.
const CONTENT_FOLDER: &str = "opsconsole-content";

/// What generating content needs to know.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The search; nothing without a key.
    pub tavily: Option<Vendor>,
    /// The model; nothing without a key.
    pub gemini: Option<Vendor>,
    /// Which of Gemini's models writes.
    pub gemini_model: String,
    /// The longest time that one call to a vendor may take.
    pub outbound_time_max: Duration,
    /// Where content is kept. By default in a directory beside the file of SQLite, and
    /// nowhere with Postgres.
    pub content: Option<ContentPlace>,
    /// Whether this process works on jobs. By default it does where it can: with both keys
    /// and a place for content.
    pub worker: bool,
    /// How many jobs it works on at a time.
    pub concurrency: usize,
    /// How often it looks for jobs that other processes queued.
    pub poll: Duration,
    /// How long a job is a worker's after its last sign of life.
    pub lease: Duration,
    /// How often a job is tried.
    pub attempts_max: i64,
    /// The pause after the first failure; it doubles with each further one.
    pub retry_pause: Duration,
    /// How long a job stays after its end; nothing where for ever.
    pub jobs_kept: Option<Duration>,
}

/// A service that is called with a key.
#[derive(Clone, Debug)]
pub struct Vendor {
    /// What the paths of its API are put behind.
    pub base: Url,
    /// Sent in a header only; redacted in Debug.
    pub key: SecretString,
}

/// Where content is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentPlace {
    /// A directory; made when it is first needed.
    Directory(PathBuf),
    /// A bucket of S3 or of something that speaks like it.
    S3 {
        /// Its name.
        bucket: String,
        /// What every key starts with; empty, or with a slash at its end.
        prefix: String,
        /// Another server than that of AWS; then the bucket stands in the path.
        endpoint: Option<Url>,
    },
}

/// Reads these settings. `folder` is that of an embedded database; `may_be_plain` where keys
/// may go over unencrypted connections to other machines.
pub(super) fn read(reader: &mut Reader, folder: Option<&Path>, may_be_plain: bool) -> Generation {
    let tavily = vendor(reader, "TAVILY", TAVILY_URL, may_be_plain);
    let gemini = vendor(reader, "GEMINI", GEMINI_URL, may_be_plain);
    let gemini_model = reader.parsed("GEMINI_MODEL", GEMINI_MODEL, check_model);
    let endpoint = base_url(reader, "CONTENT_S3_ENDPOINT", "", true);
    let content = match reader.get("CONTENT_URL") {
        Some(text) => {
            let place = content_place(text, endpoint);
            reader.checked("CONTENT_URL", place)
        }
        None => folder.map(|folder| ContentPlace::Directory(folder.join(CONTENT_FOLDER))),
    };
    let can_work = tavily.is_some() && gemini.is_some() && content.is_some();
    let worker = reader.switch_or("WORKER", can_work);
    if worker && !can_work {
        reader.errors.push(mistake(
            "WORKER",
            "is on, but a worker needs TAVILY_API_KEY and GEMINI_API_KEY (or …_FILE), and \
             CONTENT_URL where the database is Postgres: give all",
        ));
    }
    let ms = |value: u64| Duration::from_millis(value);
    Generation {
        tavily,
        gemini,
        gemini_model: gemini_model.unwrap_or_default(),
        outbound_time_max: Duration::from_secs(reader.number("OUTBOUND_SECONDS", 60, 600).max(1)),
        content,
        worker,
        concurrency: usize::try_from(reader.number("WORKER_CONCURRENCY", 2, 64))
            .unwrap_or(1)
            .max(1),
        poll: ms(reader.number("JOB_POLL_MS", 1_000, 60_000).max(10)),
        lease: ms(reader.number("JOB_LEASE_MS", 30_000, 3_600_000).max(100)),
        attempts_max: i64::try_from(reader.number("JOB_ATTEMPTS", 5, 100))
            .unwrap_or(1)
            .max(1),
        retry_pause: ms(reader.number("JOB_RETRY_MS", 5_000, 900_000)),
        jobs_kept: match reader.number("JOBS_KEPT_DAYS", 30, 36_500) {
            0 => None,
            days => Some(Duration::from_secs(days * 24 * 3_600)),
        },
    }
}

fn vendor(
    reader: &mut Reader,
    name: &str,
    default_url: &str,
    may_be_plain: bool,
) -> Option<Vendor> {
    let base = base_url(reader, &format!("{name}_URL"), default_url, may_be_plain);
    let key_name = format!("{name}_API_KEY");
    let key = reader.secret(&key_name, &format!("{key_name}_FILE"))?;
    let key = reader.checked(&key_name, check_key(key))?;
    Some(Vendor { base: base?, key })
}

/// What cannot stand in a header would fail at the first call only.
fn check_key(key: String) -> Result<SecretString, String> {
    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(key.into())
    } else {
        Err("holds something other than visible ASCII characters".into())
    }
}

/// A URL to put paths behind; nothing for an empty one, or after noting what is wrong.
fn base_url(reader: &mut Reader, name: &str, default: &str, may_be_plain: bool) -> Option<Url> {
    reader
        .parsed(name, default, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            let url = Url::parse(text)
                .ok()
                .filter(|url| url.has_host() && url.query().is_none() && url.username().is_empty())
                .ok_or("is not a base URL; use for example https://host.example")?;
            let is_here = match url.host() {
                Some(Host::Ipv4(ip)) => ip.is_loopback(),
                Some(Host::Ipv6(ip)) => ip.is_loopback(),
                Some(Host::Domain(name)) => name == "localhost",
                None => false,
            };
            match url.scheme() {
                "https" => Ok(Some(url)),
                "http" if is_here || may_be_plain => Ok(Some(url)),
                _ => Err(
                    "would send a key over a connection that is not encrypted; use https://".into(),
                ),
            }
        })
        .flatten()
}

/// The model's name stands in the path of each call.
fn check_model(text: &str) -> Result<String, String> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_plain && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "is not the name of a model; use for example {GEMINI_MODEL}"
        ))
    }
}

fn content_place(text: &str, endpoint: Option<Url>) -> Result<ContentPlace, String> {
    const HELP: &str = "is neither file:/a/directory nor s3://bucket/prefix";
    if let Some(path) = text.strip_prefix("file:") {
        // file:///a/b and file:a/b alike.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('\0') {
            return Err(HELP.into());
        }
        return Ok(ContentPlace::Directory(path.into()));
    }
    let rest = text.strip_prefix("s3://").ok_or(HELP)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
    let prefix = prefix.trim_matches('/');
    let is_prefix = prefix
        .split('/')
        .all(|part| part != "." && part != ".." && (prefix.is_empty() || !part.is_empty()))
        && prefix.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_bucket || !is_prefix {
        return Err(HELP.into());
    }
    Ok(ContentPlace::S3 {
        bucket: bucket.to_owned(),
        prefix: if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        },
        endpoint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<SettingsError>> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_pairs(&pairs)
    }

    fn refused(pairs: &[(&str, &str)]) -> Vec<String> {
        let errors = read(pairs).expect_err("something is wrong");
        errors.into_iter().map(|error| error.variable).collect()
    }

    #[test]
    fn it_works_on_jobs_where_both_keys_are_given_and_shows_neither() {
        assert!(!read(&[]).expect("valid").generation.worker);
        let keys = [
            ("TAVILY_API_KEY", "hidden-one"),
            ("GEMINI_API_KEY", "hidden-two"),
        ];
        let settings = read(&keys).expect("valid");
        assert!(settings.generation.worker);
        assert!(!format!("{settings:?}").contains("hidden"));
        assert_eq!(
            refused(&[keys[0], ("WORKER", "on")]),
            ["OPSCONSOLE_API_WORKER"]
        );
    }

    #[test]
    fn a_key_does_not_leave_this_machine_unencrypted_outside_dev() {
        let plain = ("TAVILY_URL", "http://search.example");
        let here = ("GEMINI_URL", "http://127.0.0.1:9000");
        let staging = ("ENVIRONMENT", "staging");
        read(&[plain, here]).expect("dev may");
        read(&[here, staging]).expect("it stays on this machine");
        assert_eq!(refused(&[plain, staging]), ["OPSCONSOLE_API_TAVILY_URL"]);
    }

    #[test]
    fn every_mistake_about_content_is_named() {
        let wrong = refused(&[
            ("TAVILY_API_KEY", "two words"),
            ("GEMINI_MODEL", "../models"),
            ("CONTENT_URL", "ftp://somewhere"),
            ("JOB_ATTEMPTS", "often"),
        ]);
        let names = [
            "TAVILY_API_KEY",
            "GEMINI_MODEL",
            "CONTENT_URL",
            "JOB_ATTEMPTS",
        ];
        assert_eq!(wrong, names.map(|name| format!("OPSCONSOLE_API_{name}")));
    }

    #[test]
    fn content_lies_in_a_directory_or_a_bucket() {
        let place = |text| content_place(text, None);
        assert_eq!(
            place("file:///data/content"),
            Ok(ContentPlace::Directory("/data/content".into()))
        );
        let s3 = |prefix: &str| ContentPlace::S3 {
            bucket: "shop-content".into(),
            prefix: prefix.into(),
            endpoint: None,
        };
        assert_eq!(place("s3://shop-content"), Ok(s3("")));
        assert_eq!(place("s3://shop-content/a/b/"), Ok(s3("a/b/")));
        for wrong in ["", "file:", "s3://", "s3://UPPER", "s3://shop-content/../x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
