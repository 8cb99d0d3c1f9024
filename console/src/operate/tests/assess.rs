//! The sentence under a degraded row.

use super::{fake::progress_of, world::*};
use crate::{
    model::{
        Assessment, Breaker, Cause, Health, Metrics, Observation, RolloutOutcome::*, RolloutRecord,
        RolloutSide, Symptom,
    },
    operate::{Assessed, assess},
};
use jiff::{SignedDuration, tz::TimeZone};

fn judge(observation: &Observation, metrics: &Metrics, past: &[RolloutRecord]) -> Assessment {
    assess(Assessed {
        observation,
        metrics,
        rollouts: past,
        judgements: &[],
        now: now(),
        zone: &TimeZone::UTC,
    })
}

/// A rollout of 1.4.1 so many seconds before the errors begin at 13:53.
fn out_before(seconds: i64) -> Vec<RolloutRecord> {
    let mut bad = rollout(2, "1.4.1", -7).coming_from(1);
    bad.started_at = at(-7) - SignedDuration::from_secs(seconds);
    bad.finished_at = Some(at(-6));
    vec![bad, rollout(1, "1.4.0", -8640)]
}

#[test]
fn the_sentence_names_the_rollout_that_came_just_before() {
    let judged = judge(
        &observation(2, "1.4.1"),
        &errors_since(-7, 7.9),
        &out_before(20),
    );
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:53 — began 20 s after 1.4.1 went out"
    );
    assert_eq!(judged.health, Health::Degraded);
    assert_eq!(judged.since, Some(at(-7)));
    let (name, good_for_s) = judged.undo.unwrap();
    assert_eq!(name, "1.4.0");
    assert_eq!(good_for_s.unwrap() / 86_400, 5);
}

#[test]
fn errors_are_told_with_why_some_tasks_do_not_run() {
    let mut observation = observation(2, "1.4.1");
    observation.service.running = 1;
    observation.service.shortage = Some("task 3fa1b2 ended: exit 137".to_owned());
    let judged = judge(&observation, &errors_since(-7, 7.9), &out_before(20));
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:53; task 3fa1b2 ended: exit 137 — began 20 s after 1.4.1 went out"
    );
}

#[test]
fn nothing_is_blamed_when_no_deploy_preceded() {
    let past = [rollout(1, "1.4.0", -8640)];
    let judged = judge(&observation(1, "1.4.0"), &errors_since(-7, 7.9), &past);
    assert_eq!(judged.cause, Some(Cause::NoRecentRollout));
    assert_eq!(judged.undo, None);
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:53 — no deploy preceded it (the last was 5 d 23 h before)"
    );
}

#[test]
fn a_deploy_that_began_after_the_degradation_is_not_to_blame() {
    let past = [
        rollout(2, "1.4.1", -3).coming_from(1),
        rollout(1, "1.4.0", -8640),
    ];
    let judged = judge(&observation(2, "1.4.1"), &errors_since(-7, 7.9), &past);
    assert_eq!(
        judged.cause,
        Some(Cause::BeforeRollout {
            release: "1.4.1".to_owned()
        })
    );
    assert_eq!(judged.undo, None);
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:53 — began before 1.4.1 went out"
    );
}

#[test]
fn a_deploy_within_the_same_minute_but_after_the_rise_is_not_to_blame() {
    // The minute of 13:53 is as bad as those after it: errors filled it from its first second,
    // and the rollout began half a minute into it.
    let judged = judge(
        &observation(2, "1.4.1"),
        &errors_since(-7, 7.9),
        &out_before(-30),
    );
    assert_eq!(judged.cause, None);
    assert!(judged.undo.is_some(), "it is still the first thing to try");
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:53 — began within 1 min of 1.4.1 going out"
    );
}

