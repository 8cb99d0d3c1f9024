//! What the ring holds, cuts, lets go and finds again.

use super::*;

fn line(at_ms: i64, text: &str) -> TailLine {
    TailLine {
        stream: "api/7be1".into(),
        at_ms,
        text: text.to_owned(),
        late: false,
    }
}

#[test]
fn a_line_comes_back_as_it_went_in() {
    let mut store = LogStore::new(1 << 20);
    let id = store.push(&TailLine {
        late: true,
        ..line(5, "ERROR boom\r\n")
    });
    let held = store.get(id).unwrap();
    assert_eq!(
        (held.at_ms, held.text, held.stream),
        (5, "ERROR boom", "api/7be1")
    );
    assert_eq!(
        (held.level, held.late, held.truncated_from),
        (Level::Error, true, None)
    );
    assert!(store.get(LineId(1)).is_none());
}

#[test]
fn a_line_of_ten_megabytes_is_held_cut_with_its_true_size() {
    let mut store = LogStore::new(4 << 20);
    let before = store.push(&line(1, "before"));
    let huge = store.push(&line(2, &"é".repeat(5 << 20)));
    let after = store.push(&line(3, "after"));
    let held = store.get(huge).unwrap();
    assert_eq!(held.truncated_from, Some(10 << 20));
    assert!(held.text.len() <= LINE_BYTES_MAX && held.text.len() > LINE_BYTES_MAX - 4);
    assert_eq!(store.get(before).unwrap().text, "before");
    assert_eq!(store.get(after).unwrap().text, "after");
}

#[test]
fn the_oldest_lines_go_when_the_budget_is_full_and_are_counted() {
    let budget = 256 * 1024;
    let mut store = LogStore::new(budget);
    for n in 0..50_000 {
        let id = store.push(&line(n, &format!("line number {n} of a busy service")));
        assert_eq!(id, LineId(n as u64));
        assert!(store.bytes() <= budget, "{} bytes", store.bytes());
    }
    assert_eq!(store.evicted(), store.first_id().0);
    assert_eq!(store.len() as u64 + store.evicted(), 50_000);
    assert!(store.bytes() > budget / 2, "{} bytes", store.bytes());
    assert!(store.get(LineId(0)).is_none());
    let oldest = store.get(store.first_id()).unwrap();
    assert_eq!(
        oldest.text,
        format!("line number {} of a busy service", store.first_id().0)
    );
    assert_eq!(
        store.range(LineId(0)..LineId(u64::MAX)).count(),
        store.len()
    );
}

#[test]
fn a_clone_stands_still_while_the_original_goes_on() {
    let mut store = LogStore::new(64 * 1024);
    store.push(&line(1, "seen when paused"));
    let paused = store.clone();
    for n in 0..10_000 {
        store.push(&line(n, "a flood of lines that pushes everything else out"));
    }
    assert!(store.get(LineId(0)).is_none());
    assert_eq!(paused.get(LineId(0)).unwrap().text, "seen when paused");
    assert_eq!(paused.len(), 1);
}

#[test]
fn at_most_32_bytes_a_line_are_held_over_its_text() {
    let mut store = LogStore::new(64 << 20);
    for n in 0..200_000 {
        store.push(&line(
            n,
            "GET /items 200 1 ms request_id=01J0000000000000000000000",
        ));
    }
    let overhead = (store.bytes() - store.text_bytes()) as f64 / store.len() as f64;
    assert!(overhead <= 32.0, "{overhead:.1} bytes a line");
}

#[test]
fn errors_are_found_in_both_directions_over_chunks() {
    let mut store = LogStore::new(1 << 20);
    for n in 0..60_000u64 {
        store.push(&line(0, if n % 20_000 == 7 { "ERROR" } else { "ok" }));
    }
    assert_eq!(store.error_from(LineId(0)), Some(LineId(7)));
    assert_eq!(store.error_from(LineId(8)), Some(LineId(20_007)));
    assert_eq!(store.error_from(LineId(40_008)), None);
    assert_eq!(store.error_before(LineId(60_000)), Some(LineId(40_007)));
    assert_eq!(store.error_before(LineId(40_007)), Some(LineId(20_007)));
    assert_eq!(store.error_before(LineId(7)), None);
}

#[test]
fn the_histogram_counts_errors_a_minute_with_holes() {
    let mut store = LogStore::new(1 << 20);
    store.push(&line(60_000, "ERROR a"));
    store.push(&line(61_000, "fine"));
    store.push(&line(185_000, "ERROR b"));
    let counts = store.histogram(3);
    let of = |at: usize| (counts[at].start_ms, counts[at].lines, counts[at].errors);
    assert_eq!(
        (of(0), of(1), of(2)),
        ((60_000, 2, 1), (120_000, 0, 0), (180_000, 1, 1))
    );
    assert_eq!(store.first_at_or_after(100_000), Some(LineId(2)));
    assert_eq!(store.first_at_or_after(200_000), None);
}

#[test]
fn a_gap_is_remembered_with_its_place_and_marked_when_filled() {
    let mut store = LogStore::new(1 << 20);
    store.push(&line(10, "last before the outage"));
    store.apply(TailEvent::GapOpened { from_ms: 10 });
    assert_eq!(store.gaps()[0].to_ms, None);
    store.apply(TailEvent::GapEnded { to_ms: 99 });
    store.apply(TailEvent::GapFilled);
    let gap = Gap {
        after: Some(LineId(0)),
        from_ms: 10,
        to_ms: Some(99),
        filled: true,
    };
    assert_eq!(store.gaps(), [gap]);
}

#[test]
fn a_cleared_store_goes_on_counting() {
    let mut store = LogStore::new(1 << 20);
    store.push(&line(1, "old"));
    store.clear();
    assert!(store.is_empty() && store.get(LineId(0)).is_none());
    assert_eq!(store.push(&line(2, "new")), LineId(1));
}
