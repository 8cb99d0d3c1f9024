//! The Logs screen, key by key.

use super::{Asking, LogsState, Spot, Times};
use crate::{
    logs::{
        FieldTest, HistoryFound, HistoryProgress, LineId, TailEvent, TailPhase, TailStart,
        TailState,
    },
    model::Level,
    platform::PlatformError,
    tui::{
        command::Command,
        effect::{Effect, Level as Loudness},
        exchange::logs::{LogsReply, LogsRequest},
        fixtures,
        message::Message,
        pictures::{
            self,
            scenes::{self, LogDesk},
        },
        state::{Handled, Pointer, Screen, ScreenState, Target},
        theme::{Depth, Theme},
    },
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn desk() -> LogDesk {
    scenes::logs(fixtures::world())
}

fn quiet() -> LogDesk {
    LogDesk::open(LogsState::new(fixtures::name("prod")), fixtures::world())
}

impl LogDesk {
    fn press(&mut self, command: Command) -> Vec<Effect> {
        self.say(command, None)
    }

    fn say(&mut self, command: Command, argument: Option<&str>) -> Vec<Effect> {
        let handled = self.state.command(command, argument, &self.world);
        let Handled::Consumed(effects) = handled else {
            panic!("{command:?} was ignored");
        };
        let effects = self.settle(effects);
        self.start(&effects);
        effects
    }

    fn key(&mut self, code: KeyCode) -> Vec<Effect> {
        self.chord(code, KeyModifiers::NONE)
    }

    fn chord(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        let handled = self.state.key(KeyEvent::new(code, modifiers), &self.world);
        let Handled::Consumed(effects) = handled else {
            panic!("{code:?} was ignored");
        };
        let effects = self.settle(effects);
        self.start(&effects);
        effects
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.key(KeyCode::Char(character));
        }
    }

    /// `/`, the text, Enter.
    fn search(&mut self, text: &str) -> Vec<Effect> {
        self.press(Command::Search);
        self.type_in(text);
        self.key(KeyCode::Enter)
    }

    fn filter(&mut self, text: &str) {
        self.press(Command::LogFilter);
        self.type_in(text);
        self.key(KeyCode::Enter);
    }

    fn newest_shown(&self) -> Option<LineId> {
        self.state
            .visible(self.state.pane.get())
            .last()
            .map(|row| row.id)
    }

    fn top_shown(&self) -> Option<LineId> {
        self.state
            .visible(self.state.pane.get())
            .first()
            .map(|row| row.id)
    }

    fn one_more(&mut self, text: &str) {
        self.lines([(0.0, 0, text.to_owned())]);
    }

    fn drawn(&mut self, columns: u16, rows: u16) -> String {
        let state = std::mem::replace(&mut self.state, LogsState::new(fixtures::name("prod")));
        let screen = Screen::Logs(state);
        let theme = Theme::new(Depth::Mono);
        let buffer = pictures::draw(&screen, &self.world, &theme, columns, rows);
        let Screen::Logs(state) = screen else {
            unreachable!("it was made above");
        };
        self.state = state;
        pictures::text(&buffer)
    }
}

fn notice(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify(_, text) => Some(text.as_str()),
        _ => None,
    })
}

#[test]
fn it_follows_the_newest_line_until_the_operator_moves_up() {
    let mut desk = desk();
    assert_eq!(
        desk.newest_shown(),
        Some(LineId(desk.state.store.next_id().0 - 1))
    );
    desk.press(Command::Up);
    let top = desk.top_shown();
    desk.one_more("later");
    assert_eq!(desk.top_shown(), top, "what is read does not move");
    assert_eq!(desk.state.new_below(), 1);
    desk.press(Command::Bottom);
    assert_eq!(
        desk.newest_shown(),
        Some(LineId(desk.state.store.next_id().0 - 1))
    );
}

