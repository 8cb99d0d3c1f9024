//! Vendors that fail: tried again while that may help, given up with the reason when not.

use hyper::StatusCode;
use serde_json::json;

use super::{Scene, cancel, id, job, on_each_database, read, when, when_it_is};
use crate::support::until;
use crate::support::vendors::Reply;

on_each_database!(
    a_job_outlasts_errors_garbage_and_silence,
    a_job_that_fails_too_often_is_dead_and_says_why,
);

async fn a_job_outlasts_errors_garbage_and_silence(scene: Scene) {
    let vendors = &scene.vendors;
    let error = json!({"detail": {"error": "Internal Server Error"}});
    vendors.tavily_says(Reply::json(500, &error));
    vendors.tavily_says(Reply::Body(200, "<html>not JSON</html>".into()));
    vendors.gemini_says(Reply::gemini(
        503,
        "UNAVAILABLE",
        "The model is overloaded.",
    ));
    vendors.gemini_says(Reply::Silence);
    vendors.gemini_says(Reply::Flood);
    vendors.gemini_says(Reply::json(200, &json!({"candidates": []})));
    let api = scene
        .start()
        .set("JOB_ATTEMPTS", "9")
        .set("OUTBOUND_SECONDS", "5")
        .ready()
        .await;
    let job = job(&api).await;
    let done = when_it_is(&api, &job, "succeeded").await;
    assert_eq!(done["attempt"], 7);
    assert_eq!(scene.documents().len(), 1);
    let events = api.get(&format!("/jobs/{}/events", id(&job))).await;
    let events = String::from_utf8_lossy(&events.body).into_owned();
    for reason in [
        "Tavily answered 500: Internal Server Error",
        "Tavily answered in a shape that is not documented",
        "Gemini answered 503: The model is overloaded.",
        "Gemini gave no answer within 5 s",
        "Gemini answered with more than 4 MiB",
        "Gemini answered without a candidate",
    ] {
        assert!(events.contains(reason), "{reason} is missing in {events}");
    }
    for (outcome, count) in [("server_error", 1.0), ("timeout", 1.0), ("garbage", 2.0)] {
        let series = format!(
            r#"http_client_request_duration_seconds_count{{outcome="{outcome}",peer="gemini"}} "#
        );
        assert!((api.metric(&series).await - count).abs() < 0.1, "{series}");
    }
}

async fn a_job_that_fails_too_often_is_dead_and_says_why(scene: Scene) {
    for _ in 0..2 {
        let reply = Reply::gemini(500, "INTERNAL", "An internal error has occurred.");
        scene.vendors.gemini_says(reply);
    }
    let api = scene.start().set("JOB_ATTEMPTS", "2").ready().await;
    let job = job(&api).await;
    let dead = when_it_is(&api, &job, "dead").await;
    assert_eq!(
        dead["last_error"],
        "Gemini answered 500: An internal error has occurred. (attempt 2 of 2)"
    );
    assert!(dead["finished_at"].is_string());
    assert_eq!(scene.vendors.texts().len(), 2);
    let result = api.get(&format!("/jobs/{}/result", id(&job))).await;
    assert_eq!(result.status, StatusCode::CONFLICT);
    assert_eq!(
        result.problem()["type"],
        "urn:opsconsole:problem:no-content"
    );
    let cancelled = cancel(&api, &job).await;
    assert_eq!(cancelled.status, StatusCode::CONFLICT);
    assert_eq!(
        cancelled.problem()["type"],
        "urn:opsconsole:problem:job-ended"
    );
    let listed = api.get("/jobs?state=dead").await.json();
    assert_eq!(listed["jobs"][0]["id"], job["id"]);
    let series = r#"opsconsole_api_jobs_finished_total{state="dead"} "#;
    assert!((api.metric(series).await - 1.0).abs() < 0.1);
}

