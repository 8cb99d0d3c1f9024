//! Search in what is older than the lines held: asked of the platform, stretch by stretch back.

use super::{
    budget::{Budget, back_off},
    filter::{Pattern, PatternKind},
    sanitize::clean,
};
use crate::{
    model::RawLogEvent,
    platform::{LogAccess, LogPages, PageRequest, PlatformError},
};
use std::{sync::Arc, time::Duration};

/// How far back the stretches reach, nearest first, in milliseconds. Each is read whole before
/// the next is begun, because pages come oldest first.
const STRETCHES_MS: [i64; 6] = [
    15 * 60_000,
    60 * 60_000,
    6 * 60 * 60_000,
    24 * 60 * 60_000,
    3 * 24 * 60 * 60_000,
    14 * 24 * 60 * 60_000,
];
/// Transient failures one after the other until the search gives up.
const TRIES_MAX: u32 = 8;

/// What to look for.
#[derive(Clone, Debug)]
pub struct HistorySearch {
    /// In which texts.
    pub pattern: Pattern,
    /// Only these streams (at most 100); all when empty.
    pub streams: Vec<String>,
    /// Exclusive, in milliseconds since the epoch.
    pub before_ms: i64,
    /// Inclusive, in milliseconds since the epoch: not further back than this.
    pub back_to_ms: i64,
}

/// How far a search has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryProgress {
    /// The stretch that is read begins there, in milliseconds since the epoch.
    pub from_ms: i64,
    /// Pages read.
    pub pages: u64,
    /// Lines that the platform sent.
    pub lines: u64,
    /// Whether the platform does the matching; else every line is fetched and matched here.
    pub is_matched_by_server: bool,
    /// Trouble that is waited out.
    pub trouble: Option<PlatformError>,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryFound {
    /// The newest match before the time asked for.
    At {
        /// When it happened, in milliseconds since the epoch.
        at_ms: i64,
        /// Matches in the stretch that was read.
        matches: u64,
    },
    /// None back to that time, in milliseconds since the epoch.
    NothingSince(i64),
}

/// Looks for the newest match before `before_ms`. It takes its calls from the budget that all
/// readers of the account and region share; dropping the future ends it. `progress` is told after
/// every page.
pub async fn search_history(
    access: LogAccess,
    search: &HistorySearch,
    progress: impl FnMut(&HistoryProgress),
) -> Result<HistoryFound, PlatformError> {
    let pages = access.pages().clone();
    let budget = Budget::shared(&pages.budget_key());
    search_with_budget(pages, budget, search, progress).await
}

/// As [`search_history`], with a budget of calls of one's own.
pub async fn search_with_budget(
    pages: Arc<dyn LogPages>,
    budget: Arc<Budget>,
    search: &HistorySearch,
    mut progress: impl FnMut(&HistoryProgress),
) -> Result<HistoryFound, PlatformError> {
    let filter = server_pattern(&search.pattern);
    let mut so_far = HistoryProgress {
        from_ms: search.before_ms,
        pages: 0,
        lines: 0,
        is_matched_by_server: filter.is_some(),
        trouble: None,
    };
    for stretch_ms in STRETCHES_MS.into_iter().chain([i64::MAX]) {
        let end_ms = so_far.from_ms;
        so_far.from_ms = search
            .before_ms
            .saturating_sub(stretch_ms)
            .max(search.back_to_ms);
        if so_far.from_ms >= end_ms {
            break;
        }
        let mut request = PageRequest {
            start_ms: so_far.from_ms,
            end_ms: Some(end_ms),
            filter: filter.clone(),
            streams: search.streams.clone(),
            ..PageRequest::default()
        };
        let (mut newest_ms, mut matches) = (None, 0);
        loop {
            progress(&so_far);
            let page = page(&*pages, &budget, &request, &mut so_far, &mut progress).await?;
            so_far.pages += 1;
            so_far.lines += page.events.len() as u64;
            for event in page
                .events
                .iter()
                .filter(|event| is_match(&search.pattern, event))
            {
                newest_ms = newest_ms.max(Some(event.timestamp_ms));
                matches += 1;
            }
            match page.token {
                Some(token) => request.token = Some(token),
                None => break,
            }
        }
        progress(&so_far);
        if let Some(at_ms) = newest_ms {
            return Ok(HistoryFound::At { at_ms, matches });
        }
    }
    Ok(HistoryFound::NothingSince(
        search.back_to_ms.min(search.before_ms),
    ))
}

/// The text is matched as it would be shown.
fn is_match(pattern: &Pattern, event: &RawLogEvent) -> bool {
    pattern.is_match(&clean(&event.message))
}

