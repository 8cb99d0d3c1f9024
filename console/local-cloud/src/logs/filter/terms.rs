//! Patterns for unstructured text: all of these terms, any of those, none of the others.

use regex::Regex;

use super::PatternError;
use super::cursor::Cursor;

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

/// Terms by what is wanted of them.
#[derive(Debug, Default)]
pub struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

impl Terms {
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        let mut terms = Self::default();
        loop {
            cursor.skip_space();
            if cursor.is_at_end() {
                return Ok(terms);
            }
            let kind = if cursor.eat("?") {
                &mut terms.any
            } else if cursor.eat("-") {
                &mut terms.none
            } else {
                &mut terms.all
            };
            kind.push(term(cursor)?);
            if let Some(c) = cursor.peek().filter(|c| !c.is_whitespace()) {
                return Err(PatternError::Character(c));
            }
        }
    }

    pub fn matches(&self, message: &str) -> bool {
        // "If you combine ? with other filter patterns, the question mark (?) will be ignored."
        let any_counts = self.all.is_empty() && self.none.is_empty() && !self.any.is_empty();
        self.all.iter().all(|term| term.is_in(message))
            && !self.none.iter().any(|term| term.is_in(message))
            && (!any_counts || self.any.iter().any(|term| term.is_in(message)))
    }
}

fn term(cursor: &mut Cursor<'_>) -> Result<Term, PatternError> {
    if let Some(regex) = cursor.regex()? {
        return Ok(Term::Regex(regex));
    }
    if let Some(phrase) = cursor.quoted()? {
        // A pattern of one blank is the documented way to match everything.
        return Ok(Term::Text(if phrase == " " {
            String::new()
        } else {
            phrase
        }));
    }
    let word = cursor.take_while(|c| c.is_alphanumeric() || c == '_');
    match cursor.peek() {
        None => {}
        Some(c) if c.is_whitespace() => {}
        Some(c) => return Err(PatternError::Character(c)),
    }
    if word.is_empty() {
        return Err(cursor.unexpected("a term"));
    }
    Ok(Term::Text(word.to_owned()))
}
