//! Feature flags: what a release can do but does only where it is switched on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use unleash_api_client::client::{Client, FeatureKey};
use unleash_api_client::context::Context;
use unleash_api_client::http::{Method, Request, Response, Transport};
use unleash_api_client::prelude::ClientBuilder;

use crate::about::{SERVICE, instance};
use crate::settings::FlagSettings;

/// An answer that takes longer is as good as none: the values of before stay in force.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// The flags that this release asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// `/api/hello` greets its caller by name.
    GreetCaller,
}

impl FeatureKey for Flag {
    fn name(self) -> &'static str {
        match self {
            Self::GreetCaller => "greet-caller",
        }
    }
}

/// Decides flags, from what Unleash said last, else from the settings, else off.
pub(crate) struct Flags {
    defaults: HashMap<String, bool>,
    environment: String,
    unleash: Option<Client<Flag>>,
}

impl Flags {
    /// Prepares the decision; [`Flags::keep_current`] asks the service.
    pub(crate) fn new(settings: &FlagSettings, environment: &str) -> Self {
        let unleash = settings.unleash.as_ref().and_then(|unleash| {
            let transport = Patient::new()
                .inspect_err(|error| tracing::error!(%error, "flags are not asked for"))
                .ok()?;
            let token = unleash.token.as_ref();
            ClientBuilder::default()
                .interval(u64::try_from(unleash.poll.as_millis()).unwrap_or(u64::MAX))
                .into_client_with_transport(
                    &unleash.url,
                    SERVICE,
                    &instance(),
                    token.map(|token| token.expose_secret().to_owned()),
                    Arc::new(transport),
                )
                .inspect_err(|error| tracing::error!(%error, "flags are not asked for"))
                .ok()
        });
        Self {
            defaults: settings.defaults.clone(),
            environment: environment.to_owned(),
            unleash,
        }
    }

    /// Whether a flag is on for this caller. The same caller gets the same answer in every
    /// task while a gradual rollout stands still.
    pub(crate) fn is_on(&self, flag: Flag, caller: &str) -> bool {
        let default = self.defaults.get(flag.name()).copied().unwrap_or_default();
        match &self.unleash {
            // Before its first answer the client would take every flag for off.
            Some(unleash) if unleash.cached_state().is_some() => {
                let context = Context {
                    user_id: Some(caller.to_owned()),
                    app_name: SERVICE.into(),
                    environment: self.environment.clone(),
                    ..Context::default()
                };
                unleash.is_enabled(flag, Some(&context), default)
            }
            _ => default,
        }
    }

    /// Asks the service again and again, and tells it which flags were used. Never ends
    /// where there is a service, and at once where there is none.
    pub(crate) async fn keep_current(&self) {
        if let Some(unleash) = &self.unleash {
            // Only for the service's own overview of its clients.
            if let Err(error) = unleash.register().await {
                tracing::debug!(%error, "the flag service did not take the registration");
            }
            unleash.poll_for_updates().await;
        }
    }
}

/// HTTP with a time limit, which says in the log when the service goes and comes back.
struct Patient {
    client: reqwest::Client,
    was_away: AtomicBool,
}

impl Patient {
    fn new() -> reqwest::Result<Self> {
        Ok(Self {
            client: reqwest::Client::builder()
                .timeout(ANSWER_TIME_MAX)
                .build()?,
            was_away: AtomicBool::new(false),
        })
    }

    async fn send(&self, request: Request) -> reqwest::Result<Response> {
        let mut builder = match request.method {
            Method::Get => self.client.get(&request.url),
            Method::Post => self.client.post(&request.url),
        };
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder
                .header("content-type", "application/json")
                .body(body);
        }
        let response = builder.send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?.to_vec();
        Ok(Response { status, body })
    }
}

#[async_trait]
impl Transport for Patient {
    async fn execute(&self, request: Request) -> Result<Response, anyhow::Error> {
        let outcome = self
            .send(request)
            .await
            .map_err(reqwest::Error::without_url);
        let problem = match &outcome {
            Ok(response) if response.status < 400 => None,
            Ok(response) => Some(format!("it answered {}", response.status)),
            Err(error) => Some(error.to_string()),
        };
        let was_away = self.was_away.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_away => {
                tracing::warn!(
                    problem,
                    "no flags from the flag service; the last ones stay"
                );
            }
            None if was_away => tracing::info!("the flag service answers again"),
            _ => {}
        }
        Ok(outcome?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_service_the_settings_decide_and_the_rest_is_off() {
        let off = Flags::new(&FlagSettings::default(), "dev");
        assert!(!off.is_on(Flag::GreetCaller, "ann"));
        let settings = FlagSettings {
            defaults: [("greet-caller".to_owned(), true)].into(),
            unleash: None,
        };
        assert!(Flags::new(&settings, "dev").is_on(Flag::GreetCaller, "ann"));
    }
}
