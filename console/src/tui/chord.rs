//! A key with its modifiers: how bindings are written, read and compared.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::{fmt, str::FromStr};

/// One key press as bindings name it: `j`, `G`, `ctrl-f`, `space`, `f5`.
///
/// A letter's case carries shift, as terminals report it: `G` is shift and g.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
}

impl Chord {
    /// A printable key.
    pub const fn char(character: char) -> Self {
        Self::key(KeyCode::Char(character))
    }

    /// A printable key with control held.
    pub const fn ctrl(character: char) -> Self {
        Self {
            code: KeyCode::Char(character),
            ctrl: true,
            alt: false,
        }
    }

    /// Any key without modifiers.
    pub const fn key(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
        }
    }

    /// Which key.
    pub const fn code(self) -> KeyCode {
        self.code
    }

    /// True when control is held: the chord never types a character.
    pub const fn has_ctrl(self) -> bool {
        self.ctrl
    }
}

impl From<KeyEvent> for Chord {
    fn from(event: KeyEvent) -> Self {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        let code = match event.code {
            // Control ignores case in every terminal; some report Ctrl-F as `F` with shift.
            KeyCode::Char(character) if ctrl => KeyCode::Char(character.to_ascii_lowercase()),
            KeyCode::Char(character) if event.modifiers.contains(KeyModifiers::SHIFT) => {
                KeyCode::Char(character.to_ascii_uppercase())
            }
            other => other,
        };
        Self { code, ctrl, alt }
    }
}

/// A chord that nobody can press.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a key. Write it like \"r\", \"G\", \"ctrl-r\", \"alt-x\", \"space\", \"enter\" or \"f5\""
)]
pub struct NotAChord(String);

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
];

impl FromStr for Chord {
    type Err = NotAChord;

    fn from_str(text: &str) -> Result<Self, NotAChord> {
        let refuse = || NotAChord(text.to_owned());
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                (rest, ctrl) = (after, true);
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(character), None) if ctrl => KeyCode::Char(character.to_ascii_lowercase()),
            (Some(character), None) => KeyCode::Char(character),
            _ => NAMED
                .iter()
                .find(|(name, _)| *name == rest)
                .map(|(_, code)| *code)
                .or_else(|| {
                    let number = rest.strip_prefix('f')?.parse().ok()?;
                    (1..=12).contains(&number).then_some(KeyCode::F(number))
                })
                .ok_or_else(refuse)?,
        };
        Ok(Self { code, ctrl, alt })
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.ctrl {
            text.push_str("ctrl-");
        }
        if self.alt {
            text.push_str("alt-");
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => text.push_str(name),
            (None, KeyCode::Char(character)) => text.push(character),
            (None, KeyCode::F(number)) => text.push_str(&format!("f{number}")),
            (None, other) => text.push_str(&other.to_string()),
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chord_reads_back_as_it_is_written() {
        for text in [
            "j",
            "G",
            "ctrl-f",
            "alt-x",
            "space",
            "enter",
            "f5",
            "shift-tab",
            "$",
            "-",
        ] {
            let chord: Chord = text.parse().expect(text);
            assert_eq!(chord.to_string(), text);
        }
    }

    #[test]
    fn a_key_that_does_not_exist_is_refused_with_examples() {
        let error = "hyper-k".parse::<Chord>().unwrap_err();
        assert!(error.to_string().contains("\"ctrl-r\""), "{error}");
        assert!("f13".parse::<Chord>().is_err());
        assert!("".parse::<Chord>().is_err());
    }

    #[test]
    fn shift_is_carried_by_the_case_of_the_letter() {
        let pressed = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT);
        assert_eq!(Chord::from(pressed), Chord::char('G'));
        let pressed = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Chord::from(pressed), Chord::char('G'));
    }
}
