//! The contract: the OpenAPI document, and the pages that show it.

use std::process::Command;

use hyper::StatusCode;

use crate::support::Start;

#[test]
fn the_contract_changes_only_where_someone_reviews_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_opsconsole-api"))
        .arg("openapi")
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(output.status.success());
    let document = String::from_utf8(output.stdout).expect("UTF-8");
    insta::assert_snapshot!("openapi", document.trim_end());
}

#[tokio::test]
async fn the_service_gives_its_own_contract_and_a_page_that_shows_it() {
    let api = Start::new().ready().await;
    let document = api.get("/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json()["openapi"], "3.1.0");

    let page = api.get("/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"));
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let elsewhere: Vec<_> = text
        .split('"')
        .filter(|part| part.contains("://"))
        .collect();
    assert!(elsewhere.is_empty(), "the page asks {elsewhere:?}");
    for name in ["swagger-ui.css", "index.css", "swagger-ui-bundle.js"] {
        let file = api.get(&format!("/docs/{name}")).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
    }
    let script = api.get("/docs/swagger-initializer.js").await;
    let script = String::from_utf8_lossy(&script.body).into_owned();
    assert!(script.contains("/openapi.json"), "{script}");
    assert!(!script.contains("://"), "{script}");

    assert_eq!(api.get("/docs").await.header("location"), "/docs/");
    let missing = api.get("/docs/passwd").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    missing.problem();
}

#[tokio::test]
async fn each_port_describes_what_it_serves() {
    let mut api = Start::new()
        .set("OPERATOR_LISTEN", "127.0.0.1:0")
        .ready()
        .await;
    let customers = api.get("/openapi.json").await.json();
    assert!(customers["paths"]["/items"].is_object());
    assert!(customers["paths"]["/admin/keys"].is_null());
    let line = api
        .process
        .line(|line| line["message"] == "listening for operators")
        .await;
    api.address = line["address"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an address");
    let operators = api.get("/openapi.json").await.json();
    assert!(operators["paths"]["/items"].is_null());
    assert!(operators["paths"]["/admin/keys"].is_object());
}
