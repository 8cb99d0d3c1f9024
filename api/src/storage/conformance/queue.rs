//! What every backend must do with jobs: nobody gets one that another has, none is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use uuid::Uuid;

use super::texts::{from_the_start, location, prompt};
use super::{Database, keyed};
use crate::jobs::{Ending, Hold, Job, JobFilter, JobState, JobStep, Queue, StoredContent};
use crate::storage::{IdempotentRequest, New, Once, Store, messages};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// A lease that has ended when it begins: what a killed worker leaves behind, without a wait.
const OVER: Duration = Duration::ZERO;
const ATTEMPTS_MAX: i64 = 2;

fn new_job() -> Job {
    let prompt = prompt("Describe it.");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    Job::new(location("Bern").id, (prompt.id, 1), ATTEMPTS_MAX, trace)
}

async fn queued(store: &Arc<dyn Store>) -> Job {
    let job = new_job();
    store.insert(New::Job(&job)).await.expect("stored");
    job
}

async fn claim(store: &Arc<dyn Store>, lease: Duration) -> (Uuid, Option<Job>) {
    let claim = Uuid::now_v7();
    let claimed = store.claim_job(claim, lease).await.expect("answered");
    (claim, claimed.job)
}

async fn state(store: &Arc<dyn Store>, job: &Job) -> JobState {
    let found = store.job(job.id).await.expect("read");
    found.expect("it is there").state
}

fn content() -> StoredContent {
    StoredContent {
        key: "jobs/a.json".into(),
        bytes: 12,
        sha256: "ab".repeat(32),
        model: "a-model".into(),
    }
}

fn failed(after: Duration) -> Ending {
    Ending::Retry {
        after,
        error: "Gemini answered 500".into(),
    }
}

pub(super) async fn a_key_makes_one_job(database: Database) {
    let store = database.migrated().await;
    let job = new_job();
    for expected in [Once::Done, Once::Before("answer".into())] {
        let once = store
            .insert_once(New::Job(&job), &keyed("ann", 1), "answer")
            .await;
        assert_eq!(once.expect("answered"), expected);
    }
    let found = store.jobs(from_the_start(), JobFilter::default(), 9).await;
    assert_eq!(found.expect("listed").len(), 1);
}

pub(super) async fn a_job_goes_from_queued_to_stored_content(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let found = store.job(job.id).await.expect("read").expect("there");
    assert_eq!(
        Job {
            next_attempt_at: job.next_attempt_at,
            ..found
        },
        job
    );
    let (claim, claimed) = claim(&store, LONG).await;
    let claimed = claimed.expect("it is due");
    assert_eq!(claimed.id, job.id);
    assert_eq!(claimed.attempt, 1);
    assert_eq!(claimed.trace_id, job.trace_id);
    for step in [JobStep::Searching, JobStep::Writing, JobStep::Storing] {
        let hold = store.hold_job(job.id, claim, LONG, Some(step)).await;
        assert_eq!(hold.expect("answered"), Hold::Held);
    }
    let running = store.job(job.id).await.expect("read").expect("there");
    assert_eq!(running.step, Some(JobStep::Storing));
    assert_eq!(running.next_attempt_at, None);

    let ended = store
        .end_attempt(job.id, claim, &Ending::Succeeded(content()))
        .await
        .expect("answered")
        .expect("the claim held");
    assert_eq!(ended.state, JobState::Succeeded);
    assert_eq!(ended.step, None);
    assert_eq!(ended.result, Some(content()));
    assert!(ended.finished_at >= ended.started_at && ended.started_at.is_some());
    let events = store.job_events(job.id, 0, 99).await.expect("read");
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.state.name(), event.step.map(JobStep::name)))
        .collect();
    assert_eq!(
        seen,
        [
            ("queued", None),
            ("running", None),
            ("running", Some("searching")),
            ("running", Some("writing")),
            ("running", Some("storing")),
            ("succeeded", None),
        ]
    );
    let rest = store.job_events(job.id, events[3].position, 99).await;
    assert_eq!(rest.expect("read"), events[4..]);
}

