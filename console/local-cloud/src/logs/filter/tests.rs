//! Patterns against the examples of the documentation.

use super::*;

#[track_caller]
fn matches(pattern: &str, message: &str) -> bool {
    FilterPattern::parse(pattern)
        .unwrap_or_else(|e| panic!("{pattern}: {e}"))
        .matches(message)
}

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    for message in yes {
        assert!(
            matches(pattern, message),
            "{pattern} should match {message}"
        );
    }
    for message in no {
        assert!(
            !matches(pattern, message),
            "{pattern} should not match {message}"
        );
    }
}

const BAD: &str = "[ERROR 400] BAD REQUEST";
const UNAUTHORIZED: &str = "[ERROR 401] UNAUTHORIZED REQUEST";
const MISSING: &str = "[ERROR 419] MISSING ARGUMENTS";
const INVALID: &str = "[ERROR 420] INVALID ARGUMENTS";
const INTERNAL: &str = "[ERROR 500] INTERNAL SERVER ERROR";

#[test]
fn terms_must_all_be_there_wherever_they_are() {
    check("", &[BAD, ""], &[]);
    check("\" \"", &[BAD, "x"], &[]);
    check(
        "ERROR",
        &[BAD, UNAUTHORIZED, "InvalidERRORs"],
        &["[error]", ""],
    );
    check("ERROR ARGUMENTS", &[MISSING, INVALID], &[BAD, UNAUTHORIZED]);
    check(
        "\"INTERNAL SERVER ERROR\"",
        &[INTERNAL],
        &["INTERNAL ERROR SERVER"],
    );
    check(r#""say \"hi\"""#, &[r#"say "hi""#], &["say hi"]);
}

#[test]
fn optional_terms_count_only_among_themselves() {
    check(
        "?ERROR ?ARGUMENTS",
        &[BAD, MISSING, "ARGUMENTS"],
        &["[INFO]"],
    );
    check(
        "?ERROR ?ARGUMENTS REQUEST",
        &["[INFO 200] SUCCESSFUL REQUEST", BAD],
        &[MISSING],
    );
}

#[test]
fn excluded_terms_must_not_be_there() {
    check("ERROR -ARGUMENTS", &[BAD, UNAUTHORIZED], &[MISSING, "ok"]);
    check("-ERROR", &["ok"], &[BAD]);
    check(
        "ERROR -\"BAD REQUEST\" -%40[12]%",
        &[MISSING],
        &[BAD, UNAUTHORIZED],
    );
}

#[test]
fn regular_expressions_stand_between_percent_signs() {
    check(
        "%AUTHORIZED%",
        &[UNAUTHORIZED, "[SUCCESS 200] AUTHORIZED REQUEST"],
        &[BAD],
    );
    check(r"%^\[ERROR\s4\d{2}% REQUEST", &[BAD], &[INTERNAL, MISSING]);
    check("%gray|grey%", &["gray", "grey"], &["griy"]);
    for refused in ["%(a)%", "%a!%", "%a", "%[%", "%a% %b% %c%"] {
        assert!(FilterPattern::parse(refused).is_err(), "{refused}");
    }
}

const CLOUD_TRAIL: &str = r#"{
  "eventType": "UpdateTrail",
  "sourceIPAddress": "111.111.111.111",
  "arrayKey": ["value", "another value"],
  "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
  "SomeObject": null,
  "cluster.name": "c",
  "bandwidth": 74.5,
  "status": "500",
  "retry": true,
  "user": {"id": 1, "email": "John.Stiles@example.com"},
  "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
  "actions": ["GET", "PUT", "DELETE"],
  "coordinates": [[0, 1, 2], [4, 5, 6]]
}"#;

