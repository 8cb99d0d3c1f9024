//! Where content lies, and what the checks say of it and of all other dependencies.

use std::os::unix::fs::PermissionsExt;

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::{Scene, execute, id, job, when, when_it_is};
use crate::support::vendors::Bucket;
use crate::support::{Api, Start, request};

const ADMIN: &str = "a-key-for-tests-0123456789abcdef";

fn on_bucket(scene: &Scene, bucket: &Bucket) -> Start {
    scene
        .start()
        .set("CONTENT_URL", "s3://shop-content/made")
        .set("CONTENT_S3_ENDPOINT", &format!("http://{}", bucket.address))
        .set("ADMIN_KEY", ADMIN)
        .set("JOB_ATTEMPTS", "2")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
}

async fn checks(api: &Api) -> Value {
    let mut asked = request(Method::GET, "/admin/checks", "");
    let key = format!("Bearer {ADMIN}").parse().expect("a header");
    asked.headers_mut().insert("authorization", key);
    let answer = api.send(asked).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

fn status<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("{name} is missing in {report}"));
    assert!(check["duration_ms"].is_u64() && check["detail"].is_string());
    check["status"].as_str().expect("a word")
}

#[tokio::test]
async fn content_lies_in_a_bucket_and_is_read_from_there() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    let api = on_bucket(&scene, &bucket).ready().await;
    let job = job(&api).await;
    when_it_is(&api, &job, "succeeded").await;
    let expected = format!("/shop-content/made/jobs/{}.json", id(&job));
    assert_eq!(bucket.paths(), [expected]);
    assert_eq!(bucket.puts(), 1);
    let path = format!("/jobs/{}/result", id(&job));
    let result = api.get(&path).await;
    assert_eq!(result.json()["location"]["name"], "Bern");
    let report = checks(&api).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(status(&report, "content_store"), "ok");
    assert_eq!(bucket.paths().len(), 1, "the check leaves nothing behind");

    bucket.deny(true);
    let refused = api.get(&path).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.problem().to_string().contains("arn:aws"));
    assert!(!refused.header("retry-after").is_empty());
}

/// As if two workers had made the same content: the later one finds that the name is taken.
#[tokio::test]
async fn the_content_of_a_job_is_stored_in_a_bucket_once() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    let api = on_bucket(&scene, &bucket).ready().await;
    let job = job(&api).await;
    let first = when_it_is(&api, &job, "succeeded").await;
    execute(
        &scene.database_url,
        "UPDATE jobs SET state = 'queued', due_at_ms = 0, attempt = 0, version = 1, \
         content_key = NULL",
    )
    .await;
    let again = when(&api, &job, |job| {
        job["state"] == "succeeded" && scene.vendors.texts().len() == 2
    })
    .await;
    assert_eq!(again["result"], first["result"]);
    assert_eq!(bucket.puts(), 1);
}

#[tokio::test]
async fn a_bucket_that_refuses_is_named_as_the_reason() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    bucket.deny(true);
    let api = on_bucket(&scene, &bucket).ready().await;
    let job = job(&api).await;
    let dead = when_it_is(&api, &job, "dead").await;
    let error = dead["last_error"].as_str().unwrap_or_default();
    let expected = "the content store refuses it: S3 answered AccessDenied; allow s3:PutObject";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("(attempt 2 of 2)"), "{error}");
    assert!(!error.contains("arn:aws"), "{error}");
    let report = checks(&api).await;
    assert_eq!(report["ok"], false);
    assert_eq!(status(&report, "content_store"), "failed");
    assert_eq!(status(&report, "database"), "ok");
    let series = r#"http_client_request_duration_seconds_count{outcome="unauthorized",peer="s3"} "#;
    assert!(api.metric(series).await >= 2.0);
}

