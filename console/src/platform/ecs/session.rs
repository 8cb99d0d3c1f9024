//! The SDK clients of one environment: built from its profile, role, region and endpoint, and
//! built anew when the credentials are refused, so that a new login is picked up at once.

use super::{
    errors::{self, Place},
    operations::{Effect, Operation},
    wire_guard::WireGuard,
};
use crate::{
    config::EcsConfig,
    platform::{Permit, PlatformError},
};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::Credentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, orchestrator::HttpResponse, result::SdkError,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::{
    collections::HashMap,
    error::Error,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients that cannot change anything: each carries the [`WireGuard`].
pub struct Readers {
    pub ecs: aws_sdk_ecs::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub ecr: aws_sdk_ecr::Client,
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub s3: aws_sdk_s3::Client,
    pub sts: aws_sdk_sts::Client,
}

/// Clients that can: handed out against a permit only.
pub struct Writers {
    pub ecs: aws_sdk_ecs::Client,
    pub s3: aws_sdk_s3::Client,
}

struct Clients {
    readers: Readers,
    writers: Writers,
}

/// The clients of one environment, for as long as its credentials hold.
pub struct Session {
    config: EcsConfig,
    place: Place,
    clients: tokio::sync::Mutex<Option<Arc<Clients>>>,
    /// The credentials file, where it is not the usual one.
    profiles: Option<PathBuf>,
}

impl Session {
    /// Makes no call and reads no file yet.
    pub fn new(config: &EcsConfig) -> Self {
        Self {
            place: Place {
                endpoint_url: config.endpoint_url.clone(),
                region: config.region.clone(),
                remedy: remedy(config),
                resource: format!("service {}/{}", config.cluster, config.service),
            },
            config: config.clone(),
            clients: tokio::sync::Mutex::new(None),
            profiles: None,
        }
    }

    /// Sends a reading call. When the credentials are refused, the chain of providers is built
    /// anew (profile, SSO token and role are read again) and the call is sent once more.
    pub async fn read<T, E, Sent>(
        &self,
        operation: &'static Operation,
        send: impl Fn(&Readers) -> Sent,
    ) -> Result<T, PlatformError>
    where
        Sent: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let clients = self.clients().await;
        let first = self.sorted(operation, send(&clients.readers).await);
        if !matches!(first, Err(PlatformError::Credentials { .. })) {
            return first;
        }
        self.forget(&clients).await;
        let clients = self.clients().await;
        let second = self.sorted(operation, send(&clients.readers).await);
        if matches!(second, Err(PlatformError::Credentials { .. })) {
            self.forget(&clients).await;
        }
        second
    }

    /// Sends a mutating call, once: whether to try again is for the executor to say.
    pub async fn mutate<T, E, Sent>(
        &self,
        _permit: &Permit,
        operation: &'static Operation,
        send: impl FnOnce(&Writers) -> Sent,
    ) -> Result<T, PlatformError>
    where
        Sent: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        debug_assert_eq!(operation.effect, Effect::Mutates);
        let clients = self.clients().await;
        let result = self.sorted(operation, send(&clients.writers).await);
        if matches!(result, Err(PlatformError::Credentials { .. })) {
            self.forget(&clients).await;
        }
        result
    }

    fn sorted<T, E>(
        &self,
        operation: &'static Operation,
        result: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, PlatformError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        result.map_err(|error| errors::sort(&error, operation, &self.place))
    }

    async fn clients(&self) -> Arc<Clients> {
        let mut held = self.clients.lock().await;
        if let Some(clients) = &*held {
            return Arc::clone(clients);
        }
        let clients = Arc::new(build(&self.config, self.profiles.as_deref()).await);
        *held = Some(Arc::clone(&clients));
        clients
    }

    /// Drops exactly these clients; somebody may have built new ones already.
    async fn forget(&self, stale: &Arc<Clients>) {
        let mut held = self.clients.lock().await;
        if held
            .as_ref()
            .is_some_and(|clients| Arc::ptr_eq(clients, stale))
        {
            *held = None;
        }
    }
}

async fn build(config: &EcsConfig, profiles: Option<&Path>) -> Clients {
    let sdk = sdk_config(config, profiles).await;
    macro_rules! client {
        ($sdk:ident, $guard:expr) => {
            $sdk::Client::from_conf(
                $sdk::config::Builder::from(&sdk)
                    .interceptor($guard)
                    .build(),
            )
        };
    }
    let s3 = |guard| {
        // A bucket as a part of the host name does not resolve on another endpoint.
        let builder = aws_sdk_s3::config::Builder::from(&sdk)
            .force_path_style(config.endpoint_url.is_some())
            .interceptor(guard);
        aws_sdk_s3::Client::from_conf(builder.build())
    };
    Clients {
        readers: Readers {
            ecs: client!(aws_sdk_ecs, WireGuard::reading()),
            logs: client!(aws_sdk_cloudwatchlogs, WireGuard::reading()),
            ecr: client!(aws_sdk_ecr, WireGuard::reading()),
            elb: client!(aws_sdk_elasticloadbalancingv2, WireGuard::reading()),
            cloudwatch: client!(aws_sdk_cloudwatch, WireGuard::reading()),
            s3: s3(WireGuard::reading()),
            sts: client!(aws_sdk_sts, WireGuard::reading()),
        },
        writers: Writers {
            ecs: client!(aws_sdk_ecs, WireGuard::mutating()),
            s3: s3(WireGuard::mutating()),
        },
    }
}

