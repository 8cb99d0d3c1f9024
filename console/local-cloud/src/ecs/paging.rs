//! Pages of a list: `maxResults` and `nextToken`.

use serde_json::Value;

use super::error;
use crate::protocol::{AwsError, members};

/// One page.
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// What to ask with for the next one.
    pub next_token: Option<String>,
}

impl<T> Page<T> {
    /// The page that the request asks for. `default` and `max` are the action's own.
    ///
    /// The token says after which key the next page begins, so that items which come and go
    /// between two pages neither repeat nor hide others.
    ///
    /// # Errors
    /// `InvalidParameterException` for a size outside the action's limits and a token that was
    /// not given by this action.
    pub fn of(
        input: &Value,
        items: Vec<T>,
        default: usize,
        max: usize,
        key: impl Fn(&T) -> String,
    ) -> Result<Self, AwsError> {
        let size = match members::integer(input, "maxResults") {
            None => default,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| (1..=max).contains(size))
                .ok_or_else(|| {
                    error::invalid_parameter(format!("maxResults must be between 1 and {max}."))
                })?,
        };
        let start = match members::text(input, "nextToken").filter(|t| !t.is_empty()) {
            None => 0,
            Some(token) => Self::after(token, &items, &key)
                .ok_or_else(|| error::invalid_parameter("Invalid token."))?,
        };
        let total = items.len();
        let page: Vec<T> = items.into_iter().skip(start).take(size).collect();
        let end = start + page.len();
        let next_token = (end < total)
            .then(|| {
                page.last()
                    .map(|last| hex::encode(format!("{end}/{}", key(last))))
            })
            .flatten();
        Ok(Self {
            items: page,
            next_token,
        })
    }

    fn after(token: &str, items: &[T], key: impl Fn(&T) -> String) -> Option<usize> {
        let decoded = String::from_utf8(hex::decode(token).ok()?).ok()?;
        let (place, last) = decoded.split_once('/')?;
        let place: usize = place.parse().ok()?;
        let found = items.iter().position(|item| key(item) == last);
        Some(found.map_or(place, |at| at + 1).min(items.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(input: Value, items: &[&str]) -> Result<Page<String>, AwsError> {
        let items = items.iter().map(|s| (*s).to_owned()).collect();
        Page::of(&input, items, 10, 100, String::clone)
    }

    #[test]
    fn an_item_that_goes_between_two_pages_hides_no_other() {
        let first = page(json!({ "maxResults": 2 }), &["a", "b", "c", "d"]).expect("a page");
        assert_eq!(first.items, ["a", "b"]);
        let token = first.next_token.expect("more");
        let second = page(
            json!({ "maxResults": 2, "nextToken": token }),
            &["b", "c", "d"],
        )
        .expect("a page");
        assert_eq!(second.items, ["c", "d"]);
        assert!(second.next_token.is_none());
    }

    #[test]
    fn sizes_and_tokens_are_checked() {
        for bad in [
            json!({ "maxResults": 0 }),
            json!({ "maxResults": 101 }),
            json!({ "nextToken": "zz" }),
        ] {
            let error = page(bad, &["a"]).err().expect("refused");
            assert_eq!(error.code, "InvalidParameterException");
        }
    }
}
