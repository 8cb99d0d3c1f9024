//! Whole screens as pictures in text, at three sizes: what an operator sees, in every state.

use super::{
    command::Command,
    effect::Level,
    fixtures,
    message::{Message, News, Refusal},
    state::{
        AppState, Event, RunView, Screen, World, rollout::RolloutState, service::ServiceState,
    },
    theme::{Depth, Theme},
    view,
};
use crate::{
    model::{Autoscaler, DisruptionBudget, Health, RawLogEvent, RolloutOutcome, RunOutcome},
    operate::Gate,
    platform::PlatformError,
    tui::{effect::Effect, exchange::releases::ReleasesReply},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use ratatui::{Terminal, backend::TestBackend, style::Color};
use std::sync::Arc;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (200, 60)];

fn app(world: World) -> AppState {
    AppState::new(world).0
}

fn terminal(
    state: &mut AppState,
    (columns, rows): (u16, u16),
    depth: Depth,
) -> Terminal<TestBackend> {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(columns, rows));
    state.update(Event::Resize(columns, rows));
    let theme = Theme::new(depth);
    let Ok(_) = terminal.draw(|frame| {
        let area = frame.area();
        state.hits = view::app(state, &theme, area, frame.buffer_mut());
    });
    terminal
}

fn draw(state: &mut AppState, size: (u16, u16)) -> String {
    terminal(state, size, Depth::True).backend().to_string()
}

fn snapshots(name: &str, state: &mut AppState) {
    for (columns, rows) in SIZES {
        insta::assert_snapshot!(
            format!("{name}_{columns}x{rows}"),
            draw(state, (columns, rows))
        );
    }
}

fn press(state: &mut AppState, code: KeyCode) -> Vec<Effect> {
    state.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_text(state: &mut AppState, text: &str) -> Vec<Effect> {
    text.chars()
        .flat_map(|character| press(state, KeyCode::Char(character)))
        .collect()
}

fn show(state: &mut AppState, screen: Screen) {
    match screen {
        Screen::Service(_) => _ = press(state, KeyCode::Enter),
        other => *state.top() = other,
    }
}

fn select(state: &mut AppState, row: usize) {
    for _ in 0..row {
        press(state, KeyCode::Char('j'));
    }
}

fn with_run(run: RunView) -> AppState {
    let mut world = fixtures::world();
    world.runs.push(run);
    app(world)
}

fn generation_of_plan(effects: &[Effect]) -> super::message::Generation {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Plan { generation, .. } => Some(*generation),
            _ => None,
        })
        .expect("a plan is asked for")
}

fn confirming(plan: crate::model::Plan, gate: Gate) -> AppState {
    let mut state = app(fixtures::world());
    let row = state
        .world
        .environments
        .iter()
        .position(|env| *env.name() == plan.environment)
        .unwrap();
    select(&mut state, row);
    let effects = press(&mut state, KeyCode::Char('R'));
    let generation = generation_of_plan(&effects);
    state.update(Event::Message(Message::Planned(
        generation,
        Ok((Arc::new(plan), gate)),
    )));
    state
}

fn failed(mut world: World, name: &str, error: PlatformError) -> World {
    world.take(&Message::World(
        name.into(),
        Box::new(News::Observed(Err(error))),
    ));
    world
}

#[test]
fn environments_live_with_production_degraded() {
    let mut state = app(fixtures::world());
    select(&mut state, 2);
    snapshots("environments_live", &mut state);
}