#[tokio::test]
async fn a_job_waits_until_the_bucket_takes_content_again() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    bucket.deny(true);
    let api = on_bucket(&scene, &bucket)
        .set("JOB_ATTEMPTS", "100")
        .ready()
        .await;
    let job = job(&api).await;
    when(&api, &job, |job| job["last_error"].is_string()).await;
    bucket.deny(false);
    let done = when_it_is(&api, &job, "succeeded").await;
    assert_eq!(bucket.puts(), 1);
    assert!(done["attempt"].as_i64() > Some(1));
    assert_eq!(scene.vendors.texts().len(), 1, "the text was paid for once");
}

#[tokio::test]
async fn a_dead_job_is_tried_again_with_the_text_that_was_paid_for() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    bucket.deny(true);
    let api = on_bucket(&scene, &bucket).ready().await;
    let job = job(&api).await;
    when_it_is(&api, &job, "dead").await;
    bucket.deny(false);
    let path = format!("/jobs/{}/retry", id(&job));
    let again = api.send(request(Method::POST, &path, "")).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.json()["attempt"], 0);
    when(&api, &job, |job| job["state"] == "succeeded").await;
    assert_eq!(scene.vendors.texts().len(), 1);
    let refused = api.send(request(Method::POST, &path, "")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(
        refused.problem()["type"],
        "urn:opsconsole:problem:job-ended"
    );
}

#[tokio::test]
async fn a_folder_that_refuses_is_a_reason_without_its_path() {
    if nix::unistd::Uid::effective().is_root() {
        // Root may write anywhere, so a file in the folder's place refuses instead.
        let scene = Scene::on_sqlite().await;
        std::fs::write(scene.content(), "a file").expect("written");
        refused_without_path(&scene).await;
    } else {
        let scene = Scene::on_sqlite().await;
        std::fs::create_dir(scene.content()).expect("made");
        let mode = std::fs::Permissions::from_mode(0o500);
        std::fs::set_permissions(scene.content(), mode).expect("set");
        refused_without_path(&scene).await;
    }
}

async fn refused_without_path(scene: &Scene) {
    let api = scene.start().set("JOB_ATTEMPTS", "1").ready().await;
    let job = job(&api).await;
    let dead = when_it_is(&api, &job, "dead").await;
    let error = dead["last_error"].as_str().unwrap_or_default();
    assert!(error.starts_with("the content store"), "{error}");
    assert!(!error.contains("/content"), "{error}");
}

#[tokio::test]
async fn content_that_was_removed_is_gone_and_not_an_error_of_ours() {
    let scene = Scene::on_sqlite().await;
    let api = scene.start().ready().await;
    let job = job(&api).await;
    when_it_is(&api, &job, "succeeded").await;
    std::fs::remove_file(&scene.documents()[0]).expect("removed");
    let result = api.get(&format!("/jobs/{}/result", id(&job))).await;
    assert_eq!(result.status, StatusCode::GONE);
    result.problem();
}

#[tokio::test]
async fn each_dependency_is_tried_by_itself_and_named() {
    let scene = Scene::on_sqlite().await;
    let api = scene.start().set("ADMIN_KEY", ADMIN).ready().await;
    let report = checks(&api).await;
    assert_eq!(report["ok"], true, "{report}");
    for name in ["database", "content_store", "tavily", "gemini"] {
        assert_eq!(status(&report, name), "ok", "{report}");
    }
    drop(api);

    let mut check = scene
        .start()
        .set("TAVILY_API_KEY", "a-key-that-nobody-knows")
        .set("GEMINI_API_KEY", "")
        .command("check")
        .spawn();
    assert_eq!(check.exit().await.code(), Some(1));

    let mut check = scene
        .start()
        .set("TAVILY_API_KEY", "")
        .set("GEMINI_API_KEY", "")
        .command("check")
        .spawn();
    assert_eq!(check.exit().await.code(), Some(0));
    let said: String = check
        .lines()
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    let text = format!("{said}{:?}", check.lines());
    assert!(text.contains("not_configured"), "{text}");
}
