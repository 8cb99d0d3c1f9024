//! Which items a caller wants to see, and in which order.

use jiff::Timestamp;

use super::Cursor;

/// The order of a list; both are stable under additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// What is added meanwhile comes at the end, so no item is seen twice or missed.
    #[default]
    OldestFirst,
    /// What is added meanwhile lies before the first page.
    NewestFirst,
}

impl Order {
    /// Reads the parameter `sort`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "created_at" => Some(Self::OldestFirst),
            "-created_at" => Some(Self::NewestFirst),
            _ => None,
        }
    }
}

/// A list as it was asked for. The default is all items, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) cursor: Option<Cursor>,
    pub(crate) order: Order,
    /// Part of the name, with case.
    pub(crate) name_contains: Option<String>,
    /// Made then or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made before.
    pub(crate) created_before: Option<Timestamp>,
}

impl Listing {
    /// The position that lies just before the first wanted one.
    pub(crate) fn start(&self) -> i64 {
        match (self.cursor, self.order) {
            (Some(cursor), _) => cursor.position(),
            (None, Order::OldestFirst) => 0,
            (None, Order::NewestFirst) => i64::MAX,
        }
    }
}