#[test]
fn environments_each_with_a_face_of_its_own() {
    let mut world = fixtures::world();
    let mut names = ["cached", "gone", "expired", "throttled", "empty", "loading"].into_iter();
    let mut next = |world: &mut World| {
        let env = fixtures::Env::new(names.next().unwrap()).build();
        let name = env.name().clone();
        world.environments.push(env);
        name
    };
    world.environments.clear();
    let cached = next(&mut world);
    let gone = next(&mut world);
    let expired = next(&mut world);
    let throttled = next(&mut world);
    let empty = next(&mut world);
    let loading = next(&mut world);
    let index = |world: &World, name| {
        world
            .environments
            .iter()
            .position(|env| env.name() == name)
            .unwrap()
    };
    let row = index(&world, &cached);
    world.environments[row].live = false;
    world.environments[row].observation.as_mut().unwrap().at = fixtures::ago(1_300);
    world = failed(
        world,
        gone.as_str(),
        PlatformError::Unreachable {
            endpoint: "ecs.us-east-1.amazonaws.com".into(),
            cause: "connection refused".into(),
        },
    );
    world = failed(
        world,
        expired.as_str(),
        PlatformError::Credentials {
            cause: "ExpiredToken".into(),
            remedy: "Run `aws sso login --profile staging`; it is picked up without a restart"
                .into(),
        },
    );
    world = failed(
        world,
        throttled.as_str(),
        PlatformError::Throttled {
            operation: "DescribeServices".into(),
            retry_after: std::time::Duration::from_millis(800),
        },
    );
    let row = index(&world, &empty);
    (
        world.environments[row].observation,
        world.environments[row].metrics,
        world.environments[row].assessment,
    ) = (None, None, None);
    world = failed(
        world,
        empty.as_str(),
        PlatformError::NotFound {
            what: "service api in cluster empty".into(),
            hint: Some("Did you mean api-v2?".into()),
        },
    );
    let row = index(&world, &loading);
    world.environments[row] =
        super::state::EnvironmentState::new(Arc::new(fixtures::config("loading")));
    snapshots("environments_faces", &mut app(world));
}

#[test]
fn environments_filtered_and_a_filter_that_matches_nothing() {
    let mut state = app(fixtures::world());
    press(&mut state, KeyCode::Char('/'));
    type_text(&mut state, "!prod");
    insta::assert_snapshot!("environments_filtered", draw(&mut state, (80, 24)));
    type_text(&mut state, "|dev|staging");
    insta::assert_snapshot!(
        "environments_filter_matches_nothing",
        draw(&mut state, (80, 24))
    );
}

#[test]
fn service_degraded() {
    let mut state = app(fixtures::world());
    select(&mut state, 2);
    show(
        &mut state,
        Screen::Service(ServiceState::new("prod".into())),
    );
    snapshots("service_degraded", &mut state);
}

#[test]
fn service_with_a_deployment_in_progress() {
    let mut run = fixtures::run_in_progress();
    run.dismissed = true;
    let progress = run.state.progress.clone().unwrap();
    let mut state = with_run(run);
    let env = fixtures::Env::new("prod")
        .tasks(5, 4)
        .rates(88.0, 2.1, 96.0)
        .degraded()
        .rolling(progress)
        .build();
    state.world.environments[2] = env;
    select(&mut state, 2);
    show(
        &mut state,
        Screen::Service(ServiceState::new("prod".into())),
    );
    snapshots("service_rolling", &mut state);
}

#[test]
fn service_whose_autoscaler_has_no_metrics_and_whose_budget_is_used_up() {
    let mut state = app(fixtures::world());
    let autoscaler = Autoscaler {
        name: "api".into(),
        min: 2,
        max: 10,
        current: Some(3),
        desired: None,
        measures: vec!["cpu ? of 80 %".into()],
        trouble: Some("FailedGetResourceMetric: the HPA was unable to compute the replica count: unable to fetch metrics from resource metrics API".into()),
        limit: None,
    };
    let budget = DisruptionBudget {
        name: "api".into(),
        rule: "min available 3".into(),
        healthy: 3,
        needed: 3,
        allowed: 0,
        trouble: None,
    };
    state.world.environments[2] = fixtures::Env::new("prod")
        .tasks(3, 3)
        .kept(autoscaler, budget)
        .build();
    select(&mut state, 2);
    show(
        &mut state,
        Screen::Service(ServiceState::new("prod".into())),
    );
    snapshots("service_kept", &mut state);
}

#[test]
fn a_clock_that_is_off_is_said_beside_what_it_puts_wrong() {
    let mut world = fixtures::world();
    let seen = world.environments[0].observation.as_mut().unwrap();
    seen.clock_ahead_s = Some(600);
    let mut state = app(world);
    let shown = draw(&mut state, (120, 36));
    assert!(shown.contains("clock is 10 m ahead of"), "{shown}");
}

#[test]
fn service_that_was_never_seen() {
    let mut world = fixtures::world();
    world.environments[0] = super::state::EnvironmentState::new(Arc::new(fixtures::config("dev")));
    world = failed(
        world,
        "dev",
        PlatformError::Unreachable {
            endpoint: "127.0.0.1:7777".into(),
            cause: "connection refused".into(),
        },
    );
    let mut state = app(world);
    press(&mut state, KeyCode::Enter);
    insta::assert_snapshot!("service_unreachable", draw(&mut state, (80, 24)));
}

