//! A line of text being typed, with its cursor.

use super::text::{clean, width};
use crate::tui::theme::{Role, Theme};
use ratatui::{
    style::Modifier,
    text::{Line, Span},
};
use unicode_segmentation::UnicodeSegmentation;

/// `text` with the cursor at column `cursor` as a reversed cell; `None` draws no cursor. The text
/// scrolls so that the cursor stays within `columns`.
pub fn line(theme: &Theme, text: &str, cursor: Option<usize>, columns: usize) -> Line<'static> {
    let text = clean(text).into_owned();
    let Some(cursor) = cursor else {
        return Line::from(Span::styled(text, theme.style(Role::Text)));
    };
    let skip = cursor.saturating_sub(columns.saturating_sub(1));
    let (mut before, mut at, mut after, mut column) = (String::new(), None, String::new(), 0);
    for grapheme in text.graphemes(true) {
        if column < skip {
        } else if column < cursor {
            before.push_str(grapheme);
        } else if at.is_none() {
            at = Some(grapheme.to_owned());
        } else {
            after.push_str(grapheme);
        }
        column += width(grapheme);
    }
    let style = theme.style(Role::Text);
    Line::from(vec![
        Span::styled(before, style),
        Span::styled(
            at.unwrap_or_else(|| " ".into()),
            style.add_modifier(Modifier::REVERSED),
        ),
        Span::styled(after, style),
    ])
}
