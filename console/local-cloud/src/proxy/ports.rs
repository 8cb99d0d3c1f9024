//! Ports for listeners and tasks, taken from below the ephemeral range, so that no outgoing
//! connection of this machine gets one between the choice and its use.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

/// Linux hands out 32768 and above for outgoing connections, macOS 49152 and above.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// A port that nothing listens on now.
///
/// # Errors
/// When none was found, which means that something is wrong with the loopback interface.
pub fn free_port() -> io::Result<u16> {
    for _ in 0..200 {
        let offset = uuid::Uuid::new_v4().as_u128() % u128::from(LAST - FIRST);
        let port = FIRST + u16::try_from(offset).unwrap_or(0);
        if StdListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no free port between {FIRST} and {LAST} on 127.0.0.1"),
    ))
}

/// Listens on the port that was used before, so that URLs stay true over restarts; on another
/// one only when somebody else has taken it for good.
///
/// # Errors
/// When no port can be listened on.
pub async fn bind_stable(before: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = before {
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => return Ok(listener),
                Err(_) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    tracing::warn!(port, %error, "the port of before is taken; using another");
                    break;
                }
            }
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?)).await
}
