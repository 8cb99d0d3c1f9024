//! Patterns for JSON events: `{ $.level = "ERROR" && ($.status >= 500 || $.retry IS TRUE) }`.

use serde_json::Value;

use super::PatternError;
use super::cursor::Cursor;
use super::value::Comparison;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 30;

/// A condition on an event.
#[derive(Debug)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Selector, Test),
}

/// One step into an event.
#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Index(usize),
    AnyMember,
    AnyIndex,
}

/// The way to a property.
#[derive(Debug)]
pub struct Selector(Vec<Step>);

/// What is asked of a property.
#[derive(Debug)]
pub enum Test {
    Compare(Comparison),
    IsNull,
    IsTrue,
    IsFalse,
    Exists,
    NotExists,
}

impl Condition {
    pub fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|c| c.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(event)),
            Self::Test(selector, test) => {
                let mut found = Vec::new();
                select(event, &selector.0, &mut found);
                match test {
                    Test::NotExists => found.is_empty(),
                    Test::Exists => !found.is_empty(),
                    Test::IsNull => found.iter().any(|v| v.is_null()),
                    Test::IsTrue => found.iter().any(|v| v.as_bool() == Some(true)),
                    Test::IsFalse => found.iter().any(|v| v.as_bool() == Some(false)),
                    Test::Compare(comparison) => found.iter().any(|v| comparison.holds_for(v)),
                }
            }
        }
    }
}

fn select<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match (step, value) {
        (Step::Member(name), Value::Object(map)) => {
            if let Some(child) = map.get(name) {
                select(child, rest, found);
            }
        }
        (Step::Index(index), Value::Array(items)) => {
            if let Some(child) = items.get(*index) {
                select(child, rest, found);
            }
        }
        (Step::AnyMember, Value::Object(map)) => {
            for child in map.values() {
                select(child, rest, found);
            }
        }
        (Step::AnyIndex, Value::Array(items)) => {
            for child in items {
                select(child, rest, found);
            }
        }
        _ => {}
    }
}

/// Reads a whole pattern, braces included.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Condition, PatternError> {
    cursor.expect("{")?;
    let condition = any(cursor, 0)?;
    cursor.expect("}")?;
    cursor.skip_space();
    if cursor.is_at_end() {
        Ok(condition)
    } else {
        Err(cursor.unexpected("the end of the pattern"))
    }
}

fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    let mut conditions = vec![all(cursor, depth)?];
    loop {
        cursor.skip_space();
        if !cursor.eat("||") {
            break;
        }
        conditions.push(all(cursor, depth)?);
    }
    Ok(Condition::Any(conditions))
}

fn all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    let mut conditions = vec![one(cursor, depth)?];
    loop {
        cursor.skip_space();
        if !cursor.eat("&&") {
            break;
        }
        conditions.push(one(cursor, depth)?);
    }
    Ok(Condition::All(conditions))
}

fn one(cursor: &mut Cursor<'_>, depth: usize) -> Result<Condition, PatternError> {
    if depth > DEPTH_MAX {
        return Err(PatternError::Syntax("too many parentheses".into()));
    }
    cursor.skip_space();
    if cursor.eat("(") {
        let inner = any(cursor, depth + 1)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    let selector = selector(cursor)?;
    cursor.skip_space();
    let words: [(&[&str], Test); 5] = [
        (&["IS", "NULL"], Test::IsNull),
        (&["IS", "TRUE"], Test::IsTrue),
        (&["IS", "FALSE"], Test::IsFalse),
        (&["NOT", "EXISTS"], Test::NotExists),
        (&["EXISTS"], Test::Exists),
    ];
    for (words, test) in words {
        if cursor.eat_words(words) {
            return Ok(Condition::Test(selector, test));
        }
    }
    match Comparison::parse(cursor)? {
        Some(comparison) => Ok(Condition::Test(selector, Test::Compare(comparison))),
        None => Err(cursor.unexpected("a comparison")),
    }
}

fn selector(cursor: &mut Cursor<'_>) -> Result<Selector, PatternError> {
    if !cursor.eat("$") {
        return Err(cursor.unexpected("a property such as $.name"));
    }
    let mut steps = Vec::new();
    loop {
        if cursor.eat(".") {
            // `$.['name']` is documented next to `$.name`.
            if cursor.peek() == Some('[') {
                continue;
            }
            if cursor.eat("*") {
                steps.push(Step::AnyMember);
                continue;
            }
            let name = cursor.take_while(|c| c.is_alphanumeric() || "_-".contains(c));
            if name.is_empty() {
                return Err(match cursor.peek() {
                    Some(c) => PatternError::Character(c),
                    None => cursor.unexpected("the name of a property"),
                });
            }
            steps.push(Step::Member(name.to_owned()));
        } else if cursor.eat("[") {
            steps.push(bracket(cursor)?);
        } else {
            break;
        }
    }
    if steps.is_empty() {
        return Err(cursor.unexpected("the name of a property"));
    }
    Ok(Selector(steps))
}

fn bracket(cursor: &mut Cursor<'_>) -> Result<Step, PatternError> {
    let step = if cursor.eat("*") {
        Step::AnyIndex
    } else if cursor.eat("'") {
        let name = cursor.take_while(|c| c != '\'').to_owned();
        cursor.expect("'")?;
        Step::Member(name)
    } else if let Some(name) = cursor.quoted()? {
        Step::Member(name)
    } else {
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let index = digits.parse().map_err(|_| cursor.unexpected("an index"))?;
        Step::Index(index)
    };
    cursor.expect("]")?;
    Ok(step)
}
