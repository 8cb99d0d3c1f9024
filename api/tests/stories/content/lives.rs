//! The lives of jobs: to their end, over the death of their worker, called off, handed on.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    Scene, cancel, execute, history, id, job, on_each_database, post, prompt, read, when_it_does,
    when_it_is,
};
use crate::support::vendors::{Reply, TEXT};
use crate::support::{TRACE, request, until, within_a_trace};

on_each_database!(
    a_job_goes_from_a_request_to_content_that_can_be_read,
    a_job_whose_worker_is_killed_half_way_is_finished_by_another,
    content_that_was_stored_before_its_worker_died_is_not_made_again,
    two_processes_share_the_jobs_and_do_none_twice,
    a_process_that_is_told_to_stop_hands_its_job_back_at_once,
    a_running_job_is_called_off_from_another_process,
    a_job_is_followed_from_another_process_to_its_end,
    a_caller_who_follows_a_job_does_not_hold_up_the_end_of_the_process,
    a_job_that_was_over_long_ago_is_removed_and_its_content_stays,
);

async fn a_job_goes_from_a_request_to_content_that_can_be_read(scene: Scene) {
    let api = scene.start().ready().await;
    let (prompt, location) = (prompt(&api).await, super::location(&api).await);
    let body = json!({"location_id": id(&location), "prompt_id": id(&prompt)});
    let asked = request(Method::POST, "/jobs", body.to_string());
    let job = api.send(within_a_trace(asked, true)).await;
    assert_eq!(job.status, StatusCode::CREATED, "{job:?}");
    let job = job.json();
    assert_eq!(job["state"], "queued");
    assert_eq!(job["prompt_version"], 1);

    let done = when_it_is(&api, &job, "succeeded").await;
    assert_eq!(done["attempt"], 1);
    assert_eq!(done["result"]["model"], "gemini-2.5-flash");
    let result = api.get(&format!("/jobs/{}/result", id(&job))).await;
    assert_eq!(result.status, StatusCode::OK, "{result:?}");
    assert_eq!(done["result"]["bytes"], result.body.len());
    let document = result.json();
    assert_eq!(document["text"], TEXT);
    assert_eq!(document["location"]["name"], "Bern");
    assert_eq!(document["sources"][0]["url"], "https://example.org/bern");
    assert_eq!(document["usage"]["output_tokens"], 9);
    assert_eq!(scene.documents().len(), 1);

    let (searches, texts) = (scene.vendors.searches(), scene.vendors.texts());
    assert_eq!((searches.len(), texts.len()), (1, 1));
    assert_eq!(searches[0].body["query"], "Bern Bundesplatz 3");
    let told = texts[0].body["contents"][0]["parts"][0]["text"].to_string();
    assert!(told.contains("Write about Bern (for families)."), "{told}");
    assert!(told.contains("https://example.org/aare"), "{told}");
    assert!(!told.contains("\\u001b"), "{told}");
    for call in searches.iter().chain(&texts) {
        let parent = call.headers["traceparent"].to_str().expect("ASCII");
        assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
    }
    let expected = [
        ("queued", ""),
        ("running", ""),
        ("running", "searching"),
        ("running", "writing"),
        ("running", "storing"),
        ("succeeded", ""),
    ];
    let expected = expected.map(|(state, step)| (state.to_owned(), step.to_owned()));
    assert_eq!(history(&api, &job).await, expected);

    for (series, value) in [
        ("opsconsole_api_content_generated_total ", 1.0),
        (
            r#"opsconsole_api_job_attempts_total{outcome="succeeded"} "#,
            1.0,
        ),
        (r#"opsconsole_api_jobs{state="queued"} "#, 0.0),
        (
            r#"http_client_request_duration_seconds_count{outcome="ok",peer="tavily"} "#,
            1.0,
        ),
        (
            r#"http_client_request_duration_seconds_count{outcome="ok",peer="gemini"} "#,
            1.0,
        ),
    ] {
        assert!((api.metric(series).await - value).abs() < 0.1, "{series}");
    }
    let log = format!("{:?}", api.log().await);
    assert!(!log.contains("for-tests"), "a key is in the log");
}

/// The process dies by SIGKILL while Gemini is silent; nothing of it can say goodbye.
async fn a_job_whose_worker_is_killed_half_way_is_finished_by_another(scene: Scene) {
    scene.vendors.gemini_says(Reply::Silence);
    let start = || scene.start().set("JOB_LEASE_MS", "1500");
    let mut victim = start().ready().await;
    let job = job(&victim).await;
    when_it_does(&victim, &job, "writing").await;
    until("Gemini to be asked", async || {
        (scene.vendors.texts().len() == 1).then_some(())
    })
    .await;
    victim.process.signal(Signal::SIGKILL);
    assert_eq!(victim.process.exit().await.code(), None, "it was killed");

    let heir = start().ready().await;
    assert_eq!(
        read(&heir, &job).await["state"],
        "running",
        "as it was left"
    );
    let done = when_it_is(&heir, &job, "succeeded").await;
    assert_eq!(done["attempt"], 2);
    assert_eq!(scene.documents().len(), 1);
    assert_eq!(
        scene.vendors.texts().len(),
        2,
        "once in vain, once for good"
    );
    let text = heir.get(&format!("/jobs/{}/result", id(&job))).await.json();
    assert_eq!(text["text"], TEXT);
    let events = heir.get(&format!("/jobs/{}/events", id(&job))).await;
    let events = String::from_utf8_lossy(&events.body).into_owned();
    assert!(events.contains("the worker before was lost"), "{events}");
}

/// As if the worker had died between keeping the content and saying so.
async fn content_that_was_stored_before_its_worker_died_is_not_made_again(scene: Scene) {
    let api = scene.start().ready().await;
    let job = job(&api).await;
    let done = when_it_is(&api, &job, "succeeded").await;
    let document = std::fs::read(&scene.documents()[0]).expect("readable");
    drop(api);
    execute(
        &scene.database_url,
        "UPDATE jobs SET state = 'running', due_at_ms = 0, finished_at_ms = NULL, \
         content_key = NULL",
    )
    .await;

    let heir = scene.start().ready().await;
    let again = when_it_is(&heir, &job, "succeeded").await;
    assert_eq!(again["attempt"], 2);
    assert_eq!(again["result"], done["result"]);
    assert_eq!(scene.vendors.texts().len(), 1, "not asked again");
    assert_eq!(scene.documents().len(), 1);
    assert_eq!(
        std::fs::read(&scene.documents()[0]).expect("read"),
        document
    );
}

async fn two_processes_share_the_jobs_and_do_none_twice(scene: Scene) {
    const JOBS: usize = 12;
    let start = || scene.start().set("WORKER_CONCURRENCY", "4").ready();
    let (one, other) = tokio::join!(start(), start());
    let (prompt, location) = (prompt(&one).await, super::location(&one).await);
    let body = json!({"location_id": id(&location), "prompt_id": id(&prompt)});
    for _ in 0..JOBS {
        post(&one, "/jobs", &body).await;
    }
    let path = "/jobs?state=succeeded&limit=100";
    let done = until("all jobs to be done", async || {
        let found = other.get(path).await.json();
        let jobs = found["jobs"].as_array().expect("jobs").clone();
        (jobs.len() == JOBS).then_some(jobs)
    })
    .await;
    assert!(done.iter().all(|job| job["attempt"] == 1), "{done:?}");
    assert_eq!(scene.vendors.texts().len(), JOBS);
    assert_eq!(scene.documents().len(), JOBS);
    let series = "opsconsole_api_content_generated_total ";
    let (by_one, by_other) = (one.metric(series).await, other.metric(series).await);
    assert!((by_one + by_other - JOBS as f64).abs() < 0.1);
}

/// The lease is so long that only a job given back can be taken up in time.
async fn a_process_that_is_told_to_stop_hands_its_job_back_at_once(scene: Scene) {
    scene.vendors.gemini_says(Reply::Silence);
    let start = || scene.start().set("JOB_LEASE_MS", "600000");
    let mut leaving = start().set("DRAIN_SECONDS", "10").ready().await;
    let job = job(&leaving).await;
    when_it_does(&leaving, &job, "writing").await;
    // Else the other process would be the one that waits for the silent answer.
    until("the model to be asked", async || {
        (scene.vendors.texts().len() == 1).then_some(())
    })
    .await;
    let staying = start().ready().await;
    leaving.process.signal(Signal::SIGTERM);

    let done = when_it_is(&staying, &job, "succeeded").await;
    assert!(leaving.process.is_running(), "it still drains");
    assert_eq!(done["attempt"], 1, "what was handed back does not count");
    let states = history(&staying, &job).await;
    let states: Vec<_> = states.iter().map(|(state, _)| state.as_str()).collect();
    let back = states.iter().rposition(|state| *state == "queued");
    assert!(back > Some(0), "{states:?}");
    assert_eq!(leaving.process.exit().await.code(), Some(0));
}

async fn a_running_job_is_called_off_from_another_process(scene: Scene) {
    scene.vendors.gemini_says(Reply::Silence);
    let worker = scene.start().ready().await;
    let job = job(&worker).await;
    when_it_does(&worker, &job, "writing").await;
    let other = scene.start().set("WORKER", "off").ready().await;
    let asked = cancel(&other, &job).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    assert_eq!(asked.json()["cancel_requested"], true);
    let ended = when_it_is(&other, &job, "cancelled").await;
    assert_eq!(ended["cancel_requested"], false);
    assert_eq!(cancel(&other, &job).await.status, StatusCode::OK);
    let result = other.get(&format!("/jobs/{}/result", id(&job))).await;
    assert_eq!(result.status, StatusCode::CONFLICT);
    result.problem();
    assert!(scene.documents().is_empty());

    // One that waits ends at once.
    let waiting = super::job(&other).await;
    drop(worker);
    let waiting = cancel(&other, &waiting).await;
    if waiting.status == StatusCode::OK {
        assert_eq!(waiting.json()["state"], "cancelled");
    }
}

async fn a_job_is_followed_from_another_process_to_its_end(scene: Scene) {
    let asker = scene.start().set("WORKER", "off").ready().await;
    let job = job(&asker).await;
    let path = format!("/jobs/{}/events", id(&job));
    let follow = asker.get(&path);
    let work = async {
        // Nobody works yet, so the caller is following when the work begins.
        let worker = scene.start().ready().await;
        when_it_is(&worker, &job, "succeeded").await;
        worker
    };
    let (followed, _worker) = tokio::join!(follow, work);
    assert_eq!(followed.status, StatusCode::OK);
    let text = String::from_utf8_lossy(&followed.body).into_owned();
    let field = |name: &str| -> Vec<String> {
        let lines = text.lines();
        lines
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")))
            .map(str::to_owned)
            .collect()
    };
    let states = field("event");
    assert_eq!(states.first().map(String::as_str), Some("queued"));
    assert_eq!(states.last().map(String::as_str), Some("succeeded"));
    let data: Value = serde_json::from_str(&field("data")[0]).expect("JSON");
    assert_eq!(data["job_id"], job["id"]);

    let ids = field("id");
    let again = |last: &str| {
        let mut asked = request(Method::GET, &path, "");
        let last = last.parse().expect("a header");
        asked.headers_mut().insert("last-event-id", last);
        asker.send(asked)
    };
    let rest = again(&ids[2]).await;
    let rest = String::from_utf8_lossy(&rest.body).into_owned();
    assert_eq!(rest.matches("data: ").count(), ids.len() - 3, "{rest}");
    let nothing = again(ids.last().expect("some")).await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT, "do not come again");
    assert_eq!(again("soon").await.status, StatusCode::BAD_REQUEST);
}

