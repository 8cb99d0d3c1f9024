//! What a local cloud is told at its start: where it lives, its keys, its pace.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// The environment variable that overrides where opsconsole keeps its data.
pub const DATA_DIR_VARIABLE: &str = "OPSCONSOLE_DATA_DIR";

/// The directory of one local cloud: `<data dir>/local-cloud`, readable by its owner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

/// No place for the data was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "this account has no home directory to keep data in; set {DATA_DIR_VARIABLE} to a directory"
)]
pub struct NoDataDir;

impl DataDir {
    /// The user's data directory, or the one that `OPSCONSOLE_DATA_DIR` names.
    ///
    /// # Errors
    /// When the variable is not set and the account has no home directory.
    pub fn discover() -> Result<Self, NoDataDir> {
        if let Some(dir) = std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty()) {
            return Ok(Self::under(dir));
        }
        directories::ProjectDirs::from("", "", "opsconsole")
            .map(|dirs| Self::under(dirs.data_dir()))
            .ok_or(NoDataDir)
    }

    /// The local cloud's directory under opsconsole's data directory `data_dir`.
    pub fn under(data_dir: impl AsRef<Path>) -> Self {
        Self {
            root: data_dir.as_ref().join("local-cloud"),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// opsconsole's data directory, which this one is under.
    pub fn parent(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// Makes the directory with mode 0700.
    ///
    /// # Errors
    /// When it cannot be made or is not writable.
    pub fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)?;
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
    }

    /// A file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The world as it is kept over restarts, one file a service.
    pub fn world(&self) -> PathBuf {
        self.root.join("world")
    }

    /// The SQLite file that the tasks of one cluster share.
    pub fn database(&self, cluster: &str) -> PathBuf {
        self.root.join("databases").join(format!("{cluster}.db"))
    }
}

/// Opens a file for writing that only its owner may read.
///
/// # Errors
/// When it cannot be opened.
pub fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Writes a whole file so that a reader sees the old text or the new one, never half of it.
///
/// # Errors
/// When the file cannot be written, such as on a full disk; the old text is kept then.
pub fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)?;
    io::Write::write_all(&mut file, text)?;
    fs::rename(&temporary, path)
}

/// The access key of one local cloud. Kept over restarts, so that exported variables stay true.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Shaped as AWS shapes it: `AKIA` and sixteen letters or digits.
    pub access_key_id: String,
    /// Forty characters.
    pub secret_access_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// A new random key.
    pub fn generate() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
        let secret = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        Self {
            access_key_id: format!("AKIA{}", &id[..16]),
            secret_access_key: secret[..40].to_owned(),
        }
    }
}

/// Intervals. The rules (thresholds, percentages, states) are ECS's; only the waiting is shorter
/// than on AWS, so that a rollout takes seconds.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How often the service scheduler looks at its services without being woken.
    pub scheduler_tick: Duration,
    /// How long a task is `PROVISIONING`, which on Fargate is its network interface.
    pub provisioning: Duration,
    /// How long a task is `PENDING`, which on Fargate is the pull of its image.
    pub pulling: Duration,
    /// How often the load balancer probes a target.
    pub health_interval: Duration,
    /// How long a target stays draining at most while requests are in flight.
    pub deregistration_delay: Duration,
    /// The first wait before a failed task is replaced; doubles with each consecutive failure.
    pub restart_backoff_first: Duration,
    /// The longest wait before a failed task is replaced.
    pub restart_backoff_max: Duration,
    /// The shortest time in which alarms are watched after a rollout has become steady.
    pub bake_time_min: Duration,
    /// How long a task that was told to end may take when its definition does not say.
    pub stop_timeout: Duration,
    /// How often CPU and memory of the tasks are measured.
    pub usage_interval: Duration,
    /// How long a stopped task can be described.
    pub stopped_task_retention: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            scheduler_tick: Duration::from_millis(200),
            provisioning: Duration::from_millis(1000),
            pulling: Duration::from_millis(1500),
            health_interval: Duration::from_secs(1),
            deregistration_delay: Duration::from_secs(3),
            restart_backoff_first: Duration::from_millis(500),
            restart_backoff_max: Duration::from_secs(30),
            bake_time_min: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(10),
            usage_interval: Duration::from_secs(5),
            stopped_task_retention: Duration::from_secs(3600),
        }
    }
}

/// How a task's process is started: this executable again, through a hidden subcommand.
#[derive(Debug, Clone)]
pub struct TaskProgram {
    /// What is executed.
    pub executable: PathBuf,
    /// What comes before the container's own command.
    pub arguments: Vec<String>,
}

impl TaskProgram {
    /// The running executable.
    ///
    /// # Errors
    /// When the system does not say where it is.
    pub fn this_executable() -> io::Result<Self> {
        // On Linux the link leads to the running image even after a rebuild has replaced the
        // file, so a cloud that outlives `cargo build` can still start tasks.
        let link = Path::new("/proc/self/exe");
        let executable = if link.exists() {
            link.to_owned()
        } else {
            std::env::current_exe()?
        };
        Ok(Self {
            executable,
            arguments: vec![crate::hidden::SUBCOMMAND.to_owned(), "task".to_owned()],
        })
    }
}

/// Everything a supervisor is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it lives.
    pub data: DataDir,
    /// Its key.
    pub credentials: Credentials,
    /// It ends after this time without a signed request; never when none is given.
    pub idle: Option<Duration>,
    /// Its intervals.
    pub pace: Pace,
    /// How it starts tasks.
    pub task_program: TaskProgram,
}
