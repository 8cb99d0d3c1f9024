//! Rollouts without processes: a simulated world in which time is a number and tasks behave as
//! their release says, so that the rules hold in every interleaving and not only in a lucky one.

use std::collections::VecDeque;

use serde_json::json;

use super::*;
use crate::ecs::arn::TaskDefinitionId;
use crate::ecs::model::{
    CircuitBreaker, Cluster, DeploymentConfiguration, ServiceDeploymentStatus, ServiceLoadBalancer,
    TaskDefinition, TaskDefinitionStatus,
};
use crate::ecs::rollout;

/// What tasks of a release do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    NeverReady,
    Crashes,
    /// The load balancer finds it healthy, and a moment later it is gone.
    Flaps,
}

const TICK_MS: i64 = 100;

/// A generator of numbers that look random and are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

struct Simulation {
    world: World,
    now: i64,
    dice: Dice,
    behaviours: Vec<Behaviour>,
    /// What happens to a task at a time.
    due: Vec<(i64, String, Due)>,
    healthy: Vec<String>,
    unhealthy: Vec<String>,
    alarm_red: bool,
    has_alarm: bool,
}

#[derive(Debug, Clone, Copy)]
enum Due {
    Runs,
    BecomesHealthy,
    BecomesUnhealthy,
    Ends,
}

impl Simulation {
    fn new(seed: u64, desired: u32, minimum: u32, maximum: u32) -> Self {
        let mut world = World::default();
        let cluster = Cluster {
            name: "dev".into(),
            tags: Vec::new(),
        };
        world.clusters.insert("dev".into(), cluster);
        let balancer = ServiceLoadBalancer {
            target_group_arn: "tg".into(),
            container_name: "api".into(),
            container_port: 8080,
        };
        world.services.push(Service {
            cluster: "dev".into(),
            name: "api".into(),
            status: ServiceStatus::Active,
            desired_count: desired,
            configuration: DeploymentConfiguration {
                deployment_circuit_breaker: CircuitBreaker {
                    enable: true,
                    rollback: true,
                    reset_on_healthy_task: None,
                },
                maximum_percent: maximum,
                minimum_healthy_percent: minimum,
                alarms: None,
                strategy: "ROLLING".into(),
                bake_time_in_minutes: 0,
            },
            load_balancers: vec![balancer],
            network: json!({}),
            grace_period_seconds: 0,
            parameters: json!({}),
            deployments: Vec::new(),
            service_deployments: Vec::new(),
            revisions: Vec::new(),
            last_completed: None,
            events: VecDeque::new(),
            steady: false,
            created_at: 0,
            tags: Vec::new(),
        });
        Self {
            world,
            now: 0,
            dice: Dice(seed),
            behaviours: Vec::new(),
            due: Vec::new(),
            healthy: Vec::new(),
            unhealthy: Vec::new(),
            alarm_red: false,
            has_alarm: false,
        }
    }

    fn deploy(&mut self, behaviour: Behaviour) -> String {
        self.behaviours.push(behaviour);
        let id = TaskDefinitionId {
            family: "api".into(),
            revision: u32::try_from(self.behaviours.len()).expect("few"),
        };
        let definition = TaskDefinition {
            id: id.clone(),
            status: TaskDefinitionStatus::Active,
            body: json!({ "containerDefinitions": [{ "name": "api", "image": "api" }] }),
            registered_at: self.now,
            deregistered_at: None,
            tags: Vec::new(),
        };
        let revisions = self.world.families.entry("api".into()).or_default();
        revisions.push(definition);
        rollout::request(&mut self.world.services[0], id, Vec::new(), self.now)
    }

    fn service(&self) -> &Service {
        &self.world.services[0]
    }

    fn status(&self, arn: &str) -> ServiceDeploymentStatus {
        let all = &self.service().service_deployments;
        all.iter()
            .find(|d| d.arn == arn)
            .expect("the deployment")
            .status
    }

    fn behaviour(&self, task: &Task) -> Behaviour {
        self.behaviours[task.task_definition.revision as usize - 1]
    }

    /// Tasks that answer requests well.
    fn serving(&self) -> usize {
        let tasks = self.world.tasks.values();
        tasks
            .filter(|t| t.is_running() && self.healthy.contains(&t.id))
            .count()
    }

    fn after(&mut self, id: &str, least: i64, spread: u64, what: Due) {
        let wait = least + i64::try_from(self.dice.roll(spread)).expect("small");
        self.due.push((self.now + wait, id.to_owned(), what));
    }

