//! One look at a Deployment, told in the console's words.

use super::{KubernetesPlatform, pods, scene::Scene};
use crate::{
    model::{
        ClusterName, Deployed, InstanceState, Observation, RolloutOutcome, RolloutRecord, Service,
        ServiceName,
    },
    platform::{PlatformError, text::clean},
};

impl KubernetesPlatform {
    pub(super) async fn look(&self) -> Result<Observation, PlatformError> {
        let scene = self.watched().await?;
        let progress = self.progress_of(&scene).await;
        let link = self.session.link().await?;
        let mut instances = self.instances(&scene);
        let (usage, url, (autoscaler, budget)) = futures::join!(
            self.usage(&scene),
            self.urls.get(self.url(&scene)),
            self.rules.get(async {
                let (autoscaler, budget) =
                    futures::join!(self.autoscaler(&scene), self.budget(&scene));
                Ok((autoscaler?, budget?))
            }),
        );
        for usage in usage {
            if let Some(instance) = instances
                .iter_mut()
                .find(|instance| instance.id.as_str() == usage.pod)
            {
                instance.cpu_percent = usage.cpu_percent;
                instance.memory_percent = usage.memory_percent;
            }
        }
        let in_state = |state: InstanceState| {
            let number = instances
                .iter()
                .filter(|instance| instance.state == state)
                .count();
            u32::try_from(number).unwrap_or(u32::MAX)
        };
        let serving = instances
            .iter()
            .filter(|instance| instance.healthy == Some(true))
            .count();
        let is_short = scene.desired() as usize > serving;
        let current = scene.current().filter(|_| is_short);
        let shortage = current.and_then(|set| pods::why_stuck(&scene, set));
        let rollout = (progress.record.outcome != RolloutOutcome::Succeeded).then_some(progress);
        let deployed = self.live(&scene);
        Ok(Observation {
            at: scene.at,
            clock_ahead_s: self.session.clock.ahead_s(),
            service: Service {
                name: ServiceName::new(clean(scene.name())),
                cluster: ClusterName::new(clean(&format!("{}/{}", link.context, link.namespace))),
                desired: scene.desired(),
                // A pod that is not ready serves nobody.
                running: u32::try_from(serving).unwrap_or(u32::MAX),
                pending: in_state(InstanceState::Starting),
                shortage: shortage.map(|trouble| trouble.text),
                deployed,
                rollout,
                stopped: self.stopped(&scene),
                events: pods::events(&scene),
                instances,
                targets: Vec::new(),
                alarms: Vec::new(),
                url,
                autoscaler,
                budget,
            },
        })
    }

    /// What serves: while a rollout goes on the revision before it. A failed rollout stays where
    /// it is until somebody acts, so then it is the one that the spec names.
    pub(super) fn live(&self, scene: &Scene) -> Option<Deployed> {
        let records = self.records(scene);
        let newest = records.last()?;
        let before: Option<&RolloutRecord> = records.iter().rev().skip(1).find(|record| {
            scene
                .set(record.to.as_str())
                .is_some_and(|set| scene.pods_of(set).any(pods::is_ready))
        });
        match (newest.outcome, before) {
            (RolloutOutcome::InProgress, Some(before)) => self.deployed(scene, before),
            _ => self.deployed(scene, newest),
        }
    }
}
