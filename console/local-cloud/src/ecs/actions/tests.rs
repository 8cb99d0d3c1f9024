//! What clients are told: the shapes and errors that do not need a process.

use serde_json::json;

use super::*;
use crate::cloud::tests::cloud_in;

struct Account {
    cloud: Arc<Cloud>,
    _directory: tempfile::TempDir,
}

impl Account {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            cloud: cloud_in(directory.path()),
            _directory: directory,
        }
    }

    async fn ask(&self, action: &str, body: Value) -> Result<Value, AwsError> {
        handle(&self.cloud, action, &body).await
    }

    async fn get(&self, action: &str, body: Value) -> Value {
        self.ask(action, body)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// The code of the error that an action answers with.
    async fn refused(&self, action: &str, body: Value) -> String {
        match self.ask(action, body).await {
            Ok(answer) => panic!("{action} answered {answer}"),
            Err(error) => error.code.into_owned(),
        }
    }

    /// A cluster `dev` with a task definition `api:1` and a service `api` without tasks.
    async fn with_service() -> Self {
        let account = Self::new();
        account
            .get("CreateCluster", json!({ "clusterName": "dev" }))
            .await;
        account.get("RegisterTaskDefinition", definition()).await;
        let service = json!({ "cluster": "dev", "serviceName": "api", "taskDefinition": "api" });
        account.get("CreateService", service).await;
        account
    }
}

fn definition() -> Value {
    json!({
        "family": "api",
        "containerDefinitions": [{ "name": "api", "image": "api:1" }],
    })
}

