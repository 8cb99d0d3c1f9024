//! What looks hold against revisions.

use super::world::*;
use crate::{
    model::{Judgement, Metrics, Observation, RolloutRecord, Verdict},
    operate::notes::Known,
};

fn alarmed(observation: &Observation, past: &[RolloutRecord], judged: &[Judgement]) -> Vec<String> {
    let prod = prod();
    let known = Known {
        environment: &prod,
        rollouts: past,
        judgements: judged,
        now: observation.at,
    };
    short(known.by_alarms(observation))
}

fn measured(metrics: &Metrics, past: &[RolloutRecord]) -> Vec<String> {
    let prod = prod();
    let known = Known {
        environment: &prod,
        rollouts: past,
        judgements: &[],
        now: now(),
    };
    short(known.by_metrics(metrics))
}

fn short(found: Vec<Judgement>) -> Vec<String> {
    assert!(found.iter().all(|one| one.verdict == Verdict::Alarmed));
    found
        .iter()
        .map(|judgement| format!("{} {}", judgement.revision.short(), judgement.detail))
        .collect()
}

fn look(minute: i64, alarm_since: i64) -> Observation {
    let mut observation = observation(2, "1.6.1");
    observation.at = at(minute);
    observation.service.alarms = vec![ringing("prod-api-5xx", alarm_since)];
    observation
}

#[test]
fn an_alarm_that_rings_while_a_release_is_live_is_held_against_it() {
    let past = [rollout(2, "1.6.1", -10), rollout(1, "1.4.0", -600)];
    assert_eq!(
        alarmed(&look(0, -8), &past, &[]),
        ["api-prod:2 alarm prod-api-5xx rang"]
    );
}

#[test]
fn an_alarm_that_rang_before_is_held_against_the_release_of_then() {
    let past = [rollout(2, "1.6.1", -10), rollout(1, "1.4.0", -600)];
    assert_eq!(
        alarmed(&look(0, -20), &past, &[]),
        ["api-prod:1 alarm prod-api-5xx rang"]
    );
}

#[test]
fn the_aftermath_of_a_bad_release_is_not_held_against_the_one_gone_back_to() {
    let past = [
        rollout(1, "1.4.0", -4),
        rollout(2, "1.6.1", -30),
        rollout(1, "1.4.0", -600),
    ];
    // Rang on the last bad values, a minute after the way back was complete.
    assert_eq!(alarmed(&look(0, -2), &past, &[]), Vec::<String>::new());
    // Ten minutes later it still rings: that is the release's own doing.
    assert_eq!(
        alarmed(&look(8, -2), &past, &[]),
        ["api-prod:1 alarm prod-api-5xx rang"]
    );
}

#[test]
fn errors_while_nobody_watched_are_found_in_the_metrics() {
    // Bad from -30 to -10, then somebody rolled forward to a release that is fine.
    let past = [
        rollout(3, "1.7.0", -10),
        rollout(2, "1.6.1", -30),
        rollout(1, "1.4.0", -600),
    ];
    let metrics = Metrics {
        error_percent: hour(|m| Some(if (-29..-9).contains(&m) { 8.0 } else { 0.1 })),
        ..Metrics::default()
    };
    assert_eq!(measured(&metrics, &past), ["api-prod:2 5xx 8.0 %"]);
}

#[test]
fn a_slow_release_is_found_in_the_metrics() {
    let past = [
        rollout(3, "1.7.0", -10),
        rollout(2, "1.6.2", -30),
        rollout(1, "1.4.0", -600),
    ];
    let metrics = Metrics {
        p95_ms: hour(|m| Some(if (-29..-9).contains(&m) { 712.0 } else { 12.0 })),
        ..Metrics::default()
    };
    assert_eq!(
        measured(&metrics, &past),
        ["api-prod:2 p95 712 ms, normally 12 ms"]
    );
}

#[test]
fn a_short_outage_in_a_long_good_life_condemns_nobody() {
    let past = [rollout(2, "1.5.0", -1), rollout(1, "1.4.0", -600)];
    let metrics = Metrics {
        error_percent: hour(|m| Some(if (-30..-25).contains(&m) { 40.0 } else { 0.0 })),
        ..Metrics::default()
    };
    assert_eq!(measured(&metrics, &past), Vec::<String>::new());
}

#[test]
fn new_tasks_of_the_release_gone_back_to_may_be_slow_at_first() {
    let slow = Metrics {
        p95_ms: hour(|m| Some(if m >= -3 { 710.0 } else { 12.0 })),
        ..Metrics::default()
    };
    let prod = prod();
    let held = |observation: &Observation, past: &[RolloutRecord]| {
        let known = Known {
            environment: &prod,
            rollouts: past,
            judgements: &[],
            now: now(),
        };
        short(known.held_against(observation, Some(&slow))).len()
    };
    let back = [
        rollout(1, "1.4.0", -4),
        rollout(2, "1.6.1", -30),
        rollout(1, "1.4.0", -600),
    ];
    assert_eq!(held(&observation(1, "1.4.0"), &back), 0);
    let forward = [rollout(2, "1.6.1", -4), rollout(1, "1.4.0", -600)];
    assert!(held(&observation(2, "1.6.1"), &forward) > 0);
}
