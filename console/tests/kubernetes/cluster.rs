//! The cluster under test: a namespace for each test, and a Deployment in it.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Node, Pod, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use opsconsole::{
    config::{EnvironmentConfig, Guard, KubernetesConfig, PlatformConfig},
    model::{Action, Author, EnvironmentName, ReleaseRef, RunOutcome},
    operate::{Confirmation, Operator, RunHandle, RunOptions, Settings},
    platform::{Connections, Environment, Platform, connect},
    store::Store,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::RwLock;

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

/// Most tests run side by side; what harms them all runs alone.
static TURNS: RwLock<()> = RwLock::const_new(());

/// One test's namespace with the Deployment `api` in it.
pub struct Bench {
    pub client: Client,
    pub namespace: String,
    kubeconfig: PathBuf,
    home: TempDir,
    began: Instant,
    /// Held as long as the test runs.
    _turn: Box<dyn Send + Sync>,
}

impl Bench {
    /// A Deployment of two replicas at 1.0.0, fully available; `None` without a cluster.
    pub async fn with_api(test: &str) -> Option<Self> {
        let bench = Self::empty(test).await?;
        bench
            .make(deployment("registry.example/api:1.0.0", 2))
            .await;
        bench.steady("1.0.0").await;
        Some(bench)
    }

    /// A namespace with nothing in it; `None` without a cluster.
    pub async fn empty(test: &str) -> Option<Self> {
        Self::on(kubeconfig()?, test, Box::new(TURNS.read().await)).await
    }

    /// As [`Bench::with_api`], while no other test runs.
    pub async fn alone_with_api(test: &str) -> Option<Self> {
        let bench = Self::on(kubeconfig()?, test, Box::new(TURNS.write().await)).await?;
        bench
            .make(deployment("registry.example/api:1.0.0", 2))
            .await;
        bench.steady("1.0.0").await;
        Some(bench)
    }

    /// On the cluster whose node runs what it is told to; `None` without one.
    pub async fn on_a_real_node(test: &str) -> Option<Self> {
        let named = std::env::var_os("KUBECONFIG_TEST_REAL").filter(|value| !value.is_empty());
        let kubeconfig = named.map(PathBuf::from).or_else(kubeconfig)?;
        Self::on(kubeconfig, test, Box::new(TURNS.read().await)).await
    }

    async fn on(kubeconfig: PathBuf, test: &str, turn: Box<dyn Send + Sync>) -> Option<Self> {
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
            began: Instant::now(),
            _turn: turn,
        };
        let namespaces: Api<Namespace> = Api::all(bench.client.clone());
        let namespace: Namespace = read(json!({"metadata": {"name": bench.namespace}}));
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        Some(bench)
    }

    /// The Deployment `api`.
    pub async fn make(&self, deployment: Value) {
        self.deployments()
            .create(&PostParams::default(), &read(deployment))
            .await
            .expect("a Deployment");
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// How long the namespace has been there.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// A directory that goes with the test.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where kwok takes pods' logs from; `None` on nodes that run something.
    pub fn fed_logs(&self) -> Option<PathBuf> {
        let logs = self.kubeconfig.parent()?.join("logs");
        logs.is_dir().then(|| logs.join(&self.namespace))
    }

    /// Whether some node holds that image (a real node of the cluster under test).
    pub async fn has_image(&self, image: &str) -> bool {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.expect("nodes");
        nodes
            .iter()
            .filter_map(|node| node.status.as_ref()?.images.as_ref())
            .flatten()
            .filter_map(|known| known.names.as_ref())
            .flatten()
            .any(|name| name.ends_with(&format!("/{image}")))
    }

    /// A kubeconfig for a service account of the test's with those rules in its namespace.
    pub async fn user(&self, name: &str, rules: Value) -> PathBuf {
        let token = self.token(name, rules).await;
        let path = self.home.path().join(format!("{name}.kubeconfig"));
        self.write_kubeconfig(&path, &token);
        path
    }

    /// The token of a service account with those rules.
    pub async fn token(&self, name: &str, rules: Value) -> String {
        let post = PostParams::default();
        let roles: Api<Role> = Api::namespaced(self.client.clone(), &self.namespace);
        let bindings: Api<RoleBinding> = Api::namespaced(self.client.clone(), &self.namespace);
        let token = self.account(name).await;
        let role = read(json!({"metadata": {"name": name}, "rules": rules}));
        roles.create(&post, &role).await.expect("a Role");
        let binding = read(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}]
        }));
        bindings.create(&post, &binding).await.expect("a binding");
        token
    }

    /// The token of a service account without any rights.
    pub async fn account(&self, name: &str) -> String {
        let post = PostParams::default();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let account = read(json!({"metadata": {"name": name}}));
        accounts.create(&post, &account).await.expect("an account");
        let request = read(json!({"spec": {"audiences": [], "expirationSeconds": 3600}}));
        accounts
            .create_token_request(name, &post, &request)
            .await
            .expect("a token")
            .status
            .expect("a token")
            .token
    }

    /// A kubeconfig that leads here with that token.
    pub fn write_kubeconfig(&self, path: &Path, token: &str) {
        let file = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
        let cluster = file.clusters[0].cluster.clone().expect("a cluster");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}]
        });
        std::fs::write(path, text.to_string()).expect("a kubeconfig is written");
    }

    pub fn config_of(&self, kubeconfig: &Path) -> EnvironmentConfig {
        let mut config = self.config();
        if let PlatformConfig::Kubernetes(kubernetes) = &mut config.platform {
            kubernetes.kubeconfig = Some(kubeconfig.to_owned());
        }
        config
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
            hours_per_month: None,
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
        self.operator_of(who, self.config()).await
    }

    pub async fn operator_of(&self, who: &str, config: EnvironmentConfig) -> Operator {
        self.operator_with(who, config, Settings::default()).await
    }

    pub async fn operator_with(
        &self,
        who: &str,
        config: EnvironmentConfig,
        settings: Settings,
    ) -> Operator {
        let connections = Connections::new(
            vec![config],
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
        Operator::new(connections, store, author, settings)
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
        self.delete_namespace().await;
    }

    /// As [`Bench::clear`], for a test that goes on.
    pub async fn delete_namespace(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .expect("the namespace is deleted");
    }
}

/// The Deployment `api` with that image.
pub fn deployment(image: &str, replicas: u32) -> Value {
    json!({
        "metadata": {"name": "api", "annotations": {"team": "ours"}},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 5,
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"containers": [{
                    "name": "api",
                    "image": image,
                    "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}}
                }]}
            }
        }
    })
}

pub fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
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
    let handle = send(operator, action).await;
    ended(handle).await
}

/// How a run ends.
pub async fn ended(mut handle: RunHandle) -> RunOutcome {
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

/// Plans, confirms and sends.
pub async fn send(operator: &Operator, action: Action) -> RunHandle {
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
    operator
        .execute(Arc::new(plan), yes(), RunOptions::default())
        .await
        .expect("the change is sent")
}