#[test]
fn pause_freezes_the_view_and_counts_what_comes_in_meanwhile() {
    let mut desk = desk();
    desk.press(Command::Pause);
    let (top, newest) = (desk.top_shown(), desk.newest_shown());
    for number in 0..250 {
        desk.one_more(&scenes::request(number, 200, 1));
    }
    assert_eq!((desk.top_shown(), desk.newest_shown()), (top, newest));
    assert_eq!(desk.state.new_below(), 250);
    assert!(desk.drawn(120, 30).contains("paused · 250 new below"));
    desk.press(Command::Pause);
    assert_eq!(desk.state.new_below(), 0);
    assert_eq!(
        desk.newest_shown(),
        Some(LineId(desk.state.store.next_id().0 - 1))
    );
}

#[test]
fn search_keeps_all_lines_in_sight_and_n_goes_from_match_to_match() {
    let mut desk = desk();
    let held = desk.state.view.len(&desk.state.store);
    desk.search("upstream timeout");
    assert_eq!(
        desk.state.view.len(&desk.state.store),
        held,
        "search hides nothing"
    );
    let last = desk.state.cursor.expect("on a match").id;
    let status = |desk: &LogDesk| {
        let id = desk.state.cursor.map(|spot| spot.id);
        desk.state
            .view
            .search_status(&desk.state.store, id)
            .expect("a search")
    };
    let total = status(&desk).total;
    assert_eq!(
        status(&desk).current,
        Some(total),
        "the newest match is nearest"
    );
    desk.press(Command::PreviousMatch);
    assert_eq!(status(&desk).current, Some(total - 1));
    desk.press(Command::NextMatch);
    assert_eq!(desk.state.cursor.map(|spot| spot.id), Some(last));
    let effects = desk.press(Command::NextMatch);
    assert_eq!(status(&desk).current, Some(1), "and round again");
    assert!(notice(&effects).is_some_and(|text| text.contains("oldest")));
}

#[test]
fn a_search_past_the_oldest_line_goes_to_the_server_and_says_so() {
    let mut desk = desk();
    desk.search("pool: waited");
    let mut effects = Vec::new();
    for _ in 0..20 {
        effects = desk.press(Command::PreviousMatch);
        if desk.state.find.server.is_some() {
            break;
        }
    }
    let Some(Effect::Logs(LogsRequest::SearchBack {
        generation, search, ..
    })) = effects.first()
    else {
        panic!("{effects:?}");
    };
    let oldest = desk
        .state
        .store
        .get(desk.state.store.first_id())
        .expect("a line")
        .at_ms;
    assert_eq!(
        (search.before_ms, search.pattern.text()),
        (oldest, "pool: waited")
    );

    let progress = LogsReply::Searching(HistoryProgress {
        from_ms: oldest - 3_600_000,
        pages: 12,
        lines: 41_200,
        is_matched_by_server: false,
        trouble: None,
    });
    desk.state
        .message(&Message::Logs(*generation, progress), &desk.world);
    assert!(
        desk.drawn(120, 30)
            .contains("searching the server, back to 12:42, 41,200 lines read"),
        "{}",
        desk.drawn(120, 30)
    );

    let found = oldest - 1_800_000;
    let reply = LogsReply::Searched(Ok(HistoryFound::At {
        at_ms: found,
        matches: 3,
    }));
    let effects = desk
        .state
        .message(&Message::Logs(*generation, reply), &desk.world);
    let start = effects.iter().find_map(|effect| match effect {
        Effect::Logs(LogsRequest::Start { options, .. }) => Some(options.start),
        _ => None,
    });
    assert_eq!(start, Some(TailStart::At(found - 60_000)));
    desk.start(&effects);
    desk.lines([
        (3_050.0, 0, "before".into()),
        (3_000.0 - 0.118, 0, "WARN pool: waited 2 s".into()),
        (10.0, 0, "after".into()),
    ]);
    let line = desk.state.current_line().expect("a line");
    assert!(line.text.contains("waited 2 s"), "{}", line.text);
}

#[test]
fn escape_stops_a_search_on_the_server() {
    let mut desk = desk();
    let effects = desk.search("no such words");
    let searches =
        |effect: &&Effect| matches!(effect, Effect::Logs(LogsRequest::SearchBack { .. }));
    assert!(
        effects.iter().any(|effect| searches(&effect)),
        "{effects:?}"
    );
    let effects = desk.press(Command::Back);
    assert!(
        matches!(effects[..], [Effect::Logs(LogsRequest::Stop(_))]),
        "{effects:?}"
    );
    assert!(desk.state.find.server.is_none());
    assert!(
        desk.state.view.search().is_some(),
        "the search itself stays"
    );
}

