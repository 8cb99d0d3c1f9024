//! Which revision a rollback goes to.

use super::world::*;
use crate::{
    model::{Judgement, RevisionId, RolloutOutcome::*, RolloutRecord, Verdict},
    operate::{Choice, History},
};
use proptest::prelude::*;

fn choose(current: u32, rollouts: &[RolloutRecord], judgements: &[Judgement]) -> Choice {
    let current = revision(current);
    History {
        current: Some(&current),
        rollouts,
        judgements,
        runs: &[],
    }
    .choose()
}

fn target(choice: &Choice) -> Option<RevisionId> {
    choice.target.as_ref().map(|good| good.revision.clone())
}

/// `name: why` of what was passed over.
fn passed(choice: &Choice) -> Vec<String> {
    choice
        .passed_over
        .iter()
        .map(|passed| format!("{}: {}", passed.name, passed.why))
        .collect()
}

fn held_against(number: u32, release: &str, verdict: Verdict, minute: i64) -> Judgement {
    Judgement {
        environment: prod(),
        revision: revision(number),
        digest: Some(digest(release)),
        verdict,
        detail: "alarm prod-api-5xx rang".to_owned(),
        by: None,
        run: None,
        at: at(minute),
    }
}

#[test]
fn a_rollback_goes_to_the_release_before_when_that_was_good() {
    let past = [rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)];
    let choice = choose(2, &past, &[]);
    assert_eq!(target(&choice), Some(revision(1)));
    let good = choice.target.unwrap();
    assert_eq!(good.lived.map(|lived| lived.as_mins()), Some(589));
    assert_eq!(passed(&choose(2, &past, &[])), Vec::<String>::new());
}

#[test]
fn a_release_that_was_live_too_briefly_to_be_judged_is_passed_over_for_a_proven_one() {
    let past = [
        rollout(3, "1.6.2", -10),
        rollout(2, "1.6.1", -14),
        rollout(1, "1.4.0", -600),
    ];
    let choice = choose(3, &past, &[]);
    assert_eq!(target(&choice), Some(revision(1)));
    assert_eq!(
        passed(&choice),
        ["1.6.1 (api-prod:2): live for 3 min only: too briefly to show whether it is good"]
    );
}

#[test]
fn where_nothing_is_proven_the_release_that_lived_longest_is_taken() {
    let past = [
        rollout(4, "1.6.2", -10),
        rollout(3, "1.6.1", -12),
        rollout(2, "1.6.0", -16),
        rollout(1, "1.4.0", -18),
    ];
    let choice = choose(4, &past, &[]);
    assert_eq!(target(&choice), Some(revision(2)));
    assert_eq!(passed(&choice).len(), 2, "{choice:?}");
}

#[test]
fn a_release_that_proved_itself_earlier_is_not_unproven_for_a_short_second_stay() {
    let past = [
        rollout(3, "1.6.2", -10),
        rollout(2, "1.6.1", -13),
        rollout(3, "1.6.2", -16),
        rollout(2, "1.6.1", -600),
    ];
    assert_eq!(target(&choose(3, &past, &[])), Some(revision(2)));
}

#[test]
fn a_rollback_skips_the_release_that_tripped_the_breaker() {
    let mut tripped = rollout(2, "1.5.1", -100).ended(RolledBack);
    tripped.reason = Some("deployment circuit breaker".to_owned());
    let past = [rollout(3, "1.6.1", -10), tripped, rollout(1, "1.4.0", -600)];
    let choice = choose(3, &past, &[]);
    assert_eq!(target(&choice), Some(revision(1)));
    assert_eq!(
        passed(&choice),
        ["1.5.1 (api-prod:2): its rollout was rolled back: deployment circuit breaker"]
    );
}

#[test]
fn a_release_whose_alarm_rang_is_skipped_although_its_deployment_succeeded() {
    let past = [
        rollout(3, "1.6.2", -10),
        rollout(2, "1.6.1", -60),
        rollout(1, "1.4.0", -600),
    ];
    let judged = [held_against(2, "1.6.1", Verdict::Alarmed, -55)];
    let choice = choose(3, &past, &judged);
    assert_eq!(target(&choice), Some(revision(1)));
    assert_eq!(
        passed(&choice),
        ["1.6.1 (api-prod:2): alarm prod-api-5xx rang while it was live, at 2026-03-01 13:05 UTC"]
    );
}

#[test]
fn good_bad_slow_and_two_rollbacks_never_land_on_a_bad_one() {
    let judged = [held_against(2, "1.6.1", Verdict::Alarmed, -55)];
    let mut past = vec![
        rollout(3, "1.6.2", -30),
        rollout(2, "1.6.1", -60),
        rollout(1, "1.4.1", -600),
        rollout(10, "1.4.0", -6000),
    ];
    assert_eq!(target(&choose(3, &past, &judged)), Some(revision(1)));
    // The first R has arrived: revision 1 is live again.
    past.insert(0, rollout(1, "1.4.1", -5));
    let again = choose(1, &past, &judged);
    assert_eq!(target(&again), Some(revision(10)));
    assert_eq!(
        passed(&again),
        [
            "1.6.2 (api-prod:3): rolled away from by someone at 2026-03-01 13:55 UTC",
            "1.6.1 (api-prod:2): alarm prod-api-5xx rang while it was live, at 2026-03-01 13:05 UTC",
        ]
    );
    // Nothing older: then nowhere, never the bad ones.
    past.pop();
    assert_eq!(target(&choose(1, &past, &judged)), None);
}

