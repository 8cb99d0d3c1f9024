//! The connection to one cluster: the client, read anew from the kubeconfig when it is refused.

use super::{clock::ServerClock, errors, wire_guard::ReadOnly};
use crate::{
    config::KubernetesConfig,
    platform::{Permit, PlatformError},
};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A plain call that is not answered within that time has failed. Streams may be silent for long:
/// watches end by themselves and followed logs are opened again by their reader.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

static LINKS: AtomicU64 = AtomicU64::new(0);

/// A client, and where it leads. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    /// The client that only looks: what changes something it refuses to send.
    pub client: Client,
    changing: Client,
    /// What clients are made of.
    config: Config,
    clock: ServerClock,
    /// The namespace.
    pub namespace: String,
    /// The API server's address.
    pub server: String,
    /// The kubeconfig's context.
    pub context: String,
    /// The kubeconfig's user.
    pub user: String,
    /// Counts up with every link that this program makes.
    pub number: u64,
}

impl Link {
    /// Another client that only looks, with a connection of its own.
    ///
    /// # Errors
    /// [`PlatformError::Credentials`] where the user's credentials cannot be used.
    pub fn another(&self) -> Result<Client, PlatformError> {
        looking(self.config.clone(), &self.clock, &self.user)
    }

    /// The client that may change something; takes the right to.
    pub fn changing(&self, _permit: &Permit) -> Client {
        self.changing.clone()
    }
}

/// Makes the link when it is first needed.
pub struct Session {
    config: Arc<KubernetesConfig>,
    /// What its answers say of our clock.
    pub clock: ServerClock,
    link: tokio::sync::Mutex<Option<Link>>,
}

impl Session {
    /// Nothing is read yet.
    pub fn new(config: Arc<KubernetesConfig>) -> Self {
        Self {
            config,
            clock: ServerClock::default(),
            link: tokio::sync::Mutex::new(None),
        }
    }

    /// The link; made from the kubeconfig when there is none.
    ///
    /// # Errors
    /// When the kubeconfig or its context cannot be used.
    pub async fn link(&self) -> Result<Link, PlatformError> {
        let mut slot = self.link.lock().await;
        if let Some(link) = &*slot {
            return Ok(link.clone());
        }
        let link = self.open().await?;
        *slot = Some(link.clone());
        Ok(link)
    }

    /// Sorts an error; after refused credentials the next call reads the kubeconfig again, so a
    /// new login is picked up without a restart.
    pub async fn sorted(&self, operation: &Operation<'_>, error: kube::Error) -> PlatformError {
        let (server, user) = match &*self.link.lock().await {
            Some(link) => (link.server.clone(), link.user.clone()),
            None => (String::new(), String::new()),
        };
        let error = errors::sort(operation, error, &server, &user);
        if matches!(error, PlatformError::Credentials { .. }) {
            *self.link.lock().await = None;
        }
        error
    }

    /// Waits for a plain call, but not for ever.
    ///
    /// # Errors
    /// [`PlatformError::Unreachable`] when there is no answer in time.
    pub async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, PlatformError> {
        match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(PlatformError::Unreachable {
                endpoint: match &*self.link.lock().await {
                    Some(link) => link.server.clone(),
                    None => "the API server".to_owned(),
                },
                cause: format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()),
            }),
        }
    }

    async fn open(&self) -> Result<Link, PlatformError> {
        let unusable = |cause: String| PlatformError::Invalid {
            operation: "reading the kubeconfig".to_owned(),
            cause,
        };
        let kubeconfig = match &self.config.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        }
        .map_err(|error| unusable(error.to_string()))?;
        let wanted = self
            .config
            .context
            .clone()
            .or_else(|| kubeconfig.current_context.clone())
            .unwrap_or_default();
        let known: Vec<&str> = kubeconfig
            .contexts
            .iter()
            .map(|context| context.name.as_str())
            .collect();
        if !known.contains(&wanted.as_str()) {
            let nearest = crate::config::nearest(&wanted, known.iter().copied());
            return Err(PlatformError::NotFound {
                what: format!("the kubeconfig's context {wanted:?}"),
                hint: Some(match nearest {
                    Some(near) => format!("Did you mean {near:?}?"),
                    None => format!("It has {}", known.join(", ")),
                }),
            });
        }
        let user = kubeconfig
            .contexts
            .iter()
            .find(|context| context.name == wanted)
            .and_then(|context| context.context.as_ref()?.user.clone())
            .unwrap_or_else(|| "the kubeconfig's user".to_owned());
        let options = KubeConfigOptions {
            context: Some(wanted.clone()),
            ..KubeConfigOptions::default()
        };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let namespace = self
            .config
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let changing = ClientBuilder::try_from(config.clone())
            .map_err(refused(&user))?
            .build();
        let client = looking(config.clone(), &self.clock, &user)?;
        Ok(Link {
            client,
            changing,
            config,
            clock: self.clock.clone(),
            namespace,
            server,
            context: wanted,
            user,
            number: LINKS.fetch_add(1, Ordering::Relaxed),
        })
    }
}

fn refused(user: &str) -> impl Fn(kube::Error) -> PlatformError {
    move |error| PlatformError::Credentials {
        cause: error.to_string(),
        remedy: format!("Check the user {user} of the kubeconfig"),
    }
}

fn looking(config: Config, clock: &ServerClock, user: &str) -> Result<Client, PlatformError> {
    let builder = ClientBuilder::try_from(config).map_err(refused(user))?;
    Ok(builder.with_layer(clock).with_layer(&ReadOnly).build())
}

/// What is being done, for messages: the verb and the resource as RBAC spells them.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// `get`, `list`, `patch`…
    pub verb: &'a str,
    /// `deployments`, `pods/log`…
    pub resource: &'a str,
    /// Which one; empty for lists.
    pub name: &'a str,
}

/// Shorthand for an [`Operation`].
pub fn op<'a>(verb: &'a str, resource: &'a str, name: &'a str) -> Operation<'a> {
    Operation {
        verb,
        resource,
        name,
    }
}
