//! The configuration's promises: every mistake is named with its line and the nearest right word.

use super::*;
use std::path::{Path, PathBuf};

const WHOLE: &str = r#"
log_memory_mib = 64
local_time = true

[keys]
rollback = ["ctrl-r"]

[environment.staging]
region = "eu-central-1"
profile = "staging"
cluster = "main"
service = "api"

[environment.prod]
region = "eu-central-1"
profile = "prod"
role_arn = "arn:aws:iam::123456789012:role/operator"
cluster = "main"
service = "api"
container = "api"
log_group = "/ecs/api"
alarm_prefixes = ["prod-api-"]
account = "123456789012"
lock = { bucket = "locks" }
runbook = "https://example.com/runbook"
refresh_s = 10

[[environment.prod.freeze]]
reason = "Black Friday"
start = "2026-11-27T00:00[Europe/Berlin]"
end = "2026-11-30T08:00:00Z"

[[environment.prod.extra_bill]]
what = "NAT gateway"
sku = "nat.hour"
quantity = 2

[environment.apex]
region = "us-east-1"
cluster = "edge"
service = "apex"
guard = "read-only"
"#;

fn checked(text: &str) -> Result<Config, ConfigError> {
    check(Path::new("ops.toml"), text)
}

/// The message of a configuration with a mistake.
fn mistake(text: &str) -> String {
    checked(text).unwrap_err().to_string()
}

/// One environment with one more line in it.
fn with(line: &str) -> String {
    format!("[environment.dev]\nregion = \"us-east-1\"\ncluster = \"c\"\nservice = \"s\"\n{line}\n")
}

#[test]
fn a_whole_file_is_read_in_its_own_order() {
    let config = checked(WHOLE).unwrap();
    let names: Vec<&str> = config
        .environments
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["staging", "prod", "apex"]);
    assert_eq!(config.log_memory_bytes, 64 * 1024 * 1024);
    assert!(config.local_time);
    assert_eq!(config.keys["rollback"], ["ctrl-r"]);
    let prod = &config.environments[1];
    assert_eq!(prod.guard, Guard::TypeName);
    assert_eq!(prod.refresh_s, 10);
    assert_eq!(prod.lock.as_ref().unwrap().prefix, "opsconsole/");
    assert_eq!(prod.freeze[0].start.to_string(), "2026-11-26T23:00:00Z");
    assert_eq!(prod.extra_bill[0].quantity, 2.0);
    assert_eq!(config.environments[0].guard, Guard::Confirm);
    assert_eq!(config.environments[2].guard, Guard::ReadOnly);
    let PlatformConfig::Ecs(ecs) = &prod.platform else {
        panic!("prod is on ECS");
    };
    assert_eq!(ecs.profile.as_deref(), Some("prod"));
    assert_eq!(ecs.static_credentials, None);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest() {
    let said = mistake(&with("gaurd = \"confirm\""));
    assert!(
        said.starts_with("ops.toml:5:1: environment.dev.gaurd: "),
        "{said}"
    );
    assert!(said.ends_with("did you mean `guard`?"), "{said}");
}

#[test]
fn an_unknown_guard_is_an_error_and_never_a_weaker_guard() {
    let said = mistake(&with("guard = \"readonly\""));
    assert!(
        said.starts_with("ops.toml:5:9: environment.dev.guard: "),
        "{said}"
    );
    assert!(said.ends_with("did you mean `read-only`?"), "{said}");
    for guard in ["", "none", "CONFIRM", "off"] {
        assert!(
            checked(&with(&format!("guard = \"{guard}\""))).is_err(),
            "{guard}"
        );
    }
}

