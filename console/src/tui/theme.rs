//! Colours by meaning, at the depth that the terminal has. Beside every colour stands a glyph or
//! a word, so that `NO_COLOR` loses nothing.

use crate::model::{AlarmState, Health};
use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR`, `TERM=dumb`.
    Mono,
    /// The sixteen of the terminal's own palette.
    Sixteen,
    /// The xterm palette.
    Indexed,
    /// 24 bits.
    True,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Text,
    /// Less important text: labels, units, ages.
    Dim,
    /// What the eye should find first: titles, the selected column's head.
    Strong,
    /// Fine.
    Good,
    /// Look at it.
    Warn,
    /// Wrong; also production's frame.
    Bad,
    /// Changing right now, live.
    Live,
    /// A key in the hint bar.
    Key,
    /// The row under the cursor.
    Selected,
    /// The frame of a box.
    Frame,
    /// The frame of the box that has the focus.
    FocusedFrame,
    /// A match of the search.
    Match,
    /// A button that Enter would press.
    FocusedButton,
    /// Production's name in the header.
    Production,
}

/// The styles of all roles at one depth.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    depth: Depth,
}

impl Theme {
    /// The theme at that depth.
    pub const fn new(depth: Depth) -> Self {
        Self { depth }
    }

    /// What the terminal says of itself in the environment: `NO_COLOR` (no-color.org: any
    /// non-empty value), `COLORTERM` and `TERM`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let colorterm = variable("COLORTERM").unwrap_or_default();
        Self::new(if is_set("NO_COLOR") || term == "dumb" {
            Depth::Mono
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        })
    }

    /// The depth.
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// How a role looks.
    pub fn style(&self, role: Role) -> Style {
        let style = Style::new();
        let bold = style.add_modifier(Modifier::BOLD);
        if self.depth == Depth::Mono {
            return match role {
                Role::Text | Role::Good | Role::Live | Role::Frame => style,
                Role::Dim => style.add_modifier(Modifier::DIM),
                Role::Strong | Role::Warn | Role::Key | Role::FocusedFrame => bold,
                Role::Bad => bold.add_modifier(Modifier::UNDERLINED),
                Role::Selected | Role::FocusedButton | Role::Production => {
                    bold.add_modifier(Modifier::REVERSED)
                }
                Role::Match => style.add_modifier(Modifier::REVERSED),
            };
        }
        match role {
            Role::Text => style,
            Role::Dim => style.fg(self.pick(Color::DarkGray, 245, (139, 148, 158))),
            Role::Strong => bold,
            Role::Good => style.fg(self.pick(Color::Green, 71, (63, 185, 80))),
            Role::Warn => style.fg(self.pick(Color::Yellow, 178, (210, 153, 34))),
            Role::Bad => bold.fg(self.pick(Color::Red, 203, (248, 81, 73))),
            Role::Live => style.fg(self.pick(Color::Cyan, 75, (88, 166, 255))),
            Role::Key => bold.fg(self.pick(Color::Cyan, 75, (88, 166, 255))),
            Role::Selected => match self.depth {
                // Sixteen colours have no quiet background: the terminal's own reversal has.
                Depth::Sixteen => style.add_modifier(Modifier::REVERSED),
                _ => style
                    .fg(self.pick(Color::White, 255, (240, 246, 252)))
                    .bg(self.pick(Color::DarkGray, 238, (48, 54, 61)))
                    .add_modifier(Modifier::BOLD),
            },
            Role::Frame => style.fg(self.pick(Color::DarkGray, 240, (72, 79, 88))),
            Role::FocusedFrame => style.fg(self.pick(Color::Gray, 250, (177, 186, 196))),
            Role::Match => style
                .fg(Color::Black)
                .bg(self.pick(Color::Yellow, 178, (210, 153, 34))),
            Role::FocusedButton => {
                bold.fg(Color::Black)
                    .bg(self.pick(Color::Cyan, 75, (88, 166, 255)))
            }
            Role::Production => bold
                .fg(self.pick(Color::White, 231, (255, 255, 255)))
                .bg(self.pick(Color::Red, 160, (182, 35, 36))),
        }
    }

    fn pick(&self, sixteen: Color, indexed: u8, (r, g, b): (u8, u8, u8)) -> Color {
        match self.depth {
            Depth::Mono => Color::Reset,
            Depth::Sixteen => sixteen,
            Depth::Indexed => Color::Indexed(indexed),
            Depth::True => Color::Rgb(r, g, b),
        }
    }
}

/// The glyph, the word and the role of a health.
pub fn health(health: Health) -> (&'static str, &'static str, Role) {
    match health {
        Health::Healthy => ("●", "healthy", Role::Good),
        Health::Changing => ("◐", "changing", Role::Live),
        Health::Degraded => ("▲", "degraded", Role::Warn),
        Health::Down => ("✖", "down", Role::Bad),
        Health::Unknown => ("○", "unknown", Role::Dim),
    }
}

/// The glyph, the word and the role of an alarm's state.
pub fn alarm(state: AlarmState) -> (&'static str, &'static str, Role) {
    match state {
        AlarmState::Ok => ("●", "OK", Role::Good),
        AlarmState::Alarm => ("▲", "ALARM", Role::Bad),
        AlarmState::InsufficientData => ("○", "no data", Role::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Depth {
        Theme::detect(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .depth()
    }

    #[test]
    fn the_depth_follows_the_terminal_and_no_color_wins() {
        assert_eq!(detect(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(detect(&[("TERM", "xterm-256color")]), Depth::Indexed);
        let truecolor = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
        assert_eq!(detect(&truecolor), Depth::True);
        assert_eq!(
            detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]),
            Depth::Mono
        );
        assert_eq!(
            detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]),
            Depth::Indexed
        );
        assert_eq!(detect(&[("TERM", "dumb")]), Depth::Mono);
    }

    #[test]
    fn without_colour_no_role_sets_one() {
        let theme = Theme::new(Depth::Mono);
        for role in [
            Role::Good,
            Role::Warn,
            Role::Bad,
            Role::Live,
            Role::Selected,
            Role::Production,
        ] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
    }
}
