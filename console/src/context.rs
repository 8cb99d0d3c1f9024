//! What every command and the screen start from: configuration, store, platforms, executor.
//!
//! [`Context::open`] touches only this machine's files, so the first frame can show the cached
//! state at once. Environments connect afterwards, each by itself, through
//! [`Context::connections`].

use crate::{
    config::{self, Config, ConfigError, EcsConfig, EnvironmentConfig, PlatformConfig},
    model::{Author, EnvironmentName},
    operate::{Operator, Settings},
    platform::{Connections, Connector, Environment, PlatformError, connect},
    store::{Seen, Store},
};
use opsconsole_local_cloud::{DataDir, LocalCloud};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Overrides the data directory.
pub const DATA_DIR_VARIABLE: &str = "OPSCONSOLE_DATA_DIR";

/// What the command line says about where things are.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// For tests; else [`DATA_DIR_VARIABLE`], else the platform's own place.
    pub data_dir: Option<PathBuf>,
}

/// Everything a command needs.
#[derive(Clone)]
pub struct Context {
    /// What is configured.
    pub config: Arc<Config>,
    /// Where the console keeps its files.
    pub data_dir: PathBuf,
    /// Audit, history, cache.
    pub store: Store,
    /// The environments; connect those you need.
    pub connections: Connections,
    /// The one executor.
    pub operator: Operator,
    /// Who we are.
    pub author: Author,
    /// What the operator should be told once, such as that the store cannot be written.
    pub notices: Vec<String>,
    /// True when nothing is configured, so that the local cloud is shown.
    pub local: bool,
}

/// Why the console cannot even start.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No home directory.
    #[error("there is no home directory to keep files in. Set {DATA_DIR_VARIABLE} to a directory")]
    NoHome,
}

impl Context {
    /// Opens what lies on this machine; no network is touched.
    ///
    /// # Errors
    /// A configuration with a mistake in it. A store that cannot be used is a notice, no error.
    pub async fn open(options: OpenOptions) -> Result<Self, ContextError> {
        let data_dir = data_dir(options.data_dir.clone())?;
        let connector = connector(&data_dir);
        Self::open_with(options, connector).await
    }

    /// As [`open`](Self::open), with platforms of the caller's making; for tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        options: OpenOptions,
        connector: Connector,
    ) -> Result<Self, ContextError> {
        let data_dir = data_dir(options.data_dir)?;
        let path = config::resolve_path(options.config);
        let (config, local) = match path {
            Some(path) => (config::load(&path)?, false),
            None => (Config::local_cloud(), true),
        };
        let (store, notices) = Store::open(&data_dir).await;
        let author = author();
        let connections = Connections::new(config.environments.clone(), connector);
        let operator = Operator::new(
            connections.clone(),
            store.clone(),
            author.clone(),
            Settings::default(),
        );
        Ok(Self {
            config: Arc::new(config),
            data_dir,
            store,
            connections,
            operator,
            author,
            notices,
            local,
        })
    }

    /// What was last seen of each environment, in order; from the cache, for the first frame.
    pub async fn seen(&self) -> Vec<(EnvironmentName, Seen)> {
        let mut all = Vec::new();
        for environment in &self.config.environments {
            let seen = self
                .store
                .seen(&environment.scope())
                .await
                .unwrap_or_default();
            all.push((environment.name.clone(), seen));
        }
        all
    }
}

/// Where the console keeps its files.
///
/// # Errors
/// [`ContextError::NoHome`] when nothing says where that could be.
pub fn data_dir(given: Option<PathBuf>) -> Result<PathBuf, ContextError> {
    given
        .or_else(|| {
            std::env::var_os(DATA_DIR_VARIABLE)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        })
        .or_else(|| {
            directories::ProjectDirs::from("", "", "opsconsole")
                .map(|dirs| dirs.data_dir().to_owned())
        })
        .ok_or(ContextError::NoHome)
}

/// Who we are: the pipeline's actor in CI, else the login name and the machine.
pub fn author() -> Author {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(actor), Some(run)) = (variable("GITHUB_ACTOR"), variable("GITHUB_RUN_ID")) {
        return Author {
            name: actor,
            host: Some(format!("GitHub run {run}")),
        };
    }
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    let name = variable("OPSCONSOLE_AUTHOR")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .or_else(login_name)
        .unwrap_or_else(|| "unknown".to_owned());
    Author { name, host }
}

/// The name that the system's user database has for us; shells without a login set no variable.
fn login_name() -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??;
    Some(user.name)
}

/// Connects to what the configuration says; for the local cloud that is wherever it runs now, so it
/// is started first if need be.
fn connector(data_dir: &Path) -> Connector {
    let data_dir = data_dir.to_owned();
    Arc::new(move |config| {
        let data_dir = data_dir.clone();
        Box::pin(async move {
            let config = match &config.platform {
                PlatformConfig::Ecs(ecs) if ecs.local => {
                    Arc::new(on_local_cloud(&config, ecs, data_dir).await?)
                }
                _ => config,
            };
            let platform = connect(&config).await?;
            Ok(Environment { config, platform })
        })
    })
}

async fn on_local_cloud(
    config: &EnvironmentConfig,
    ecs: &EcsConfig,
    data_dir: PathBuf,
) -> Result<EnvironmentConfig, PlatformError> {
    let unreachable = |cause: String| PlatformError::Unreachable {
        endpoint: "the local cloud".to_owned(),
        cause,
    };
    let found =
        tokio::task::spawn_blocking(move || LocalCloud::ensure(&DataDir::under(data_dir))).await;
    let endpoint = found
        .map_err(|error| unreachable(error.to_string()))?
        .map_err(|error| unreachable(error.to_string()))?;
    Ok(EnvironmentConfig {
        account: Some(endpoint.account.to_owned()),
        platform: PlatformConfig::Ecs(EcsConfig {
            endpoint_url: Some(endpoint.url),
            static_credentials: Some((endpoint.access_key_id, endpoint.secret_access_key)),
            ..ecs.clone()
        }),
        ..config.clone()
    })
}
