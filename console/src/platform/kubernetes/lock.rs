//! The shared lock as a Lease: a conditional write by resourceVersion, in the namespace itself.

use super::{KubernetesPlatform, prepare::FIELD_MANAGER, session::op};
use crate::{
    model::LockRecord,
    platform::{LockStore, Permit, PlatformError},
};
use async_trait::async_trait;
use jiff::SignedDuration;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams, Preconditions},
};
use std::collections::BTreeMap;

/// The whole record; the Lease's own fields say the same to other tools.
const RECORD: &str = "opsconsole.io/lock";

/// One Deployment's lock.
pub struct LeaseLock {
    platform: KubernetesPlatform,
}

impl LeaseLock {
    /// The lock of that platform's Deployment.
    pub fn new(platform: KubernetesPlatform) -> Self {
        Self { platform }
    }

    fn name(&self) -> String {
        let config = &self.platform.config;
        let name = config.deployment.as_ref().or(config.helm_release.as_ref());
        format!("opsconsole-{}", name.map_or("unknown", String::as_str))
    }

    async fn api(&self) -> Result<Api<Lease>, PlatformError> {
        let link = self.platform.session.link().await?;
        Ok(Api::namespaced(link.client, &link.namespace))
    }

    async fn changing(&self, permit: &Permit) -> Result<Api<Lease>, PlatformError> {
        let link = self.platform.session.link().await?;
        Ok(Api::namespaced(link.changing(permit), &link.namespace))
    }

    async fn sorted(&self, verb: &str, error: kube::Error) -> PlatformError {
        let name = self.name();
        let operation = op(verb, "leases", &name);
        self.platform.session.sorted(&operation, error).await
    }

    /// On the wire stand times of the API server's clock: all who take it agree on that one.
    fn lease(&self, record: &LockRecord) -> Result<Lease, PlatformError> {
        let clock = &self.platform.session.clock;
        let body = LockRecord {
            version: None,
            taken_at: clock.theirs(record.taken_at),
            expires_at: clock.theirs(record.expires_at),
            ..record.clone()
        };
        let text = serde_json::to_string(&body).map_err(|error| PlatformError::Other {
            operation: "writing the lock".to_owned(),
            cause: error.to_string(),
        })?;
        let length_s = record.expires_at.duration_since(record.taken_at).as_secs();
        Ok(Lease {
            metadata: ObjectMeta {
                name: Some(self.name()),
                annotations: Some(BTreeMap::from([(RECORD.to_owned(), text)])),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(format!("{} ({})", record.owner.name, record.run)),
                acquire_time: Some(MicroTime(body.taken_at)),
                lease_duration_seconds: i32::try_from(length_s).ok().filter(|s| *s > 0),
                ..LeaseSpec::default()
            }),
        })
    }

    fn taken(&self, holder: Option<&LockRecord>) -> PlatformError {
        PlatformError::Conflict {
            what: format!("the lock {}", self.place()),
            change: match holder {
                Some(holder) => format!(
                    "{} holds it to {} since {}",
                    holder.owner.name, holder.purpose, holder.taken_at
                ),
                None => "somebody else was faster".to_owned(),
            },
        }
    }
}

/// Renewals are minutes apart; where clocks differ, a second more or less is nothing.
fn is_same_end(one: &LockRecord, other: &LockRecord) -> bool {
    let apart = one.expires_at.duration_since(other.expires_at);
    apart.abs() <= SignedDuration::from_secs(2)
}

#[async_trait]
impl LockStore for LeaseLock {
    fn place(&self) -> String {
        let namespace = self.platform.config.namespace.as_deref();
        format!("lease {}/{}", namespace.unwrap_or("default"), self.name())
    }

    async fn read(&self) -> Result<Option<LockRecord>, PlatformError> {
        let found = match self.api().await?.get_opt(&self.name()).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.sorted("get", error).await),
        };
        let text = super::scene::annotation(&found.metadata, RECORD).unwrap_or_default();
        let mut record: LockRecord =
            serde_json::from_str(text).map_err(|error| PlatformError::Other {
                operation: format!("reading the {}", self.place()),
                cause: format!("it is not a lock record ({error})"),
            })?;
        let clock = &self.platform.session.clock;
        record.taken_at = clock.ours(record.taken_at);
        record.expires_at = clock.ours(record.expires_at);
        record.version = found.metadata.resource_version;
        Ok(Some(record))
    }

    async fn take(
        &self,
        permit: &Permit,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<(), PlatformError> {
        let mut lease = self.lease(record)?;
        let api = self.changing(permit).await?;
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let (verb, answer) = match replacing {
            None => ("create", api.create(&params, &lease).await),
            Some(stale) => {
                // An update without a resourceVersion would overwrite whatever is there.
                let Some(version) = &stale.version else {
                    return Err(self.taken(None));
                };
                lease.metadata.resource_version = Some(version.clone());
                ("update", api.replace(&self.name(), &params, &lease).await)
            }
        };
        let Err(error) = answer else { return Ok(()) };
        match self.sorted(verb, error).await {
            PlatformError::Conflict { .. } => {
                let holder = self.read().await.ok().flatten();
                // A retry after a lost answer finds the lock that it took itself.
                match &holder {
                    Some(holder) if holder.run == record.run && is_same_end(holder, record) => {
                        Ok(())
                    }
                    holder => Err(self.taken(holder.as_ref())),
                }
            }
            // Replacing one that is gone: it was released meanwhile.
            PlatformError::NotFound { .. } if replacing.is_some() => Err(self.taken(None)),
            error => Err(error),
        }
    }

    async fn release(&self, permit: &Permit, record: &LockRecord) -> Result<(), PlatformError> {
        let held = match self.read().await? {
            Some(held) if held.run == record.run => held,
            Some(other) => return Err(self.taken(Some(&other))),
            None => return Ok(()),
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: held.version,
                uid: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = self
            .changing(permit)
            .await?
            .delete(&self.name(), &params)
            .await;
        let Err(error) = deleted else { return Ok(()) };
        match self.sorted("delete", error).await {
            PlatformError::NotFound { .. } => Ok(()),
            PlatformError::Conflict { .. } => Err(self.taken(None)),
            error => Err(error),
        }
    }
}