#[test]
fn a_rollback_by_somebody_else_shows_in_the_platforms_history() {
    // Ben went from 2 back to 1 in the AWS console, and later forward to 3. The platform knows
    // who registered revision 1, and that is not who went back to it.
    let past = [
        rollout(3, "1.6.0", -10),
        rollout(1, "1.4.0", -100).by("ben"),
        rollout(2, "1.5.0", -200),
        rollout(1, "1.4.0", -900),
    ];
    let choice = choose(3, &past, &[]);
    assert_eq!(target(&choice), Some(revision(1)));
    let choice = choose(1, &past, &[]);
    assert_eq!(
        passed(&choice),
        ["1.5.0 (api-prod:2): rolled away from by someone at 2026-03-01 12:20 UTC"]
    );
}

#[test]
fn deploying_the_old_image_again_is_a_rollback_too() {
    // Revision 3 is a new number for the image of revision 1.
    let past = [
        rollout(4, "1.7.0", -10),
        rollout(3, "1.4.0", -100).by("ci"),
        rollout(2, "1.5.0", -200),
        rollout(1, "1.4.0", -900),
    ];
    let choice = choose(3, &past, &[]);
    assert_eq!(
        passed(&choice),
        ["1.5.0 (api-prod:2): rolled away from by ci at 2026-03-01 12:20 UTC"]
    );
    assert_eq!(target(&choose(4, &past, &[])), Some(revision(3)));
}

#[test]
fn a_condemned_image_stays_condemned_under_a_new_number_until_it_proves_itself() {
    let judged = [held_against(2, "1.6.1", Verdict::Alarmed, -300)];
    let short = [
        rollout(4, "1.7.0", -10),
        rollout(3, "1.6.1", -14),
        rollout(2, "1.6.1", -310),
        rollout(1, "1.4.0", -900),
    ];
    let choice = choose(4, &short, &judged);
    assert_eq!(target(&choice), Some(revision(1)));
    assert!(
        passed(&choice)[0].starts_with(
            "1.6.1 (api-prod:3): the same image as api-prod:2: alarm prod-api-5xx rang"
        ),
        "{:?}",
        passed(&choice)
    );
    let long = [
        rollout(4, "1.7.0", -10),
        rollout(3, "1.6.1", -200),
        rollout(2, "1.6.1", -310),
        rollout(1, "1.4.0", -900),
    ];
    assert_eq!(target(&choose(4, &long, &judged)), Some(revision(3)));
}

#[test]
fn stopped_failed_and_unfinished_rollouts_are_no_target() {
    for (outcome, words) in [
        (Stopped, "its rollout was stopped"),
        (Failed, "its rollout failed"),
        (RolledBack, "its rollout was rolled back"),
        (InProgress, "its rollout still goes on"),
        (
            Superseded,
            "another rollout took its place before it was live",
        ),
    ] {
        let past = [
            rollout(3, "1.6.0", -10),
            rollout(2, "1.5.0", -60).ended(outcome),
            rollout(1, "1.4.0", -600),
        ];
        let choice = choose(3, &past, &[]);
        assert_eq!(target(&choice), Some(revision(1)), "{outcome:?}");
        assert_eq!(passed(&choice), [format!("1.5.0 (api-prod:2): {words}")]);
    }
}

#[test]
fn a_second_rollback_that_was_overtaken_does_not_spoil_a_good_release() {
    // Two consoles rolled back at once; the platform superseded the first.
    let past = [
        rollout(5, "1.7.0", -5),
        rollout(1, "1.4.0", -28),
        rollout(1, "1.4.0", -29).ended(Superseded),
        rollout(2, "1.6.1", -60),
        rollout(1, "1.4.0", -600),
    ];
    assert_eq!(target(&choose(5, &past, &[])), Some(revision(1)));
}

#[test]
fn an_alarm_that_the_platform_names_condemns() {
    let mut alarmed = rollout(2, "1.5.0", -60);
    alarmed.alarms = vec!["prod-api-p95".to_owned()];
    let past = [rollout(3, "1.6.0", -10), alarmed, rollout(1, "1.4.0", -600)];
    let choice = choose(3, &past, &[]);
    assert_eq!(target(&choice), Some(revision(1)));
    assert_eq!(
        passed(&choice),
        ["1.5.0 (api-prod:2): alarm prod-api-p95 condemned it"]
    );
}

