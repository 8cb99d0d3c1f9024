//! The chart with the API's image as real pods: rights, read-only root, upgrade, migration.

use super::{
    api,
    postgres::Postgres,
    room::{Room, eventually},
};
use serde_json::{Value, json};

#[test]
fn the_chart_runs_the_api_from_a_root_that_nobody_can_write_and_not_as_root() {
    let Some(room) = Room::new("install") else {
        return;
    };
    room.upgrade("1.0.0", &[]).ok();
    let pods = room.objects(&["pods"]);
    let spec = &pods["items"][0]["spec"];
    let container = &spec["containers"][0]["securityContext"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));

    let address = room.address();
    assert_eq!(api::get(&address, "/readyz").status, 200);
    let id = api::store(&address, "kept");
    assert_eq!(api::get(&address, &format!("/items/{id}")).status, 200);
    assert_eq!(api::get(&address, "/version").json()["release"], "1.0.0");

    // The same pod, told to write where it must not: the kernel says what the settings claim.
    let said = where_content_is_kept(&room, "file:/content");
    let said = said.to_lowercase();
    assert!(said.contains("read-only"), "{said}");
    let said = where_content_is_kept(&room, "file:/data/content");
    assert!(said.contains("\"status\": \"ok\""), "{said}");

    room.upgrade("1.1.0", &[]).ok();
    room.serves("1.1.0");
    assert_eq!(room.helm_now().description, "Upgrade complete");
    let row = room.told("envs")[0].clone();
    assert_eq!(
        (row["release"].as_str(), row["health"].as_str()),
        (Some("1.1.0"), Some("healthy")),
        "{row}"
    );
}

/// What `opsconsole-api check` says of its content store, in a pod like the Deployment's.
fn where_content_is_kept(room: &Room, place: &str) -> String {
    let deployment = room.objects(&["deployment", "shop-opsconsole-api"]);
    let mut spec = deployment["spec"]["template"]["spec"].clone();
    spec["restartPolicy"] = json!("Never");
    let container = &mut spec["containers"][0];
    for probe in [
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "lifecycle",
    ] {
        container
            .as_object_mut()
            .expect("a container")
            .remove(probe);
    }
    container["args"] = json!(["check"]);
    let env = container["env"].as_array_mut().expect("an environment");
    env.push(json!({"name": "OPSCONSOLE_API_CONTENT_URL", "value": place}));
    let name = format!("check-{}", uuid::Uuid::new_v4().simple());
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec
    });
    let file = room.home().join("pod.json");
    std::fs::write(&file, pod.to_string()).expect("a file");
    let file = file.display().to_string();
    room.kubectl(&["create", "--filename", &file]).ok();
    eventually("the check has ended", || {
        let pod: Value = room.objects(&["pod", &name]);
        matches!(
            pod["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        )
    });
    let report = room.kubectl(&["logs", &name]).ok().stdout;
    // Log lines come before the report, which is one document over several lines.
    let start = report.find("{\n").expect("a report");
    let report: Value = serde_json::from_str(&report[start..]).expect("JSON");
    let checks = report["checks"].as_array().expect("checks").clone();
    let store = checks
        .iter()
        .find(|check| check["name"] == "content_store")
        .expect("the content store is checked");
    format!("{store:#}")
}

#[test]
fn the_migration_job_prepares_a_postgres_outside_and_pods_share_what_is_stored() {
    let Some(room) = Room::new("postgres") else {
        return;
    };
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.tell(&room);
    let values = |replicas: &str| {
        let count = format!("replicaCount={replicas}");
        [
            "database.kind=postgres".to_owned(),
            "database.postgres.existingSecret=db".to_owned(),
            count,
        ]
    };
    let upgrade = |tag: &str, replicas: &str, more: &[&str]| {
        let values = values(replicas);
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        values.extend(more);
        room.upgrade(tag, &values)
    };
    // The service does not migrate by itself there: that it is ready is the Job's work.
    upgrade("1.0.0", "1", &[]).ok();
    let id = api::store(&room.address(), "outlives its pod");
    upgrade("1.1.0", "2", &[]).ok();
    room.serves("1.1.0");
    let serving = room.serving();
    assert_eq!(serving.len(), 2, "{serving:?}");
    for (_, address) in &serving {
        assert_eq!(api::get(address, &format!("/items/{id}")).status, 200);
    }
    let events = room.kubectl(&["get", "events"]).ok().stdout;
    assert!(
        events.contains("job/shop-opsconsole-api-migrate"),
        "{events}"
    );

    // A database that does not answer: the release fails before any of its pods begins.
    let other = "--from-literal=url=postgres://api@127.0.0.1:9/none";
    room.kubectl(&["create", "secret", "generic", "nowhere", other])
        .ok();
    let failed = upgrade(
        "1.2.0",
        "2",
        &[
            "database.postgres.existingSecret=nowhere",
            "migration.backoffLimit=0",
            "migration.activeDeadlineSeconds=10",
        ],
    );
    assert_ne!(failed.code, 0, "{}", failed.stdout);
    assert_eq!(room.helm_now().status, "failed");
    room.serves("1.1.0");
}
