//! What callers send about prompts, locations and jobs, right and wrong.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{Scene, id, job, location, on_each_database, post, prompt, when_it_is};
use crate::support::{Answer, Api, Start, request};

on_each_database!(
    a_change_of_a_prompt_is_a_new_version_and_jobs_keep_theirs,
    a_job_asked_for_twice_with_one_key_is_made_once,
    a_request_that_came_before_gets_its_answer_also_when_its_location_is_gone,
);

fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    let value = value.parse().expect("a header");
    request.headers_mut().insert(name, value);
    request
}

async fn put(api: &Api, path: &str, etag: &str, body: &Value) -> Answer {
    let change = request(Method::PUT, path, body.to_string());
    api.send(with(change, "if-match", etag)).await
}

async fn a_change_of_a_prompt_is_a_new_version_and_jobs_keep_theirs(scene: Scene) {
    let asker = scene.start().set("WORKER", "off").ready().await;
    let before = job(&asker).await;
    let path = format!("/prompts/{}", before["prompt_id"].as_str().expect("an id"));
    let change = json!({"name": "Guide", "text": "Sing of {{location.name}}."});
    let changed = put(&asker, &path, r#""1""#, &change).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.header("etag"), r#""2""#);
    let stale = put(&asker, &path, r#""1""#, &change).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let blind = request(Method::PUT, &path, change.to_string());
    assert_eq!(
        asker.send(blind).await.status,
        StatusCode::PRECONDITION_REQUIRED
    );

    let versions = asker.get(&format!("{path}/versions")).await.json();
    let versions = versions["prompts"].as_array().expect("versions").clone();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0], changed.json());
    let first = asker.get(&format!("{path}/versions/1")).await;
    assert_eq!(first.json(), versions[1]);
    let page = asker.get(&format!("{path}/versions?limit=1")).await.json();
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let page = asker
        .get(&format!("{path}/versions?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(page.json()["prompts"][0], versions[1]);

    let body = json!({"location_id": before["location_id"], "prompt_id": before["prompt_id"]});
    let after = post(&asker, "/jobs", &body).await;
    assert_eq!(
        (&before["prompt_version"], &after["prompt_version"]),
        (&json!(1), &json!(2))
    );
    let worker = scene.start().set("WORKER_CONCURRENCY", "1").ready().await;
    when_it_is(&worker, &before, "succeeded").await;
    when_it_is(&worker, &after, "succeeded").await;
    let told: Vec<_> = scene
        .vendors
        .texts()
        .iter()
        .map(|call| call.body["contents"][0]["parts"][0]["text"].to_string())
        .collect();
    assert!(told[0].contains("Write about Bern"), "{told:?}");
    assert!(told[1].contains("Sing of Bern."), "{told:?}");
}

async fn a_job_asked_for_twice_with_one_key_is_made_once(scene: Scene) {
    let api = scene.start().ready().await;
    let (prompt, location) = (prompt(&api).await, location(&api).await);
    let body = json!({"location_id": id(&location), "prompt_id": id(&prompt)});
    let ask = |path: &str, body: &Value| {
        with(
            request(Method::POST, path, body.to_string()),
            "idempotency-key",
            "order-7",
        )
    };
    let first = api.send(ask("/jobs", &body)).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let again = api.send(ask("/jobs", &body)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first.json());
    when_it_is(&api, &first.json(), "succeeded").await;
    let jobs = api.get("/jobs").await.json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(scene.vendors.texts().len(), 1);
    // The same body elsewhere is another request.
    let elsewhere = api.send(ask("/items", &json!({"name": "tea"}))).await;
    assert_eq!(elsewhere.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        elsewhere.problem()["type"],
        "urn:opsconsole:problem:idempotency-conflict"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_served_says_why() {
    let api = Start::new().ready().await;
    let (prompt, location) = (prompt(&api).await, location(&api).await);
    let (prompt, location) = (id(&prompt), id(&location));
    const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    let post = |path: &str, body: Value| request(Method::POST, path, body.to_string());
    let get = |path: &str| request(Method::GET, path, "");
    let cases = [
        (get("/prompts/42"), 404, "prompt-not-found"),
        (get(&format!("/prompts/{NOBODY}")), 404, "prompt-not-found"),
        (
            get(&format!("/prompts/{prompt}/versions/2")),
            404,
            "prompt-not-found",
        ),
        (
            get(&format!("/prompts/{prompt}/versions/first")),
            404,
            "prompt-not-found",
        ),
        (
            get(&format!("/locations/{NOBODY}")),
            404,
            "location-not-found",
        ),
        (get(&format!("/jobs/{NOBODY}")), 404, "job-not-found"),
        (
            get("/jobs/..%2f..%2fetc%2fpasswd/result"),
            404,
            "job-not-found",
        ),
        (get(&format!("/jobs/{NOBODY}/events")), 404, "job-not-found"),
        (get("/jobs?state=paused"), 400, "bad-request"),
        (get("/jobs?location_id=7"), 400, "bad-request"),
        (get("/jobs?cursor=p1-1"), 400, "bad-request"),
        (get("/jobs?limit=0"), 400, "bad-request"),
        (get("/prompts?sort=name"), 400, "bad-request"),
        (
            request(Method::DELETE, "/jobs", ""),
            405,
            "method-not-allowed",
        ),
        (
            request(Method::POST, &format!("/jobs/{NOBODY}/cancel"), ""),
            404,
            "job-not-found",
        ),
        (request(Method::POST, "/jobs", "{"), 400, "bad-request"),
        (
            post("/jobs", json!({"location_id": location})),
            422,
            "wrong-shape",
        ),
        (
            post(
                "/jobs",
                json!({"location_id": location, "prompt_id": prompt, "urgent": true}),
            ),
            422,
            "wrong-shape",
        ),
        (
            post(
                "/jobs",
                json!({"location_id": location, "prompt_id": prompt, "prompt_version": 9}),
            ),
            422,
            "invalid-fields",
        ),
        (
            post("/prompts", json!({"name": "a", "text": "{{secrets}}"})),
            422,
            "invalid-fields",
        ),
        (
            post("/locations", json!({"name": ""})),
            422,
            "invalid-fields",
        ),
    ];
    for (request, status, kind) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = api.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
        let problem = answer.problem();
        assert_eq!(
            problem["type"],
            format!("urn:opsconsole:problem:{kind}"),
            "{what}"
        );
    }
    let unknown = api
        .send(post(
            "/jobs",
            json!({"location_id": NOBODY, "prompt_id": "7"}),
        ))
        .await;
    let errors = unknown.problem()["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/location_id");
    assert_eq!(errors[1]["pointer"], "/prompt_id");
    assert_eq!(api.get("/jobs").await.json()["jobs"], json!([]));
}

#[tokio::test]
async fn locations_are_made_changed_listed_and_removed() {
    let api = Start::new().ready().await;
    let bern = location(&api).await;
    post(&api, "/locations", &json!({"name": "Basel"})).await;
    let path = format!("/locations/{}", id(&bern));
    let moved = json!({"name": "Bern", "address": "Bundesplatz 1"});
    let changed = put(&api, &path, r#""1""#, &moved).await;
    assert_eq!(changed.json()["address"], "Bundesplatz 1");
    assert_eq!(changed.json()["notes"], json!(null), "replaced as a whole");
    let known = with(request(Method::GET, &path, ""), "if-none-match", r#""2""#);
    assert_eq!(api.send(known).await.status, StatusCode::NOT_MODIFIED);

    let names = async |path: &str| -> Vec<String> {
        let page = api.get(path).await.json();
        let found = page["locations"].as_array().expect("locations").clone();
        found
            .iter()
            .map(|place| place["name"].to_string())
            .collect()
    };
    assert_eq!(
        names("/locations?sort=-created_at").await,
        ["\"Basel\"", "\"Bern\""]
    );
    assert_eq!(names("/locations?name_contains=ern").await, ["\"Bern\""]);
    let page = api.get("/locations?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().expect("there is more");
    assert_eq!(
        names(&format!("/locations?cursor={cursor}")).await,
        ["\"Basel\""]
    );

    let stale = with(request(Method::DELETE, &path, ""), "if-match", r#""1""#);
    assert_eq!(
        api.send(stale).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    let gone = with(request(Method::DELETE, &path, ""), "if-match", r#""2""#);
    assert_eq!(api.send(gone).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&path).await.status, StatusCode::NOT_FOUND);
}

async fn a_request_that_came_before_gets_its_answer_also_when_its_location_is_gone(scene: Scene) {
    let api = scene.start().set("WORKER", "off").ready().await;
    let (prompt, place) = (prompt(&api).await, location(&api).await);
    let body = json!({"location_id": id(&place), "prompt_id": id(&prompt)}).to_string();
    let ask = async || {
        let asked = request(Method::POST, "/jobs", body.clone());
        api.send(with(asked, "idempotency-key", "guide-bern")).await
    };
    let first = ask().await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let gone = request(Method::DELETE, &format!("/locations/{}", id(&place)), "");
    let gone = api.send(with(gone, "if-match", "*")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let again = ask().await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first.json());
    let other = request(Method::POST, "/jobs", body.replace(id(&place), id(&prompt)));
    let other = api.send(with(other, "idempotency-key", "guide-bern")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        other.problem()["type"],
        "urn:opsconsole:problem:idempotency-conflict"
    );
}