#[test]
fn a_rise_within_the_minute_of_the_rollout_is_placed_by_how_full_the_minute_is() {
    // The rollout began at 13:53:10; the minute holds a quarter of the later level, so errors
    // began at 13:53:45.
    let metrics = Metrics {
        error_percent: hour(|m| {
            Some(match m {
                -7 => 2.0,
                m if m > -7 => 8.0,
                _ => 0.0,
            })
        }),
        requests_per_second: hour(|_| Some(80.0)),
        ..Metrics::default()
    };
    let judged = judge(&observation(2, "1.4.1"), &metrics, &out_before(-10));
    assert_eq!(
        judged.cause,
        Some(Cause::Rollout {
            release: "1.4.1".to_owned(),
            after_s: 35
        })
    );
}

#[test]
fn an_estimate_that_is_only_just_after_the_rollout_is_not_enough_to_blame_it() {
    // As above, and the rollout began ten seconds before the estimate.
    let metrics = Metrics {
        error_percent: hour(|m| {
            Some(match m {
                -7 => 2.0,
                m if m > -7 => 8.0,
                _ => 0.0,
            })
        }),
        requests_per_second: hour(|_| Some(80.0)),
        ..Metrics::default()
    };
    let judged = judge(&observation(2, "1.4.1"), &metrics, &out_before(-35));
    assert_eq!(judged.cause, None);
}

#[test]
fn where_the_data_cannot_tell_which_came_first_nobody_is_blamed() {
    // One raised minute only, and the rollout began within it; the alarm makes it an incident.
    let mut observation = observation(2, "1.4.1");
    observation.service.alarms = vec![ringing("prod-api-5xx", 0)];
    let mut bad = rollout(2, "1.4.1", -1).coming_from(1);
    bad.started_at += SignedDuration::from_secs(20);
    let past = [bad, rollout(1, "1.4.0", -8640)];
    let judged = judge(&observation, &errors_since(-1, 7.9), &past);
    assert_eq!(judged.cause, None);
    assert_eq!(
        judged.sentence,
        "5xx 7.9 % since 13:59 — began within 3 min of 1.4.1 going out"
    );
}

#[test]
fn a_deploy_long_before_is_not_to_blame() {
    let past = [
        rollout(2, "1.4.1", -45).coming_from(1),
        rollout(1, "1.4.0", -8640),
    ];
    let judged = judge(&observation(2, "1.4.1"), &errors_since(-7, 7.9), &past);
    assert_eq!(judged.cause, Some(Cause::NoRecentRollout));
}

#[test]
fn a_rollout_that_was_rolled_back_before_cannot_have_caused_it() {
    let past = [
        rollout(2, "1.4.1", -12).coming_from(1).ended(RolledBack),
        rollout(1, "1.4.0", -8640),
    ];
    let judged = judge(&observation(1, "1.4.0"), &errors_since(-7, 7.9), &past);
    assert_eq!(judged.cause, Some(Cause::NoRecentRollout));
}

#[test]
fn the_way_back_is_not_taken_for_the_cause() {
    // Bad since -20; the rollback began at -2.
    let past = [
        rollout(1, "1.4.0", -2).coming_from(2).ended(InProgress),
        rollout(2, "1.4.1", -21).coming_from(1),
        rollout(1, "1.4.0", -8640),
    ];
    let judged = judge(&observation(2, "1.4.1"), &errors_since(-20, 8.0), &past);
    assert_eq!(
        judged.cause,
        Some(Cause::Rollout {
            release: "1.4.1".to_owned(),
            after_s: 60
        })
    );
    let mut observation = observation(2, "1.4.1");
    observation.service.rollout = Some(progress_of(past[0].clone()));
    let judged = judge(&observation, &errors_since(-20, 8.0), &past);
    assert_eq!(
        judged.sentence,
        "5xx 8.0 % since 13:40 — began 1 min after 1.4.1 went out; 1.4.0 is on its way"
    );
    assert_eq!(judged.undo, None);
}