#[test]
fn a_rollout_tells_the_platforms_own_step_and_what_holds_it_up() {
    let mut run = fixtures::run_in_progress();
    let progress = run.state.progress.as_mut().unwrap();
    progress.platform_stage =
        Some("helm revision 4, a rollback to 1: deployed; the pods follow".into());
    progress.record.reason = Some("api-6c9f8d6b5-x2x4z: ImagePullBackOff: Back-off pulling image \"registry.example/api:1.4.0\"".into());
    progress.breaker = None;
    let mut state = rollout_screen(run);
    insta::assert_snapshot!("rollout_stuck", draw(&mut state, (120, 36)));
}

fn rollout_screen(run: RunView) -> AppState {
    let id = run.id.clone();
    let mut state = with_run(run);
    let mut screen = RolloutState::new(id, "prod".into());
    let line = |seconds: i64, message: &str| RawLogEvent {
        id: seconds.to_string(),
        stream: "api/api/7be1f2d0aa314c5b".into(),
        timestamp_ms: fixtures::ago(seconds).as_millisecond(),
        ingested_ms: fixtures::ago(seconds).as_millisecond(),
        message: message.into(),
    };
    screen.lines = vec![
        line(
            30,
            r#"{"timestamp":"x","level":"INFO","message":"listening","address":"0.0.0.0:8080","release":"1.4.0"}"#,
        ),
        line(
            26,
            r#"{"timestamp":"x","level":"INFO","message":"request","method":"GET","path":"/readyz","status":200,"duration_ms":1}"#,
        ),
        line(9, "\u{1b}[31mnot json\u{1b}[0m and with an escape sequence"),
    ];
    *state.top() = Screen::Rollout(screen);
    state
}

#[test]
fn rollout_in_progress() {
    snapshots(
        "rollout_in_progress",
        &mut rollout_screen(fixtures::run_in_progress()),
    );
}

#[test]
fn rollout_outcomes_say_what_happened_and_what_to_do() {
    let outcomes = [
        ("done", RunOutcome::Done),
        (
            "rolled_back",
            RunOutcome::RolledBack {
                reason: "deployment circuit breaker: tasks failed to start".into(),
            },
        ),
        (
            "failed",
            RunOutcome::Failed {
                reason: "ROLLBACK_FAILED: no completed deployment to go back to".into(),
            },
        ),
        (
            "superseded",
            RunOutcome::Superseded {
                by: "api-prod:9 by ci".into(),
            },
        ),
    ];
    for (name, outcome) in outcomes {
        let mut state = rollout_screen(fixtures::run_over(outcome));
        insta::assert_snapshot!(format!("rollout_{name}"), draw(&mut state, (120, 36)));
    }
    snapshots(
        "rollout_done",
        &mut rollout_screen(fixtures::run_over(RunOutcome::Done)),
    );
}

#[test]
fn confirm_production_wants_its_name() {
    let mut state = confirming(fixtures::rollback_plan(), Gate::TypeName);
    snapshots("confirm_prod", &mut state);
    type_text(&mut state, "prod");
    insta::assert_snapshot!("confirm_prod_typed", draw(&mut state, (120, 36)));
}

#[test]
fn confirm_in_its_other_states() {
    let mut state = app(fixtures::world());
    press(&mut state, KeyCode::Char('R'));
    insta::assert_snapshot!("confirm_planning", draw(&mut state, (80, 24)));

    let mut state = app(fixtures::world());
    let effects = press(&mut state, KeyCode::Char('R'));
    let text = "no known-good release to go back to in dev: 1.5.0 is the first. Choose one yourself on the Releases screen";
    state.update(Event::Message(Message::Planned(
        generation_of_plan(&effects),
        Err(Refusal { text: text.into() }),
    )));
    insta::assert_snapshot!("confirm_refused", draw(&mut state, (80, 24)));

    let mut plan = fixtures::rollback_plan();
    let blocker = crate::model::Blocker {
        what: "the image of 1.4.0 is no longer in the registry".into(),
        remedy: "Push it again, or choose another release".into(),
    };
    let gate = Gate::Refused {
        why: blocker.what.clone(),
        remedy: blocker.remedy.clone(),
    };
    plan.prepared.blockers.push(blocker);
    insta::assert_snapshot!(
        "confirm_blocked",
        draw(&mut confirming(plan, gate), (80, 24))
    );

    let gate = Gate::BreakGlass {
        why: "freeze: Black Friday until Dec 1".into(),
        type_name: true,
    };
    let mut state = confirming(fixtures::rollback_plan(), gate);
    type_text(&mut state, "payments are down");
    insta::assert_snapshot!("confirm_break_glass", draw(&mut state, (120, 36)));
}

