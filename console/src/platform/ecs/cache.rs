//! A small map of things that seldom or never change.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// More than any service has of anything that is cached here.
const ENTRIES_MAX: usize = 4_096;

/// Values by key, each for as long as `keep` says.
pub struct Cache<K, V> {
    keep: Option<Duration>,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// For what never changes.
    pub fn for_ever() -> Self {
        Self {
            keep: None,
            entries: Mutex::default(),
        }
    }

    /// For what may change.
    pub fn for_a_while(keep: Duration) -> Self {
        Self {
            keep: Some(keep),
            entries: Mutex::default(),
        }
    }

    /// The value, if it is there and fresh.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = entries.get(key)?;
        self.keep
            .is_none_or(|keep| since.elapsed() < keep)
            .then(|| value.clone())
    }

    /// Puts a value; a full cache starts afresh, since everything in it can be asked again.
    pub fn put(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key, (Instant::now(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_no_time_is_gone_at_once_and_what_is_kept_for_ever_stays() {
        let short = Cache::for_a_while(Duration::ZERO);
        short.put("a", 1);
        assert_eq!(short.get("a"), None);
        let long = Cache::for_ever();
        long.put("a", 1);
        assert_eq!(long.get("a"), Some(1));
    }
}
