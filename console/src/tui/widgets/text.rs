//! Text for the screen: made harmless, cut to a width, and times and numbers in short.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// `text` without escape sequences, control characters and marks that reorder the line.
///
/// Everything that came from outside passes through here before it is drawn, so that a log line
/// or a service's name cannot move the cursor, change the title or hide what it says. Sequences
/// are those of ECMA-48: CSI, OSC, DCS, SOS, PM, APC and the two-character escapes, in their
/// seven- and eight-bit forms.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\t' => out.push(' '),
            '\u{1b}' => match characters.next() {
                Some('[') => skip_csi(&mut characters),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut characters),
                // Escapes with intermediates, such as ESC ( B, end with their first final byte.
                Some(' '..='/') => {
                    while characters.next().is_some_and(|c| matches!(c, ' '..='/')) {}
                }
                _ => {}
            },
            '\u{9b}' => skip_csi(&mut characters),
            '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => skip_string(&mut characters),
            other if is_unsafe(other) => {}
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn skip_csi(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(next) = characters.next_if(|c| matches!(c, ' '..='~')) {
        if matches!(next, '@'..='~') {
            break;
        }
    }
}

fn skip_string(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(next) = characters.next() {
        match next {
            '\u{7}' | '\u{9c}' => break,
            '\u{1b}' => {
                characters.next_if_eq(&'\\');
                break;
            }
            _ => {}
        }
    }
}

/// Columns that `text` takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` in at most `columns` columns, with `…` where it was cut.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = width(grapheme);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// `text` broken into lines of at most `columns`, at spaces where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && width(&line) + 1 + width(&word) <= columns {
            line.push(' ');
            line.push_str(&word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width(&word) > columns {
            let mut head = String::new();
            for grapheme in word.graphemes(true) {
                if width(&head) + width(grapheme) > columns && !head.is_empty() {
                    break;
                }
                head.push_str(grapheme);
            }
            word.drain(..head.len());
            lines.push(head);
        }
        line = word;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// An event's message without the service's own name in front, which the screen already says.
pub fn event(message: &str) -> String {
    let rest = message
        .strip_prefix("(service ")
        .and_then(|rest| rest.split_once(") "))
        .map_or(message, |(_, rest)| rest);
    without_arns(rest)
}

/// `text` with ARNs and 32-digit ids as people say them: `targetgroup/api-dev`, `6550555d`.
pub fn without_arns(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = |word: &str| -> String {
        if let Some(resource) = word
            .strip_prefix("arn:")
            .and_then(|rest| rest.splitn(5, ':').nth(4))
        {
            let mut parts: Vec<&str> = resource.split('/').collect();
            if parts.len() > 2 && parts.last().is_some_and(|last| is_id(last)) {
                parts.pop();
            }
            return parts.join("/");
        }
        match word.get(..8) {
            Some(head) if is_id(word) => head.to_owned(),
            _ => word.to_owned(),
        }
    };
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, ':' | '/' | '-' | '_') {
            word.push(character);
        } else {
            out.push_str(&short(&word));
            word.clear();
            out.push(character);
        }
    }
    out.push_str(&short(&word));
    out
}

/// A stretch of time in its largest unit: `4 s`, `9 m`, `2 h`, `6 d`.
pub fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A stretch of time in its two largest units: `47 s`, `9 m 3 s`, `6 d 2 h`.
pub fn long(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes, rest) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let two = |large: i64, a: &str, small: i64, b: &str| {
        if small == 0 {
            format!("{large} {a}")
        } else {
            format!("{large} {a} {small} {b}")
        }
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "m")
    } else if minutes > 0 {
        two(minutes, "m", rest, "s")
    } else {
        format!("{rest} s")
    }
}

/// A stop watch: `00:47`, `1:02:03`.
pub fn stopwatch(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else {
        format!("{minutes:02}:{rest:02}")
    }
}

/// The time of day: `14:02:11`.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The time of day without seconds: `14:02`; with the date when it is another day than `now`.
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    if at.date() == now.date() {
        at.strftime("%H:%M").to_string()
    } else {
        at.strftime("%b %-d %H:%M").to_string()
    }
}

/// A number in as few characters as tell it: `0.4`, `12`, `1.2k`, `3.4M`.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 10.0 && value.fract().abs() >= 0.05 {
        format!("{value:.1}")
    } else if magnitude < 1_000.0 {
        format!("{value:.0}")
    } else if magnitude < 1_000_000.0 {
        format!("{:.1}k", value / 1e3)
    } else {
        format!("{:.1}M", value / 1e6)
    }
}

/// Milliseconds: `11 ms`, `1.24 s`.
pub fn millis(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value:.0} ms")
    } else {
        format!("{:.2} s", value / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_never_reach_the_screen() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m plain"), "red plain");
        assert_eq!(clean("\u{1b}]0;own the title\u{7}after"), "after");
        assert_eq!(clean("\u{1b}]8;;http://x\u{1b}\\link"), "link");
        assert_eq!(clean("\u{1b}P1$qm\u{1b}\\dcs"), "dcs");
        assert_eq!(clean("\u{9b}2Jclear"), "clear");
        assert_eq!(clean("\u{1b}(Bcharset"), "charset");
        assert_eq!(clean("bell\u{7} back\u{8}space\u{7f}"), "bell backspace");
        assert_eq!(clean("a\tb"), "a b");
    }

    #[test]
    fn marks_that_reorder_a_line_are_dropped() {
        assert_eq!(clean("api\u{202e}dorp"), "apidorp");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(clean("Größe 測試 ▂▃"), Cow::Borrowed(_)));
    }

    #[test]
    fn text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(cut("測試測試", 5), "測試…");
        assert_eq!(cut("prod", 4), "prod");
        assert_eq!(cut("production", 5), "prod…");
        assert_eq!(cut("production", 0), "");
    }

    #[test]
    fn long_words_are_broken_and_short_ones_kept_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn an_event_is_told_without_its_arns() {
        let told = without_arns(
            "(service api) registered 1 targets in (target-group arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api-dev/0123456789abcdef)",
        );
        assert_eq!(
            told,
            "(service api) registered 1 targets in (target-group targetgroup/api-dev)"
        );
        assert_eq!(
            without_arns("(task d6f1934149c14fcba832569a7aa31c11)."),
            "(task d6f19341)."
        );
    }

    #[test]
    fn durations_are_told_in_the_units_people_use() {
        let of = SignedDuration::from_secs;
        assert_eq!(
            (short(of(47)), short(of(540)), short(of(7_300))),
            ("47 s".into(), "9 m".into(), "2 h".into())
        );
        assert_eq!(long(of(6 * 86_400 + 2 * 3_600)), "6 d 2 h");
        assert_eq!(stopwatch(of(47)), "00:47");
        assert_eq!(stopwatch(of(3_723)), "1:02:03");
    }
}
