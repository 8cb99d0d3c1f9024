//! Durations as people say them.

use jiff::SignedDuration;

/// `20 s`, `3 min`, `2 h 5 min`, `6 d 2 h`: two units at most, the second only while it matters.
pub fn duration_words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: i64, unit: &str, second: i64, small: &str| {
        if second == 0 {
            format!("{first} {unit}")
        } else {
            format!("{first} {unit} {second} {small}")
        }
    };
    if days > 0 {
        two(days, "d", hours % 24, "h")
    } else if hours > 0 {
        two(hours, "h", minutes % 60, "min")
    } else if minutes > 0 {
        format!("{minutes} min")
    } else {
        format!("{seconds} s")
    }
}