pub(super) async fn of_many_workers_one_gets_a_job(database: Database) {
    let stores = [database.migrated().await, database.open()];
    let job = queued(&stores[0]).await;
    let claims = join_all((0..16).map(|number| claim(&stores[number % 2], LONG))).await;
    let got: Vec<_> = claims.into_iter().filter_map(|(_, job)| job).collect();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].id, job.id);
}

pub(super) async fn many_workers_share_many_jobs_and_miss_none(database: Database) {
    let stores = [database.migrated().await, database.open()];
    let mut made = HashSet::new();
    for _ in 0..20 {
        made.insert(queued(&stores[0]).await.id);
    }
    let workers = (0..4).map(|number| {
        let store = &stores[number % 2];
        async move {
            let mut done = Vec::new();
            while let (claim, Some(job)) = claim(store, LONG).await {
                let ending = Ending::Succeeded(content());
                let ended = store.end_attempt(job.id, claim, &ending).await;
                assert!(ended.expect("answered").is_some());
                done.push(job.id);
            }
            done
        }
    });
    let done: Vec<_> = join_all(workers).await.concat();
    assert_eq!(done.len(), 20, "none twice");
    assert_eq!(done.into_iter().collect::<HashSet<_>>(), made);
}

pub(super) async fn a_job_whose_worker_is_lost_is_claimed_again_after_the_lease(
    database: Database,
) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (lost, _) = claim(&store, OVER).await;
    let (claim, again) = claim(&store, LONG).await;
    let again = again.expect("the lease is over");
    assert_eq!((again.id, again.attempt), (job.id, 2));
    let events = store.job_events(job.id, 0, 9).await.expect("read");
    let last = &events.last().expect("some").message;
    assert_eq!(*last, messages::claimed(2, true));

    // The first worker was only slow, and now hears that the job is another's.
    let hold = store.hold_job(job.id, lost, LONG, None).await;
    assert_eq!(hold.expect("answered"), Hold::Lost);
    let late = store
        .end_attempt(job.id, lost, &Ending::Succeeded(content()))
        .await;
    assert_eq!(late.expect("answered"), None);
    assert_eq!(state(&store, &job).await, JobState::Running);
    let ending = Ending::Succeeded(content());
    let ended = store.end_attempt(job.id, claim, &ending).await;
    assert!(ended.expect("answered").is_some());
}

pub(super) async fn a_lease_that_is_held_is_not_taken(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (first, _) = claim(&store, OVER).await;
    let hold = store.hold_job(job.id, first, LONG, None).await;
    assert_eq!(hold.expect("answered"), Hold::Held);
    assert_eq!(claim(&store, LONG).await.1, None);
}

pub(super) async fn a_job_that_failed_waits_for_its_next_attempt(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (first, _) = claim(&store, LONG).await;
    let waiting = store
        .end_attempt(job.id, first, &failed(LONG))
        .await
        .expect("answered")
        .expect("the claim held");
    assert_eq!(waiting.state, JobState::Queued);
    assert_eq!(waiting.last_error.as_deref(), Some("Gemini answered 500"));
    let pause = waiting
        .next_attempt_at
        .expect("a time")
        .duration_since(job.created_at);
    assert!(pause.as_secs() > 500, "{pause:?}");
    assert_eq!(claim(&store, LONG).await.1, None);

    let other = queued(&store).await;
    let (second, _) = claim(&store, LONG).await;
    let ended = store.end_attempt(other.id, second, &failed(OVER)).await;
    assert!(ended.expect("answered").is_some());
    let (_, again) = claim(&store, LONG).await;
    assert_eq!(again.map(|job| job.id), Some(other.id));
}

pub(super) async fn a_job_that_loses_its_worker_too_often_is_dead(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    for _ in 0..ATTEMPTS_MAX {
        assert!(claim(&store, OVER).await.1.is_some());
    }
    let claimed = store.claim_job(Uuid::now_v7(), LONG).await;
    let claimed = claimed.expect("answered");
    assert_eq!(claimed.job, None);
    assert_eq!(claimed.ended.len(), 1);
    let dead = store.job(job.id).await.expect("read").expect("there");
    assert_eq!(dead.state, JobState::Dead);
    assert_eq!(dead.last_error.as_deref(), Some(messages::WORKER_LOST));
    assert!(dead.finished_at.is_some());
}

