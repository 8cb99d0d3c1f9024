//! The names things go by, one type each, so that a task id can never be passed for a revision.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Wraps a name as the platform gave it; no check is made here.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as the platform spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }

        impl From<String> for $type {
            fn from(name: String) -> Self {
                Self(name)
            }
        }
    };
}

name!(
    /// What the operator calls an environment in the configuration: `dev`, `prod`.
    EnvironmentName
);
name!(
    /// An ECS cluster's name, or a Kubernetes context.
    ClusterName
);
name!(
    /// An ECS service's or a Deployment's name.
    ServiceName
);
name!(
    /// A revision of the service's definition: an ECS task definition ARN.
    RevisionId
);
name!(
    /// One attempt to bring a revision live: an ECS service deployment ARN.
    RolloutId
);
name!(
    /// One running copy of the service: an ECS task id (the last part of its ARN).
    InstanceId
);
name!(
    /// One passage through the executor; the key of its audit record (a UUID v7, so it sorts by time).
    RunId
);
name!(
    /// A CloudWatch Logs group.
    LogGroup
);
name!(
    /// The content address of an image, `sha256:` and 64 hexadecimal digits.
    ReleaseDigest
);

impl RevisionId {
    /// The short form people say: `api-prod:7` of a task definition ARN, else the whole.
    pub fn short(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or(self.as_str())
    }
}

impl RolloutId {
    /// The last part of the service deployment's ARN.
    pub fn short(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or(self.as_str())
    }
}

impl InstanceId {
    /// Enough to tell tasks of one service apart on a screen: the first eight characters, or what
    /// is behind the last hyphen where names begin alike (`api-6c9f8d6b5-x2x4z`).
    pub fn short(&self) -> &str {
        match self.as_str().rsplit_once('-') {
            Some((_, own)) if !own.is_empty() => own,
            _ => self.as_str().get(..8).unwrap_or(self.as_str()),
        }
    }
}

impl ReleaseDigest {
    /// `sha256:` and the first twelve digits.
    pub fn short(&self) -> &str {
        self.as_str().get(..19).unwrap_or(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_one_service_are_told_apart_by_what_is_their_own() {
        let short = |id: &str| InstanceId::new(id).short().to_owned();
        assert_eq!(short("7be1f2d0aa314c5b9e77"), "7be1f2d0");
        assert_eq!(short("opsconsole-api-6c9f8d6b5-x2x4z"), "x2x4z");
        assert_eq!(short("api"), "api");
    }
}
