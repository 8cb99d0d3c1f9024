//! Makes text from outside harmless to a terminal.
//!
//! A log line is written by whoever can make the service log: a request path may carry a sequence
//! that renames the window, answers a query into the shell or hides the rest of the line. What is
//! taken out follows ECMA-48 (CSI, OSC, DCS, SOS, PM, APC and the C1 set), the bidirectional
//! controls of UAX #9, and the Unicode line separators.

use std::borrow::Cow;

/// Takes out escape sequences (CSI, OSC, DCS and their kin), C0 and C1 controls but tab and
/// newline, and bidirectional overrides. Costs one scan and no copy when there is none.
///
/// A control string without an end loses only its introducer: what follows stays readable, so
/// that nobody can hide the rest of a line.
pub fn clean(text: &str) -> Cow<'_, str> {
    match text.bytes().position(is_suspect) {
        None => Cow::Borrowed(text),
        Some(first) => scrub(text, first),
    }
}

/// As [`clean`], for bytes that may not be UTF-8: what is not becomes U+FFFD.
pub fn clean_bytes(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Bytes that can begin something to take out. Lead bytes of harmless characters are among them
/// (0xE2 also leads the dash and the quotes): the slow path sorts them out.
fn is_suspect(byte: u8) -> bool {
    match byte {
        b'\t' | b'\n' => false,
        0..=0x1f | 0x7f => true,
        // C1 (U+0080–009F), U+061C, U+200E–U+2069.
        0xc2 | 0xd8 | 0xe2 => true,
        _ => false,
    }
}

fn scrub(text: &str, first: usize) -> Cow<'_, str> {
    // `first` may be the lead byte of a harmless character, never a continuation byte: copy only
    // once something really goes.
    let Some(start) = text[first..]
        .char_indices()
        .find(|(_, c)| is_unwelcome(*c))
        .map(|(at, _)| first + at)
    else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..start]);
    let mut rest = &text[start..];
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\u{1b}' => after_escape(after),
            '\u{9b}' => after_csi(after),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => after_string(after),
            '\r' => {
                // A bare return overwrites the line on a terminal: what it hid gets its own row.
                if !after.is_empty() && !after.starts_with(['\n', '\r']) {
                    out.push('\n');
                }
                after
            }
            '\u{2028}' | '\u{2029}' => {
                out.push('\n');
                after
            }
            c if is_unwelcome(c) => after,
            c => {
                out.push(c);
                after
            }
        };
    }
    Cow::Owned(out)
}

fn is_unwelcome(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        c if c.is_control() => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// What follows an escape sequence that began with ESC; `rest` is what comes after the ESC.
fn after_escape(rest: &str) -> &str {
    match rest.bytes().next() {
        Some(b'[') => after_csi(&rest[1..]),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => after_string(&rest[1..]),
        // Two- and three-character sequences: intermediates, then one final.
        Some(0x20..=0x2f) => {
            let finals = rest.trim_start_matches(|c| matches!(c, ' '..='/'));
            match finals.bytes().next() {
                Some(0x30..=0x7e) => &finals[1..],
                _ => finals,
            }
        }
        Some(0x30..=0x7e) => &rest[1..],
        _ => rest,
    }
}

/// Parameters, intermediates and one final (ECMA-48 §5.4).
fn after_csi(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|c| matches!(c, '0'..='?'));
    let rest = rest.trim_start_matches(|c| matches!(c, ' '..='/'));
    match rest.bytes().next() {
        Some(0x40..=0x7e) => &rest[1..],
        _ => rest,
    }
}

/// Up to the string's end: BEL, ESC \ or ST, on the same row.
fn after_string(rest: &str) -> &str {
    for (at, c) in rest.char_indices() {
        match c {
            '\u{7}' | '\u{9c}' => return &rest[at + c.len_utf8()..],
            '\u{1b}' if rest[at + 1..].starts_with('\\') => return &rest[at + 2..],
            '\n' | '\u{1b}' => break,
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_harmless_line_is_not_copied() {
        for line in [
            "plain",
            "tab\tand\nnewline",
            "“quotes” – dashes … ▲ é ü 日本語 🦀 ß Ø",
        ] {
            assert!(matches!(clean(line), Cow::Borrowed(same) if same == line));
        }
    }

    #[test]
    fn colours_titles_and_queries_are_taken_out_and_the_text_stays() {
        assert_eq!(clean("\x1b[1;31mERROR\x1b[0m boom"), "ERROR boom");
        assert_eq!(clean("a\x1b]0;owned\x07b"), "ab");
        assert_eq!(
            clean("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b"),
            "alinkb"
        );
        assert_eq!(clean("a\x1bPq#0;2;0\x1b\\b"), "ab");
        assert_eq!(clean("a\u{9b}31mb\u{9d}0;t\u{9c}c"), "abc");
        assert_eq!(clean("a\x1b(0b\x1b=c\x1b7d"), "abcd");
        assert_eq!(
            clean("bell\x07 back\x08 nul\0 del\x7f"),
            "bell back nul del"
        );
    }

    #[test]
    fn a_string_without_an_end_cannot_hide_the_rest_of_the_line() {
        assert_eq!(clean("before \x1b]0;after"), "before 0;after");
        assert_eq!(clean("one \x1bPtwo\nthree"), "one two\nthree");
        assert_eq!(clean("cut \x1b[31"), "cut ");
        assert_eq!(clean("cut \x1b"), "cut ");
    }

    #[test]
    fn what_a_carriage_return_would_overwrite_gets_its_own_row() {
        assert_eq!(clean("10 %\r20 %\r\n"), "10 %\n20 %\n");
        assert_eq!(clean("end\r"), "end");
    }

    #[test]
    fn bidirectional_overrides_are_taken_out() {
        assert_eq!(
            clean("user\u{202e}txt.exe\u{2066}\u{2069}\u{200f}"),
            "usertxt.exe"
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_such() {
        assert_eq!(
            clean_bytes(b"ok \xff\xfe \x1b[2Jend"),
            "ok \u{fffd}\u{fffd} end"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_gets_through(
            pieces in prop::collection::vec(
                prop_oneof![
                    any::<String>(),
                    Just("\x1b[".to_owned()), Just("\x1b]".to_owned()), Just("\x1bP".to_owned()),
                    Just("\x1b\\".to_owned()), Just("\u{9b}".to_owned()), Just("\u{202e}".to_owned()),
                    Just("\r".to_owned()), Just("\x07".to_owned()),
                ],
                0..12,
            )
        ) {
            let text = pieces.concat();
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(is_unwelcome), "{cleaned:?}");
            prop_assert_eq!(clean(&cleaned), cleaned.as_ref());
        }
    }
}