#[tokio::test]
async fn what_is_not_there_is_named_as_ecs_names_it() {
    let account = Account::with_service().await;
    for (action, body, code) in [
        ("ListServices", json!({}), "ClusterNotFoundException"),
        (
            "UpdateService",
            json!({ "cluster": "dev", "service": "web" }),
            "ServiceNotFoundException",
        ),
        (
            "UpdateService",
            json!({ "cluster": "dev", "service": "api", "taskDefinition": "api:9" }),
            "ClientException",
        ),
        (
            "DescribeTaskDefinition",
            json!({ "taskDefinition": "web" }),
            "ClientException",
        ),
        (
            "StopTask",
            json!({ "cluster": "dev", "task": "0123" }),
            "InvalidParameterException",
        ),
        (
            "StopServiceDeployment",
            json!({ "serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/dev/api/x" }),
            "ServiceDeploymentNotFoundException",
        ),
        (
            "ListTagsForResource",
            json!({ "resourceArn": "arn:aws:ecs:us-east-1:123456789012:cluster/web" }),
            "InvalidParameterException",
        ),
        (
            "PutClusterCapacityProviders",
            json!({}),
            "UnknownOperationException",
        ),
    ] {
        assert_eq!(account.refused(action, body).await, code, "{action}");
    }
    let body = json!({ "cluster": "dev", "services": ["api", "web"] });
    let seen = account.get("DescribeServices", body).await;
    assert_eq!(seen["services"][0]["serviceName"], "api");
    assert_eq!(seen["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn a_service_has_one_name_and_is_deleted_only_empty_or_by_force() {
    let account = Account::with_service().await;
    let service = json!({ "cluster": "dev", "serviceName": "api", "taskDefinition": "api" });
    let twice = account
        .ask("CreateService", service)
        .await
        .expect_err("refused");
    assert_eq!(twice.message, "Creation of service was not idempotent.");

    let scaled = json!({ "cluster": "dev", "service": "api", "desiredCount": 1 });
    account.get("UpdateService", scaled).await;
    let delete = json!({ "cluster": "dev", "service": "api" });
    let refused = account.refused("DeleteService", delete.clone()).await;
    assert_eq!(refused, "InvalidParameterException");
    let mut forced = delete;
    forced["force"] = json!(true);
    let deleted = account.get("DeleteService", forced).await;
    assert_eq!(deleted["service"]["status"], "DRAINING");
    let update = json!({ "cluster": "dev", "service": "api", "desiredCount": 2 });
    assert_eq!(
        account.refused("UpdateService", update).await,
        "ServiceNotActiveException"
    );
}

#[tokio::test]
async fn revisions_count_up_and_are_listed_newest_first_page_by_page() {
    let account = Account::new();
    for _ in 0..3 {
        account.get("RegisterTaskDefinition", definition()).await;
    }
    let last = json!({ "taskDefinition": "api:2" });
    account.get("DeregisterTaskDefinition", last).await;
    let mut body = json!({ "familyPrefix": "api", "sort": "DESC", "maxResults": 1 });
    let first = account.get("ListTaskDefinitions", body.clone()).await;
    assert!(
        first["taskDefinitionArns"][0]
            .as_str()
            .is_some_and(|a| a.ends_with("api:3"))
    );
    body["nextToken"] = first["nextToken"].clone();
    let second = account.get("ListTaskDefinitions", body).await;
    assert!(
        second["taskDefinitionArns"][0]
            .as_str()
            .is_some_and(|a| a.ends_with("api:1"))
    );
    assert_eq!(second["nextToken"], Value::Null);
    let inactive = json!({ "status": "INACTIVE" });
    let inactive = account.get("ListTaskDefinitions", inactive).await;
    assert_eq!(
        inactive["taskDefinitionArns"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn what_was_registered_is_described_with_the_defaults_filled_in() {
    let account = Account::new();
    let mut given = definition();
    given["tags"] = json!([{ "key": "opsconsole:author", "value": "ana" }]);
    given["containerDefinitions"][0]["portMappings"] = json!([{ "containerPort": 8080 }]);
    account.get("RegisterTaskDefinition", given).await;
    let body = json!({ "taskDefinition": "api", "include": ["TAGS"] });
    let seen = account.get("DescribeTaskDefinition", body).await;
    assert_eq!(seen["tags"][0]["value"], "ana");
    let definition = &seen["taskDefinition"];
    assert_eq!(definition["status"], "ACTIVE");
    assert_eq!(
        definition.get("tags"),
        None,
        "tags are beside the definition"
    );
    let container = &definition["containerDefinitions"][0];
    assert_eq!(container["essential"], true);
    assert_eq!(
        container["portMappings"][0],
        json!({ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" })
    );
}

#[tokio::test]
async fn fargate_has_its_sizes() {
    let account = Account::new();
    for (cpu, memory, fits) in [
        ("256", "512", true),
        ("256", "1536", false),
        ("512", "512", false),
        ("1024", "2048", true),
        ("4096", "30720", true),
        ("300", "512", false),
    ] {
        let mut given = definition();
        given["requiresCompatibilities"] = json!(["FARGATE"]);
        given["networkMode"] = json!("awsvpc");
        given["cpu"] = json!(cpu);
        given["memory"] = json!(memory);
        let answer = account.ask("RegisterTaskDefinition", given).await;
        assert_eq!(answer.is_ok(), fits, "{cpu} {memory}: {answer:?}");
    }
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let account = Account::with_service().await;
    let arn = "arn:aws:ecs:us-east-1:123456789012:service/dev/api";
    for tags in [
        json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]),
        json!([{ "key": "a", "value": "3" }]),
    ] {
        account
            .get("TagResource", json!({ "resourceArn": arn, "tags": tags }))
            .await;
    }
    account
        .get(
            "UntagResource",
            json!({ "resourceArn": arn, "tagKeys": ["b"] }),
        )
        .await;
    let seen = account
        .get("ListTagsForResource", json!({ "resourceArn": arn }))
        .await;
    assert_eq!(seen["tags"], json!([{ "key": "a", "value": "3" }]));
}

#[tokio::test]
async fn only_what_needs_new_tasks_makes_a_deployment() {
    let account = Account::with_service().await;
    let count = async || {
        let body = json!({ "cluster": "dev", "service": "api" });
        let seen = account.get("ListServiceDeployments", body).await;
        seen["serviceDeployments"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count().await, 1);
    for (change, expected) in [
        (json!({ "desiredCount": 0 }), 1),
        (json!({ "taskDefinition": "api:1" }), 1),
        (
            json!({ "deploymentConfiguration": { "minimumHealthyPercent": 50 } }),
            1,
        ),
        (json!({ "forceNewDeployment": true }), 2),
    ] {
        let mut body = json!({ "cluster": "dev", "service": "api" });
        for (name, value) in change.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        account.get("UpdateService", body).await;
        assert_eq!(count().await, expected, "{change}");
    }
    let body = json!({ "cluster": "dev", "services": ["api"] });
    let seen = account.get("DescribeServices", body).await;
    let rules = &seen["services"][0]["deploymentConfiguration"];
    assert_eq!(rules["minimumHealthyPercent"], 50);
    assert_eq!(rules["maximumPercent"], 200, "what is not mentioned stays");
}