#[test]
fn an_expression_that_is_none_is_said_at_once_and_the_old_search_comes_back_on_escape() {
    let mut desk = desk();
    desk.search("timeout");
    desk.press(Command::Search);
    desk.chord(KeyCode::Char('r'), KeyModifiers::CONTROL);
    desk.type_in("(");
    let error = desk
        .state
        .prompt
        .as_ref()
        .and_then(|prompt| prompt.error.clone());
    assert!(error.is_some_and(|error| error.contains("not a regular expression")));
    desk.key(KeyCode::Esc);
    assert_eq!(desk.state.view.search().map(|p| p.text()), Some("timeout"));
}

#[test]
fn slash_recalls_the_search_and_typing_replaces_it() {
    let mut desk = desk();
    desk.search("timeout");
    desk.press(Command::Search);
    let prompt = desk.state.prompt.as_ref().expect("a prompt");
    assert_eq!((prompt.input.value(), prompt.recalled), ("timeout", true));
    desk.type_in("po");
    let prompt = desk.state.prompt.as_ref().expect("a prompt");
    assert_eq!(prompt.input.value(), "po");
}

#[test]
fn a_filter_hides_lines_and_is_a_thing_of_its_own() {
    let mut desk = desk();
    desk.search("timeout");
    desk.filter("pool !nothing");
    assert_eq!(desk.state.view.len(&desk.state.store), 6);
    assert_eq!(desk.state.view.search().map(|p| p.text()), Some("timeout"));
    desk.press(Command::Back);
    assert!(desk.state.view.search().is_none(), "first the search goes");
    desk.press(Command::Back);
    assert!(desk.state.view.filter().is_empty(), "then the filter");
    assert!(
        matches!(
            desk.state.command(Command::Back, None, &desk.world),
            Handled::Ignored
        ),
        "then the screen"
    );
}

#[test]
fn the_level_goes_round_and_can_be_named() {
    let mut desk = desk();
    for level in [Level::Debug, Level::Info, Level::Warn, Level::Error] {
        desk.press(Command::Level);
        assert_eq!(desk.state.view.filter().level, Some(level));
    }
    desk.press(Command::Level);
    assert_eq!(desk.state.view.filter().level, None);
    desk.say(Command::Level, Some("warn"));
    assert_eq!(desk.state.view.filter().level, Some(Level::Warn));
    let effects = desk.say(Command::Level, Some("loud"));
    assert!(notice(&effects).is_some_and(|text| text.contains("no level loud")));
}

#[test]
fn enter_opens_the_fields_in_place_and_the_one_under_the_cursor_filters() {
    let mut desk = desk();
    desk.search("upstream timeout");
    let id = desk.state.cursor.expect("on a match").id;
    desk.press(Command::Open);
    desk.press(Command::Down);
    assert_eq!(desk.state.cursor, Some(Spot { id, field: 1 }));
    let fields = crate::logs::line::fields(desk.state.current_line().expect("a line").text);
    let route = fields
        .iter()
        .position(|field| field.name == "route")
        .expect("a route");
    for _ in 0..route {
        desk.press(Command::Down);
    }
    desk.press(Command::IncludeField);
    let filter = desk.state.view.filter().clone();
    assert_eq!(
        (filter.fields[0].name.as_str(), filter.fields[0].test),
        ("route", FieldTest::Is)
    );
    assert_eq!(filter.fields[0].value, "/items/{id}");
    desk.press(Command::ExcludeField);
    let filter = desk.state.view.filter().clone();
    assert_eq!(
        filter.fields.len(),
        1,
        "a field is shown or hidden, not both"
    );
    assert_eq!(filter.fields[0].test, FieldTest::IsNot);
}

#[test]
fn filtering_by_field_on_a_closed_line_opens_it_first() {
    let mut desk = desk();
    desk.press(Command::Up);
    let effects = desk.press(Command::IncludeField);
    assert!(notice(&effects).is_some_and(|text| text.contains("choose a field")));
    assert!(desk.state.cursor.is_some_and(|spot| spot.field == 1));
}

