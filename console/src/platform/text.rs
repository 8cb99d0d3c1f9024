//! Text from outside made safe for a terminal.

/// Longer texts are cut: nothing that a platform calls a name or a message is longer.
const LENGTH_MAX: usize = 8_192;

/// Removes escape sequences, control characters and characters that reorder text. Line breaks and
/// tabs become spaces.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len().min(LENGTH_MAX));
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => match characters.next() {
                // CSI: parameters up to a final byte.
                Some('[') => {
                    characters
                        .by_ref()
                        .find(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
                // OSC, DCS, SOS, PM, APC: up to BEL or ST.
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut characters),
                _ => {}
            },
            '\u{9b}' => {
                characters
                    .by_ref()
                    .find(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            '\n' | '\r' | '\t' => cleaned.push(' '),
            c if c.is_control() || reorders(c) => {}
            c => cleaned.push(c),
        }
        if cleaned.len() >= LENGTH_MAX {
            cleaned.push('…');
            break;
        }
    }
    cleaned
}

fn skip_string(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = characters.next() {
        if c == '\u{7}' || c == '\u{9c}' {
            return;
        }
        if c == '\u{1b}' {
            characters.next_if_eq(&'\\');
            return;
        }
    }
}

/// Bidirectional controls (Unicode TR 9) can make a terminal show another name than is there.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_message_cannot_clear_the_screen_or_set_the_title() {
        assert_eq!(
            clean("a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\u{1b}]8;;x\u{1b}\\d"),
            "abcd"
        );
        assert_eq!(clean("a\u{9b}31mb\u{202e}c\u{0}\nd"), "abc d");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(clean("Größe: 10 µs — ok"), "Größe: 10 µs — ok");
    }
}
