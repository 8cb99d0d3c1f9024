//! The connections that followed logs share.
//!
//! HTTP/2 puts all requests of a client on one connection, and an API server gives that a hundred
//! streams (`--http2-max-streams-per-connection`): those beyond would wait in silence, watches and
//! plain calls among them. So logs have connections of their own, each for as many as it bears.

use crate::platform::{PlatformError, kubernetes::session::Link};
use kube::Client;
use std::sync::{Arc, Mutex, PoisonError};

/// Streams on one connection; less than the hundred, since some servers and proxies give fewer than
/// they say.
pub const STREAMS_MAX: usize = 80;

/// The connections, made when they are needed.
#[derive(Default)]
pub struct Lanes(Mutex<Vec<Lane>>);

struct Lane {
    client: Client,
    link: u64,
    /// One clone a stream.
    streams: Arc<()>,
}

/// A place on one of them, free again when it is dropped.
pub struct Place {
    /// The client whose connection it is on.
    pub client: Client,
    _stream: Arc<()>,
}

impl Lanes {
    /// A place on the first connection that has one.
    ///
    /// # Errors
    /// Where a new connection's client cannot be made, as for the link itself.
    pub fn place(&self, link: &Link) -> Result<Place, PlatformError> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After a new login: what is open goes on, what is new goes by the new one.
        lanes.retain(|lane| lane.link == link.number);
        let is_free = |lane: &&Lane| Arc::strong_count(&lane.streams) <= STREAMS_MAX;
        let place = |lane: &Lane| Place {
            client: lane.client.clone(),
            _stream: Arc::clone(&lane.streams),
        };
        if let Some(lane) = lanes.iter().find(is_free) {
            return Ok(place(lane));
        }
        let lane = Lane {
            client: link.another()?,
            link: link.number,
            streams: Arc::new(()),
        };
        let first = place(&lane);
        lanes.push(lane);
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::KubernetesConfig, platform::kubernetes::session::Session};

    fn count(lanes: &Lanes) -> usize {
        lanes.0.lock().expect("no panic holds it").len()
    }

    #[tokio::test]
    async fn one_more_than_a_connection_bears_opens_another_and_places_given_back_are_used_again() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("kubeconfig");
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
            contexts: [{name: c, context: {cluster: c, user: u}}]\n\
            clusters: [{name: c, cluster: {server: \"http://127.0.0.1:9\"}}]\n\
            users: [{name: u, user: {}}]\n";
        std::fs::write(&path, text).expect("a kubeconfig");
        let session = Session::new(Arc::new(KubernetesConfig {
            kubeconfig: Some(path),
            ..KubernetesConfig::default()
        }));
        let link = session.link().await.expect("a link");
        let lanes = Lanes::default();
        let place = || lanes.place(&link).expect("a place");
        let mut places: Vec<Place> = (0..STREAMS_MAX).map(|_| place()).collect();
        assert_eq!(count(&lanes), 1);
        places.push(place());
        assert_eq!(count(&lanes), 2);
        places.truncate(STREAMS_MAX / 2);
        places.extend((0..STREAMS_MAX / 2).map(|_| place()));
        assert_eq!(count(&lanes), 2);
        assert_eq!(
            Arc::strong_count(&lanes.0.lock().expect("free")[0].streams),
            STREAMS_MAX + 1
        );
    }
}
