//! What load balancers, scrapers and operators read.

use hyper::StatusCode;

use crate::support::{Start, until};

#[tokio::test]
async fn a_new_process_becomes_ready_and_says_who_it_is() {
    // Staging asks for keys by default, and the index links to what needs one.
    let api = Start::new()
        .set("ENVIRONMENT", "staging")
        .set("AUTH", "off")
        .ready()
        .await;
    assert_eq!(api.get("/livez").await.status, StatusCode::OK);

    let health = api.get("/health").await.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["checks"]["database"], "ok");

    let version = api.get("/version").await.json();
    assert_eq!(version["release"], "1.5.0");
    assert_eq!(version["git_sha"], "0badcafe");
    let started_at = version["started_at"].as_str().unwrap_or_default();
    let started_at: jiff::Timestamp = started_at.parse().expect("an RFC 3339 time");
    assert!(started_at <= jiff::Timestamp::now());

    let index = api.get("/").await.json();
    for path in index["links"].as_object().expect("links").values() {
        let path = path.as_str().expect("a path");
        assert_eq!(
            api.get(path).await.status,
            StatusCode::OK,
            "{path} is linked"
        );
    }
    let hello = api.get("/api/hello").await.json();
    assert_eq!(hello["message"], "Hello from staging");
}

#[tokio::test]
async fn metrics_count_by_the_route_that_matched_never_by_path() {
    let api = Start::new().ready().await;
    for path in ["/items/1", "/items/2", "/secret/1", "/secret/2"] {
        api.get(path).await;
    }
    api.post_item(r#"{"name": "a"}"#).await;

    let text = String::from_utf8_lossy(&api.get("/metrics").await.body).into_owned();
    let lines = [
        r#"http_server_requests_total{method="GET",route="/items/{id}",status="404"} 2"#,
        r#"http_server_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"http_server_requests_total{method="POST",route="/items",status="201"} 1"#,
        r#"http_server_request_duration_seconds_count{method="POST",route="/items",status="201"} 1"#,
        r#"http_server_request_duration_seconds_bucket{method="POST",route="/items",status="201",le="+Inf"} 1"#,
        "http_server_active_requests 1",
        r#"db_client_connection_max{pool="write"} 1"#,
        r#"opsconsole_api_build_info{environment="dev",git_sha="0badcafe",release="1.5.0"} 1"#,
    ];
    for line in lines {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }
    assert!(!text.contains("secret"), "a path became a label");
    // The scrape before has counted the jobs, and its connection comes back a little later.
    let idle = r#"db_client_connection_count{pool="read",state="idle"} "#;
    until("an idle connection", async || {
        (api.metric(idle).await >= 1.0).then_some(())
    })
    .await;
    assert!(api.metric("process_resident_memory_bytes ").await > 1_000_000.0);
}
