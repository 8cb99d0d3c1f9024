//! How a deployment can end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{stage, text};
use crate::traffic::ask;

const NEVER_READY: (&str, &str) = ("OPSCONSOLE_API_FAULT_NEVER_READY", "on");
const CRASH: (&str, &str) = ("OPSCONSOLE_API_FAULT_CRASH_AFTER_MS", "0");

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_replaces_the_old_one_and_no_request_fails() {
    let stage = stage().steady().await;
    assert_eq!(stage.served_release().await, "good");
    stage.publish("better", &[]);
    let asking = ask(&stage.url, "/items");

    let deployment = stage.deploy("better").await;
    assert_eq!(stage.outcome().await, "SUCCESSFUL");

    let (answered, failures) = asking.stop().await;
    assert!(failures.is_empty(), "of {answered}: {failures:?}");
    assert!(answered > 20, "{answered}");
    assert_eq!(stage.served_release().await, "better");
    let service = stage.service().await;
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(service["runningCount"], 2);
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    for sentence in [
        "(service api) has started 2 tasks: (task ",
        "(service api) registered 1 targets in (target-group arn:aws:elasticloadbalancing:",
        "(service api) has begun draining connections on 1 tasks.",
        "running tasks: (task ",
        "deployment completed.",
    ] {
        assert!(
            stage.has_event(sentence).await,
            "{sentence}: {:?}",
            stage.events().await
        );
    }
    stage
        .until("the service is steady", async || {
            let events = stage.events().await;
            let last = events.last().cloned().unwrap_or_default();
            (last == "(service api) has reached a steady state.").then_some(())
        })
        .await;

    let seen = stage.describe(&deployment).await;
    assert_eq!(
        seen["deploymentCircuitBreaker"]["status"],
        "MONITORING_COMPLETE"
    );
    let revision = json!({ "serviceRevisionArns": [seen["targetServiceRevision"]["arn"]] });
    let revisions = stage.call("DescribeServiceRevisions", revision).await;
    let image = &revisions["serviceRevisions"][0]["containerImages"][0];
    assert!(
        text(&image["imageDigest"]).starts_with("sha256:"),
        "{image}"
    );
    for task in stage.tasks("RUNNING").await {
        assert_eq!(task["containers"][0]["imageDigest"], image["imageDigest"]);
        assert_eq!(task["group"], "service:api");
        assert!(text(&task["startedBy"]).starts_with("ecs-svc/"));
    }
    for task in stage.tasks("STOPPED").await {
        assert_eq!(task["stopCode"], "ServiceSchedulerInitiated");
        assert!(text(&task["stoppedReason"]).starts_with("Scaling activity initiated by"));
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_never_gets_ready_trips_the_breaker_while_the_old_one_serves() {
    let stage = stage().steady().await;
    stage.publish("stuck", &[NEVER_READY]);
    let asking = ask(&stage.url, "/items");
    let before = stage.service().await["deployments"][0]["id"].clone();

    let began = Instant::now();
    let deployment = stage.deploy("stuck").await;
    let back = stage
        .wait_for_status(&deployment, "ROLLBACK_SUCCESSFUL")
        .await;
    assert!(began.elapsed() < Duration::from_secs(60));

    let (answered, failures) = asking.stop().await;
    assert!(failures.is_empty(), "of {answered}: {failures:?}");
    assert_eq!(back["deploymentCircuitBreaker"]["status"], "TRIGGERED");
    assert_eq!(back["deploymentCircuitBreaker"]["threshold"], 3);
    assert_eq!(
        back["deploymentCircuitBreaker"]["failureCount"]
            .as_u64()
            .map(|n| n >= 3),
        Some(true)
    );
    assert!(
        text(&back["rollback"]["reason"]).contains("circuit breaker"),
        "{back}"
    );
    assert_eq!(stage.served_release().await, "good");
    let service = stage.service().await;
    assert_eq!(
        service["deployments"][0]["id"], before,
        "the completed deployment is back"
    );
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    for sentence in [
        "is unhealthy in (target-group ",
        "deployment failed: tasks failed to start.",
        "rolling back to deployment ecs-svc/",
    ] {
        assert!(
            stage.has_event(sentence).await,
            "{sentence}: {:?}",
            stage.events().await
        );
    }
    let failed = stage.tasks("STOPPED").await;
    assert!(failed.iter().any(|task| {
        text(&task["stoppedReason"]).starts_with("Task failed ELB health checks in (target-group")
    }));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_crashes_at_its_start_is_rolled_back_and_leaves_its_last_words() {
    let stage = stage().steady().await;
    stage.publish("crash", &[CRASH]);
    let deployment = stage.deploy("crash").await;
    stage
        .wait_for_status(&deployment, "ROLLBACK_SUCCESSFUL")
        .await;

    let crashed: Vec<_> = stage
        .tasks("STOPPED")
        .await
        .into_iter()
        .filter(|task| task["stopCode"] == "EssentialContainerExited")
        .collect();
    assert!(crashed.len() >= 3, "the real threshold: {}", crashed.len());
    let task = &crashed[0];
    assert_eq!(task["stoppedReason"], "Essential container in task exited");
    assert_eq!(task["containers"][0]["exitCode"], 1);
    let id = text(&task["taskArn"])
        .rsplit('/')
        .next()
        .map(str::to_owned)
        .expect("an id");
    let streams = stage.cloud.logs.streams("/ecs/dev/api").expect("the group");
    let stream = format!("api/api/{id}");
    assert!(streams.iter().any(|s| *s.name == *stream), "{stream}");
    assert_eq!(stage.served_release().await, "good");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_does_not_exist_fails_to_start_and_never_replaces_anything() {
    let stage = stage().steady().await;
    let deployment = stage.deploy("no-such-release").await;
    stage
        .wait_for_status(&deployment, "ROLLBACK_SUCCESSFUL")
        .await;
    let task = stage
        .tasks("STOPPED")
        .await
        .into_iter()
        .find(|task| task["stopCode"] == "TaskFailedToStart")
        .expect("a task that failed to start");
    assert!(
        text(&task["stoppedReason"]).starts_with("CannotPullContainerError"),
        "{task}"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rollback_a_failed_deployment_is_stopped_and_nothing_is_taken_away() {
    let stage = stage()
        .configuration(json!({
            "deploymentCircuitBreaker": { "enable": true, "rollback": false },
        }))
        .steady()
        .await;
    stage.publish("crash", &[CRASH]);
    let deployment = stage.deploy("crash").await;
    let stopped = stage.wait_for_status(&deployment, "STOPPED").await;
    assert!(stopped.get("stoppedAt").is_some());
    let service = stage.service().await;
    assert_eq!(service["deployments"][0]["rolloutState"], "FAILED");
    assert_eq!(
        service["deployments"][1]["runningCount"],
        2,
        "the old tasks go on: {}",
        stage.events().await.join("\n")
    );
    assert_eq!(stage.served_release().await, "good");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_under_way_is_stopped_with_a_rollback() {
    let stage = stage().steady().await;
    stage.publish("stuck", &[NEVER_READY]);
    let asking = ask(&stage.url, "/items");
    let deployment = stage.deploy("stuck").await;
    stage.wait_for_status(&deployment, "IN_PROGRESS").await;
    stage
        .until("a new task runs", async || {
            let service = stage.service().await;
            (service["deployments"][0]["runningCount"].as_u64()? > 0).then_some(())
        })
        .await;

    let stop = json!({ "serviceDeploymentArn": deployment, "stopType": "ROLLBACK" });
    stage.call("StopServiceDeployment", stop.clone()).await;
    let back = stage
        .wait_for_status(&deployment, "ROLLBACK_SUCCESSFUL")
        .await;
    assert!(text(&back["rollback"]["reason"]).contains("StopServiceDeployment"));
    assert_eq!(
        back["deploymentCircuitBreaker"]["status"],
        "MONITORING_COMPLETE"
    );
    let refused = stage.try_call("StopServiceDeployment", stop).await;
    assert!(
        refused.is_err_and(|e| e.starts_with("ConflictException")),
        "it has ended"
    );
    let (answered, failures) = asking.stop().await;
    assert!(failures.is_empty(), "of {answered}: {failures:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_deployment_supersedes_the_one_under_way() {
    let stage = stage().steady().await;
    stage.publish("stuck", &[NEVER_READY]);
    stage.publish("better", &[]);
    let asking = ask(&stage.url, "/items");
    let first = stage.deploy("stuck").await;
    stage.wait_for_status(&first, "IN_PROGRESS").await;
    let second = stage.deploy("better").await;
    assert_ne!(first, second);
    stage.wait_for_status(&second, "SUCCESSFUL").await;
    assert_eq!(stage.describe(&first).await["status"], "STOPPED");
    assert_eq!(stage.served_release().await, "better");
    let (answered, failures) = asking.stop().await;
    assert!(failures.is_empty(), "of {answered}: {failures:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_stopped_by_hand_is_replaced() {
    let stage = stage().steady().await;
    let task = stage.tasks("RUNNING").await[0].clone();
    stage
        .call(
            "StopTask",
            json!({ "cluster": "dev", "task": task["taskArn"], "reason": "looking at it" }),
        )
        .await;
    stage
        .until("a replacement is healthy", async || {
            let running = stage.tasks("RUNNING").await;
            let replaced = running.iter().all(|t| t["taskArn"] != task["taskArn"]);
            let all_run = running
                .iter()
                .filter(|t| t["lastStatus"] == "RUNNING")
                .count()
                == 2;
            (replaced && all_run).then_some(())
        })
        .await;
    stage
        .until("the stopped task has ended", async || {
            let stopped = stage.tasks("STOPPED").await;
            let found = stopped.iter().find(|t| t["taskArn"] == task["taskArn"])?;
            (found["lastStatus"] == "STOPPED"
                && found["stopCode"] == "UserInitiated"
                && found["stoppedReason"] == "looking at it"
                && found["containers"][0]["exitCode"] == 0)
                .then_some(())
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_changes_without_a_deployment() {
    let stage = stage().desired(1).steady().await;
    let before = stage.newest().await["serviceDeploymentArn"].clone();
    for desired in [3, 1] {
        stage.update(json!({ "desiredCount": desired })).await;
        stage
            .until("the count is right", async || {
                let service = stage.service().await;
                (service["runningCount"] == desired && service["pendingCount"] == 0).then_some(())
            })
            .await;
    }
    assert_eq!(stage.newest().await["serviceDeploymentArn"], before);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inactive_task_definition_cannot_be_deployed() {
    let stage = stage().desired(1).steady().await;
    let definition = stage.register("good").await;
    stage
        .call(
            "DeregisterTaskDefinition",
            json!({ "taskDefinition": definition }),
        )
        .await;
    let update = json!({ "cluster": "dev", "service": "api", "taskDefinition": definition });
    let refused = stage.try_call("UpdateService", update).await;
    assert_eq!(
        refused.err().as_deref(),
        Some("ClientException: TaskDefinition is inactive")
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_is_there_again_after_a_restart() {
    let stage = stage().steady().await;
    stage.publish("better", &[]);
    stage.deploy("good").await;
    stage.outcome().await;
    let (before, url) = (stage.service().await, stage.url.clone());

    let stage = stage.reopened().await;
    stage
        .until("its tasks run again", async || {
            (stage.service().await["runningCount"] == 2).then_some(())
        })
        .await;
    let after = stage.service().await;
    assert_eq!(stage.url, url, "the URL is stable");
    for member in ["serviceArn", "taskDefinition", "createdAt", "desiredCount"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!(
        after["deployments"][0]["id"],
        before["deployments"][0]["id"]
    );
    let history = json!({ "cluster": "dev", "service": "api", "status": ["SUCCESSFUL"] });
    let history = stage.call("ListServiceDeployments", history).await;
    assert_eq!(
        history["serviceDeployments"].as_array().map(Vec::len),
        Some(2)
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_off_task_runs_with_its_overrides_and_leaves_its_exit_code() {
    let stage = stage().desired(1).steady().await;
    let answer = stage
        .call(
            "RunTask",
            json!({
                "cluster": "dev",
                "taskDefinition": "api-dev",
                "startedBy": "ana",
                "overrides": { "containerOverrides": [{
                    "name": "api",
                    "environment": [
                        { "name": "OPSCONSOLE_API_FAULT_CRASH_AFTER_MS", "value": "50" },
                    ],
                }] },
            }),
        )
        .await;
    let arn = answer["tasks"][0]["taskArn"].clone();
    stage
        .until("the job has ended", async || {
            let body = json!({ "cluster": "dev", "tasks": [arn] });
            let task = stage.call("DescribeTasks", body).await["tasks"][0].clone();
            (task["lastStatus"] == "STOPPED" && task["containers"][0]["exitCode"] == 1)
                .then_some(())
        })
        .await;
    assert_eq!(
        stage.service().await["runningCount"],
        1,
        "the service is not touched"
    );
    stage.end().await;
}