/// The pause that is asked for is kept, also where the body and not the header asks.
#[tokio::test]
async fn a_vendor_that_asks_for_a_pause_gets_it() {
    let scene = Scene::on_sqlite().await;
    let limit =
        json!({"detail": {"error": "Your request has been blocked due to excessive requests."}});
    let limit = Reply::Later(429, limit.to_string(), 600);
    scene.vendors.tavily_says(limit);
    let api = scene.start().ready().await;
    let waits = |asked: f64| {
        move |job: &serde_json::Value| {
            let time = |name: &str| {
                let text = job[name].as_str().unwrap_or_default();
                text.parse::<jiff::Timestamp>().ok()
            };
            let pause = time("next_attempt_at")
                .zip(time("created_at"))
                .map(|(next, made)| next.duration_since(made).as_secs_f64());
            job["attempt"] == 1 && pause.is_some_and(|pause| (asked..asked + 60.0).contains(&pause))
        }
    };
    let first = job(&api).await;
    let waiting = when(&api, &first, waits(600.0)).await;
    assert_eq!(waiting["state"], "queued");
    let error = waiting["last_error"].as_str().unwrap_or_default();
    assert!(
        error.starts_with("Tavily answered 429: Your request"),
        "{error}"
    );

    let quota = json!({"error": {
        "code": 429, "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "300s"}],
    }});
    scene.vendors.gemini_says(Reply::json(429, &quota));
    let second = job(&api).await;
    when(&api, &second, waits(300.0)).await;
    let series = r#"opsconsole_api_jobs{state="queued"} "#;
    assert!((api.metric(series).await - 2.0).abs() < 0.1);
    assert!(
        api.metric(r#"opsconsole_api_job_oldest_age_seconds{state="queued"} "#)
            .await
            > 0.0
    );
}

/// The same prompt would be refused again, so it is not sent again.
#[tokio::test]
async fn what_the_model_refuses_is_not_tried_again() {
    let cases = [
        (
            Reply::json(
                200,
                &json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
            ),
            "Gemini refused the prompt: PROHIBITED_CONTENT",
        ),
        (
            Reply::finished("SAFETY"),
            "Gemini stopped before the end: SAFETY",
        ),
        (
            Reply::finished("MAX_TOKENS"),
            "Gemini stopped before the end: MAX_TOKENS",
        ),
        (
            Reply::gemini(
                400,
                "INVALID_ARGUMENT",
                "Request contains \u{1b}[2Jan invalid argument.",
            ),
            "Gemini answered 400: Request contains  [2Jan invalid argument.",
        ),
    ];
    let scene = Scene::on_sqlite().await;
    let api = scene.start().ready().await;
    for (number, (reply, error)) in cases.into_iter().enumerate() {
        scene.vendors.gemini_says(reply);
        let job = job(&api).await;
        let dead = when_it_is(&api, &job, "dead").await;
        assert_eq!(dead["last_error"], error);
        assert_eq!(dead["attempt"], 1);
        assert_eq!(scene.vendors.texts().len(), number + 1);
    }
}

/// An operator can mend a key, so the job waits for that; and no key is shown.
#[tokio::test]
async fn a_key_that_is_not_accepted_is_named_and_not_shown() {
    const WRONG: &str = "a-key-that-nobody-knows-any-more";
    let scene = Scene::on_sqlite().await;
    let api = scene
        .start()
        .set("TAVILY_API_KEY", WRONG)
        .set("JOB_ATTEMPTS", "2")
        .ready()
        .await;
    let by_tavily = job(&api).await;
    let dead = when_it_is(&api, &by_tavily, "dead").await;
    let expected =
        "Tavily answered 401: Unauthorized: missing or invalid API key. (attempt 2 of 2)";
    assert_eq!(dead["last_error"], expected);
    assert!(!format!("{dead}{:?}", api.log().await).contains(WRONG));
    drop(api);

    let api = scene
        .start()
        .set("GEMINI_API_KEY", WRONG)
        .set("JOB_ATTEMPTS", "2")
        .ready()
        .await;
    let by_gemini = job(&api).await;
    let dead = when_it_is(&api, &by_gemini, "dead").await;
    let error = dead["last_error"].as_str().unwrap_or_default();
    assert!(
        error.contains("API key not valid") && error.contains("2 of 2"),
        "{error}"
    );
    assert!(!format!("{dead}{:?}", api.log().await).contains(WRONG));
}

#[tokio::test]
async fn a_vendor_that_is_away_is_waited_for() {
    let scene = Scene::on_sqlite().await;
    // Nobody listens there: the port was free a moment ago, and is ours to know.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let api = scene
        .start()
        .set("TAVILY_URL", &format!("http://{address}"))
        .set("JOB_RETRY_MS", "60000")
        .ready()
        .await;
    let job = job(&api).await;
    let waiting = when(&api, &job, |job| job["last_error"].is_string()).await;
    assert_eq!(waiting["state"], "queued");
    let error = waiting["last_error"].as_str().unwrap_or_default();
    assert!(error.starts_with("Tavily cannot be reached"), "{error}");
    assert!(!error.contains(&address.port().to_string()), "{error}");
}

#[tokio::test]
async fn a_location_deleted_meanwhile_ends_its_job_with_the_reason() {
    let scene = Scene::on_sqlite().await;
    let asker = scene.start().set("WORKER", "off").ready().await;
    let job = job(&asker).await;
    let path = format!("/locations/{}", job["location_id"].as_str().expect("an id"));
    let mut remove = crate::support::request(hyper::Method::DELETE, &path, "");
    let any = "*".parse().expect("a header");
    remove.headers_mut().insert("if-match", any);
    assert_eq!(asker.send(remove).await.status, StatusCode::NO_CONTENT);
    let worker = scene.start().ready().await;
    let dead = when_it_is(&worker, &job, "dead").await;
    assert_eq!(dead["last_error"], "the location was deleted");
    assert!(scene.vendors.searches().is_empty());
}

#[tokio::test]
async fn a_process_without_keys_leaves_jobs_to_others() {
    let scene = Scene::on_sqlite().await;
    let api = scene.start().set("GEMINI_API_KEY", "").ready().await;
    let job = job(&api).await;
    let other = scene.start().ready().await;
    when_it_is(&other, &job, "succeeded").await;
    assert_eq!(read(&api, &job).await["state"], "succeeded");
    let series = "opsconsole_api_content_generated_total ";
    until("the other to have counted it", async || {
        (other.metric(series).await > 0.5).then_some(())
    })
    .await;
    assert!(api.metric(series).await < 0.5);
}
