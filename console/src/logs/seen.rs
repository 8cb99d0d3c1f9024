//! Which events were taken already, bounded by time and by number.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, RandomState},
};

/// Ids remembered at most: two minutes at the most that polling can deliver (2 pages a second of
/// up to 10,000 events), some 70 MB. Beyond it the oldest minutes are forgotten and never read
/// again, so that nothing comes twice.
const IDS_MAX: usize = 2_000_000;
const MINUTE_MS: i64 = 60_000;

/// The ids of events taken, by the minute of their timestamp. An id is kept as 128 bits of keyed
/// hash: that two of a day's events collide is less likely than a broken disk.
#[derive(Debug)]
pub(super) struct SeenIds {
    minutes: BTreeMap<i64, HashSet<u128>>,
    count: usize,
    count_max: usize,
    floor_ms: i64,
    keys: (RandomState, RandomState),
}

impl SeenIds {
    pub(super) fn new() -> Self {
        Self::holding(IDS_MAX)
    }

    pub(super) fn holding(count_max: usize) -> Self {
        Self {
            minutes: BTreeMap::new(),
            count: 0,
            count_max,
            floor_ms: i64::MIN,
            keys: (RandomState::new(), RandomState::new()),
        }
    }

    /// Events before that time are forgotten: they must not be read again.
    pub(super) fn floor_ms(&self) -> i64 {
        self.floor_ms
    }

    /// True the first time an id comes. Below the floor nobody knows: `None`.
    pub(super) fn insert(&mut self, id: &str, at_ms: i64) -> Option<bool> {
        if at_ms < self.floor_ms {
            return None;
        }
        let high = u128::from(self.keys.0.hash_one(id)) << 64;
        let hash = high | u128::from(self.keys.1.hash_one(id));
        let is_new = self
            .minutes
            .entry(at_ms.div_euclid(MINUTE_MS))
            .or_default()
            .insert(hash);
        self.count += usize::from(is_new);
        while self.count > self.count_max && self.minutes.len() > 1 {
            self.drop_oldest();
        }
        Some(is_new)
    }

    /// Forgets whole minutes before that time.
    pub(super) fn forget_before(&mut self, at_ms: i64) {
        while let Some((minute, _)) = self.minutes.first_key_value() {
            if (minute + 1) * MINUTE_MS > at_ms {
                break;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((minute, ids)) = self.minutes.pop_first() {
            self.count -= ids.len();
            self.floor_ms = self.floor_ms.max((minute + 1) * MINUTE_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_until_its_minute_is_forgotten() {
        let mut seen = SeenIds::new();
        assert_eq!(seen.insert("a", 10), Some(true));
        assert_eq!(seen.insert("a", 10), Some(false));
        seen.forget_before(59_999);
        assert_eq!(seen.insert("a", 10), Some(false));
        seen.forget_before(60_000);
        assert_eq!(seen.floor_ms(), 60_000);
        assert_eq!(seen.insert("a", 10), None);
    }

    #[test]
    fn too_many_ids_raise_the_floor_instead_of_the_memory() {
        let mut seen = SeenIds::holding(100);
        for n in 0..1_000i64 {
            assert_eq!(seen.insert(&n.to_string(), n * 6_000), Some(true));
            assert!(seen.count <= 100);
        }
        assert!(seen.floor_ms() > 5_000_000);
    }
}
