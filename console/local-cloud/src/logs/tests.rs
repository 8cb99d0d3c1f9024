//! Stories of groups, streams and readers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Lateness, LogStore, handle};
use crate::faults::Faults;
use crate::protocol::{AwsError, now_ms};

const GROUP: &str = "/ecs/dev/api";

fn ask(store: &LogStore, action: &str, input: Value) -> Result<Value, AwsError> {
    handle(store, &Faults::new(), action, &input)
}

fn messages(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().expect("events");
    events
        .iter()
        .map(|e| e["message"].as_str().expect("text"))
        .collect()
}

/// Ten events a second apart, in two streams by turns.
fn ten() -> LogStore {
    let store = LogStore::new();
    for i in 0..10 {
        store.put(
            GROUP,
            ["a", "b"][i % 2],
            1_000 * i as i64,
            format!("line {i}"),
        );
    }
    store
}

/// Reads all pages as a client does: until there is no token.
fn drain(store: &LogStore, mut input: Value) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = ask(store, "FilterLogEvents", input.clone()).expect("a page");
        all.extend(messages(&page).into_iter().map(str::to_owned));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return all,
        }
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let store = ten();
    let all: Vec<String> = (0..10).map(|i| format!("line {i}")).collect();
    assert_eq!(
        drain(&store, json!({"logGroupName": GROUP, "limit": 3})),
        all
    );
    let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/dev/api:*";
    assert_eq!(drain(&store, json!({"logGroupIdentifier": arn})), all);
}

#[test]
fn a_reader_chooses_by_time_stream_and_pattern() {
    let store = ten();
    let get = |mut input: Value| {
        input["logGroupName"] = GROUP.into();
        drain(&store, input)
    };
    assert_eq!(
        get(json!({"startTime": 7_000, "endTime": 8_000})),
        ["line 7", "line 8"]
    );
    assert_eq!(
        get(json!({"logStreamNames": ["b"], "startTime": 7_000})),
        ["line 7", "line 9"]
    );
    assert_eq!(
        get(json!({"logStreamNamePrefix": "a", "startTime": 7_000})),
        ["line 8"]
    );
    assert_eq!(get(json!({"filterPattern": "\"line 3\""})), ["line 3"]);
}

