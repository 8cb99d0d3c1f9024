//! Fuzzy matching for the palette and the pickers.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

/// The indices of `texts` that match `typed`, best first; all of them in order when nothing is
/// typed.
pub fn ranked<T: AsRef<str>>(typed: &str, texts: &[T]) -> Vec<usize> {
    if typed.trim().is_empty() {
        return (0..texts.len()).collect();
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, usize)> = texts
        .iter()
        .enumerate()
        .filter_map(|(index, text)| {
            let score = pattern.score(Utf32Str::new(text.as_ref(), &mut buffer), &mut matcher)?;
            Some((score, index))
        })
        .collect();
    scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
    scored.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_comes_first_and_misses_are_left_out() {
        let texts = ["previous-logs", "logs", "rollback"];
        assert_eq!(ranked("logs", &texts)[0], 1);
        assert_eq!(ranked("rb", &texts), [2]);
        assert_eq!(ranked("", &texts), [0, 1, 2]);
        assert!(ranked("zzz", &texts).is_empty());
    }
}