#[test]
fn after_the_way_back_no_further_step_back_is_proposed_while_the_series_lag() {
    let past = [
        rollout(3, "1.4.0", -2).coming_from(2),
        rollout(2, "1.4.1", -21).coming_from(1),
        rollout(1, "1.4.0", -8640),
        rollout(9, "1.3.0", -9000),
    ];
    let judged = judge(&observation(3, "1.4.0"), &errors_since(-20, 8.0), &past);
    assert_eq!(
        judged.sentence,
        "5xx 8.0 % since 13:40 — began 1 min after 1.4.1 went out; 1.4.0 went out at 13:58"
    );
    assert_eq!(judged.undo, None);
}

#[test]
fn errors_older_than_the_data_are_said_to_be_so() {
    let metrics = Metrics {
        error_percent: hour(|_| Some(9.0)),
        requests_per_second: hour(|_| Some(80.0)),
        ..Metrics::default()
    };
    let past = [rollout(1, "1.4.0", -70)];
    let judged = judge(&observation(1, "1.4.0"), &metrics, &past);
    assert_eq!(judged.sentence, "5xx 9.0 % since before 13:00");
    assert_eq!(judged.cause, None);
}

#[test]
fn one_failed_request_at_night_is_no_incident() {
    let metrics = Metrics {
        error_percent: hour(|m| Some(if m >= -2 { 50.0 } else { 0.0 })),
        requests_per_second: hour(|_| Some(0.02)),
        ..Metrics::default()
    };
    let judged = judge(&observation(1, "1.4.0"), &metrics, &[]);
    assert_eq!(judged.health, Health::Healthy);
    assert_eq!(judged.sentence, "");
}

#[test]
fn errors_that_are_normal_here_are_no_incident() {
    let metrics = Metrics {
        error_percent: hour(|m| Some(1.2 + (m % 3) as f64 / 10.0)),
        requests_per_second: hour(|_| Some(80.0)),
        ..Metrics::default()
    };
    let judged = judge(&observation(1, "1.4.0"), &metrics, &[]);
    assert_eq!(judged.health, Health::Healthy);
}

#[test]
fn holes_in_the_series_are_not_zeros() {
    let metrics = Metrics {
        error_percent: hour(|m| match m {
            m if m < -7 => Some(0.0),
            -5 | -3 => None,
            _ => Some(8.0),
        }),
        requests_per_second: hour(|_| Some(80.0)),
        ..Metrics::default()
    };
    let judged = judge(&observation(2, "1.4.1"), &metrics, &out_before(20));
    assert_eq!(judged.since, Some(at(-7)));
}

#[test]
fn a_slow_release_is_named_with_what_is_normal() {
    let metrics = Metrics {
        p95_ms: hour(|m| Some(if m >= -7 { 710.0 } else { 12.0 })),
        ..Metrics::default()
    };
    let judged = judge(&observation(2, "1.4.1"), &metrics, &out_before(20));
    assert_eq!(
        judged.sentence,
        "p95 710 ms, normally 12 ms, since 13:53 — began 20 s after 1.4.1 went out"
    );
}

#[test]
fn an_alarm_of_before_does_not_make_one_slow_step_an_incident() {
    // Back on the good release: the alarm of the bad one still rings, and new tasks are slow once.
    let mut observation = observation(2, "1.4.1");
    observation.service.alarms = vec![ringing("prod-api-5xx", -4)];
    let metrics = Metrics {
        p95_ms: hour(|m| Some(if m >= -1 { 710.0 } else { 12.0 })),
        ..Metrics::default()
    };
    let judged = judge(&observation, &metrics, &out_before(20));
    assert!(
        judged
            .sentence
            .starts_with("alarm prod-api-5xx rings since"),
        "{}",
        judged.sentence
    );
}

