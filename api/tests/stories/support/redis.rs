//! A real Redis for one test, gone with it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::until;

/// Serves until dropped.
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts one, or nothing where there is none on this machine; in CI that is an error, so
    /// that nobody takes a test that was skipped for one that passed.
    pub async fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        Self::start_on(port).await
    }

    /// Starts one where another was before.
    pub async fn start_on(port: u16) -> Option<Self> {
        Self::start_with(port, &["--port", &port.to_string()]).await
    }

    /// Starts one that speaks TLS only, with the certificate and key in this folder.
    pub async fn start_with_tls(folder: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let file = |name: &str| folder.join(name).display().to_string();
        let arguments = [
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("cert.pem"),
            "--tls-key-file",
            &file("key.pem"),
            "--tls-ca-cert-file",
            &file("cert.pem"),
            "--tls-auth-clients",
            "no",
        ];
        Self::start_with(port, &arguments).await
    }

    async fn start_with(port: u16, arguments: &[&str]) -> Option<Self> {
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI has no Redis: install redis-server"
            );
            eprintln!("skipped: no redis-server on this machine");
            return None;
        };
        let redis = Self { child, port };
        until("Redis to answer", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
        })
        .await;
        Some(redis)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