pub(super) async fn a_job_handed_back_has_its_attempt_back(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (first, _) = claim(&store, LONG).await;
    let back = store.end_attempt(job.id, first, &Ending::HandedBack).await;
    let back = back.expect("answered").expect("the claim held");
    assert_eq!((back.state, back.attempt), (JobState::Queued, 0));
    let (_, again) = claim(&store, LONG).await;
    assert_eq!(again.map(|job| job.attempt), Some(1));
}

pub(super) async fn a_job_that_waits_is_called_off_at_once(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let cancelled = store.cancel_job(job.id).await.expect("answered");
    assert_eq!(cancelled.map(|job| job.state), Some(JobState::Cancelled));
    assert_eq!(claim(&store, LONG).await.1, None);
    let again = store.cancel_job(job.id).await.expect("answered");
    assert_eq!(again.expect("there").version, 2, "nothing changed any more");
    let unknown = store.cancel_job(crate::jobs::JobId::new()).await;
    assert_eq!(unknown.expect("answered"), None);
}

pub(super) async fn of_a_running_job_that_is_called_off_its_worker_hears(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (worker, _) = claim(&store, LONG).await;
    let asked = store.cancel_job(job.id).await.expect("answered");
    let asked = asked.expect("there");
    assert!(asked.cancel_requested);
    assert_eq!(asked.state, JobState::Running);
    let hold = store.hold_job(job.id, worker, LONG, None).await;
    assert_eq!(hold.expect("answered"), Hold::CancelRequested);
    // A failure just then is not tried again.
    let ended = store.end_attempt(job.id, worker, &failed(OVER)).await;
    let ended = ended.expect("answered").expect("the claim held");
    assert_eq!(ended.state, JobState::Cancelled);
    assert_eq!(claim(&store, LONG).await.1, None);
}

pub(super) async fn a_job_called_off_whose_worker_is_lost_is_cancelled(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    assert!(claim(&store, OVER).await.1.is_some());
    store.cancel_job(job.id).await.expect("answered");
    assert_eq!(claim(&store, LONG).await.1, None);
    assert_eq!(state(&store, &job).await, JobState::Cancelled);
}

pub(super) async fn jobs_are_listed_by_state_and_location(database: Database) {
    let store = database.migrated().await;
    let (first, second) = (queued(&store).await, queued(&store).await);
    store.cancel_job(first.id).await.expect("answered");
    let listed = async |filter: JobFilter| -> Vec<_> {
        let found = store.jobs(from_the_start(), filter, 9).await;
        let found = found.expect("listed");
        found.into_iter().map(|(_, job)| job.id).collect()
    };
    let all = JobFilter::default();
    assert_eq!(listed(all).await, [first.id, second.id]);
    let cancelled = JobFilter {
        state: Some(JobState::Cancelled),
        ..all
    };
    assert_eq!(listed(cancelled).await, [first.id]);
    let there = JobFilter {
        location: Some(second.location_id),
        ..all
    };
    assert_eq!(listed(there).await, [second.id]);
}

pub(super) async fn the_queue_is_counted(database: Database) {
    let store = database.migrated().await;
    let empty = Queue {
        queued: 0,
        running: 0,
        oldest_ms: 0,
    };
    assert_eq!(store.queue().await.expect("counted"), empty);
    for _ in 0..3 {
        queued(&store).await;
    }
    assert!(claim(&store, LONG).await.1.is_some());
    let queue = store.queue().await.expect("counted");
    assert_eq!((queue.queued, queue.running), (2, 1));
    assert!((0..60_000).contains(&queue.oldest_ms), "{queue:?}");
}

