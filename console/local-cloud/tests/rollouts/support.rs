//! A cloud with one environment in this process, whose tasks are processes of the real API.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsconsole_local_cloud::cloud::Cloud;
use opsconsole_local_cloud::ecr::registry_host;
use opsconsole_local_cloud::ecs;
use opsconsole_local_cloud::proxy::HealthCheck;
use opsconsole_local_cloud::settings::{Credentials, DataDir, Pace, Settings, TaskProgram};
use serde_json::{Value, json};

/// Long enough for a machine on which other tests run, too.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub cloud: Arc<Cloud>,
    pub url: String,
    directory: tempfile::TempDir,
}

pub struct StageBuilder {
    desired: u32,
    configuration: Value,
    bake: Duration,
}

/// One cluster `dev` with a service `api` on release `good`, steady.
pub fn stage() -> StageBuilder {
    StageBuilder {
        desired: 2,
        configuration: json!({
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        }),
        bake: Duration::from_millis(500),
    }
}

impl StageBuilder {
    pub fn desired(mut self, desired: u32) -> Self {
        self.desired = desired;
        self
    }

    pub fn configuration(mut self, configuration: Value) -> Self {
        self.configuration = configuration;
        self
    }

    pub async fn steady(self) -> Stage {
        let directory = tempfile::tempdir().expect("a directory");
        let stage = Stage::open(directory, self.bake).await;
        stage.publish("good", &[]);
        stage
            .call("CreateCluster", json!({ "clusterName": "dev" }))
            .await;
        stage.register("good").await;
        let group = stage.cloud.elb.groups()[0].arn.clone();
        stage
            .call(
                "CreateService",
                json!({
                    "cluster": "dev",
                    "serviceName": "api",
                    "taskDefinition": "api-dev",
                    "desiredCount": self.desired,
                    "deploymentConfiguration": self.configuration,
                    "loadBalancers": [{
                        "targetGroupArn": group, "containerName": "api", "containerPort": 8080,
                    }],
                }),
            )
            .await;
        stage.outcome().await;
        stage
    }
}

impl Stage {
    async fn open(directory: tempfile::TempDir, bake: Duration) -> Self {
        let cloud = Cloud::load(Settings {
            data: DataDir::under(directory.path()),
            credentials: Credentials::generate(),
            idle: None,
            pace: Pace {
                scheduler_tick: Duration::from_millis(50),
                provisioning: Duration::ZERO,
                pulling: Duration::ZERO,
                health_interval: Duration::from_millis(300),
                restart_backoff_first: Duration::from_millis(100),
                bake_time_min: bake,
                usage_interval: Duration::from_millis(500),
                ..Pace::default()
            },
            task_program: TaskProgram {
                executable: PathBuf::from(env!("CARGO_BIN_EXE_opsconsole-local-cloud")),
                arguments: vec!["task".to_owned()],
            },
        })
        .expect("a cloud");
        let check = HealthCheck {
            path: "/readyz".to_owned(),
            interval_ms: 300,
            timeout_ms: 1000,
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        };
        let delay = Duration::from_secs(3);
        cloud
            .elb
            .ensure("dev", "api-dev", check, delay, 0)
            .expect("a load balancer");
        cloud
            .elb
            .open_listeners(&cloud.metrics)
            .await
            .expect("a listener");
        tokio::spawn(ecs::run_forever(cloud.clone()));
        tokio::spawn(ecs::measure_forever(cloud.clone()));
        let url = cloud.environment_url("dev").expect("a URL");
        Self {
            cloud,
            url,
            directory,
        }
    }

    /// Ends everything and opens the same world again, as a new supervisor does.
    pub async fn reopened(self) -> Self {
        ecs::shut_down(&self.cloud, Duration::from_secs(10)).await;
        assert_eq!(
            self.cloud.ecs.process_count(),
            0,
            "all processes have ended"
        );
        self.cloud.elb.close_listeners();
        let Self { directory, .. } = self;
        let stage = Self::open(directory, Duration::from_millis(500)).await;
        stage.publish("good", &[]);
        stage
    }

    /// A release: an image whose environment holds what is special about it.
    pub fn publish(&self, release: &str, special: &[(&str, &str)]) {
        let mut env = vec![("OPSCONSOLE_API_RELEASE", release)];
        env.extend(special);
        self.cloud
            .ecr
            .publish("opsconsole-api", release, &env, &[], 0);
    }

    pub async fn try_call(&self, action: &str, body: Value) -> Result<Value, String> {
        ecs::handle(&self.cloud, action, &body)
            .await
            .map_err(|error| error.to_string())
    }