#[test]
fn an_unknown_table_and_a_missing_key_are_named() {
    let said = mistake("[enviroment.dev]\nregion = \"us-east-1\"");
    assert!(said.starts_with("ops.toml:1:2: enviroment: "), "{said}");
    assert!(said.ends_with("did you mean `environment`?"), "{said}");
    let said = mistake("[environment.dev]\nregion = \"us-east-1\"\nservice = \"s\"");
    assert!(
        said.contains("environment.dev: missing field `cluster`"),
        "{said}"
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let said = mistake("[environment.dev]\nregion = us-east-1\n");
    assert!(said.starts_with("ops.toml:2:"), "{said}");
    assert!(checked("").is_err());
    assert!(mistake("environment = {}").contains("there is no environment"));
}

#[test]
fn all_mistakes_of_meaning_are_told_at_once() {
    let text = with(
        "account = \"12345\"\nrefresh_s = 1\nrunbook = \"wiki\"\nrole_arn = \"operator\"\nendpoint_url = \"localhost:4566\"",
    );
    let said = mistake(&text);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (line, key) in lines.iter().zip([
        "account",
        "refresh_s",
        "runbook",
        "role_arn",
        "endpoint_url",
    ]) {
        assert!(line.contains(&format!("environment.dev.{key}: ")), "{line}");
    }
    assert!(lines[1].contains("it may be 2 to 300"), "{}", lines[1]);
}

#[test]
fn names_must_be_typeable_and_unique() {
    for name in ["\"a b\"", "\"\"", "\"-x\"", "\"ünï\"", "\"a\\u001b[31m\""] {
        let text = with("").replace("environment.dev", &format!("environment.{name}"));
        assert!(
            mistake(&text).contains("an environment's name is"),
            "{name}"
        );
    }
    let twice = format!("{}{}", with(""), with("").replace("dev", "Dev"));
    assert!(mistake(&twice).contains("differs from `dev` only in case"));
    let same = format!("{}{}", with(""), with(""));
    assert!(checked(&same).is_err());
}

#[test]
fn a_freeze_needs_its_zone_and_an_end_after_its_start() {
    let freeze = |start: &str, end: &str| {
        with(&format!(
            "freeze = [{{ reason = \"x\", start = \"{start}\", end = \"{end}\" }}]"
        ))
    };
    let bare =
        "freeze = [{ reason = \"x\", start = 2026-11-27T00:00:00Z, end = 2026-11-28T00:00:00Z }]";
    checked(&with(bare)).expect("TOML's own dates do");
    let said = mistake(&freeze("2026-11-27 00:00", "2026-11-28T00:00:00Z"));
    assert!(said.contains("environment.dev.freeze.start"), "{said}");
    assert!(said.contains("with its zone"), "{said}");
    let said = mistake(&freeze("2026-11-28T00:00:00Z", "2026-11-28T00:00:00Z"));
    assert!(said.contains("after the start"), "{said}");
    assert!(
        mistake(&freeze(
            "2026-11-27T00:00[Europe/Berln]",
            "2026-11-28T00:00:00Z"
        ))
        .contains("Berln")
    );
}

#[test]
fn anything_that_sounds_like_production_is_typed_by_default() {
    for (name, guard) in [
        ("prod", Guard::TypeName),
        ("eu-prod-1", Guard::TypeName),
        ("Production", Guard::TypeName),
        ("live", Guard::TypeName),
        ("staging", Guard::Confirm),
        ("delivery", Guard::Confirm),
        ("product-dev", Guard::Confirm),
    ] {
        assert_eq!(Guard::default_for(name), guard, "{name}");
    }
}

#[test]
fn the_schema_knows_every_key_and_refuses_others() {
    let schema = schema();
    let text = schema.to_string();
    for key in [
        "environment",
        "guard",
        "type-name",
        "freeze",
        "refresh_s",
        "extra_bill",
        "alarm_prefixes",
    ] {
        assert!(text.contains(&format!("\"{key}\"")), "{key}");
    }
    assert_eq!(schema["additionalProperties"], serde_json::json!(false));
}

#[test]
fn what_is_remembered_of_the_local_cloud_is_found_before_and_after_it_is_connected() {
    let before = Config::local_cloud().environments.remove(2);
    let PlatformConfig::Ecs(ecs) = before.platform.clone() else {
        panic!("it is on ECS");
    };
    let after = EnvironmentConfig {
        account: Some("123456789012".to_owned()),
        platform: PlatformConfig::Ecs(EcsConfig {
            endpoint_url: Some("http://127.0.0.1:4566".to_owned()),
            ..ecs
        }),
        ..before.clone()
    };
    assert_eq!(before.scope(), after.scope());
}

#[test]
fn two_services_of_one_name_in_two_accounts_are_told_apart() {
    let text = with("account = \"123456789012\"");
    let one = checked(&text).unwrap().environments.remove(0);
    let other = checked(&text.replace("123456789012", "210987654321")).unwrap();
    assert_ne!(one.scope(), other.environments[0].scope());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(&PathBuf::from("/nonexistent/ops.toml")).unwrap_err();
    assert!(error.to_string().contains("opsconsole init"), "{error}");
}

#[test]
fn what_is_written_is_read_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep").join("config.toml");
    let environments = checked(WHOLE).unwrap().environments;
    let written = write(&path, &environments).unwrap();
    assert_eq!(written.added, ["staging", "prod", "apex"].map(Into::into));
    let config = load(&path).unwrap();
    assert_eq!(config.environments, environments);
}

#[test]
fn writing_merges_and_never_touches_what_people_wrote() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.toml");
    let own = "# ours, by hand\n[environment.prod] # careful\nregion = \"eu-central-1\"\ncluster = \"old\"\nservice = \"api\"\nguard = \"read-only\"\n";
    std::fs::write(&path, own).unwrap();
    let environments = checked(WHOLE).unwrap().environments;
    let written = write(&path, &environments).unwrap();
    assert_eq!(written.added, ["staging", "apex"].map(Into::into));
    assert_eq!(written.kept, ["prod"].map(Into::into));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(own.trim_end()), "{text}");
    let config = load(&path).unwrap();
    let prod = config
        .environments
        .iter()
        .find(|one| one.name.as_str() == "prod")
        .unwrap();
    assert_eq!(prod.guard, Guard::ReadOnly);
    // Once more adds nothing.
    let again = write(&path, &environments).unwrap();
    assert_eq!(again.added, Vec::new());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_file_with_a_mistake_is_not_written_to() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.toml");
    std::fs::write(&path, "[environment.prod]\nguard = \"weak\"\n").unwrap();
    let environments = checked(WHOLE).unwrap().environments;
    assert!(write(&path, &environments).is_err());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "[environment.prod]\nguard = \"weak\"\n");
}
