//! A Postgres outside the cluster, which pods reach by this machine's address.

use super::{
    local_postgres::{LocalPostgres, USER},
    room::Room,
};
use std::net::TcpListener;

/// A running server.
pub struct Postgres {
    address: String,
    _here: LocalPostgres,
}

impl Postgres {
    /// Starts one; `None` where pods cannot reach this machine or it has no Postgres, which CI does
    /// not allow.
    pub fn start() -> Option<Self> {
        let missing = |what: &str| {
            assert!(std::env::var_os("CI").is_none(), "CI needs {what}");
            eprintln!("not run: {what}");
            None
        };
        let host = std::env::var("KUBECONFIG_TEST_REAL_HOST");
        let Some(host) = host.ok().filter(|host| !host.is_empty()) else {
            return missing("KUBECONFIG_TEST_REAL_HOST, this machine's address as pods see it");
        };
        let free = TcpListener::bind((host.as_str(), 0)).expect("a port on that address");
        let address = free.local_addr().expect("an address");
        drop(free);
        let settings = [
            format!("listen_addresses={host}"),
            format!("port={}", address.port()),
        ];
        let Some((here, _)) = LocalPostgres::start(&settings) else {
            return missing("initdb and postgres, on the PATH or where Debian puts them");
        };
        Some(Self {
            address: address.to_string(),
            _here: here,
        })
    }

    /// Puts its URL where the chart's `database.postgres.existingSecret=db` looks for it.
    pub fn tell(&self, room: &Room) {
        let url = format!(
            "--from-literal=url=postgres://{USER}@{}/postgres?sslmode=disable",
            self.address
        );
        room.kubectl(&["create", "secret", "generic", "db", &url])
            .ok();
    }
}
