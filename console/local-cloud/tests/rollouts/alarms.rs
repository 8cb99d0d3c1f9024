//! Alarms and rollouts: when they count, when they do not.

use opsconsole_local_cloud::cloudwatch::{
    AlarmDefinition, AlarmState, Comparison, MetricId, Statistic,
};
use serde_json::{Value, json};

use crate::support::{Stage, stage, text};

fn with_alarm() -> Value {
    json!({
        "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        "alarms": { "alarmNames": ["errors"], "enable": true, "rollback": true },
    })
}

fn put_alarm(stage: &Stage) {
    let id = MetricId::new("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", &[]);
    stage.cloud.alarms.put(AlarmDefinition::on_metric(
        "errors",
        id,
        Statistic::Sum,
        10,
        Comparison::Greater,
        0.0,
    ));
}

fn set_alarm(stage: &Stage, state: AlarmState) {
    let set =
        stage
            .cloud
            .alarms
            .set_state("errors", state, "a test says so".to_owned(), json!({}), 0);
    assert!(set, "there is such an alarm");
}

/// A service whose deployments are watched by the alarm `errors`.
async fn watched() -> Stage {
    let stage = stage().desired(1).steady().await;
    put_alarm(&stage);
    stage
        .update(json!({ "deploymentConfiguration": with_alarm() }))
        .await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_in_the_bake_time_brings_the_old_release_back() {
    let stage = watched().await;
    stage.publish("worse", &[]);
    let deployment = stage.deploy("worse").await;
    stage
        .until("the new release has taken over", async || {
            let service = stage.service().await;
            let alone = service["deployments"].as_array().map(Vec::len) == Some(1);
            (alone && stage.served_release().await == "worse").then_some(())
        })
        .await;
    assert_eq!(
        stage.describe(&deployment).await["status"],
        "IN_PROGRESS",
        "it bakes"
    );

    set_alarm(&stage, AlarmState::Alarm);
    let back = stage
        .wait_for_status(&deployment, "ROLLBACK_SUCCESSFUL")
        .await;
    assert_eq!(back["alarms"]["status"], "TRIGGERED");
    assert_eq!(back["alarms"]["triggeredAlarmNames"], json!(["errors"]));
    assert!(text(&back["statusReason"]).contains("alarms"), "{back}");
    assert!(stage.has_event("deployment failed: alarm detected.").await);
    assert_eq!(stage.served_release().await, "good");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_was_red_at_the_start_is_not_considered() {
    let stage = watched().await;
    set_alarm(&stage, AlarmState::Alarm);
    stage.publish("fix", &[]);
    let deployment = stage.deploy("fix").await;
    let done = stage.wait_for_status(&deployment, "SUCCESSFUL").await;
    assert_eq!(done["alarms"]["status"], "DISABLED");
    assert_eq!(stage.served_release().await, "fix");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_alarm_lets_the_deployment_complete_after_its_bake_time() {
    let stage = watched().await;
    stage.publish("better", &[]);
    let deployment = stage.deploy("better").await;
    let done = stage.wait_for_status(&deployment, "SUCCESSFUL").await;
    assert_eq!(done["alarms"]["status"], "MONITORING_COMPLETE");
    // One period of ten seconds is what the alarm needs to see anything.
    let took =
        done["finishedAt"].as_f64().unwrap_or(0.0) - done["startedAt"].as_f64().unwrap_or(0.0);
    assert!(took >= 10.0, "{took}");
    stage.end().await;
}
