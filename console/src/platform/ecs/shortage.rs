//! Why fewer tasks run than are wanted: the last one that ended unasked, or what ECS says of placing another.
//! Sources: "Amazon ECS service event messages" and "Stopped tasks error messages" in the Amazon ECS Developer
//! Guide.

use super::{
    observe::events,
    service::{self, count},
};
use crate::model::{Event, RevisionId, StoppedInstance};
use aws_sdk_ecs::types::{Deployment, Service};

/// In the words of ECS; `None` when enough run or nothing is said since all did.
pub fn why(service: &Service, stopped: &[StoppedInstance]) -> Option<String> {
    if count(service.running_count()) >= count(service.desired_count()) {
        return None;
    }
    let events = events(service, None);
    let is_steady = |event: &&Event| event.message.ends_with("has reached a steady state.");
    let steady = events.iter().find(is_steady).map(|event| event.at);
    let refusal = events
        .iter()
        .take_while(|event| !is_steady(event))
        .find_map(|event| Some((event.at, refusal(&event.message)?)));
    let live = service::live(service)
        .and_then(Deployment::task_definition)
        .map(RevisionId::from);
    let ended = stopped
        .iter()
        .filter(|task| Some(&task.revision) == live.as_ref() && !is_scaling(task))
        .filter_map(|task| Some((task.stopped_at?, task)))
        .filter(|(at, _)| steady.is_none_or(|steady| *at >= steady))
        .max_by_key(|(at, _)| *at);
    match (refusal, ended) {
        (Some((said_at, words)), Some((ended_at, _))) if said_at >= ended_at => Some(words),
        (Some((_, words)), None) => Some(words),
        (_, Some((_, task))) => Some(format!("task {} ended: {}", task.id.short(), task.why())),
        (None, None) => None,
    }
}

/// ECS's word that it can do something not now, without the name and the link around it. That it cannot "consistently
/// start tasks" says less than the tasks do.
fn refusal(message: &str) -> Option<String> {
    let (_, words) = message.split_once(") ")?;
    if !words.contains("unable to") || words.contains("unable to consistently start") {
        return None;
    }
    let words = words.split(" For more information").next()?;
    Some(format!("ECS {}", words.trim_end_matches('.')))
}

/// Taken away because fewer were wanted, or for a newer one.
fn is_scaling(task: &StoppedInstance) -> bool {
    task.reason
        .as_deref()
        .is_some_and(|reason| reason.starts_with("Scaling activity initiated by"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceId;
    use aws_sdk_ecs::{primitives::DateTime, types::ServiceEvent};
    use jiff::Timestamp;

    const STEADY: &str = "(service api) has reached a steady state.";
    const NO_ROOM: &str = "(service api) was unable to place a task because no container instance met all of its \
        requirements. The closest matching container-instance 7f has insufficient memory available. For more \
        information, see the Troubleshooting section of the Amazon ECS Developer Guide.";

    fn service(running: i32, events: &[(i64, &str)]) -> Service {
        let live = Deployment::builder()
            .status("PRIMARY")
            .task_definition("api:2")
            .rollout_state("COMPLETED".into());
        let mut service = Service::builder()
            .desired_count(3)
            .running_count(running)
            .deployments(live.build());
        for (second, message) in events {
            let event = ServiceEvent::builder()
                .created_at(DateTime::from_secs(*second))
                .message(*message);
            service = service.events(event.build());
        }
        service.build()
    }

    fn ended(second: i64, revision: &str, reason: &str) -> StoppedInstance {
        StoppedInstance {
            id: InstanceId::from("3fa1b2"),
            revision: RevisionId::from(revision),
            release: None,
            stopped_at: Timestamp::from_second(second).ok(),
            reason: Some(reason.to_owned()),
            code: None,
            exit_code: Some(137),
            log_stream: None,
        }
    }

    #[test]
    fn the_newest_word_since_all_ran_is_the_reason() {
        let short = service(2, &[(10, STEADY), (30, NO_ROOM)]);
        let no_room = "ECS was unable to place a task because no container instance met all of its requirements. \
            The closest matching container-instance 7f has insufficient memory available";
        assert_eq!(why(&short, &[]).as_deref(), Some(no_room));
        let before = ended(20, "api:2", "OutOfMemoryError");
        assert_eq!(why(&short, &[before]).as_deref(), Some(no_room));
        let after = ended(40, "api:2", "OutOfMemoryError");
        let text = "task 3fa1b2 ended: exit 137: OutOfMemoryError";
        assert_eq!(why(&short, &[after]).as_deref(), Some(text));
    }

    #[test]
    fn what_is_over_or_was_wanted_or_is_another_releases_is_no_reason() {
        let mended = service(2, &[(30, NO_ROOM), (50, STEADY)]);
        let old = ended(40, "api:2", "OutOfMemoryError");
        assert_eq!(why(&mended, &[old]), None);
        let others = [
            ended(60, "api:1", "OutOfMemoryError"),
            ended(
                60,
                "api:2",
                "Scaling activity initiated by (deployment ecs-svc/1)",
            ),
        ];
        assert_eq!(why(&mended, &others), None);
        assert_eq!(why(&service(3, &[(60, NO_ROOM)]), &[]), None);
        let vague = "(service api) is unable to consistently start tasks successfully.";
        assert_eq!(why(&service(2, &[(60, vague)]), &[]), None);
    }
}