#[test]
fn wrapping_keeps_the_line_that_is_read_in_place() {
    let mut desk = desk();
    desk.search("upstream timeout");
    for _ in 0..5 {
        desk.press(Command::PreviousMatch);
    }
    let (top, cursor) = (desk.top_shown(), desk.state.cursor);
    desk.press(Command::Wrap);
    assert_eq!((desk.top_shown(), desk.state.cursor), (top, cursor));
    desk.press(Command::Wrap);
    assert_eq!((desk.top_shown(), desk.state.cursor), (top, cursor));
}

#[test]
fn new_lines_keep_the_place_to_the_right() {
    let mut desk = desk();
    desk.press(Command::Right);
    let left = desk.state.left;
    assert!(left > 0);
    desk.one_more(&scenes::request(1, 200, 1));
    assert_eq!(desk.state.left, left);
    assert!(desk.state.following);
}

#[test]
fn braces_go_from_error_to_error() {
    let mut desk = desk();
    desk.press(Command::PreviousError);
    let last = desk.state.current_line().expect("a line");
    assert_eq!(last.level, Level::Error);
    let (id, at_ms) = (last.id, last.at_ms);
    desk.press(Command::PreviousError);
    let before = desk.state.current_line().expect("a line");
    assert_eq!(before.level, Level::Error);
    assert!(before.id < id && before.at_ms <= at_ms);
    desk.press(Command::NextError);
    assert_eq!(desk.state.cursor.map(|spot| spot.id), Some(id));
}

#[test]
fn a_click_on_a_bar_goes_to_that_minute() {
    let mut desk = desk();
    let second = fixtures::ago(900).as_second();
    desk.state
        .mouse(Pointer::Click(Target::Time(second)), &desk.world);
    let at_ms = desk.state.current_line().expect("a line").at_ms;
    assert!(at_ms >= second * 1_000 && at_ms < (second + 4) * 1_000);
    assert!(!desk.state.following);
}

#[test]
fn the_wheel_leaves_the_end_and_comes_back_to_it() {
    let mut desk = desk();
    desk.state.mouse(Pointer::Wheel(-3), &desk.world);
    assert!(!desk.state.following);
    desk.state.mouse(Pointer::Wheel(30), &desk.world);
    assert!(desk.state.following);
}

#[test]
fn an_anchor_within_what_is_held_reads_nothing_anew() {
    let mut desk = desk();
    let effects = desk.press(Command::Anchor(3));
    assert!(effects.is_empty(), "{effects:?}");
    let at_ms = desk.state.current_line().expect("a line").at_ms;
    let since_ms = fixtures::ago(300).as_millisecond();
    assert!((since_ms..since_ms + 4_000).contains(&at_ms));
    desk.press(Command::Anchor(0));
    assert!(desk.state.following);
}

