//! What the program says at the foot of the screen, and what it said before.

use crate::tui::effect::Level;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// So many are kept for the list.
const KEPT: usize = 200;

/// An ordinary notice is shown so long; a failure stays until Esc.
const SHOWN: SignedDuration = SignedDuration::from_secs(8);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// The text.
    pub text: String,
    /// When it was said last.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
}

/// All of them, newest first.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    all: VecDeque<Notice>,
    dismissed_at: Option<Timestamp>,
}

impl Notices {
    /// Says something. The same text again only counts up.
    pub fn say(&mut self, level: Level, text: String, now: Timestamp) {
        self.dismissed_at = None;
        if let Some(last) = self
            .all
            .front_mut()
            .filter(|last| last.text == text && last.level == level)
        {
            last.times += 1;
            last.at = now;
            return;
        }
        self.all.push_front(Notice {
            level,
            text,
            at: now,
            times: 1,
        });
        self.all.truncate(KEPT);
    }

    /// The one to show now.
    pub fn current(&self, now: Timestamp) -> Option<&Notice> {
        let newest = self.all.front()?;
        let stays = newest.level == Level::Bad || now.duration_since(newest.at) < SHOWN;
        (stays && self.dismissed_at.is_none()).then_some(newest)
    }

    /// Takes the shown one away. Answers false when none is shown: then Esc means something else.
    pub fn dismiss(&mut self, now: Timestamp) -> bool {
        let shown = self
            .current(now)
            .is_some_and(|notice| notice.level == Level::Bad);
        self.dismissed_at = Some(now);
        shown
    }

    /// All, newest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Notice> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures::{ago, now};

    #[test]
    fn a_failure_stays_until_it_is_dismissed_and_other_notices_leave_by_themselves() {
        let mut notices = Notices::default();
        notices.say(Level::Info, "copied".into(), ago(60));
        assert_eq!(notices.current(now()), None);
        notices.say(Level::Bad, "refused".into(), ago(60));
        assert!(notices.current(now()).is_some());
        assert!(notices.dismiss(now()));
        assert_eq!(notices.current(now()), None);
        assert_eq!(notices.iter().len(), 2);
    }

    #[test]
    fn the_same_text_again_is_counted_not_repeated() {
        let mut notices = Notices::default();
        for _ in 0..3 {
            notices.say(Level::Warn, "throttled".into(), now());
        }
        assert_eq!(
            notices
                .iter()
                .map(|notice| notice.times)
                .collect::<Vec<_>>(),
            [3]
        );
    }
}