#[test]
fn the_deploy_picker_tells_how_each_release_fared() {
    let mut state = app(fixtures::world());
    let effects = press(&mut state, KeyCode::Char('D'));
    insta::assert_snapshot!("picker_loading", draw(&mut state, (80, 24)));
    let Some(Effect::Releases(super::exchange::releases::ReleasesRequest::List(generation, _))) =
        effects.into_iter().next()
    else {
        panic!("the registry is not asked")
    };
    let rollouts = vec![fixtures::record(
        "dev",
        5,
        "1.6.0",
        900,
        RolloutOutcome::RolledBack,
    )];
    state.update(Event::Message(Message::Releases(
        generation,
        ReleasesReply::List(Ok((fixtures::releases(), rollouts))),
    )));
    snapshots("picker", &mut state);
    type_text(&mut state, "never-ready");
    insta::assert_snapshot!("picker_unlisted", draw(&mut state, (80, 24)));
}

#[test]
fn palette_help_and_notices() {
    let mut state = app(fixtures::world());
    press(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "ro");
    insta::assert_snapshot!("palette", draw(&mut state, (80, 24)));
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Char('?'));
    insta::assert_snapshot!("help", draw(&mut state, (120, 36)));
    press(&mut state, KeyCode::Esc);
    state.update(Event::Message(Message::Notice(
        Level::Bad,
        "the audit record cannot be written (disk full), so nothing was done".into(),
    )));
    insta::assert_snapshot!("notice", draw(&mut state, (80, 24)));
}

#[test]
fn a_running_rollout_stays_in_the_header_of_every_screen() {
    let mut state = with_run(fixtures::run_in_progress());
    let drawn = draw(&mut state, (80, 24));
    assert!(
        drawn.contains("◐ prod roll back 1.4.1 → 1.4.0 new tasks 3/4 healthy 00:47"),
        "{drawn}"
    );
    press(&mut state, KeyCode::Char('z'));
    assert!(matches!(state.screen(), Screen::Rollout(_)));
    press(&mut state, KeyCode::Esc);
    assert!(draw(&mut state, (80, 24)).contains("◐ prod roll back"));
}

#[test]
fn a_terminal_of_any_size_is_no_panic() {
    let mut states = [
        app(fixtures::world()),
        rollout_screen(fixtures::run_in_progress()),
        confirming(fixtures::rollback_plan(), Gate::TypeName),
        with_run(fixtures::run_over(RunOutcome::Done)),
    ];
    press(&mut states[3], KeyCode::Enter);
    for state in &mut states {
        for (columns, rows) in [
            (1, 1),
            (20, 5),
            (50, 12),
            (51, 13),
            (80, 3),
            (10, 80),
            (66, 17),
            (300, 100),
        ] {
            let drawn = draw(state, (columns, rows));
            if (columns, rows) == (20, 5) {
                assert!(
                    drawn.contains("too small") && drawn.contains("20×5"),
                    "{drawn}"
                );
            }
        }
    }
}

#[test]
fn without_colour_every_meaning_is_still_a_word_or_a_glyph() {
    let mut state = app(fixtures::world());
    select(&mut state, 2);
    let terminal = terminal(&mut state, (120, 36), Depth::Mono);
    let drawn = terminal.backend().to_string();
    for meaning in [
        "● healthy",
        "▲ degraded",
        "7.9 ▲",
        "▲ prod-api-5xx ALARM",
        " prod ",
    ] {
        assert!(drawn.contains(meaning), "{meaning} is missing in\n{drawn}");
    }
    let coloured = terminal
        .backend()
        .buffer()
        .content()
        .iter()
        .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert!(!coloured);
}

#[test]
fn production_has_a_red_frame_and_its_name_in_the_header() {
    let mut state = app(fixtures::world());
    select(&mut state, 2);
    press(&mut state, KeyCode::Enter);
    let terminal = terminal(&mut state, (120, 36), Depth::Sixteen);
    let buffer = terminal.backend().buffer();
    let badge = (0..120)
        .find(|x| buffer[(*x, 0)].bg == Color::Red)
        .expect("a badge");
    let name: String = (badge..badge + 6)
        .map(|x| buffer[(x, 0)].symbol())
        .collect();
    assert_eq!(name, " prod ");
    assert_eq!(
        (buffer[(0, 1)].symbol(), buffer[(0, 1)].fg),
        ("╭", Color::Red)
    );
}

