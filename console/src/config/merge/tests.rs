//! Merging's promises: what a person wrote stays, and everything that happened is told.

use super::*;
use crate::config::load;
use std::path::PathBuf;

const BY_HAND: &str = r#"# ours, by hand
[environment.dev]
region = "us-east-1"
cluster = "shop-dev"
service = "shop-dev-api"   # the only one
log_group = "/ours"        # we know better
guard = "read-only"
refresh_s = 30

[[environment.dev.freeze]]
reason = "stock-taking"
start = "2026-12-01T00:00:00Z"
end = "2026-12-02T00:00:00Z"

[[environment.dev.extra_bill]] # seen on the invoice
what = "NAT gateway"
sku = "nat.hour"
quantity = 3

[environment.prod]
region = "eu-central-1"
cluster = "old"
service = "api"
"#;

const WANTED: &str = r#"
[environment.dev]
region = "us-east-1"
cluster = "shop-dev"
service = "shop-dev-api"
container = "api"
log_group = "/ecs/shop-dev-api"
account = "123456789012"
alarm_prefixes = ["shop-dev-"]
lock = { bucket = "locks", prefix = "opsconsole/" }

[[environment.dev.extra_bill]]
what = "NAT gateway"
sku = "nat.hour"
quantity = 1.0

[[environment.dev.extra_bill]]
what = "Database"
sku = "rds.pg.db.t3.micro"
quantity = 1.0
hours_per_month = 260.7

[environment.prod]
region = "us-east-1"
cluster = "shop-prod"
service = "shop-prod-api"
account = "210987654321"
lock = { bucket = "locks" }
"#;

struct Home {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Self { _dir: dir, path }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    fn merge(&self, update: bool) -> Vec<Merged> {
        let options = MergeOptions {
            update,
            dry_run: false,
        };
        merge(&self.path, &wanted(), options).unwrap()
    }
}

fn wanted() -> Vec<EnvironmentConfig> {
    check(Path::new("wanted.toml"), WANTED)
        .unwrap()
        .environments
}

fn keys(differences: &[Difference]) -> Vec<&str> {
    differences.iter().map(|one| one.key.as_str()).collect()
}

#[test]
fn what_is_missing_is_added_and_what_a_person_wrote_stays_with_its_comments() {
    let home = Home::with(BY_HAND);
    let merged = home.merge(false);
    let dev = &merged[0];
    assert_eq!(dev.how, MergedHow::Changed);
    assert_eq!(
        dev.added,
        [
            "container",
            "account",
            "alarm_prefixes",
            "lock",
            "extra_bill \"Database\""
        ]
    );
    assert_eq!(keys(&dev.kept), ["log_group", "extra_bill \"NAT gateway\""]);
    assert_eq!(
        (dev.kept[1].file.as_str(), dev.kept[1].wanted.as_str()),
        ("3", "1")
    );
    assert_eq!(dev.guard, Guard::ReadOnly);
    let text = home.text();
    for line in BY_HAND.lines() {
        assert!(text.contains(line), "{line} is gone from\n{text}");
    }
    let config = load(&home.path).unwrap();
    let dev = &config.environments[0];
    assert_eq!(dev.guard, Guard::ReadOnly);
    assert_eq!((dev.freeze.len(), dev.refresh_s), (1, 30));
    assert_eq!(dev.extra_bill.len(), 2);
    assert_eq!(dev.extra_bill[1].hours_per_month, Some(260.7));
}

#[test]
fn another_service_of_the_same_name_gets_neither_lock_nor_account() {
    let home = Home::with(BY_HAND);
    let prod = home.merge(false).remove(1);
    assert_eq!(prod.how, MergedHow::KeptAsAnotherService);
    assert_eq!(keys(&prod.kept), ["region", "cluster", "service"]);
    assert!(prod.added.is_empty());
    assert!(home.text().ends_with(
        "[environment.prod]\nregion = \"eu-central-1\"\ncluster = \"old\"\nservice = \"api\"\n"
    ));
}

