//! Settings as operators write them, right and wrong.

use std::num::NonZeroU32;
use std::time::Duration;

use super::reader::file_pairs;
use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<SettingsError>> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::from_pairs(&pairs)
}

#[test]
fn nothing_set_serves_on_8080_and_drains_for_25_seconds() {
    let settings = read(&[]).expect("defaults are valid");
    assert_eq!(settings.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.drain, Duration::from_secs(25));
    assert_eq!(settings.faults, Faults::default());
}

#[test]
fn every_mistake_is_named_at_once() {
    let errors = read(&[
        ("LISTEN", "8080"),
        ("DATABASE_URL", "mysql://root@db"),
        ("DRAIN_SECONDS", "-1"),
        ("EXIT_WITH_PARENT", "perhaps"),
    ])
    .expect_err("four values are wrong");
    let named: Vec<_> = errors.iter().map(|error| error.variable.as_str()).collect();
    assert_eq!(
        named,
        [
            "OPSCONSOLE_API_LISTEN",
            "OPSCONSOLE_API_DATABASE_URL",
            "OPSCONSOLE_API_DRAIN_SECONDS",
            "OPSCONSOLE_API_EXIT_WITH_PARENT"
        ]
    );
    assert!(
        errors
            .iter()
            .all(|error| !error.to_string().contains("root@db"))
    );
}

#[test]
fn faults_are_ignored_unless_rehearsal_is_on() {
    let faults = [("FAULT_FAIL_PERCENT", "8"), ("FAULT_NEVER_READY", "on")];
    assert_eq!(read(&faults).expect("ignored").faults, Faults::default());

    let mut rehearsed = faults.to_vec();
    rehearsed.push(("REHEARSAL", "on"));
    let settings = read(&rehearsed).expect("valid");
    assert!(settings.faults.never_ready);
    assert!((settings.faults.fail_percent - 8.0).abs() < f64::EPSILON);
}

#[test]
fn rehearsal_is_refused_in_production_outside_the_local_cloud() {
    for name in ["prod", "production", "live", "PROD"] {
        let errors = read(&[("REHEARSAL", "on"), ("ENVIRONMENT", name)])
            .expect_err("production must not rehearse");
        assert_eq!(errors[0].variable, "OPSCONSOLE_API_REHEARSAL");
        read(&[
            ("REHEARSAL", "on"),
            ("ENVIRONMENT", name),
            ("LOCAL_CLOUD", "on"),
        ])
        .expect("the local cloud may");
    }
}

#[test]
fn a_variable_of_a_later_release_does_not_stop_the_start() {
    let settings = read(&[("CACHE_URL", "redis://cache")]).expect("unknown is no mistake");
    assert_eq!(settings.unknown, ["OPSCONSOLE_API_CACHE_URL"]);
}

#[test]
fn a_database_in_memory_or_without_a_name_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://",
        "sqlite://x?mode=memory",
        "sqlite://x?colour=red",
        "",
    ] {
        assert!(DatabaseUrl::parse(url).is_err(), "{url} must be refused");
    }
}

#[test]
fn keys_are_asked_for_unless_the_environment_is_dev_or_the_local_cloud() {
    assert!(!read(&[]).expect("valid").auth_required);
    let staging = [("ENVIRONMENT", "staging")];
    let settings = read(&staging).expect("valid");
    assert!(settings.auth_required);
    assert_eq!(
        settings.rate_limit_per_second.map(NonZeroU32::get),
        Some(200)
    );
    assert!(
        !read(&[("ENVIRONMENT", "prod"), ("LOCAL_CLOUD", "on")])
            .expect("valid")
            .auth_required
    );
    let errors = read(&[("ENVIRONMENT", "prod"), ("AUTH", "off")]).expect_err("open");
    assert_eq!(errors[0].variable, "OPSCONSOLE_API_AUTH");
}

#[test]
fn an_admin_key_from_an_example_is_refused_outside_dev() {
    let key = ("ADMIN_KEY", "changeme-changeme-changeme");
    read(&[key]).expect("dev may");
    let errors = read(&[key, ("ENVIRONMENT", "staging")]).expect_err("an example");
    assert_eq!(errors[0].variable, "OPSCONSOLE_API_ADMIN_KEY");
    assert!(read(&[("ADMIN_KEY", "short")]).is_err());
    let settings = read(&[key]).expect("valid");
    assert!(!format!("{settings:?}").contains("changeme"));
}

#[test]
fn a_file_gives_what_the_environment_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("api.toml");
    std::fs::write(&path, "drain_seconds = 7\nexit_with_parent = true\n").expect("written");
    let mut pairs = vec![("DRAIN_SECONDS".to_owned(), "9".to_owned())];
    pairs.extend(file_pairs(&path).expect("read"));
    let settings = Settings::from_pairs(&pairs).expect("valid");
    assert_eq!(settings.drain, Duration::from_secs(9));
    assert!(settings.exit_with_parent);

    std::fs::write(&path, "database_url = 'postgres://u:hidden@h\n").expect("written");
    let problem = file_pairs(&path).expect_err("the quote is not closed");
    assert!(!problem.contains("hidden"), "{problem}");
}

#[test]
fn a_secret_may_lie_in_a_mounted_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("url");
    std::fs::write(&path, "postgres://api:hidden@db/items\n").expect("written");
    let path = path.to_str().expect("UTF-8");
    let settings = read(&[("DATABASE_URL_FILE", path)]).expect("valid");
    assert_eq!(settings.database_url.backend(), Backend::Postgres);
    assert!(!settings.migrate_on_start);
    assert!(!format!("{settings:?}").contains("hidden"));
    assert!(read(&[("DATABASE_URL_FILE", "/nowhere/at/all")]).is_err());
}

#[test]
fn the_database_url_is_not_shown() {
    let settings = read(&[("DATABASE_URL", "sqlite:///data/secret.db")]).expect("valid");
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn every_setting_is_in_the_documentation() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to");
    let pages: String = ["api.md", "content-generation.md"]
        .map(|page| std::fs::read_to_string(docs.join(page)).expect("a page"))
        .concat();
    let missing: Vec<_> = super::KNOWN
        .concat()
        .into_iter()
        .filter(|name| !pages.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/how-to: {missing:?}");
}