#[test]
fn escape_sequences_in_names_never_reach_the_terminal() {
    let mut world = fixtures::world();
    let service = &mut world.environments[0].observation.as_mut().unwrap().service;
    service.name = "api\u{1b}[2J\u{1b}]0;owned\u{7}".into();
    service.events[0].message = "\u{1b}[31mred\u{9b}2J".into();
    let mut state = app(world);
    press(&mut state, KeyCode::Enter);
    let drawn = draw(&mut state, (120, 36));
    assert!(
        drawn.contains("dev/api ")
            && !drawn.contains("[2J")
            && !drawn.contains("owned")
            && !drawn.contains('\u{1b}'),
        "{drawn}"
    );
}

#[test]
fn three_keys_and_the_name_roll_production_back() {
    let mut state = app(fixtures::world());
    select(&mut state, 2);
    let effects = press(&mut state, KeyCode::Char('R'));
    let generation = generation_of_plan(&effects);
    state.update(Event::Message(Message::Planned(
        generation,
        Ok((Arc::new(fixtures::rollback_plan()), Gate::TypeName)),
    )));
    assert!(
        type_text(&mut state, "prod").is_empty(),
        "typing alone sends nothing"
    );
    let effects = press(&mut state, KeyCode::Enter);
    let Some(Effect::Execute {
        generation,
        confirmation,
        ..
    }) = effects.into_iter().next()
    else {
        panic!("nothing is executed")
    };
    assert_eq!(confirmation.typed_name.as_deref(), Some("prod"));
    state.update(Event::Message(Message::Started(
        generation,
        Ok(fixtures::run_in_progress().id),
    )));
    assert!(matches!(state.screen(), Screen::Rollout(_)) && state.overlay().is_none());
}

#[test]
fn views_are_walked_back_and_forward() {
    let mut state = app(fixtures::world());
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('['));
    assert!(matches!(state.screen(), Screen::Environments(_)));
    press(&mut state, KeyCode::Char(']'));
    assert!(matches!(state.screen(), Screen::Service(_)));
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Esc);
    assert!(
        matches!(state.screen(), Screen::Environments(_)),
        "esc at home stays at home"
    );
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut state = app(fixtures::world());
    draw(&mut state, (120, 36));
    let row = (0..36)
        .find(|row| state.hits.at(10, *row) == Some(super::state::Target::Row(2)))
        .expect("prod's row");
    state.update(Event::Click(10, row));
    assert_eq!(state.environment().map(|name| name.as_str()), Some("prod"));
    state.world.now += SignedDuration::from_millis(200);
    state.update(Event::Click(10, row));
    assert!(matches!(state.screen(), Screen::Service(_)));
}

#[test]
fn the_failure_of_one_environment_leaves_the_others_alone() {
    let error = PlatformError::Unreachable {
        endpoint: "x".into(),
        cause: "y".into(),
    };
    let world = failed(fixtures::world(), "dev", error);
    let faces: Vec<_> = world
        .environments
        .iter()
        .map(|env| env.face(world.now))
        .collect();
    assert!(matches!(faces[0], super::state::Face::Unreachable { .. }));
    assert_eq!(
        faces[1..],
        [super::state::Face::Live, super::state::Face::Live]
    );
    assert_eq!(world.environments[1].health(), Health::Healthy);
}

#[test]
fn every_changing_command_ends_in_the_confirm_dialog() {
    for spec in super::command::COMMANDS
        .iter()
        .filter(|spec| spec.kind == super::command::Kind::Mutates)
    {
        let mut state = with_run(fixtures::run_in_progress());
        select(&mut state, 2);
        if !spec.places.contains(super::command::Place::Environments) {
            press(&mut state, KeyCode::Enter);
        }
        let argument = match spec.id {
            Command::Deploy => " 1.4.0",
            Command::Scale => " 3",
            Command::Promote => " staging",
            _ => "",
        };
        press(&mut state, KeyCode::Char(':'));
        type_text(&mut state, &format!("{}{argument}", spec.name));
        let effects = press(&mut state, KeyCode::Enter);
        assert!(
            matches!(&effects[..], [Effect::Plan { .. }]),
            "{}: {effects:?}",
            spec.name
        );
        assert!(
            matches!(
                state.overlay(),
                Some(super::state::overlay::Overlay::Confirm(_))
            ),
            "{}",
            spec.name
        );
    }
}
