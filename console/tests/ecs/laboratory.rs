//! A local cloud for these tests, the adapter pointed at it, and an executor to change it with.

use opsconsole::{
    config::{EcsConfig, EnvironmentConfig, Guard, LockLocation, PlatformConfig},
    model::{Action, Author, EnvironmentName, Plan, ReleaseRef, RevisionId, RunOutcome},
    operate::{Confirmation, OperateError, Operator, RunOptions, RunState, Settings},
    platform::{
        Connections, Environment, LogAccess, LogPages, Platform, PlatformError, ecs::EcsPlatform,
    },
    store::Store,
};
use opsconsole_local_cloud::{
    client::{Endpoint, LocalCloud},
    settings::DataDir,
};
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A rollout on a busy machine, with everything that can delay it.
pub const ROLLOUT_TIME: Duration = Duration::from_secs(180);

/// A running local cloud. Dropping the last handle ends it.
pub struct Laboratory {
    directory: TempDir,
    cloud: LocalCloud,
    pub endpoint: Endpoint,
}

impl Laboratory {
    /// The cloud that most tests share; it lives as long as one of them holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Laboratory>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Self::alone());
            *shared = Arc::downgrade(&made);
            made
        })
    }

    /// A cloud for one test, for faults that would hit the others.
    pub fn alone() -> Self {
        let directory = TempDir::with_prefix("opsconsole-ecs-").expect("a temporary directory");
        let cloud = LocalCloud::at(DataDir::under(directory.path()))
            .with_program(env!("CARGO_BIN_EXE_opsconsole"))
            .with_idle(Duration::from_secs(300));
        let endpoint = cloud.up().expect("the local cloud starts");
        Self {
            directory,
            cloud,
            endpoint,
        }
    }

    /// An environment of the cloud as its configuration would say it.
    pub fn config(&self, name: &str) -> EnvironmentConfig {
        EnvironmentConfig {
            name: EnvironmentName::from(name),
            guard: Guard::Confirm,
            freeze: Vec::new(),
            account: Some(self.endpoint.account.to_owned()),
            lock: Some(LockLocation {
                bucket: "opsconsole-locks".to_owned(),
                prefix: "opsconsole/".to_owned(),
            }),
            runbook: None,
            refresh_s: 2,
            hours_per_month: None,
            extra_bill: Vec::new(),
            platform: PlatformConfig::Ecs(self.ecs(name)),
        }
    }

    pub fn ecs(&self, cluster: &str) -> EcsConfig {
        EcsConfig {
            region: self.endpoint.region.to_owned(),
            profile: None,
            role_arn: None,
            endpoint_url: Some(self.endpoint.url.clone()),
            static_credentials: Some((
                self.endpoint.access_key_id.clone(),
                self.endpoint.secret_access_key.clone(),
            )),
            local: true,
            cluster: cluster.to_owned(),
            service: "api".to_owned(),
            container: None,
            log_group: None,
            alarm_prefixes: vec![format!("{cluster}-api-")],
        }
    }

    pub fn platform(&self, name: &str) -> Arc<dyn Platform> {
        EcsPlatform::connect(&self.config(name)).expect("a platform")
    }

    /// An executor of its own store, as on another machine.
    pub async fn operator(&self, who: &str) -> Operator {
        let configs = ["dev", "staging", "prod"].map(|name| self.config(name));
        let connections = Connections::new(
            configs.to_vec(),
            Arc::new(|config| {
                Box::pin(async move {
                    let platform = EcsPlatform::connect(&config)?;
                    Ok::<_, PlatformError>(Environment { config, platform })
                })
            }),
        );
        let (store, notices) = Store::open(&self.directory.path().join(who)).await;
        assert!(notices.is_empty(), "{notices:?}");
        let author = Author {
            name: who.to_owned(),
            host: Some("laptop".to_owned()),
        };
        Operator::new(connections, store, author, Settings::default())
    }
}

