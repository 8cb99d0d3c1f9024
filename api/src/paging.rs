//! What all lists have in common: page sizes, cursors, and where a page ends.

use crate::items::{Cursor, Order};
use crate::problem::ApiError;

/// The page size when none is asked for.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// The largest page: bounds the memory and time of one request.
const PAGE_SIZE_MAX: u32 = 100;

/// The size that a page is to have.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(PAGE_SIZE_DEFAULT);
    if (1..=PAGE_SIZE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::BadRequest(format!(
            "The parameter limit must be from 1 to {PAGE_SIZE_MAX}."
        )))
    }
}

/// The place that a page starts after.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Cursor>, ApiError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => Cursor::parse(text).map(Some).ok_or_else(|| {
            ApiError::BadRequest(
                "The parameter cursor is not one that this service gave out; \
                 start again without it."
                    .into(),
            )
        }),
    }
}

/// The order of a list.
pub(crate) fn order(text: Option<&str>) -> Result<Order, ApiError> {
    match text {
        None => Ok(Order::default()),
        Some(text) => Order::parse(text).ok_or_else(|| {
            ApiError::BadRequest("The parameter sort must be created_at or -created_at.".to_owned())
        }),
    }
}

/// The filter by a part of the name; none where it is empty. No name has control characters, and
/// Postgres knows no NUL in texts.
pub(crate) fn part_of_name(text: Option<String>) -> Result<Option<String>, ApiError> {
    let text = text.filter(|text| !text.is_empty());
    if text
        .as_ref()
        .is_some_and(|text| text.contains(char::is_control))
    {
        return Err(ApiError::BadRequest(
            "The parameter name_contains must not contain control characters.".into(),
        ));
    }
    Ok(text)
}

/// Cuts what was found down to one page; `found` has one more than the page may hold where
/// there is a next one, whose cursor is the second part of the answer.
pub(crate) fn cut<T>(mut found: Vec<(Cursor, T)>, limit: u32) -> (Vec<T>, Option<Cursor>) {
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| has_more).map(|(cursor, _)| *cursor);
    (found.into_iter().map(|(_, thing)| thing).collect(), next)
}

/// Where a page of a list starts, and which way it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The position that lies just before the first wanted one.
    pub(crate) start: i64,
    order: Order,
}

impl Place {
    pub(crate) fn new(cursor: Option<Cursor>, order: Order) -> Self {
        let start = match (cursor, order) {
            (Some(cursor), _) => cursor.position(),
            (None, Order::OldestFirst) => 0,
            (None, Order::NewestFirst) => i64::MAX,
        };
        Self { start, order }
    }

    /// How a wanted position compares with `start`, and the direction of the order, in SQL.
    pub(crate) fn sql(self) -> (&'static str, &'static str) {
        match self.order {
            Order::OldestFirst => (">", "ASC"),
            Order::NewestFirst => ("<", "DESC"),
        }
    }
}