#[test]
fn json_conditions_are_those_of_the_documentation() {
    for holds in [
        r#"{ $.eventType = "UpdateTrail" }"#,
        r#"{ $.eventType = UpdateTrail }"#,
        r#"{$.eventType="Update*"}"#,
        r#"{ $.eventType = %Trail% }"#,
        r#"{ $.arrayKey[0] = "value" }"#,
        r#"{ $.objectList[1].id = 2 }"#,
        r#"{ $.objectList[*].id = 2 }"#,
        r#"{ $.sourceIPAddress != 123.123.* }"#,
        r#"{ $.sourceIPAddress = 111.111.* }"#,
        r#"{ $.sourceIPAddress = %1.1\.111% }"#,
        r#"{ $.SomeObject IS NULL }"#,
        r#"{ $.SomeOtherObject NOT EXISTS }"#,
        r#"{ $.user EXISTS }"#,
        r#"{ $.retry IS TRUE }"#,
        r#"{ $.bandwidth > 74 }"#,
        r#"{ $.bandwidth <= 7.45e1 }"#,
        r#"{ $.status = 500 }"#,
        r#"{ $.status >= 500 }"#,
        r#"{ $.['cluster.name'] = "c" }"#,
        r#"{ $.coordinates[0][1] = 1 }"#,
        r#"{ $.user.* = "John.Stiles@example.com" }"#,
        r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#,
        r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "DELETE" }"#,
        r#"{ $.user.id = 9 && $.user.id = 9 || $.actions[0] = GET }"#,
    ] {
        assert!(matches(holds, CLOUD_TRAIL), "{holds}");
    }
    for fails in [
        r#"{ $.eventType = "updatetrail" }"#,
        r#"{ $.eventType != "UpdateTrail" }"#,
        r#"{ $.nothing != "x" }"#,
        r#"{ $.user = "x" }"#,
        r#"{ $.SomeObject NOT EXISTS }"#,
        r#"{ $.SomeObject EXISTS && $.user IS NULL }"#,
        r#"{ $.retry IS FALSE }"#,
        r#"{ $.bandwidth > 75 }"#,
        r#"{ $.arrayKey[2] EXISTS }"#,
        r#"{ ($.user.id = 1 || $.user.id = 2) && $.actions[0] = "PUT" }"#,
    ] {
        assert!(!matches(fails, CLOUD_TRAIL), "{fails}");
    }
    assert!(!matches("{ $.a = 1 }", "plain text"));
    assert!(!matches("{ $.a NOT EXISTS }", "plain text"));
}

#[test]
fn space_delimited_fields_are_compared_by_their_place() {
    let line =
        r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    let all = "[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes > 1000]";
    check(all, &[line], &["127.0.0.1 Prod frank"]);
    check("[..., status_code = 404, bytes]", &[line], &[]);
    check("[..., status_code = 5*, bytes]", &[], &[line]);
    check("[ip = %127\\.0\\.0\\.[1-9]%, ...]", &[line], &[]);
    check(
        "[w1 = ERROR, w2]",
        &["ERROR code"],
        &["WARN code", "ERROR code more"],
    );
    check(
        "[w1 != ERROR && w1 != WARN, ...]",
        &["INFO a b"],
        &["ERROR a", "WARN"],
    );
    check(
        "[w1 = ERROR || w1 = WARN, ...]",
        &["ERROR a", "WARN"],
        &["INFO a b"],
    );
}

#[test]
fn what_is_not_a_pattern_is_refused_as_the_service_does() {
    let said = |pattern: &str| {
        FilterPattern::parse(pattern)
            .expect_err(pattern)
            .to_string()
    };
    assert_eq!(said("foo-bar"), "Invalid character(s) in term '-'");
    assert_eq!(said("status: timeout"), "Invalid character(s) in term ':'");
    assert_eq!(
        said("{ $.\"sc-status\" = 5* }"),
        "Invalid character(s) in term '\"'"
    );
    for refused in [
        "{",
        "{ }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ level = 1 }",
        "{ $.a > text }",
        "{ $.a[x] = 1 }",
        "\"open",
        "?",
        "-",
        "[a",
        "[..., a, ...]",
        "[a b]",
    ] {
        assert!(FilterPattern::parse(refused).is_err(), "{refused}");
    }
    let deep = format!("{{ {} }}", "(".repeat(900));
    assert!(FilterPattern::parse(&deep).is_err());
    assert!(FilterPattern::parse(&"a".repeat(2000)).is_err());
}