#[test]
fn a_rollout_that_does_not_get_healthy_is_the_symptom_and_the_cause() {
    let mut observation = observation(1, "1.4.0");
    let record = rollout(2, "1.6.0", -2).coming_from(1).ended(InProgress);
    let mut progress = progress_of(record.clone());
    progress.breaker = Some(Breaker {
        enabled: true,
        rolls_back: true,
        failures: 2,
        threshold: 3,
    });
    progress.others = vec![RolloutSide {
        release: Some("1.4.0".to_owned()),
        revision: revision(1),
        in_service: 4,
        ..progress.ours.clone()
    }];
    observation.service.rollout = Some(progress);
    let judged = judge(
        &observation,
        &Metrics::default(),
        &[record, rollout(1, "1.4.0", -600)],
    );
    assert_eq!(
        judged.sentence,
        "1.6.0 does not become healthy: 2 of 3 failures; 1.4.0 keeps serving"
    );
    assert_eq!(judged.health, Health::Degraded);
    assert!(matches!(
        judged.symptoms[0],
        Symptom::RolloutFailing { failures: 2, .. }
    ));
    assert_eq!(judged.undo.map(|(name, _)| name), Some("1.4.0".to_owned()));
}

#[test]
fn what_holds_a_rollout_up_is_said_and_one_that_failed_and_stays_is_no_change_going_on() {
    let mut observation = observation(2, "1.6.0");
    let mut record = rollout(2, "1.6.0", -2).coming_from(1).ended(InProgress);
    record.reason = Some("api-2 is not ready: its probe fails".to_owned());
    let mut progress = progress_of(record);
    progress.ours.failed = 1;
    progress.others = vec![RolloutSide {
        release: Some("1.4.0".to_owned()),
        revision: revision(1),
        in_service: 4,
        ..progress.ours.clone()
    }];
    observation.service.rollout = Some(progress.clone());
    let judged = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(
        judged.sentence,
        "1.6.0 does not become healthy: 1 failure; 1.4.0 keeps serving; api-2 is not ready: its probe fails"
    );
    progress.record.outcome = Failed;
    observation.service.rollout = Some(progress);
    let judged = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(
        judged.sentence,
        "1.6.0 failed; 1.4.0 keeps serving; api-2 is not ready: its probe fails"
    );
    assert_eq!(judged.health, Health::Degraded);
}

#[test]
fn fewer_tasks_than_wanted_without_a_rollout_is_a_symptom() {
    let mut observation = observation(1, "1.4.0");
    observation.service.running = 3;
    let judged = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(judged.sentence, "3 of 4 tasks run");
    observation.service.shortage = Some("pods cannot be created: exceeded quota".to_owned());
    let judged = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(
        judged.sentence,
        "3 of 4 tasks run; pods cannot be created: exceeded quota"
    );
    observation.service.shortage = None;
    observation.service.running = 0;
    let judged = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(judged.health, Health::Down);
    assert_eq!(judged.sentence, "nothing runs");
}

#[test]
fn an_alarm_alone_is_named_with_its_own_time() {
    let mut observation = observation(1, "1.4.0");
    observation.service.alarms = vec![ringing("prod-api-queue", -6)];
    let judged = judge(
        &observation,
        &Metrics::default(),
        &[rollout(1, "1.4.0", -600)],
    );
    assert_eq!(
        judged.sentence,
        "alarm prod-api-queue rings since 13:54 — no deploy preceded it (the last was 9 h 51 min before)"
    );
}

#[test]
fn a_quiet_service_is_healthy_and_a_rolling_one_is_changing() {
    let mut observation = observation(1, "1.4.0");
    let quiet = judge(&observation, &errors_since(100, 0.0), &[]);
    assert_eq!(quiet.health, Health::Healthy);
    observation.service.rollout = Some(progress_of(rollout(2, "1.5.0", -1).ended(InProgress)));
    let rolling = judge(&observation, &Metrics::default(), &[]);
    assert_eq!(rolling.health, Health::Changing);
    assert_eq!(rolling.sentence, "");
}
