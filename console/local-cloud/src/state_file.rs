//! The files through which a supervisor is found: its state, and the locks that say whether it
//! lives.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::settings::{Credentials, DataDir, private_file, write_whole};

const STATE: &str = "state.json";
const CREDENTIALS: &str = "credentials.json";
const SUPERVISOR_LOCK: &str = "supervisor.lock";
const START_LOCK: &str = "start.lock";

/// What a running supervisor says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it answers: `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Its process.
    pub pid: u32,
    /// Its key.
    pub credentials: Credentials,
    /// When it started, in milliseconds since the epoch.
    pub started_at_ms: i64,
    /// The version of the program.
    pub version: String,
}

impl State {
    /// The state that a supervisor, living or dead, has left; none when there is none or it
    /// cannot be understood, which is what a crash or another version may leave.
    pub fn read(data: &DataDir) -> Option<Self> {
        serde_json::from_slice(&fs::read(data.file(STATE)).ok()?).ok()
    }

    /// Says that this supervisor answers now.
    pub fn write(&self, data: &DataDir) -> io::Result<()> {
        write_whole(&data.file(STATE), &serde_json::to_vec_pretty(self)?)
    }

    /// Says that it does not answer any more; its port is remembered for the next one.
    pub fn remove(data: &DataDir) -> io::Result<()> {
        fs::remove_file(data.file(STATE))
    }
}

/// What is kept over restarts, so that exported variables stay true.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The key.
    pub credentials: Credentials,
    /// The port of the endpoint.
    pub port: Option<u16>,
}

impl Kept {
    /// What was kept, or a new key.
    pub fn read(data: &DataDir) -> Self {
        fs::read(data.file(CREDENTIALS))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_else(|| Self {
                credentials: Credentials::generate(),
                port: None,
            })
    }

    /// Keeps it.
    pub fn write(&self, data: &DataDir) -> io::Result<()> {
        write_whole(&data.file(CREDENTIALS), &serde_json::to_vec_pretty(self)?)
    }
}

/// Becomes the one supervisor of the directory for as long as the file lives; none when there is
/// another one. The system releases the lock however its holder dies.
///
/// The lock file holds the supervisor's pid, so that nobody signals the process that has got the
/// pid of a dead one since.
pub fn become_supervisor(data: &DataDir) -> io::Result<Option<File>> {
    let Some(mut file) = try_lock(data, SUPERVISOR_LOCK)? else {
        return Ok(None);
    };
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(Some(file))
}

/// The pid of the supervisor that holds the lock; none when nobody does, or not quite yet.
pub fn supervisor_pid(data: &DataDir) -> io::Result<Option<u32>> {
    if !supervisor_lives(data)? {
        return Ok(None);
    }
    Ok(fs::read_to_string(data.file(SUPERVISOR_LOCK))?.parse().ok())
}

/// Whether a supervisor lives.
pub fn supervisor_lives(data: &DataDir) -> io::Result<bool> {
    let path = data.file(SUPERVISOR_LOCK);
    if !path.exists() {
        return Ok(false);
    }
    // Shared, so that two who look do not take each other for a supervisor.
    match private_file(&path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The right to start a supervisor, so that two that want one get the same.
pub fn try_start_lock(data: &DataDir) -> io::Result<Option<File>> {
    try_lock(data, START_LOCK)
}

fn try_lock(data: &DataDir, name: &str) -> io::Result<Option<File>> {
    let file = private_file(&data.file(name))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Files that a reset leaves: the locks, which others may hold.
pub const KEPT_BY_RESET: [&str; 2] = [SUPERVISOR_LOCK, START_LOCK];