    fn step(&mut self) {
        self.now += TICK_MS;
        let now = self.now;
        let (happens, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(at, _, _)| *at <= now);
        self.due = later;
        for (_, id, what) in happens {
            self.happen(&id, what);
        }
        let (healthy, unhealthy) = (self.healthy.clone(), self.unhealthy.clone());
        let target = move |task: &Task| {
            if healthy.contains(&task.id) {
                TargetState::Healthy
            } else if unhealthy.contains(&task.id) {
                TargetState::Unhealthy("Health checks failed".into())
            } else {
                TargetState::Initial
            }
        };
        let (red, has_alarm) = (self.alarm_red, self.has_alarm);
        let alarm = move |_: &str| {
            has_alarm.then_some(AlarmView {
                red,
                window_ms: 5000,
            })
        };
        let pace = Pace {
            bake_time_min: std::time::Duration::from_secs(1),
            ..Pace::default()
        };
        let effects = tick(
            &mut self.world,
            &Observation {
                now_ms: now,
                target: &target,
                alarm: &alarm,
                pace: &pace,
            },
        );
        for effect in effects {
            match effect {
                Effect::Launch(id) => self.after(&id, 50, 1500, Due::Runs),
                Effect::Stop(id) => {
                    if let Some(task) = self.world.tasks.get_mut(&id) {
                        task.last_status = TaskStatus::Deactivating;
                    }
                    self.after(&id, 50, 2000, Due::Ends);
                }
            }
        }
    }

    fn happen(&mut self, id: &str, what: Due) {
        let Some(task) = self.world.tasks.get(id).cloned() else {
            return;
        };
        let behaviour = self.behaviour(&task);
        match what {
            Due::Runs if task.is_pending() => {
                if let Some(task) = self.world.tasks.get_mut(id) {
                    task.last_status = TaskStatus::Running;
                    task.started_at = Some(self.now);
                }
                match behaviour {
                    Behaviour::Good => self.after(id, 100, 1500, Due::BecomesHealthy),
                    Behaviour::NeverReady => self.after(id, 2000, 1000, Due::BecomesUnhealthy),
                    Behaviour::Crashes => self.after(id, 10, 400, Due::Ends),
                    Behaviour::Flaps => {
                        self.after(id, 100, 300, Due::BecomesHealthy);
                        self.after(id, 500, 500, Due::Ends);
                    }
                }
            }
            Due::Runs => {}
            Due::BecomesHealthy if task.is_running() => self.healthy.push(id.to_owned()),
            Due::BecomesHealthy => {}
            Due::BecomesUnhealthy => self.unhealthy.push(id.to_owned()),
            Due::Ends => {
                self.healthy.retain(|h| h != id);
                if let Some(task) = self.world.tasks.get_mut(id) {
                    task.last_status = TaskStatus::Stopped;
                    task.desired_status = TaskStatus::Stopped;
                    task.stopped_at = Some(self.now);
                    task.stop_code
                        .get_or_insert(StopCode::EssentialContainerExited);
                }
            }
        }
    }

    fn until_ended(&mut self, arn: &str) -> ServiceDeploymentStatus {
        for _ in 0..3000 {
            self.step();
            if !self.status(arn).is_ongoing() {
                return self.status(arn);
            }
        }
        panic!("{arn} has not ended: {:#?}", self.service().events);
    }

    /// The rules that hold at every moment.
    fn check_limits(&self) {
        let limits = Limits::of(self.service());
        let live = self.world.tasks.values().filter(|t| t.is_live()).count();
        assert!(
            live <= limits.most as usize,
            "{live} live tasks at {}",
            self.now
        );
    }
}

#[test]
fn a_rollout_never_has_too_many_tasks_nor_too_few_that_serve() {
    for seed in 0..40 {
        for (desired, minimum, maximum) in [(2, 100, 200), (4, 50, 100), (5, 100, 120), (3, 0, 100)]
        {
            let mut simulation = Simulation::new(seed, desired, minimum, maximum);
            let first = simulation.deploy(Behaviour::Good);
            simulation.until_ended(&first);
            let second = simulation.deploy(Behaviour::Good);
            let least = Limits::of(simulation.service()).least_healthy as usize;
            while simulation.status(&second).is_ongoing() {
                simulation.step();
                simulation.check_limits();
                assert!(
                    simulation.serving() >= least,
                    "seed {seed}, at {}",
                    simulation.now
                );
                assert!(simulation.now < 300_000, "seed {seed}: no end");
            }
            assert_eq!(
                simulation.status(&second),
                ServiceDeploymentStatus::Successful
            );
        }
    }
}

#[test]
fn a_bad_release_trips_the_breaker_and_the_old_one_serves_all_the_while() {
    for seed in 0..40 {
        for behaviour in [Behaviour::NeverReady, Behaviour::Crashes] {
            for desired in [1, 2, 4, 10] {
                let mut simulation = Simulation::new(seed, desired, 100, 200);
                let first = simulation.deploy(Behaviour::Good);
                simulation.until_ended(&first);
                let began = simulation.now;
                let bad = simulation.deploy(behaviour);
                while simulation.status(&bad).is_ongoing() {
                    simulation.step();
                    simulation.check_limits();
                    assert!(simulation.serving() >= desired as usize, "seed {seed}");
                    assert!(simulation.now - began < 60_000, "seed {seed}: within 60 s");
                }
                assert_eq!(
                    simulation.status(&bad),
                    ServiceDeploymentStatus::RollbackSuccessful
                );
                let ended = &simulation.service().service_deployments[0];
                assert_eq!(ended.breaker.threshold, desired.div_ceil(2).max(3));
                assert!(ended.breaker.failure_count >= ended.breaker.threshold);
            }
        }
    }
}

