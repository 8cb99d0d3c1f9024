//! What operators run and reach: the commands, and a port of their own.

use hyper::StatusCode;

use crate::support::{Start, database};

#[tokio::test]
async fn metrics_and_administration_move_to_the_port_of_the_operators() {
    let mut api = Start::new()
        .set("OPERATOR_LISTEN", "127.0.0.1:0")
        .ready()
        .await;
    assert_eq!(api.get("/metrics").await.status, StatusCode::NOT_FOUND);
    assert_eq!(api.get("/admin/keys").await.status, StatusCode::NOT_FOUND);
    let line = api
        .process
        .line(|line| line["message"] == "listening for operators")
        .await;
    api.address = line["address"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an address");
    assert_eq!(api.get("/metrics").await.status, StatusCode::OK);
    assert_eq!(api.get("/items").await.status, StatusCode::NOT_FOUND);
    assert!(api.metric("process_cpu_seconds_total ").await >= 0.0);
}

#[tokio::test]
async fn the_health_check_of_a_container_tells_a_healthy_service_from_none() {
    let api = Start::new().ready().await;
    let address = api.address.to_string();
    let mut healthy = Start::new()
        .set("LISTEN", &address)
        .command("healthcheck")
        .spawn();
    assert_eq!(healthy.exit().await.code(), Some(0));
    drop(api);
    let mut gone = Start::new()
        .set("LISTEN", &address)
        .command("healthcheck")
        .spawn();
    assert_eq!(gone.exit().await.code(), Some(1));
}

#[tokio::test]
async fn check_says_what_is_wrong_until_migrate_has_run() {
    let (_folder, path) = database();
    let mut check = Start::on(&path).command("check").spawn();
    assert_eq!(check.exit().await.code(), Some(1));
    let mut migrate = Start::on(&path).command("migrate").spawn();
    assert_eq!(migrate.exit().await.code(), Some(0));
    let mut check = Start::on(&path).command("check").spawn();
    assert_eq!(check.exit().await.code(), Some(0));
}
