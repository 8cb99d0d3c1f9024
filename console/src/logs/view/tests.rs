//! Filter, search and jumps over a store that grows and lets go.

use super::*;
use crate::logs::TailLine;
use proptest::prelude::*;

const PLENTY: WorkBudget = WorkBudget {
    lines: usize::MAX,
    time: None,
};

fn push(store: &mut LogStore, text: &str) -> LineId {
    let stream = "api".into();
    store.push(&TailLine {
        stream,
        at_ms: 0,
        text: text.to_owned(),
        late: false,
    })
}

fn store_of(texts: impl IntoIterator<Item = String>) -> LogStore {
    let mut store = LogStore::new(1 << 20);
    for text in texts {
        push(&mut store, &text);
    }
    store
}

fn texts(view: &LogView, store: &LogStore) -> Vec<String> {
    view.lines(store, 0)
        .map(|line| line.text.to_owned())
        .collect()
}

fn found(id: u64, wrapped: bool) -> Seek {
    Seek::Found {
        id: LineId(id),
        wrapped,
    }
}

#[test]
fn the_newest_lines_are_filtered_first_and_no_call_does_more_than_its_budget() {
    let mut store = store_of((0..100).map(|n| format!("{} {n}", ["odd", "even"][n % 2])));
    let mut view = LogView::new();
    view.set_filter("even".parse().unwrap());
    let done = view.work(&store, WorkBudget::lines(10));
    assert_eq!((done.complete, done.behind), (false, 90));
    assert_eq!(texts(&view, &store)[..2], ["even 91", "even 93"]);
    push(&mut store, "even and new");
    view.work(&store, WorkBudget::lines(1));
    assert_eq!(texts(&view, &store).last().unwrap(), "even and new");
    assert!(view.work(&store, PLENTY).complete);
    assert_eq!(view.len(&store), 51);
    assert_eq!(view.position_of(&store, LineId(2)), 1);
    assert_eq!(view.id_at(&store, 1), Some(LineId(3)));
}

#[test]
fn a_search_counts_and_jumps_around_the_end() {
    let store =
        store_of((0..40).map(|n| format!("{} {n}", if n % 10 == 5 { "hit" } else { "no" })));
    let mut view = LogView::new();
    view.set_search(Some(Pattern::lenient("hit")));
    let forward = SeekDirection::Forward;
    assert_eq!(
        view.next_match(&store, LineId(5), forward, PLENTY),
        found(15, false)
    );
    assert_eq!(
        view.next_match(&store, LineId(35), forward, PLENTY),
        found(5, true)
    );
    let backward = SeekDirection::Backward;
    assert_eq!(
        view.next_match(&store, LineId(15), backward, PLENTY),
        found(5, false)
    );
    assert_eq!(
        view.next_match(&store, LineId(5), backward, PLENTY),
        found(35, true)
    );
    let status = view.search_status(&store, Some(LineId(15))).unwrap();
    assert_eq!(
        (status.current, status.total, status.complete),
        (Some(2), 4, true)
    );
    assert_eq!(view.match_ranges("a hit, a HIT"), [2..5, 9..12]);
    view.set_search(Some(Pattern::lenient("absent")));
    assert_eq!(
        view.next_match(&store, LineId(5), forward, PLENTY),
        Seek::Nowhere
    );
}

#[test]
fn a_jump_that_takes_long_is_answered_by_later_work() {
    let store = store_of((0..1000).map(|n| if n == 3 { "hit".into() } else { format!("{n}") }));
    let mut view = LogView::new();
    view.set_search(Some(Pattern::lenient("hit")));
    let some = WorkBudget::lines(100);
    let answer = view.next_match(&store, LineId(999), SeekDirection::Backward, some);
    assert_eq!(answer, Seek::Pending);
    let mut calls = 0;
    let jumped = loop {
        calls += 1;
        assert!(calls < 20, "the jump is never answered");
        if let Some(jumped) = view.work(&store, some).jumped {
            break jumped;
        }
    };
    assert_eq!(jumped, found(3, false));
    assert!(calls >= 8, "{calls} calls did it all at once");
}

#[test]
fn errors_are_jumped_to_only_where_the_filter_shows_them() {
    let store = store_of((0..9).map(|n| match n {
        2 => "ERROR shown".to_owned(),
        4 => "ERROR hidden".to_owned(),
        7 => "ERROR shown".to_owned(),
        n => format!("shown {n}"),
    }));
    let mut view = LogView::new();
    view.set_filter("shown".parse().unwrap());
    let forward = SeekDirection::Forward;
    assert_eq!(
        view.next_error(&store, LineId(2), forward, PLENTY),
        found(7, false)
    );
    assert_eq!(
        view.next_error(&store, LineId(7), forward, PLENTY),
        found(2, true)
    );
    let backward = SeekDirection::Backward;
    assert_eq!(
        view.next_error(&store, LineId(7), backward, PLENTY),
        found(2, false)
    );
    view.set_filter("shown !ERROR".parse().unwrap());
    assert_eq!(
        view.next_error(&store, LineId(0), forward, PLENTY),
        Seek::Nowhere
    );
}

#[test]
fn lines_that_were_let_go_leave_the_view_and_the_count() {
    let mut store = LogStore::new(64 * 1024);
    let mut view = LogView::new();
    view.set_filter("keep".parse().unwrap());
    view.set_search(Some(Pattern::lenient("keep")));
    for n in 0..20_000 {
        push(
            &mut store,
            if n % 2 == 0 {
                "keep this one"
            } else {
                "drop this one"
            },
        );
        if n % 500 == 0 {
            view.work(&store, PLENTY);
        }
    }
    assert!(view.work(&store, PLENTY).complete && store.evicted() > 0);
    let shown = store
        .range(store.first_id()..store.next_id())
        .filter(|l| l.id.0 % 2 == 0);
    assert_eq!(view.len(&store), shown.count());
    assert_eq!(
        view.search_status(&store, None).unwrap().total,
        view.len(&store)
    );
    assert!(view.id_at(&store, 0).unwrap() >= store.first_id());
}

proptest! {
    /// Whatever the order of work, arrivals and evictions, the view ends as a plain filter
    /// over what is held would have it.
    #[test]
    fn stepwise_work_gives_what_one_pass_gives(
        steps in prop::collection::vec((0u8..4, 1usize..60), 1..60)
    ) {
        let mut store = LogStore::new(40 * 1024);
        let mut view = LogView::new();
        view.set_filter("a".parse().unwrap());
        view.set_search(Some(Pattern::lenient("b")));
        let mut n = 0usize;
        for (kind, amount) in steps {
            match kind {
                0 | 1 => for _ in 0..amount * 5 {
                    push(&mut store, ["a", "b", "ab", "none"][n * 7 % 4]);
                    n += 1;
                },
                2 => { view.work(&store, WorkBudget::lines(amount)); }
                _ => { view.next_match(&store, store.first_id(), SeekDirection::Forward, WorkBudget::lines(amount)); }
            }
        }
        prop_assert!(view.work(&store, PLENTY).complete);
        let held: Vec<_> = store.range(LineId(0)..store.next_id()).collect();
        let expected: Vec<_> = held.iter().filter(|l| l.text.contains('a')).map(|l| l.id).collect();
        let shown: Vec<_> = view.lines(&store, 0).map(|line| line.id).collect();
        prop_assert_eq!(&shown, &expected);
        let matches = held.iter().filter(|line| line.text == "ab").count();
        prop_assert_eq!(view.search_status(&store, None).unwrap().total, matches);
    }
}
