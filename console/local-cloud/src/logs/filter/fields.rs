//! Patterns for space-delimited events: `[ip, user, ..., status = 4*, bytes > 1000]`.

use super::PatternError;
use super::cursor::Cursor;
use super::value::Comparison;

/// Conditions on the fields of an event, from left to right.
#[derive(Debug)]
pub struct Fields {
    before: Vec<Conditions>,
    /// After `...`, which stands for any number of fields.
    after: Option<Vec<Conditions>>,
}

/// The conditions on one field: any of these groups, of which all must hold.
type Conditions = Vec<Vec<Comparison>>;

impl Fields {
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.expect("[")?;
        let mut fields = Self {
            before: Vec::new(),
            after: None,
        };
        loop {
            cursor.skip_space();
            if cursor.eat("...") {
                if fields.after.replace(Vec::new()).is_some() {
                    return Err(PatternError::Syntax("more than one ...".into()));
                }
            } else {
                let conditions = field(cursor)?;
                fields
                    .after
                    .as_mut()
                    .unwrap_or(&mut fields.before)
                    .push(conditions);
            }
            cursor.skip_space();
            if cursor.eat("]") {
                break;
            }
            cursor.expect(",")?;
        }
        cursor.skip_space();
        if cursor.is_at_end() {
            Ok(fields)
        } else {
            Err(cursor.unexpected("the end of the pattern"))
        }
    }

    pub fn matches(&self, message: &str) -> bool {
        let words = split(message);
        let hold = |conditions: &[Conditions], words: &[&str]| {
            conditions
                .iter()
                .zip(words)
                .all(|(conditions, word)| field_holds(conditions, word))
        };
        match &self.after {
            None => words.len() == self.before.len() && hold(&self.before, &words),
            Some(after) => {
                words.len() >= self.before.len() + after.len()
                    && hold(&self.before, &words)
                    && hold(after, &words[words.len() - after.len()..])
            }
        }
    }
}

fn field_holds(conditions: &Conditions, word: &str) -> bool {
    conditions.is_empty()
        || conditions
            .iter()
            .any(|all| all.iter().all(|comparison| comparison.holds_for_text(word)))
}

/// `name`, or `name = value && name != value || …` on one name.
fn field(cursor: &mut Cursor<'_>) -> Result<Conditions, PatternError> {
    let mut conditions: Conditions = vec![Vec::new()];
    loop {
        cursor.skip_space();
        let name = cursor.take_while(|c| c.is_alphanumeric() || c == '_');
        if name.is_empty() {
            return Err(match cursor.peek() {
                Some(c) => PatternError::Character(c),
                None => cursor.unexpected("the name of a field"),
            });
        }
        if let (Some(comparison), Some(group)) = (Comparison::parse(cursor)?, conditions.last_mut())
        {
            group.push(comparison);
        }
        cursor.skip_space();
        if cursor.eat("||") {
            conditions.push(Vec::new());
        } else if !cursor.eat("&&") {
            break;
        }
    }
    conditions.retain(|group| !group.is_empty());
    Ok(conditions)
}

/// The fields of an event: what stands between blanks, in brackets, or in quotes.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => rest.find(']'),
            '"' => rest[1..].find('"').map(|at| at + 1),
            _ => None,
        };
        let (field, after) = match close {
            Some(at) => (&rest[1..at], &rest[at + 1..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}