async fn sdk_config(config: &EcsConfig, profiles: Option<&Path>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .region(Region::new(config.region.clone()))
        .retry_config(RetryConfig::standard())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        );
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(file) = profiles {
        loader = loader.profile_files(
            EnvConfigFiles::builder()
                .with_file(EnvConfigFileKind::Credentials, file)
                .build(),
        );
    }
    if let Some(url) = &config.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some((key, secret)) = &config.static_credentials {
        loader =
            loader.credentials_provider(Credentials::new(key, secret, None, None, "local cloud"));
    }
    let sdk = loader.load().await;
    let Some(role) = &config.role_arn else {
        return sdk;
    };
    let provider = AssumeRoleProvider::builder(role)
        .session_name(session_name())
        .configure(&sdk)
        .build()
        .await;
    sdk.into_builder()
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(provider),
        )
        .build()
}

/// CloudTrail and colleagues see this name as the last part of the caller's ARN.
fn session_name() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let user: String = user
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .take(40)
        .collect();
    if user.is_empty() {
        "opsconsole".to_owned()
    } else {
        format!("opsconsole-{user}")
    }
}

/// One connection pool and one set of root certificates for all environments. Connections belong
/// to the tokio runtime that opened them, so each runtime has its own.
fn http_client() -> SharedHttpClient {
    static CLIENTS: LazyLock<Mutex<HashMap<tokio::runtime::Id, SharedHttpClient>>> =
        LazyLock::new(Mutex::default);
    let runtime = tokio::runtime::Handle::current().id();
    CLIENTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(runtime)
        .or_insert_with(|| {
            aws_smithy_http_client::Builder::new()
                .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                    aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
                ))
                .build_https()
        })
        .clone()
}

fn remedy(config: &EcsConfig) -> String {
    if config.local {
        return "Run `opsconsole local up`: the local cloud makes new ones each time it is reset"
            .to_owned();
    }
    let profile = config
        .profile
        .as_deref()
        .map_or(String::new(), |profile| format!(" --profile {profile}"));
    format!(
        "Log in again (`aws sso login{profile}`) or renew the keys; opsconsole picks them up \
         without a restart. If they are fresh, check this machine's clock"
    )
}

/// A bare connection for pre-signed URLs.
pub fn connector() -> aws_smithy_http_client::Connector {
    aws_smithy_http_client::Connector::builder()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ecs::operations::LIST_TASKS;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// An ECS that takes the key NEWKEY only.
    async fn picky_ecs() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    while !request.ends_with(b"}") {
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&buffer[..read]),
                        }
                    }
                    let known = String::from_utf8_lossy(&request).contains("Credential=NEWKEY/");
                    let (status, body) = if known {
                        ("200 OK", r#"{"taskArns":["a/1"]}"#)
                    } else {
                        let expired = r#"{"__type":"ExpiredTokenException","message":"expired"}"#;
                        ("400 Bad Request", expired)
                    };
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\n\
                         content-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        format!("http://{address}")
    }

    fn log_in(file: &std::path::Path, key: &str) {
        let profile =
            format!("[work]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
        std::fs::write(file, profile).expect("the file is written");
    }

    #[tokio::test]
    async fn a_new_login_is_picked_up_by_the_very_next_call() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("credentials");
        log_in(&file, "OLDKEY");
        let session = Session {
            profiles: Some(file.clone()),
            ..Session::new(&EcsConfig {
                region: "us-east-1".to_owned(),
                profile: Some("work".to_owned()),
                role_arn: None,
                endpoint_url: Some(picky_ecs().await),
                static_credentials: None,
                local: false,
                cluster: "dev".to_owned(),
                service: "api".to_owned(),
                container: None,
                log_group: None,
                alarm_prefixes: Vec::new(),
            })
        };
        let list = || {
            session.read(&LIST_TASKS, |clients| {
                clients.ecs.list_tasks().cluster("dev").send()
            })
        };
        let error = list().await.expect_err("the key has expired");
        assert!(
            error.to_string().contains("aws sso login --profile work"),
            "{error}"
        );

        log_in(&file, "NEWKEY");
        let tasks = list().await.expect("the new key is taken");
        assert_eq!(tasks.task_arns().len(), 1);
    }
}