#[test]
fn event_ids_are_unique_even_at_the_same_millisecond() {
    let store = LogStore::new();
    for _ in 0..100 {
        store.put(GROUP, "a", 5, "same".into());
    }
    let page = ask(&store, "FilterLogEvents", json!({"logGroupName": GROUP})).expect("page");
    let ids: std::collections::BTreeSet<&str> = page["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|e| e["eventId"].as_str())
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn a_stream_is_read_from_both_ends_and_tokens_repeat_at_the_end() {
    let store = ten();
    let get = |more: Value| {
        let mut input = json!({"logGroupName": GROUP, "logStreamName": "a", "limit": 2});
        input
            .as_object_mut()
            .expect("map")
            .extend(more.as_object().cloned().expect("map"));
        ask(&store, "GetLogEvents", input).expect("page")
    };
    let tail = get(json!({}));
    assert_eq!(messages(&tail), ["line 6", "line 8"]);
    let before = get(json!({"nextToken": tail["nextBackwardToken"]}));
    assert_eq!(messages(&before), ["line 2", "line 4"]);
    let head = get(json!({"startFromHead": true}));
    assert_eq!(messages(&head), ["line 0", "line 2"]);
    let next = get(json!({"startFromHead": true, "nextToken": head["nextForwardToken"]}));
    assert_eq!(messages(&next), ["line 4", "line 6"]);
    let end = get(json!({"nextToken": tail["nextForwardToken"]}));
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextForwardToken"], tail["nextForwardToken"]);
}

#[test]
fn a_group_keeps_its_newest_bytes() {
    let store = LogStore::with_group_bytes_max(10_000);
    for i in 0..1_000 {
        store.put(GROUP, "a", i, format!("line {i:04} {}", "x".repeat(64)));
    }
    let kept = drain(&store, json!({"logGroupName": GROUP}));
    assert!((90..=100).contains(&kept.len()), "{} kept", kept.len());
    assert!(kept[kept.len() - 1].starts_with("line 0999"));
}

#[test]
fn a_line_of_ten_megabytes_becomes_events_that_join_to_it() {
    let store = LogStore::new();
    let line = "é".repeat(5 * 1024 * 1024);
    store.put(GROUP, "a", 0, line.clone());
    store.put_bytes(GROUP, "a", 1, b"caf\xe9");
    let all = drain(&store, json!({"logGroupName": GROUP}));
    let (last, pieces) = all.split_last().expect("events");
    assert!(pieces.iter().all(|piece| piece.len() + 26 <= 256 * 1024));
    assert!(pieces.concat() == line);
    assert_eq!(last, "caf\u{fffd}");
}

#[test]
fn late_events_come_with_an_old_timestamp_after_their_delay() {
    let store = LogStore::new();
    store.set_lateness(Some(Lateness {
        delay_ms: 200,
        percent: 100,
        until_ms: now_ms() + 60_000,
    }));
    store.ensure_group(GROUP);
    store.put(GROUP, "a", 1_000, "late".into());
    store.set_lateness(None);
    store.put(GROUP, "a", 2_000, "prompt".into());
    assert_eq!(drain(&store, json!({"logGroupName": GROUP})), ["prompt"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let all = drain(&store, json!({"logGroupName": GROUP}));
        if all == ["late", "prompt"] {
            break;
        }
        assert!(Instant::now() < deadline, "still {all:?}");
        std::thread::yield_now();
    }
}

#[test]
fn an_empty_page_with_a_token_is_not_the_end() {
    let store = ten();
    let faults = Faults::new();
    faults.add(serde_json::from_value(json!({"kind": "empty-pages"})).expect("fault"));
    let input = json!({"logGroupName": GROUP, "startTime": 8_000});
    let page = handle(&store, &faults, "FilterLogEvents", &input).expect("page");
    assert!(messages(&page).is_empty());
    let next = json!({"logGroupName": GROUP, "startTime": 8_000, "nextToken": page["nextToken"]});
    let page = handle(&store, &faults, "FilterLogEvents", &next).expect("page");
    assert_eq!(messages(&page), ["line 8", "line 9"]);
}

#[test]
fn what_is_wrong_is_said_as_the_service_says_it() {
    let store = ten();
    let code = |action: &str, input: Value| {
        ask(&store, action, input)
            .expect_err(action)
            .code
            .into_owned()
    };
    let nowhere = json!({"logGroupName": "/no"});
    for action in ["FilterLogEvents", "DescribeLogStreams", "DeleteLogGroup"] {
        assert_eq!(code(action, nowhere.clone()), "ResourceNotFoundException");
    }
    let group = json!({"logGroupName": GROUP});
    assert_eq!(
        code("CreateLogGroup", group.clone()),
        "ResourceAlreadyExistsException"
    );
    assert_eq!(code("StartQuery", group), "UnknownOperationException");
    for bad in [
        json!({"filterPattern": "a-b"}),
        json!({"nextToken": "x"}),
        json!({"limit": 10_001}),
        json!({"startTime": 2, "endTime": 1}),
        json!({"logStreamNames": ["a"], "logStreamNamePrefix": "a"}),
    ] {
        let mut input = bad;
        input["logGroupName"] = GROUP.into();
        assert_eq!(code("FilterLogEvents", input), "InvalidParameterException");
    }
}

#[test]
fn events_too_old_or_too_new_are_rejected_and_the_others_kept() {
    let store = ten();
    let now = now_ms();
    let event = |at: i64| json!({"timestamp": at, "message": at.to_string()});
    let day = 86_400_000;
    let put = json!({
        "logGroupName": GROUP, "logStreamName": "a",
        "logEvents": [event(now - 15 * day), event(now), event(now + day)],
    });
    let answer = ask(&store, "PutLogEvents", put).expect("put");
    assert_eq!(
        answer["rejectedLogEventsInfo"],
        json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2})
    );
    let kept = drain(&store, json!({"logGroupName": GROUP, "startTime": day}));
    assert_eq!(kept, [now.to_string()]);
}

#[test]
fn fifty_thousand_lines_are_taken_in_within_ten_seconds_of_a_debug_build() {
    let store = LogStore::new();
    let line = format!(
        r#"{{"level":"INFO","message":"request","pad":"{}"}}"#,
        "x".repeat(300)
    );
    let begin = Instant::now();
    for i in 0..50_000 {
        store.put(GROUP, ["a", "b", "c", "d"][i % 4], i as i64, line.clone());
    }
    let took = begin.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "5,000 lines a second: {took:?}"
    );
    assert_eq!(
        drain(
            &store,
            json!({"logGroupName": GROUP, "filterPattern": "nothing"})
        )
        .len(),
        0
    );
}