/// What happens to the cloud behind the adapter's back.
impl Laboratory {
    /// Tests that change the same environment wait for one another.
    pub async fn turn(&self, environment: &str) -> tokio::sync::MutexGuard<'static, ()> {
        static DEV: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        static STAGING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        match environment {
            "dev" => DEV.lock().await,
            "staging" => STAGING.lock().await,
            other => panic!("{other} is only looked at"),
        }
    }

    /// A client that is nobody's adapter.
    fn outsider(&self) -> aws_sdk_ecs::Client {
        let credentials = aws_credential_types::Credentials::new(
            &self.endpoint.access_key_id,
            &self.endpoint.secret_access_key,
            None,
            None,
            "test",
        );
        let config = aws_sdk_ecs::Config::builder()
            .behavior_version_latest()
            .endpoint_url(&self.endpoint.url)
            .region(aws_sdk_ecs::config::Region::new(self.endpoint.region))
            .credentials_provider(credentials)
            .build();
        aws_sdk_ecs::Client::from_conf(config)
    }

    /// A colleague who does not use opsconsole.
    pub async fn somebody_deploys(&self, cluster: &str, revision: &str) {
        self.outsider()
            .update_service()
            .cluster(cluster)
            .service("api")
            .task_definition(revision)
            .force_new_deployment(true)
            .send()
            .await
            .expect("the service is updated");
    }

    pub async fn deregister(&self, revision: &RevisionId) {
        self.outsider()
            .deregister_task_definition()
            .task_definition(revision.as_str())
            .send()
            .await
            .expect("the task definition is deregistered");
    }

    /// Makes something go wrong until [`no_faults`](Self::no_faults).
    pub async fn fault(&self, fault: serde_json::Value) {
        self.door("POST", fault.to_string()).await;
    }

    pub async fn no_faults(&self) {
        self.door("DELETE", String::new()).await;
    }

    /// The local cloud's own door takes any signed request; the SDK signs this one.
    async fn door(&self, method: &'static str, body: String) {
        let url = format!("{}/_opsconsole/faults", self.endpoint.url);
        self.outsider()
            .list_clusters()
            .customize()
            .mutate_request(move |request| {
                request.set_method(method).expect("a method");
                request.set_uri(url.as_str()).expect("a URL");
                request
                    .headers_mut()
                    .insert("content-length", body.len().to_string());
                *request.body_mut() = body.clone().into_bytes().into();
            })
            .send()
            .await
            .expect("the fault is taken");
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        if let Err(error) = self.cloud.down() {
            eprintln!("the local cloud did not go down: {error}");
        }
    }
}

/// Waits until `look` finds something, and returns it.
pub async fn wait_for<T, Looked>(what: &str, within: Duration, look: impl Fn() -> Looked) -> T
where
    Looked: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            began.elapsed() < within,
            "waited {within:?} in vain for {what}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until nothing is rolled out and as many run as are wanted. A new cloud deploys twice
/// before anyone else does.
pub async fn steady(platform: &dyn Platform) {
    wait_for("a steady service", ROLLOUT_TIME, || async {
        if platform.rollouts().await.ok()?.len() < 2 {
            return None;
        }
        let service = platform.observe().await.ok()?.service;
        let healthy = service
            .targets
            .iter()
            .filter(|target| target.state == "healthy")
            .count();
        (service.rollout.is_none()
            && service.running == service.desired
            && service.running > 0
            && healthy as u32 == service.desired)
            .then_some(())
    })
    .await;
}

/// Plans, confirms and sends; returns how it ended.
pub async fn carry_out(operator: &Operator, environment: &str, action: Action) -> RunState {
    let plan = plan(operator, environment, action).await;
    let handle = operator
        .execute(Arc::new(plan), yes(), RunOptions::default())
        .await
        .expect("the change is sent");
    finished(handle.state).await
}

pub async fn plan(operator: &Operator, environment: &str, action: Action) -> Plan {
    operator
        .plan(
            &EnvironmentName::from(environment),
            action,
            Some("a test".to_owned()),
        )
        .await
        .expect("a plan")
}

pub fn yes() -> Confirmation {
    Confirmation {
        yes: true,
        ..Confirmation::default()
    }
}

pub async fn finished(mut state: tokio::sync::watch::Receiver<RunState>) -> RunState {
    let over = state.wait_for(|state| state.outcome.is_some());
    let over = tokio::time::timeout(ROLLOUT_TIME, over).await;
    over.expect("the run ends in time")
        .expect("the run is watched")
        .clone()
}

pub fn outcome(state: &RunState) -> &RunOutcome {
    state.outcome.as_ref().expect("an outcome")
}

pub fn deploy(tag: &str) -> Action {
    Action::Deploy {
        release: ReleaseRef::Tag(tag.to_owned()),
    }
}

pub fn refused(result: Result<impl Sized, OperateError>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

pub fn pages(platform: &dyn Platform) -> Arc<dyn LogPages> {
    match platform.logs() {
        LogAccess::Pages(pages) => pages,
        _ => panic!("ECS logs are read page by page"),
    }
}
