//! The `/` filter of tables: a regular expression, or `!` and one.

use super::Handled;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use regex::{Regex, RegexBuilder};
use tui_input::{Input, backend::crossterm::EventHandler};

/// What is typed, whether it is being typed, and what it means.
#[derive(Clone, Debug, Default)]
pub struct TableFilter {
    input: Input,
    editing: bool,
    inverse: bool,
    regex: Option<Regex>,
    error: Option<String>,
}

impl TableFilter {
    /// Begins to type; what was typed before is kept, to be changed.
    pub fn edit(&mut self) {
        self.editing = true;
    }

    /// Sets the whole text.
    pub fn set(&mut self, text: &str) {
        self.input = Input::new(text.to_owned());
        self.compile();
    }

    /// Forgets the text. Answers false when there was none: then Esc means something else.
    pub fn clear(&mut self) -> bool {
        let was = self.editing || !self.input.value().is_empty();
        *self = Self::default();
        was
    }

    /// True while keys go into the text.
    pub fn is_editing(&self) -> bool {
        self.editing
    }

    /// The text and the place of the cursor in it, in characters; `None` when there is nothing.
    pub fn shown(&self) -> Option<(&str, Option<usize>)> {
        let text = self.input.value();
        let cursor = self.editing.then(|| self.input.visual_cursor());
        (self.editing || !text.is_empty()).then_some((text, cursor))
    }

    /// Why the expression is not understood.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Takes a key while the text is being typed.
    pub fn key(&mut self, key: KeyEvent) -> Handled {
        if !self.editing
            || (key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c'))
        {
            return Handled::Ignored;
        }
        match key.code {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.clear();
            }
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.compile();
            }
        }
        Handled::done()
    }

    /// Takes pasted text while the text is being typed.
    pub fn paste(&mut self, text: &str) -> Handled {
        if !self.editing {
            return Handled::Ignored;
        }
        for character in text.chars().filter(|c| !c.is_control()) {
            self.input
                .handle(tui_input::InputRequest::InsertChar(character));
        }
        self.compile();
        Handled::done()
    }

    /// Whether a row with these cells is shown.
    pub fn admits<'a>(&self, cells: impl IntoIterator<Item = &'a str>) -> bool {
        let Some(regex) = &self.regex else {
            return true;
        };
        cells.into_iter().any(|cell| regex.is_match(cell)) != self.inverse
    }

    fn compile(&mut self) {
        let text = self.input.value();
        let (inverse, pattern) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        self.inverse = inverse;
        self.error = None;
        if pattern.is_empty() {
            self.regex = None;
            return;
        }
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(1 << 20)
                .build()
        };
        // While an expression is being typed it is often not one yet: then it means itself.
        self.regex = build(pattern)
            .inspect_err(|error| {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                self.error = Some(last.trim_start_matches("error: ").to_owned());
            })
            .or_else(|_| build(&regex::escape(pattern)))
            .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TableFilter {
        let mut filter = TableFilter::default();
        filter.set(text);
        filter
    }

    #[test]
    fn a_filter_matches_any_cell_whatever_its_case() {
        assert!(filter("PROD").admits(["api", "prod"]));
        assert!(!filter("^od").admits(["api", "prod"]));
    }

    #[test]
    fn an_exclamation_mark_shows_the_others() {
        assert!(!filter("!prod").admits(["prod"]));
        assert!(filter("!prod").admits(["dev"]));
        assert!(filter("!").admits(["dev"]));
    }

    #[test]
    fn an_unfinished_expression_means_itself_and_says_so() {
        let filter = filter("api(");
        assert!(filter.error().is_some());
        assert!(filter.admits(["api(1)"]));
        assert!(!filter.admits(["api"]));
    }
}
