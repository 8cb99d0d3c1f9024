//! The History screen, key by key.

use super::{HistoryState, account};
use crate::{
    model::RunOutcome,
    store::RunRecord,
    tui::{
        command::Command,
        effect::Effect,
        exchange::history::{HistoryReply, HistoryRequest, PAGE},
        fixtures,
        message::Message,
        pictures::{self, scenes},
        state::{Handled, Screen, ScreenState},
        theme::{Depth, Theme},
    },
};
use std::sync::Arc;

fn press(state: &mut HistoryState, command: Command) -> Vec<Effect> {
    match state.command(command, None, &fixtures::world()) {
        Handled::Consumed(effects) => effects,
        Handled::Ignored => panic!("{command:?} was ignored"),
    }
}

fn asked(effects: &[Effect]) -> Option<(Option<String>, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::History(HistoryRequest::List {
            environment,
            before,
            ..
        }) => Some((
            environment.as_ref().map(ToString::to_string),
            before.is_some(),
        )),
        _ => None,
    })
}

fn answer(state: &mut HistoryState, effects: &[Effect], page: Vec<RunRecord>) {
    for effect in effects {
        if let Effect::History(HistoryRequest::List { generation, .. }) = effect {
            let reply = HistoryReply::Page(Ok(page.clone()));
            state.message(&Message::History(*generation, reply), &fixtures::world());
        }
    }
}

#[test]
fn tab_goes_from_all_environments_to_each_and_round() {
    let mut state = scenes::history(None, &fixtures::world());
    let seen: Vec<_> = (0..4)
        .map(|_| {
            let effects = press(&mut state, Command::NextPane);
            asked(&effects).expect("asks anew").0
        })
        .collect();
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(seen, [named("dev"), named("staging"), named("prod"), None]);
}

#[test]
fn older_records_are_asked_for_at_the_end_of_a_full_page() {
    let mut state = HistoryState::new(None);
    let effects = state.open(&fixtures::world());
    let one = scenes::records().remove(0);
    answer(&mut state, &effects, vec![one; PAGE]);
    assert!(!state.complete);
    let effects = press(&mut state, Command::Bottom);
    assert_eq!(asked(&effects), Some((None, true)));
    let more = scenes::records();
    let count = more.len();
    answer(&mut state, &effects, more);
    assert!(state.complete);
    assert_eq!(state.shown().len(), PAGE + count);
    assert_eq!(asked(&press(&mut state, Command::Bottom)), None);
}

#[test]
fn enter_tells_everything_and_hides_secrets() {
    let mut state = scenes::history(None, &fixtures::world());
    let effects = press(&mut state, Command::Open);
    let [Effect::ShowText { text, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    insta::assert_snapshot!(text);
    assert!(text.contains("••••"));
}

#[test]
fn the_summary_says_that_the_glass_was_broken() {
    let record = scenes::records()
        .into_iter()
        .find(|record| record.break_glass.is_some())
        .expect("one");
    let text = account(&record, &fixtures::world());
    assert!(text.contains("BREAK-GLASS: checkout is down"), "{text}");
}

#[test]
fn the_filter_finds_people_and_outcomes() {
    let mut state = scenes::history(None, &fixtures::world());
    let all = state.shown().len();
    state.filter.set("not rolled back");
    assert_eq!(state.shown().len(), 1);
    state.filter.set("!ana");
    assert!(state.shown().len() < all && !state.shown().is_empty());
}

#[test]
fn a_run_that_ends_is_seen_without_a_key() {
    let world = fixtures::world();
    let mut state = scenes::history(None, &world);
    let run = fixtures::run_over(RunOutcome::Done);
    let mut records = scenes::records();
    records[0].id = run.id.clone();
    records[0].outcome = None;
    state.records = Some(records);
    let message = Message::Run(run.id, Arc::clone(&run.plan), Box::new(run.state));
    let effects = state.message(&message, &world);
    assert_eq!(asked(&effects), Some((None, false)));
}

#[test]
fn an_audit_that_cannot_be_read_says_so() {
    let mut state = HistoryState::new(None);
    let effects = state.open(&fixtures::world());
    let Some(Effect::History(HistoryRequest::List { generation, .. })) = effects.first() else {
        panic!("{effects:?}");
    };
    let reply = HistoryReply::Page(Err("the store is locked. Close the other console".into()));
    state.message(&Message::History(*generation, reply), &fixtures::world());
    assert!(drawn(state, 100, 12).contains("the store is locked"));
}

fn drawn(state: HistoryState, columns: u16, rows: u16) -> String {
    let screen = Screen::History(state);
    let theme = Theme::new(Depth::Mono);
    let buffer = pictures::draw(&screen, &fixtures::world(), &theme, columns, rows);
    pictures::text(&buffer)
}

#[test]
fn the_screen_in_its_states() {
    let world = fixtures::world();
    let mut all = String::new();
    let mut add = |title: &str, state, columns, rows| {
        all.push_str(&format!("── {title}\n{}\n", drawn(state, columns, rows)));
    };
    add("loading", HistoryState::new(None), 80, 8);
    add("all at 120×34", scenes::history(None, &world), 120, 34);
    add("all at 80×22", scenes::history(None, &world), 80, 22);
    add("all at 200×40", scenes::history(None, &world), 200, 40);
    let prod = Some(fixtures::name("prod"));
    add("prod at 100×20", scenes::history(prod, &world), 100, 20);
    add("at 20×5", scenes::history(None, &world), 20, 5);
    let mut empty = HistoryState::new(None);
    empty.records = Some(Vec::new());
    add("nothing yet", empty, 80, 8);
    insta::assert_snapshot!(all);
}