#[test]
fn a_judgement_from_before_the_revision_existed_is_about_another_world() {
    // The local cloud was reset: its revisions count from 1 again.
    let past = [rollout(2, "1.5.0", -10), rollout(1, "1.4.0", -60)];
    let judged = [held_against(1, "1.4.0", Verdict::Alarmed, -5000)];
    assert_eq!(target(&choose(2, &past, &judged)), Some(revision(1)));
}

#[test]
fn the_first_release_ever_has_nothing_before_it() {
    let choice = choose(1, &[rollout(1, "1.4.0", -10)], &[]);
    assert_eq!(choice, Choice::default());
}

#[test]
fn restarting_a_release_is_not_going_back_from_it() {
    let past = [
        rollout(3, "1.6.0", -10),
        rollout(2, "1.5.0", -50).coming_from(2),
        rollout(2, "1.5.0", -100),
        rollout(1, "1.4.0", -600),
    ];
    assert_eq!(target(&choose(3, &past, &[])), Some(revision(2)));
}

fn any_past() -> impl Strategy<Value = Vec<RolloutRecord>> {
    let releases = ["1.4.0", "1.5.0", "1.6.1", "1.6.2", "1.7.0"];
    let one = (
        1_u32..8,
        0_usize..releases.len(),
        prop_oneof![
            5 => Just(Succeeded),
            1 => Just(RolledBack),
            1 => Just(Stopped),
            1 => Just(Failed),
            1 => Just(Superseded),
            1 => Just(InProgress),
        ],
        prop::bool::weighted(0.1),
        1_i64..90,
    );
    prop::collection::vec(one, 1..14).prop_map(move |all| {
        let mut minute = -2000;
        let mut records: Vec<RolloutRecord> = Vec::new();
        for (number, release, outcome, alarmed, gap) in all {
            minute += gap + 2;
            // A revision has one image for ever.
            let known = records.iter().find(|record| record.to == revision(number));
            let release = known
                .and_then(|record| record.release.clone())
                .unwrap_or_else(|| releases[release].to_owned());
            let mut record = rollout(number, &release, minute).ended(outcome);
            if alarmed {
                record.alarms = vec!["prod-api-5xx".to_owned()];
            }
            records.insert(0, record);
        }
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Stated by the rule's words alone, without the code that chooses.
    #[test]
    fn a_rollback_never_picks_a_disqualified_revision(
        past in any_past(),
        judged in prop::collection::vec((1_u32..8, 0_usize..3), 0..4),
    ) {
        let verdicts = [Verdict::RolledAway, Verdict::Alarmed, Verdict::Stopped];
        let judgements: Vec<Judgement> = judged
            .iter()
            .map(|(number, verdict)| held_against(*number, "none", verdicts[*verdict], 0))
            .collect();
        let current = past[0].to.clone();
        let choice = History {
            current: Some(&current),
            rollouts: &past,
            judgements: &judgements,
            runs: &[],
        }
        .choose();
        if let Some(good) = &choice.target {
            let own = || past.iter().filter(|record| record.to == good.revision);
            prop_assert_ne!(&good.revision, &current);
            prop_assert!(own().any(|record| record.outcome == Succeeded));
            prop_assert!(own().all(|record| record.alarms.is_empty()));
            prop_assert!(judgements.iter().all(|judgement| judgement.revision != good.revision));
            // The newest word on it is success.
            let newest = own().find(|record| !matches!(record.outcome, Superseded | InProgress));
            prop_assert_eq!(newest.map(|record| record.outcome), Some(Succeeded));
            // Nobody went from it to a revision that was there before it.
            let live: Vec<&RolloutRecord> = past.iter().rev().filter(|r| r.outcome == Succeeded).collect();
            let first = |wanted: &RevisionId| past.iter().rev().position(|r| r.to == *wanted);
            for pair in live.windows(2) {
                let left_for_older = pair[0].to == good.revision
                    && pair[1].to != good.revision
                    && pair[0].digest == pair[1].digest
                    && first(&pair[1].to) < first(&pair[0].to);
                prop_assert!(!left_for_older);
            }
        }
        // Whatever lies between is accounted for, newest first, each once.
        let mut names: Vec<_> = choice.passed_over.iter().map(|p| p.revision.clone()).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), choice.passed_over.len());
    }
}

#[test]
fn of_two_releases_that_were_live_for_a_moment_the_older_is_gone_back_to() {
    let after = |seconds: i64| at(-9) + jiff::SignedDuration::from_secs(seconds);
    let lived = |number: u32, release: &str, from_s: i64| {
        let mut record = rollout(number, release, -9);
        record.started_at = after(from_s);
        record.finished_at = Some(after(from_s));
        record
    };
    let past = [
        lived(3, "1.6.2", 3),
        lived(2, "1.6.1", 1),
        lived(1, "1.4.1", 0),
    ];
    let target = choose(3, &past, &[]).target.expect("a way back");
    assert_eq!(target.revision, revision(1));
    let alone = choose(3, &past[..2], &[]).target.expect("the only one");
    assert_eq!(alone.revision, revision(2));
}
