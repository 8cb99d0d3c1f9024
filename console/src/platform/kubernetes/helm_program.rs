//! The helm program: hooks and its three-way merge are not made again here.

use crate::platform::{Permit, text::clean};
use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Seek},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// A helm that hangs (an unreachable cluster) must not hang the console.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The first helm without a server of its own in the cluster.
const MAJOR_MIN: u32 = 3;
/// Of what a helm that failed said.
const SAID_MAX: u64 = 8_192;

/// Why helm cannot bring a revision back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelmProblem {
    /// The program is not there.
    #[error("the helm program is not on the PATH ({0})")]
    Missing(String),
    /// It is from another age.
    #[error("the helm program is too old ({0})")]
    TooOld(String),
    /// It answered with an error.
    #[error("helm: {0}")]
    Failed(String),
    /// Another helm is at work, or one was killed.
    #[error(
        "the Helm release is {status} at revision {revision}{}: helm refuses to touch it",
        for_s.map(|seconds| format!(" for {seconds} s")).unwrap_or_default()
    )]
    Pending {
        /// `pending-upgrade`…
        status: String,
        /// Which.
        revision: u32,
        /// For how long, in seconds by our clock.
        for_s: Option<i64>,
    },
    /// None of its good revisions has that image.
    #[error("no good revision of the Helm release has that image")]
    NoSuchRevision,
}

impl HelmProblem {
    /// What to do.
    pub fn way_out(&self, release: &str) -> String {
        match self {
            Self::Missing(_) | Self::TooOld(_) => {
                "Install helm 3 or later: the release's record would not be true otherwise"
                    .to_owned()
            }
            Self::Failed(_) => format!("Look at `helm status {release}`"),
            Self::Pending { .. } => format!(
                "A helm that is at work is not stopped from here, which would leave the release like this: wait for it. If none is (it was killed): `helm rollback {release}` by hand, or delete the secret of the pending revision (`kubectl get secret -l owner=helm,name={release}`)"
            ),
            Self::NoSuchRevision => format!("Look at `helm history {release}`"),
        }
    }
}

/// The helm program, pointed at one namespace of one cluster.
pub struct Helm {
    /// Its name or path.
    pub program: OsString,
    /// The namespace.
    pub namespace: String,
    /// The context of the kubeconfig.
    pub context: String,
    /// The kubeconfig, when it is not the usual one.
    pub kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Whether it is there and not too old.
    ///
    /// # Errors
    /// [`HelmProblem::Missing`] and [`HelmProblem::TooOld`].
    pub async fn check_version(&self) -> Result<(), HelmProblem> {
        // helm 2 has no `--template` of this shape and would look for its server.
        let said = self.run(&["version", "--short"]).await;
        let said = match said {
            Err(HelmProblem::Failed(said)) => return Err(HelmProblem::TooOld(said)),
            said => said?,
        };
        match major(&said) {
            Some(major) if major >= MAJOR_MIN => Ok(()),
            _ => Err(HelmProblem::TooOld(clean(said.trim()))),
        }
    }

    /// The rendered manifest of a revision.
    ///
    /// # Errors
    /// What helm answered.
    pub async fn manifest(&self, release: &str, revision: u32) -> Result<String, HelmProblem> {
        let number = revision.to_string();
        self.run(&["get", "manifest", release, "--revision", &number])
            .await
    }

    /// Asks it something, and gives its answer.
    ///
    /// # Errors
    /// What helm answered, or that it did not in time.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, HelmProblem> {
        let mut command = self.command(arguments);
        command.kill_on_drop(true);
        let output = tokio::time::timeout(ANSWER_TIMEOUT, command.output())
            .await
            .map_err(|_| {
                HelmProblem::Failed(format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()))
            })?
            .map_err(|error| HelmProblem::Missing(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(HelmProblem::Failed(clean(said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts it on something that changes the release. It outlives us, and our terminal's Ctrl-C
    /// does not reach it: a helm that is killed leaves its release pending. For the same reason it
    /// writes to a file, which no pipe breaks.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, _permit: &Permit, arguments: &[&str]) -> Result<AtWork, HelmProblem> {
        let missing = |error: std::io::Error| HelmProblem::Missing(error.to_string());
        let said = tempfile::tempfile().map_err(missing)?;
        let mut command = self.command(arguments);
        command
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(said.try_clone().map_err(missing)?);
        let child = command.spawn().map_err(missing)?;
        Ok(AtWork { child, said })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .args(["--kube-context", &self.context])
            .stdin(Stdio::null());
        if let Some(path) = &self.kubeconfig {
            command.env("KUBECONFIG", path);
        }
        command
    }
}

/// A helm that is changing a release.
pub struct AtWork {
    child: Child,
    said: File,
}

impl AtWork {
    /// Waits for its end.
    ///
    /// # Errors
    /// What it said when it failed.
    pub async fn ended(&mut self) -> Result<(), HelmProblem> {
        let status = self.child.wait().await;
        if status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Ok(());
        }
        let mut said = String::new();
        let read = self
            .said
            .rewind()
            .and_then(|()| (&self.said).take(SAID_MAX).read_to_string(&mut said));
        Err(HelmProblem::Failed(match (read, status) {
            (Ok(_), _) if !said.trim().is_empty() => clean(said.trim()),
            (_, Ok(status)) => status.to_string(),
            (_, Err(error)) => error.to_string(),
        }))
    }
}

/// `v3.19.1+g4f953c2` or `Client: v2.17.0+ga690bad`.
fn major(version: &str) -> Option<u32> {
    let at = version.find(|c: char| c.is_ascii_digit())?;
    version[at..].split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