#[test]
fn a_release_that_flaps_never_trips_the_breaker_because_health_resets_it() {
    let mut simulation = Simulation::new(7, 2, 100, 200);
    let first = simulation.deploy(Behaviour::Good);
    simulation.until_ended(&first);
    let flapping = simulation.deploy(Behaviour::Flaps);
    for _ in 0..600 {
        simulation.step();
        let status = simulation.status(&flapping);
        assert_ne!(
            status,
            ServiceDeploymentStatus::RollbackInProgress,
            "as documented"
        );
    }
}

#[test]
fn the_first_deployment_of_a_service_has_nothing_to_go_back_to() {
    let mut simulation = Simulation::new(1, 2, 100, 200);
    let first = simulation.deploy(Behaviour::Crashes);
    let ended = simulation.until_ended(&first);
    assert_eq!(ended, ServiceDeploymentStatus::RollbackFailed);
    let before = simulation.world.tasks.len();
    for _ in 0..300 {
        simulation.step();
    }
    assert_eq!(
        simulation.world.tasks.len(),
        before,
        "it is stalled: nothing more is started"
    );
}

#[test]
fn of_many_deployments_in_a_row_the_last_one_wins() {
    for seed in 0..40 {
        let mut simulation = Simulation::new(seed, 3, 100, 200);
        let first = simulation.deploy(Behaviour::Good);
        simulation.until_ended(&first);
        let mut superseded = Vec::new();
        for behaviour in [Behaviour::NeverReady, Behaviour::Good, Behaviour::Crashes] {
            superseded.push(simulation.deploy(behaviour));
            for _ in 0..simulation.dice.roll(20) {
                simulation.step();
                simulation.check_limits();
                assert!(simulation.serving() >= 3, "seed {seed}");
            }
        }
        let last = simulation.deploy(Behaviour::Good);
        assert_eq!(
            simulation.until_ended(&last),
            ServiceDeploymentStatus::Successful
        );
        assert_eq!(simulation.service().deployments.len(), 1);
        for arn in superseded {
            assert!(!simulation.status(&arn).is_ongoing());
        }
    }
}

#[test]
fn a_task_that_the_old_release_loses_during_a_bad_rollout_is_replaced() {
    let mut simulation = Simulation::new(3, 2, 100, 200);
    let first = simulation.deploy(Behaviour::Good);
    simulation.until_ended(&first);
    let old = simulation.service().deployments[0].id.clone();
    let bad = simulation.deploy(Behaviour::NeverReady);
    for _ in 0..5 {
        simulation.step();
    }
    let lost = simulation
        .world
        .tasks
        .values()
        .find(|t| t.started_by.as_deref() == Some(&old) && t.is_running())
        .map(|t| t.id.clone())
        .expect("an old task");
    simulation.happen(&lost, Due::Ends);
    assert_eq!(simulation.serving(), 1);
    assert_eq!(
        simulation.until_ended(&bad),
        ServiceDeploymentStatus::RollbackSuccessful
    );
    assert_eq!(simulation.serving(), 2);
}

#[test]
fn an_alarm_in_the_bake_time_goes_back_without_a_gap() {
    let mut simulation = Simulation::new(5, 2, 100, 200);
    simulation.has_alarm = true;
    simulation.world.services[0].configuration.alarms = Some(crate::ecs::model::DeploymentAlarms {
        alarm_names: vec!["errors".into()],
        enable: true,
        rollback: true,
    });
    let first = simulation.deploy(Behaviour::Good);
    simulation.until_ended(&first);
    let worse = simulation.deploy(Behaviour::Good);
    while simulation.service().deployments.len() > 1 || simulation.serving() < 2 {
        simulation.step();
    }
    simulation.alarm_red = true;
    while simulation.status(&worse).is_ongoing() {
        simulation.step();
        assert!(simulation.serving() >= 2);
        simulation.check_limits();
    }
    assert_eq!(
        simulation.status(&worse),
        ServiceDeploymentStatus::RollbackSuccessful
    );
    let runs = &simulation.service().deployments[0].task_definition;
    assert_eq!(runs.revision, 1);
}

#[test]
fn failing_tasks_are_restarted_with_a_growing_back_off() {
    let mut simulation = Simulation::new(11, 1, 100, 200);
    simulation.world.services[0]
        .configuration
        .deployment_circuit_breaker
        .enable = false;
    simulation.deploy(Behaviour::Crashes);
    for _ in 0..1200 {
        simulation.step();
    }
    let mut starts: Vec<i64> = simulation
        .world
        .tasks
        .values()
        .map(|t| t.created_at)
        .collect();
    starts.sort_unstable();
    let waits: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= 4, "{waits:?}");
    assert!(waits.last() > waits.first(), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait >= 10_000), "{waits:?}");
}
