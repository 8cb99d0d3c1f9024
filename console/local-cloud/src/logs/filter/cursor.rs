//! Reading a pattern from left to right.

use regex::Regex;

use super::PatternError;

/// Regular expressions that one pattern may have.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html>
const REGEXES_MAX: usize = 2;

/// A place in a pattern.
pub struct Cursor<'a> {
    rest: &'a str,
    regexes: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            regexes: 0,
        }
    }

    pub fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Whether `token` comes next; steps over it when it does.
    pub fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Whether these words come next, in any case, with any space between them.
    pub fn eat_words(&mut self, words: &[&str]) -> bool {
        let mut rest = self.rest;
        for word in words {
            rest = rest.trim_start();
            let Some(found) = rest.get(..word.len()) else {
                return false;
            };
            let after = &rest[word.len()..];
            if !found.eq_ignore_ascii_case(word)
                || after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                return false;
            }
            rest = after;
        }
        self.rest = rest;
        true
    }

    /// Steps over `token`.
    ///
    /// # Errors
    /// When something else comes next.
    pub fn expect(&mut self, token: &str) -> Result<(), PatternError> {
        self.skip_space();
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{token}'")))
        }
    }

    /// What is said when something else comes next than `wanted`.
    pub fn unexpected(&self, wanted: &str) -> PatternError {
        PatternError::Syntax(match self.peek() {
            Some(found) => format!("expected {wanted} but found '{found}'"),
            None => format!("expected {wanted} but the pattern ends"),
        })
    }

    /// Characters as long as `keep` holds.
    pub fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A text in double quotes, with `\"` and `\\` inside, when one comes next.
    pub fn quoted(&mut self) -> Result<Option<String>, PatternError> {
        if !self.eat("\"") {
            return Ok(None);
        }
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Some(text));
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(PatternError::Syntax(
            "a quotation mark is not closed".into(),
        ))
    }

    /// A regular expression between percent signs, when one comes next.
    pub fn regex(&mut self) -> Result<Option<Regex>, PatternError> {
        if !self.eat("%") {
            return Ok(None);
        }
        let mut end = None;
        let mut escaped = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                '%' if !escaped => {
                    end = Some(at);
                    break;
                }
                // No groups, no multi-byte characters, and few symbols: what the service takes.
                c if !(c.is_ascii_alphanumeric() || " :_#=@/;,-^$?[]{}|\\*+.%".contains(c)) => {
                    return Err(PatternError::Character(c));
                }
                c => escaped = c == '\\' && !escaped,
            }
        }
        let end = end.ok_or_else(|| PatternError::Syntax("a '%' is not closed".into()))?;
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            return Err(PatternError::Syntax(format!(
                "more than {REGEXES_MAX} regular expressions"
            )));
        }
        let text = self.rest[..end].replace("\\%", "%");
        self.rest = &self.rest[end + 1..];
        Regex::new(&text)
            .map(Some)
            .map_err(|_| PatternError::Syntax(format!("'{text}' is not a regular expression")))
    }
}