#[test]
fn a_helm_release_keeps_its_own_context_and_an_ecs_service_never_becomes_one() {
    let release = r#"
[environment.dev]
platform = "kubernetes"
context = "an-alias"
namespace = "api"
helm_release = "api"
region = "us-east-1"
"#;
    let new = release.replace("an-alias", "arn:aws:eks:us-east-1:123456789012:cluster/dev");
    let wanted = check(Path::new("wanted.toml"), &new).unwrap().environments;
    let into = |home: &Home, update| {
        let options = MergeOptions {
            update,
            dry_run: false,
        };
        merge(&home.path, &wanted, options).unwrap().remove(0)
    };
    let home = Home::with(release);
    let dev = into(&home, false);
    assert_eq!(
        (dev.how, keys(&dev.kept)),
        (MergedHow::Kept, vec!["context"])
    );
    assert_eq!(keys(&into(&home, true).changed), ["context"]);

    let home = Home::with(BY_HAND);
    for update in [false, true] {
        let dev = into(&home, update);
        assert_eq!(dev.how, MergedHow::KeptAsAnotherService);
        assert_eq!(dev.kept[0].key, "platform");
    }
    assert_eq!(home.text(), BY_HAND);
}

#[test]
fn asked_to_update_it_takes_the_new_values_and_still_no_guard_or_freeze() {
    let home = Home::with(BY_HAND);
    let merged = home.merge(true);
    assert_eq!(
        keys(&merged[0].changed),
        ["log_group", "extra_bill \"NAT gateway\""]
    );
    assert_eq!(keys(&merged[1].changed), ["region", "cluster", "service"]);
    let text = home.text();
    assert!(
        text.contains("log_group = \"/ecs/shop-dev-api\"        # we know better"),
        "{text}"
    );
    assert!(
        text.contains("guard = \"read-only\"\nrefresh_s = 30"),
        "{text}"
    );
    let config = load(&home.path).unwrap();
    assert_eq!(config.environments[0].freeze.len(), 1);
    assert!((config.environments[0].extra_bill[0].quantity - 1.0).abs() < 1e-9);
    assert_eq!(
        config.environments[1].lock.as_ref().unwrap().bucket,
        "locks"
    );
}

#[test]
fn once_more_changes_nothing() {
    let home = Home::with(BY_HAND);
    home.merge(true);
    let text = home.text();
    let again = home.merge(true);
    assert!(
        again
            .iter()
            .all(|one| one.how == MergedHow::Kept && one.kept.is_empty())
    );
    assert_eq!(home.text(), text);
}

#[test]
fn a_dry_run_tells_all_and_writes_nothing() {
    let home = Home::with(BY_HAND);
    let options = MergeOptions {
        update: false,
        dry_run: true,
    };
    let merged = merge(&home.path, &wanted(), options).unwrap();
    assert_eq!(merged[0].how, MergedHow::Changed);
    assert_eq!(home.text(), BY_HAND);
}

#[test]
fn inline_tables_are_merged_in_their_own_style() {
    let home = Home::with(
        "environment.dev = { region = \"us-east-1\", cluster = \"shop-dev\", service = \"shop-dev-api\", extra_bill = [{ what = \"Ours\", sku = \"own\" }] }\n",
    );
    let options = MergeOptions::default();
    let dev = merge(&home.path, &wanted()[..1], options)
        .unwrap()
        .remove(0);
    assert_eq!(dev.how, MergedHow::Changed);
    let config = load(&home.path).unwrap();
    let whats: Vec<&str> = config.environments[0]
        .extra_bill
        .iter()
        .map(|line| line.what.as_str())
        .collect();
    assert_eq!(whats, ["Ours", "NAT gateway", "Database"]);
    assert_eq!(
        config.environments[0].account.as_deref(),
        Some("123456789012")
    );
}

#[test]
fn without_a_file_one_is_made_that_says_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/config.toml");
    let merged = merge(&path, &wanted(), MergeOptions::default()).unwrap();
    assert!(merged.iter().all(|one| one.how == MergedHow::Added));
    assert_eq!(load(&path).unwrap().environments, wanted());
}

#[test]
fn hours_beyond_a_month_are_a_mistake_with_a_line() {
    let text = WANTED.replace("260.7", "731");
    let said = check(Path::new("x.toml"), &text).unwrap_err().to_string();
    assert!(said.contains("a month has 0 to 730 hours"), "{said}");
}
