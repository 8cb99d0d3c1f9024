//! An answer that seldom changes, asked for once in a while.

use crate::platform::PlatformError;
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

/// Holds the newest answer. While it cannot be had again the one before stays.
#[derive(Debug)]
pub struct Memo<T> {
    keep: Duration,
    held: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone + Default> Memo<T> {
    /// Nothing is held yet; an answer is taken for so long.
    pub fn new(keep: Duration) -> Self {
        Self {
            keep,
            held: Mutex::new(None),
        }
    }

    /// The answer held, or the one to `ask` for.
    pub async fn get(&self, ask: impl Future<Output = Result<T, PlatformError>>) -> T {
        let mut held = self.held.lock().await;
        if let Some((at, answer)) = &*held
            && at.elapsed() < self.keep
        {
            return answer.clone();
        }
        let answer = match ask.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "the answer before stays");
                held.take().map(|(_, answer)| answer).unwrap_or_default()
            }
        };
        *held = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble() -> Result<Option<u32>, PlatformError> {
        Err(PlatformError::Unreachable {
            endpoint: "x".to_owned(),
            cause: "y".to_owned(),
        })
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time() {
        let memo: Memo<Option<u32>> = Memo::new(Duration::from_secs(3_600));
        assert_eq!(memo.get(async { Ok(Some(1)) }).await, Some(1));
        assert_eq!(memo.get(async { Ok(Some(2)) }).await, Some(1));
    }

    #[tokio::test]
    async fn after_its_time_it_is_asked_for_again_and_stays_through_trouble() {
        let memo: Memo<Option<u32>> = Memo::new(Duration::ZERO);
        assert_eq!(memo.get(async { Ok(Some(1)) }).await, Some(1));
        assert_eq!(memo.get(async { trouble() }).await, Some(1));
        assert_eq!(memo.get(async { Ok(None) }).await, None);
        assert_eq!(memo.get(async { trouble() }).await, None);
    }
}