/// Nobody works on the job, so only the end of the process can end the answer.
async fn a_caller_who_follows_a_job_does_not_hold_up_the_end_of_the_process(scene: Scene) {
    let start = scene
        .start()
        .set("WORKER", "off")
        .set("DRAIN_SECONDS", "20");
    let mut api = start.ready().await;
    let job = job(&api).await;
    let path = format!("/jobs/{}/events", id(&job));
    let started = Instant::now();
    let stop = async {
        let series =
            r#"http_server_requests_total{method="GET",route="/jobs/{id}/events",status="200"} "#;
        until("the caller to follow", async || {
            (api.metric(series).await > 0.5).then_some(())
        })
        .await;
        api.process.signal(Signal::SIGTERM);
    };
    let (followed, ()) = tokio::join!(api.get(&path), stop);
    let text = String::from_utf8_lossy(&followed.body).into_owned();
    assert_eq!(text.matches("data: ").count(), 1, "{text}");
    assert_eq!(api.process.exit().await.code(), Some(0));
    let cut_off = api
        .process
        .lines()
        .into_iter()
        .find(|line| line["level"] == "WARN");
    assert!(cut_off.is_none(), "{cut_off:?}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

async fn a_job_that_was_over_long_ago_is_removed_and_its_content_stays(scene: Scene) {
    let api = scene.start().ready().await;
    let (old, young) = (job(&api).await, job(&api).await);
    for job in [&old, &young] {
        when_it_is(&api, job, "succeeded").await;
    }
    drop(api);
    let aged: &'static str = Box::leak(
        format!(
            "UPDATE jobs SET finished_at_ms = finished_at_ms - 3 * 86400000 WHERE id = '{}'",
            id(&old)
        )
        .into_boxed_str(),
    );
    execute(&scene.database_url, aged).await;
    let api = scene.start().set("JOBS_KEPT_DAYS", "2").ready().await;
    let path = format!("/jobs/{}", id(&old));
    api.status_becomes(&path, StatusCode::NOT_FOUND).await;
    assert_eq!(read(&api, &young).await["state"], "succeeded");
    assert_eq!(scene.documents().len(), 2);
    until("the removal to be counted", async || {
        (api.metric("opsconsole_api_jobs_removed_total ").await == 1.0).then_some(())
    })
    .await;
}
