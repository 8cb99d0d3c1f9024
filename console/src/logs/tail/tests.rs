//! Tails over a source that is late and fails.

use super::{
    super::{LogStore, fake::FakeLogPages},
    *,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits in milliseconds instead of seconds.
const QUICK: Pace = Pace {
    gap_after_ms: 20,
    login: Duration::from_millis(15),
    refused: Duration::from_millis(15),
    back_off: (Duration::from_millis(1), Duration::from_millis(15)),
};

fn tail(pages: &Arc<FakeLogPages>, options: TailOptions) -> TailHandle {
    let budget = Arc::new(Budget::new(1_000.0, 1_000.0));
    let poll_every = Duration::from_millis(5);
    Tail::poll_at(
        QUICK,
        pages.clone(),
        TailOptions {
            poll_every,
            ..options
        },
        budget,
    )
}

async fn next_lines(handle: &mut TailHandle, count: usize) -> Vec<TailLine> {
    let mut lines = Vec::new();
    while lines.len() < count {
        match timeout(PATIENCE, handle.events.recv()).await.unwrap() {
            Some(TailEvent::Lines(batch)) => lines.extend(batch),
            Some(_) => {}
            None => panic!("the tail ended after {} lines", lines.len()),
        }
    }
    lines
}

#[tokio::test]
async fn lines_of_several_streams_arrive_in_order_and_go_on_arriving() {
    let pages = Arc::new(FakeLogPages::new(3));
    let start_ms = now_ms() - 60_000;
    for n in 0..10 {
        pages.add(["a", "b"][n % 2], start_ms + n as i64, 0, &n.to_string());
    }
    let mut handle = tail(&pages, TailOptions::from(TailStart::At(start_ms)));
    let texts: Vec<_> = next_lines(&mut handle, 10)
        .await
        .into_iter()
        .map(|l| l.text)
        .collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    pages.add("b", now_ms(), 0, "live");
    assert_eq!(next_lines(&mut handle, 1).await[0].text, "live");
    handle
        .state
        .wait_for(|state| state.lines == 11)
        .await
        .unwrap();
    assert_eq!(handle.state.borrow().phase, TailPhase::Following);
}

#[tokio::test]
async fn expired_credentials_and_throttling_are_shown_and_do_not_end_the_tail() {
    let pages = Arc::new(FakeLogPages::new(3));
    pages.add("a", now_ms(), 0, "after all");
    pages.fail_next([FakeLogPages::throttled(), FakeLogPages::expired()]);
    let mut handle = tail(&pages, TailOptions::from(TailStart::At(now_ms() - 60_000)));
    let is_expired = |state: &TailState| {
        matches!(
            &state.phase,
            TailPhase::Trouble {
                error: PlatformError::Credentials { .. },
                ..
            }
        )
    };
    timeout(PATIENCE, handle.state.wait_for(is_expired))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(handle.state.borrow().throttled, 1);
    assert_eq!(next_lines(&mut handle, 1).await[0].text, "after all");
    assert_eq!(pages.faults_left(), 0);
}

#[tokio::test]
async fn a_gap_is_opened_and_filled_in_order() {
    let pages = Arc::new(FakeLogPages::new(3));
    let start_ms = now_ms() - 60_000;
    pages.add("a", start_ms, 0, "before");
    let mut handle = tail(&pages, TailOptions::from(TailStart::At(start_ms)));
    let mut store = LogStore::new(1 << 20);
    store.apply(TailEvent::Lines(next_lines(&mut handle, 1).await));
    // Failures for 60 ms and more, where 20 are a gap.
    pages.fail_next(std::iter::repeat_with(FakeLogPages::expired).take(5));
    timeout(PATIENCE, async {
        while pages.faults_left() == 5 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    pages.add("a", now_ms(), 0, "during");
    while store.gaps().first().is_none_or(|gap| !gap.filled) {
        store.apply(
            timeout(PATIENCE, handle.events.recv())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let texts: Vec<_> = store
        .range(store.first_id()..store.next_id())
        .map(|l| l.text)
        .collect();
    assert_eq!(texts, ["before", "during"]);
    assert_eq!(store.gaps()[0].after, Some(store.first_id()));
}

#[tokio::test]
async fn a_past_window_ends_by_itself_and_says_so() {
    let pages = Arc::new(FakeLogPages::new(3));
    let start_ms = now_ms() - 3_600_000;
    for n in 0..5 {
        pages.add("a", start_ms + n * 1_000, 0, &n.to_string());
    }
    let end_ms = Some(start_ms + 3_000);
    let options = TailOptions {
        end_ms,
        ..TailOptions::from(TailStart::At(start_ms))
    };
    let mut handle = tail(&pages, options);
    assert_eq!(next_lines(&mut handle, 3).await.len(), 3);
    assert_eq!(timeout(PATIENCE, handle.events.recv()).await.unwrap(), None);
    assert_eq!(handle.state.borrow().phase, TailPhase::Ended);
}

#[tokio::test]
async fn dropping_the_handle_ends_the_task() {
    let pages = Arc::new(FakeLogPages::new(3));
    let handle = tail(&pages, TailOptions::from(TailStart::At(0)));
    drop(handle);
    timeout(PATIENCE, async {
        while Arc::strong_count(&pages) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}
