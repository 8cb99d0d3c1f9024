//! The cluster under test: a namespace for each test, and a Deployment in it.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use opsconsole::{
    config::{EnvironmentConfig, Guard, KubernetesConfig, PlatformConfig},
    model::{Action, Author, EnvironmentName, ReleaseRef, RunOutcome},
    operate::{Confirmation, Operator, RunOptions, Settings},
    platform::{Connections, Environment, Platform, connect},
    store::Store,
};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A rollout on a busy machine.
pub const ROLLOUT_TIME: Duration = Duration::from_secs(90);

/// The kubeconfig to test with. Without one the tests say so and are not run; in CI they fail.
fn kubeconfig() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // Whoever has KUBECONFIG set may mean production: it is taken for a test's on loopback only.
    let local = named("KUBECONFIG").filter(|path| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("https://127.0.0.1:"))
    });
    let found = named("KUBECONFIG_TEST").or(local);
    if found.is_none() {
        assert!(
            named("CI").is_none(),
            "CI needs a cluster: set KUBECONFIG_TEST"
        );
        eprintln!("not run: no cluster (set KUBECONFIG_TEST to the kubeconfig of one)");
    }
    found.map(PathBuf::from)
}

/// One test's namespace with the Deployment `api` in it.
pub struct Bench {
    pub client: Client,
    pub namespace: String,
    kubeconfig: PathBuf,
    home: TempDir,
}

impl Bench {
    /// A Deployment of two replicas at 1.0.0, fully available; `None` without a cluster.
    pub async fn with_api(test: &str) -> Option<Self> {
        let kubeconfig = kubeconfig()?;
        let file = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .expect("a usable kubeconfig");
        let client = Client::try_from(config).expect("a client");
        let number = uuid::Uuid::new_v4().simple().to_string();
        let bench = Self {
            namespace: format!("t-{test}-{}", &number[..8]),
            client,
            kubeconfig,
            home: TempDir::with_prefix("opsconsole-kubernetes-").expect("a directory"),
        };
        let namespaces: Api<Namespace> = Api::all(bench.client.clone());
        let namespace: Namespace = read(json!({"metadata": {"name": bench.namespace}}));
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        let deployment: Deployment = read(json!({
            "metadata": {"name": "api", "annotations": {"team": "ours"}},
            "spec": {
                "replicas": 2,
                "progressDeadlineSeconds": 5,
                "selector": {"matchLabels": {"app": "api"}},
                "template": {
                    "metadata": {"labels": {"app": "api"}},
                    "spec": {"containers": [{
                        "name": "api",
                        "image": "registry.example/api:1.0.0",
                        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}
                    }]}
                }
            }
        }));
        bench
            .deployments()
            .create(&PostParams::default(), &deployment)
            .await
            .expect("a Deployment");
        bench.steady("1.0.0").await;
        Some(bench)
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn config(&self) -> EnvironmentConfig {
        EnvironmentConfig {
            name: EnvironmentName::from("dev"),
            guard: Guard::Confirm,
            freeze: Vec::new(),
            account: None,
            lock: None,
            runbook: None,
            refresh_s: 2,
            extra_bill: Vec::new(),
            platform: PlatformConfig::Kubernetes(KubernetesConfig {
                kubeconfig: Some(self.kubeconfig.clone()),
                namespace: Some(self.namespace.clone()),
                deployment: Some("api".to_owned()),
                region: "us-east-1".to_owned(),
                ..KubernetesConfig::default()
            }),
        }
    }

    pub async fn platform(&self) -> Arc<dyn Platform> {
        connect(&self.config()).await.expect("a platform")
    }

    pub async fn operator(&self, who: &str) -> Operator {
        let connections = Connections::new(
            vec![self.config()],
            Arc::new(|config| {
                Box::pin(async move {
                    let platform = connect(&config).await?;
                    Ok(Environment { config, platform })
                })
            }),
        );
        let (store, notices) = Store::open(&self.home.path().join(who)).await;
        assert!(notices.is_empty(), "{notices:?}");
        let author = Author {
            name: who.to_owned(),
            host: Some("laptop".to_owned()),
        };
        Operator::new(connections, store, author, Settings::default())
    }

    /// Waits until that release alone runs.
    pub async fn steady(&self, release: &str) {
        let platform = self.platform().await;
        let began = Instant::now();
        loop {
            if let Ok(seen) = platform.observe().await
                && seen.service.rollout.is_none()
                && seen.service.running == seen.service.desired
                && seen
                    .service
                    .deployed
                    .is_some_and(|live| live.release.as_deref() == Some(release))
            {
                return;
            }
            assert!(began.elapsed() < ROLLOUT_TIME, "{release} does not settle");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A colleague who does not use opsconsole.
    pub async fn somebody_patches(&self, patch: Value) {
        self.deployments()
            .patch("api", &PatchParams::default(), &Patch::Strategic(&patch))
            .await
            .expect("the Deployment is patched");
    }

    /// Takes the namespace away; a test that failed leaves it to be looked at.
    pub async fn clear(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .expect("the namespace is deleted");
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

pub fn deploy(tag: &str) -> Action {
    Action::Deploy {
        release: ReleaseRef::Tag(tag.to_owned()),
    }
}

pub fn yes() -> Confirmation {
    Confirmation {
        yes: true,
        ..Confirmation::default()
    }
}

/// Plans, confirms, sends and waits for the end.
pub async fn carry_out(operator: &Operator, action: Action) -> RunOutcome {
    let environment = EnvironmentName::from("dev");
    let plan = operator
        .plan(&environment, action, Some("a test".to_owned()))
        .await
        .expect("a plan");
    assert!(
        plan.prepared.blockers.is_empty(),
        "{:?}",
        plan.prepared.blockers
    );
    let mut handle = operator
        .execute(Arc::new(plan), yes(), RunOptions::default())
        .await
        .expect("the change is sent");
    let ended = tokio::time::timeout(
        ROLLOUT_TIME,
        handle.state.wait_for(|state| state.outcome.is_some()),
    )
    .await
    .expect("it ends in time")
    .expect("the run goes on")
    .clone();
    ended.outcome.expect("an outcome")
}