#[test]
fn an_anchor_before_what_is_held_reads_from_there() {
    let mut desk = desk();
    let effects = desk.press(Command::Anchor(6));
    let [
        Effect::Logs(LogsRequest::Stop(_)),
        Effect::Logs(LogsRequest::Start { options, .. }),
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(
        options.start,
        TailStart::At(fixtures::ago(3_600).as_millisecond())
    );
    desk.lines([(3_500.0, 0, "oldest".into()), (5.0, 0, "newest".into())]);
    assert_eq!(
        desk.state.current_line().map(|line| line.text),
        Some("oldest")
    );
}

#[test]
fn a_window_is_read_from_its_start_to_its_end() {
    let mut desk = desk();
    desk.press(Command::Window);
    desk.type_in("13:50-14:00 utc");
    let effects = desk.key(KeyCode::Enter);
    let options = effects.iter().find_map(|effect| match effect {
        Effect::Logs(LogsRequest::Start { options, .. }) => Some(options),
        _ => None,
    });
    let options = options.expect("a tail is started");
    let at = |text: &str| {
        text.parse::<jiff::Timestamp>()
            .expect("a time")
            .as_millisecond()
    };
    assert_eq!(options.start, TailStart::At(at("2026-11-21T13:50:00Z")));
    assert_eq!(options.end_ms, Some(at("2026-11-21T14:00:00Z")));
}

#[test]
fn a_window_that_is_none_stays_in_the_prompt_with_the_reason() {
    let mut desk = desk();
    desk.press(Command::Window);
    desk.type_in("25:99");
    let effects = desk.key(KeyCode::Enter);
    assert!(effects.is_empty());
    let prompt = desk.state.prompt.as_ref().expect("still open");
    assert_eq!(prompt.asking, Asking::Window);
    assert!(prompt.error.is_some());
}

#[test]
fn previous_logs_open_the_stream_of_the_task_that_stopped() {
    let mut desk = desk();
    let effects = desk.press(Command::PreviousLogs);
    let options = effects.iter().find_map(|effect| match effect {
        Effect::Logs(LogsRequest::Start { options, .. }) => Some(options),
        _ => None,
    });
    assert_eq!(
        options.expect("a tail").streams,
        ["api/api/9f3c77aa10b24f6e8c1d"]
    );
    let label = desk.state.source.label.clone().expect("a label");
    assert!(
        label.contains("9f3c77aa") && label.contains("exit 137"),
        "{label}"
    );
}

#[test]
fn saving_writes_what_passes_the_filter_under_a_name_that_tells_when() {
    let mut desk = desk();
    desk.filter("pool");
    let effects = desk.press(Command::Save);
    let [Effect::Logs(LogsRequest::Save { filter, name, .. })] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(name, "prod-20261121T140211Z.log");
    assert!(!filter.is_empty());
}

#[test]
fn copying_takes_the_whole_line_as_it_came() {
    let mut desk = desk();
    desk.search("upstream timeout");
    let effects = desk.press(Command::Copy);
    let [Effect::Copy { text, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(text.starts_with('{') && text.ends_with('}'), "{text}");
}

#[test]
fn leaving_ends_the_tail() {
    let mut desk = desk();
    let effects = desk.state.close();
    assert!(matches!(effects[..], [Effect::Logs(LogsRequest::Stop(_))]));
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let mut desk = desk();
    let held = desk.state.store.len();
    let old = desk.press(Command::Refresh);
    let Some(Effect::Logs(LogsRequest::Stop(generation))) = old.first() else {
        panic!("{old:?}");
    };
    let reply = LogsReply::Advanced {
        state: Box::new(scenes::following()),
        next: LineId(900_000),
    };
    desk.state
        .message(&Message::Logs(*generation, reply), &desk.world);
    assert_eq!(desk.state.store.len(), 0);
    assert!(held > 0);
    assert_eq!(desk.state.new_below(), 0);
}

#[test]
fn times_go_round() {
    let mut desk = desk();
    let seen: Vec<Times> = (0..4)
        .map(|_| {
            desk.press(Command::Times);
            desk.state.times
        })
        .collect();
    assert_eq!(seen, [Times::Full, Times::Local, Times::Off, Times::Short]);
}

#[test]
fn a_flood_takes_a_slice_of_a_frame_however_much_arrives() {
    let mut desk = quiet();
    desk.filter("status=504");
    let started = std::time::Instant::now();
    for _ in 0..20 {
        desk.lines((0..1_000).map(|number| (1.0, 0, scenes::request(number, 200, 1))));
    }
    let arrived = started.elapsed();
    assert_eq!(desk.state.store.len(), 20_000);
    assert_eq!(desk.state.behind, 0, "the slices catch up");
    let started = std::time::Instant::now();
    desk.press(Command::Up);
    let key = started.elapsed();
    assert!(key.as_millis() < 100, "{key:?} after {arrived:?}");
}

fn trouble(error: PlatformError) -> TailState {
    let now_ms = fixtures::now().as_millisecond();
    TailState {
        phase: TailPhase::Trouble {
            error,
            since_ms: now_ms - 9_000,
            retry_at_ms: now_ms + 4_000,
        },
        ..scenes::following()
    }
}

#[test]
fn an_empty_screen_says_why() {
    let mut desk = quiet();
    assert!(desk.drawn(100, 20).contains("Asking for the first lines"));
    desk.stands(scenes::following());
    assert!(
        desk.drawn(100, 20)
            .contains("3 tasks run and none has written a line")
    );
    desk.stands(trouble(PlatformError::NotFound {
        what: "log group /ecs/prod/api".into(),
        hint: Some("Check the task definition's awslogs-group".into()),
    }));
    assert!(
        desk.drawn(100, 20)
            .contains("log group /ecs/prod/api does not exist")
    );
    desk.stands(trouble(PlatformError::Credentials {
        cause: "ExpiredToken".into(),
        remedy: "Run: aws sso login".into(),
    }));
    let drawn = desk.drawn(100, 20);
    assert!(drawn.contains("Run: aws sso login"), "{drawn}");
    assert!(
        drawn.contains("credentials expired, again in 5 s"),
        "{drawn}"
    );

    let mut desk = self::desk();
    desk.filter("no such words at all");
    assert!(
        desk.drawn(120, 20).contains("hides all 661 lines"),
        "{}",
        desk.drawn(120, 20)
    );

    let mut idle = fixtures::world();
    for env in &mut idle.environments {
        if let Some(seen) = &mut env.observation {
            seen.service.instances.clear();
        }
    }
    let mut desk = LogDesk::open(LogsState::new(fixtures::name("prod")), idle);
    desk.stands(scenes::following());
    assert!(
        desk.drawn(100, 20)
            .contains("No task runs, so there is no stream")
    );
}

#[test]
fn the_screen_in_its_states() {
    let mut all = String::new();
    let mut add = |title: &str, drawn: String| {
        all.push_str(&format!("── {title}\n{drawn}\n"));
    };
    let mut following = desk();
    add("following at 120×34", following.drawn(120, 34));
    add("following at 80×22", following.drawn(80, 22));
    add("following at 200×58", following.drawn(200, 58));
    add("at 20×5", following.drawn(20, 5));

    let mut searching = desk();
    searching.search("upstream timeout");
    searching.press(Command::PreviousMatch);
    searching.press(Command::Open);
    add("a match with its fields open", searching.drawn(120, 34));
    searching.press(Command::Wrap);
    add("wrapped", searching.drawn(80, 22));

    let mut typing = desk();
    typing.press(Command::Search);
    typing.type_in("timeout");
    add("while a search is typed", typing.drawn(120, 20));

    let mut filtered = desk();
    filtered.filter("level>=warn !pool status=504");
    add("filtered", filtered.drawn(120, 20));

    let mut troubled = desk();
    troubled.event(TailEvent::GapOpened {
        from_ms: fixtures::ago(1).as_millisecond(),
    });
    troubled.stands(trouble(PlatformError::Unreachable {
        endpoint: "http://127.0.0.1:4566".into(),
        cause: "connection refused".into(),
    }));
    add("a gap that grows", troubled.drawn(120, 20));

    let mut sideways = desk();
    sideways.press(Command::Right);
    sideways.press(Command::Times);
    add("scrolled sideways, full times", sideways.drawn(120, 20));
    insta::assert_snapshot!(all);
}

#[test]
fn matches_are_marked_where_they_stand_and_survive_the_cursor() {
    let mut desk = desk();
    desk.search("upstream timeout");
    let state = std::mem::replace(&mut desk.state, LogsState::new(fixtures::name("prod")));
    let theme = Theme::new(Depth::Indexed);
    let marked = theme.style(crate::tui::theme::Role::Match).bg;
    let buffer = pictures::draw(&Screen::Logs(state), &desk.world, &theme, 120, 34);
    for (y, line) in (0..).zip(pictures::text(&buffer).lines().take(33)) {
        let cells = (0..120)
            .filter(|x| Some(buffer[(*x, y)].bg) == marked)
            .count();
        let expected = if line.contains("ERROR upstream timeout") {
            16
        } else {
            0
        };
        assert_eq!(cells, expected, "{line}");
    }
}

#[test]
fn notices_about_nothing_to_search_are_quiet() {
    let mut desk = desk();
    let effects = desk.press(Command::NextMatch);
    assert!(
        matches!(&effects[..], [Effect::Notify(Loudness::Info, _)]),
        "{effects:?}"
    );
}