async fn page(
    pages: &dyn LogPages,
    budget: &Budget,
    request: &PageRequest,
    so_far: &mut HistoryProgress,
    progress: &mut impl FnMut(&HistoryProgress),
) -> Result<crate::platform::Page, PlatformError> {
    let mut tries = 0;
    loop {
        budget.take().await;
        match pages.page(request).await {
            Ok(page) => {
                so_far.trouble = None;
                return Ok(page);
            }
            Err(error) if error.is_transient() && tries < TRIES_MAX => {
                tries += 1;
                let mut pause =
                    back_off(tries, Duration::from_millis(250), Duration::from_secs(10));
                if let PlatformError::Throttled { retry_after, .. } = &error {
                    pause = pause.max(*retry_after);
                    budget.close_for(pause);
                }
                so_far.trouble = Some(error);
                progress(so_far);
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The CloudWatch filter pattern that finds exactly what the search finds, where there is one: a
/// quoted term is plain text and minds the case. Everything else is fetched and matched here.
/// (AWS: CloudWatch Logs, "Filter pattern syntax".)
pub fn server_pattern(pattern: &Pattern) -> Option<String> {
    let text = pattern.text();
    let is_plain = pattern.kind() == PatternKind::Literal || regex::escape(text) == text;
    let minds_case = pattern.counts_case() || !text.chars().any(char::is_alphabetic);
    let is_quotable = !text.trim().is_empty() && !text.contains(['"', '\\', '\n']);
    (is_plain && minds_case && is_quotable).then(|| format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::{super::fake::FakeLogPages, *};

    const NOON_MS: i64 = 1_750_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn look(
        pages: &Arc<FakeLogPages>,
        pattern: &str,
    ) -> (Result<HistoryFound, PlatformError>, Vec<HistoryProgress>) {
        let search = HistorySearch {
            pattern: Pattern::lenient(pattern),
            streams: Vec::new(),
            before_ms: NOON_MS,
            back_to_ms: NOON_MS - 48 * HOUR_MS,
        };
        let budget = Arc::new(Budget::new(1_000.0, 1_000.0));
        let mut seen = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let result = runtime.block_on(search_with_budget(
            pages.clone(),
            budget,
            &search,
            |progress| seen.push(progress.clone()),
        ));
        (result, seen)
    }

    fn old_logs() -> Arc<FakeLogPages> {
        let pages = FakeLogPages::new(3).with_empty_pages(4);
        for hour in 1..40 {
            let text = match hour {
                5 | 7 => "Upstream Timeout",
                _ => "GET /items",
            };
            pages.add("a", NOON_MS - hour * HOUR_MS, 0, text);
        }
        pages.add("a", NOON_MS + 1, 0, "a timeout that is held already");
        Arc::new(pages)
    }

    #[test]
    fn the_newest_older_match_is_found_and_progress_is_told() {
        let pages = old_logs();
        let (found, seen) = look(&pages, "timeout");
        assert_eq!(
            found,
            Ok(HistoryFound::At {
                at_ms: NOON_MS - 5 * HOUR_MS,
                matches: 1
            })
        );
        assert!(seen.iter().all(|progress| !progress.is_matched_by_server));
        assert!(seen.is_sorted_by_key(|progress| progress.pages));
        assert_eq!(seen.last().unwrap().from_ms, NOON_MS - 6 * HOUR_MS);
    }

    #[test]
    fn plain_text_with_a_capital_is_matched_by_the_server() {
        let pages = old_logs();
        let (found, seen) = look(&pages, "Timeout");
        assert_eq!(
            found,
            Ok(HistoryFound::At {
                at_ms: NOON_MS - 5 * HOUR_MS,
                matches: 1
            })
        );
        assert!(seen.iter().all(|progress| progress.is_matched_by_server));
        assert_eq!(seen.last().unwrap().lines, 1);
        assert!(
            pages
                .requests()
                .iter()
                .all(|r| r.filter.as_deref() == Some("\"Timeout\""))
        );
    }

    #[test]
    fn nothing_is_said_with_how_far_back_it_was_looked_for() {
        let (found, _) = look(&old_logs(), "absent");
        assert_eq!(
            found,
            Ok(HistoryFound::NothingSince(NOON_MS - 48 * HOUR_MS))
        );
    }

    #[test]
    fn throttling_is_waited_out_and_expired_credentials_are_not() {
        let pages = old_logs();
        pages.fail_next([FakeLogPages::throttled()]);
        let (found, seen) = look(&pages, "Timeout");
        assert!(matches!(found, Ok(HistoryFound::At { .. })));
        assert!(seen.iter().any(|progress| progress.trouble.is_some()));
        pages.fail_next([FakeLogPages::expired()]);
        assert!(matches!(
            look(&pages, "Timeout").0,
            Err(PlatformError::Credentials { .. })
        ));
    }

    #[test]
    fn only_what_the_server_matches_alike_is_left_to_it() {
        let of = |text| server_pattern(&Pattern::lenient(text));
        assert_eq!(of("GET /items"), Some("\"GET /items\"".to_owned()));
        assert_eq!(of("503"), Some("\"503\"".to_owned()));
        assert_eq!((of("timeout"), of("Time.ut"), of(" ")), (None, None, None));
        assert_eq!(server_pattern(&Pattern::literal("Say \"hi\"")), None);
        assert_eq!(
            server_pattern(&Pattern::literal("f(X)")),
            Some("\"f(X)\"".to_owned())
        );
    }
}
