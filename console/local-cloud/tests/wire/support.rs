//! An endpoint in this process with nothing running behind it, and clients for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use opsconsole_local_cloud::cloud::Cloud;
use opsconsole_local_cloud::http;
use opsconsole_local_cloud::settings::{Credentials, DataDir, Pace, Settings, TaskProgram};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub struct Endpoint {
    pub cloud: Arc<Cloud>,
    pub address: SocketAddr,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What was answered to a raw request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Endpoint {
    pub async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let cloud = Cloud::load(Settings {
            data: DataDir::under(directory.path()),
            credentials: Credentials::generate(),
            idle: None,
            pace: Pace::default(),
            task_program: TaskProgram {
                executable: PathBuf::from("false"),
                arguments: Vec::new(),
            },
        })
        .expect("a cloud");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        tokio::spawn(http::serve(cloud.clone(), listener, stop.clone()));
        Self {
            cloud,
            address,
            stop,
            _directory: directory,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn keys(&self) -> Keys {
        let own = &self.cloud.settings.credentials;
        Keys::new(
            &own.access_key_id,
            &own.secret_access_key,
            None,
            None,
            "test",
        )
    }

    /// Sends a request signed for `service` and reads the whole answer.
    pub async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let host = self.address.to_string();
        let identity = self.keys().into();
        let params = v4::SigningParams::builder()
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .identity(&identity)
            .build()
            .expect("params")
            .into();
        let plain: Vec<(&str, &str)> = [("host", host.as_str())]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        let request = SignableRequest::new(
            method,
            path,
            plain.iter().copied(),
            SignableBody::Bytes(body),
        )
        .expect("a request");
        let (instructions, _) = sign(request, &params).expect("signed").into_parts();
        let (added, _) = instructions.into_parts();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let added = added.iter().map(|header| (header.name(), header.value()));
        for (name, value) in plain.into_iter().chain(added) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        self.send_raw(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes as they are and reads until the other side closes.
    pub async fn send_raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        // The other side may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
        Answer {
            status: status.unwrap_or(0),
            text,
        }
    }
}