pub(super) async fn a_dead_job_is_queued_again_with_all_its_attempts(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let (worker, _) = claim(&store, LONG).await;
    let running = store.retry_job(job.id).await.expect("answered");
    assert_eq!(running.map(|job| job.state), Some(JobState::Running));
    let ending = Ending::Dead {
        error: "Gemini refused it".into(),
    };
    let dead = store.end_attempt(job.id, worker, &ending).await;
    let dead = dead.expect("answered").expect("the claim held");
    let again = store.retry_job(job.id).await.expect("answered");
    let again = again.expect("there");
    assert_eq!((again.state, again.attempt), (JobState::Queued, 0));
    assert_eq!((again.finished_at, again.version), (None, dead.version + 1));
    let events = store.job_events(job.id, 0, 9).await.expect("read");
    assert_eq!(events.last().expect("some").message, messages::RETRIED);
    let (_, claimed) = claim(&store, LONG).await;
    assert_eq!(claimed.map(|job| job.attempt), Some(1));

    let other = queued(&store).await;
    store.cancel_job(other.id).await.expect("answered");
    let cancelled = store.retry_job(other.id).await.expect("answered");
    assert_eq!(cancelled.map(|job| job.state), Some(JobState::Cancelled));
    let unknown = store.retry_job(crate::jobs::JobId::new()).await;
    assert_eq!(unknown.expect("answered"), None);
}

pub(super) async fn a_draft_stays_until_it_is_stored(database: Database) {
    let store = database.migrated().await;
    let job = queued(&store).await;
    let draft = async || store.draft(job.id).await.expect("read");
    assert_eq!(draft().await, None);
    let (first, _) = claim(&store, LONG).await;
    let kept = store.keep_draft(job.id, first, "paid for").await;
    assert!(kept.expect("answered"));
    let stranger = store.keep_draft(job.id, Uuid::now_v7(), "mine").await;
    assert!(!stranger.expect("answered"), "the claim is another's");
    let ended = store.end_attempt(job.id, first, &failed(OVER)).await;
    assert!(ended.expect("answered").is_some());
    assert_eq!(draft().await.as_deref(), Some("paid for"));
    let (second, _) = claim(&store, LONG).await;
    let ending = Ending::Dead { error: "no".into() };
    let ended = store.end_attempt(job.id, second, &ending).await;
    assert!(ended.expect("answered").is_some());
    assert_eq!(draft().await.as_deref(), Some("paid for"));
    store.retry_job(job.id).await.expect("answered");
    let (third, _) = claim(&store, LONG).await;
    let ending = Ending::Succeeded(content());
    let ended = store.end_attempt(job.id, third, &ending).await;
    assert!(ended.expect("answered").is_some());
    assert_eq!(draft().await, None);
}

pub(super) async fn old_jobs_go_with_their_events_and_others_stay(database: Database) {
    let store = database.migrated().await;
    let mut over = Vec::new();
    for _ in 0..3 {
        let job = queued(&store).await;
        store.cancel_job(job.id).await.expect("answered");
        over.push(job.id);
    }
    let waiting = queued(&store).await;
    let removed = async |kept, limit| {
        let removed = store.remove_old_jobs(kept, limit).await;
        removed.expect("answered")
    };
    assert_eq!(removed(LONG, 9).await, 0, "they have just ended");
    // Later than the moment that they ended at, by the clock of the database.
    let cancelled = async || store.job(over[2]).await.expect("read");
    assert!(cancelled().await.is_some());
    let mut gone = 0;
    while gone < 2 {
        gone += removed(OVER, 2 - u32::try_from(gone).expect("few")).await;
    }
    assert_eq!(store.job(over[0]).await.expect("read"), None);
    let events = store.job_events(over[0], 0, 9).await;
    assert_eq!(events.expect("read"), []);
    assert!(cancelled().await.is_some(), "the limit is kept");
    while gone < 3 {
        gone += removed(OVER, 9).await;
    }
    assert_eq!(state(&store, &waiting).await, JobState::Queued);
}

pub(super) async fn what_a_request_was_answered_is_found_without_making_anything(
    database: Database,
) {
    let store = database.migrated().await;
    let answered =
        async |request: IdempotentRequest| store.answered(&request).await.expect("answered");
    let first = keyed("ann", 1);
    assert_eq!(answered(first.clone()).await, None);
    let job = new_job();
    let once = store.insert_once(New::Job(&job), &first, "answer").await;
    assert_eq!(once.expect("answered"), Once::Done);
    assert_eq!(
        answered(first.clone()).await,
        Some(Once::Before("answer".into()))
    );
    assert_eq!(answered(keyed("ann", 2)).await, Some(Once::Conflict));
    assert_eq!(answered(keyed("bob", 1)).await, None);
}