    pub async fn call(&self, action: &str, body: Value) -> Value {
        self.try_call(action, body)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// Registers a task definition that runs a release; its ARN.
    pub async fn register(&self, release: &str) -> String {
        let answer = self
            .call(
                "RegisterTaskDefinition",
                json!({
                    "family": "api-dev",
                    "networkMode": "awsvpc",
                    "requiresCompatibilities": ["FARGATE"],
                    "cpu": "256",
                    "memory": "512",
                    "containerDefinitions": [{
                        "name": "api",
                        "image": format!("{}/opsconsole-api:{release}", registry_host()),
                        "portMappings": [{ "containerPort": 8080 }],
                        "logConfiguration": {
                            "logDriver": "awslogs",
                            "options": {
                                "awslogs-group": "/ecs/dev/api",
                                "awslogs-stream-prefix": "api",
                            },
                        },
                    }],
                }),
            )
            .await;
        text(&answer["taskDefinition"]["taskDefinitionArn"])
    }

    /// Deploys a release; the ARN of its service deployment.
    pub async fn deploy(&self, release: &str) -> String {
        let definition = self.register(release).await;
        self.update(json!({ "taskDefinition": definition })).await;
        text(&self.newest().await["serviceDeploymentArn"])
    }

    pub async fn update(&self, mut change: Value) -> Value {
        change["cluster"] = json!("dev");
        change["service"] = json!("api");
        self.call("UpdateService", change).await
    }

    pub async fn service(&self) -> Value {
        let body = json!({ "cluster": "dev", "services": ["api"] });
        self.call("DescribeServices", body).await["services"][0].clone()
    }

    /// The newest service deployment as the list has it.
    pub async fn newest(&self) -> Value {
        let body = json!({ "cluster": "dev", "service": "api" });
        self.call("ListServiceDeployments", body).await["serviceDeployments"][0].clone()
    }

    pub async fn describe(&self, deployment: &str) -> Value {
        let body = json!({ "serviceDeploymentArns": [deployment] });
        self.call("DescribeServiceDeployments", body).await["serviceDeployments"][0].clone()
    }

    /// Waits until the newest service deployment has ended; its status.
    pub async fn outcome(&self) -> String {
        self.until("the newest service deployment ends", async || {
            let newest = self.newest().await;
            newest.get("finishedAt").map(|_| text(&newest["status"]))
        })
        .await
    }

    pub async fn wait_for_status(&self, deployment: &str, status: &str) -> Value {
        self.until(&format!("{deployment} becomes {status}"), async || {
            let found = self.describe(deployment).await;
            (found["status"] == status).then_some(found)
        })
        .await
    }

    /// Waits for something, and tells the service's events when it does not come.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}:\n{}",
                self.events().await.join("\n")
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the service said, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let service = self.service().await;
        let events = service["events"].as_array().cloned().unwrap_or_default();
        events.iter().rev().map(|e| text(&e["message"])).collect()
    }

    pub async fn has_event(&self, part: &str) -> bool {
        self.events().await.iter().any(|event| event.contains(part))
    }

    /// Tasks of the service, described.
    pub async fn tasks(&self, desired_status: &str) -> Vec<Value> {
        let body = json!({
            "cluster": "dev", "serviceName": "api", "desiredStatus": desired_status,
        });
        let arns = self.call("ListTasks", body).await["taskArns"].clone();
        if arns.as_array().is_none_or(Vec::is_empty) {
            return Vec::new();
        }
        let body = json!({ "cluster": "dev", "tasks": arns });
        let answer = self.call("DescribeTasks", body).await;
        answer["tasks"].as_array().cloned().unwrap_or_default()
    }

    /// The release that answers through the load balancer.
    pub async fn served_release(&self) -> String {
        let (_, body) = get(&self.url, "/version").await.expect("an answer");
        let version: Value = serde_json::from_str(&body).expect("JSON");
        text(&version["release"])
    }

    pub async fn end(self) {
        ecs::shut_down(&self.cloud, Duration::from_secs(10)).await;
        assert_eq!(
            self.cloud.ecs.process_count(),
            0,
            "all processes have ended"
        );
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One request over a connection of its own: status and body.
pub async fn get(url: &str, path: &str) -> Result<(u16, String), String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let address = url.strip_prefix("http://").expect("an http URL");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(|e| format!("connect: {e}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|e| format!("write: {e}"))?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .map_err(|e| format!("read: {e}"))?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| format!("no status in {answer:?}"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
