//! Bars and sparklines of one row, drawn with block glyphs.

const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` in exactly `columns` glyphs, the newest at the right. More values than columns are
/// put together by their maximum, so that a peak is never averaged away; a hole is a blank.
/// `floor` is the least value that fills the row: below it, differences are noise.
pub fn line(values: &[Option<f64>], columns: usize, floor: f64) -> String {
    if columns == 0 {
        return String::new();
    }
    let cells = buckets(values, columns);
    let top = cells
        .iter()
        .flatten()
        .fold(floor, |top, value| top.max(*value));
    let mut out = " ".repeat(columns - cells.len());
    out.extend(cells.iter().map(|cell| match cell {
        None => ' ',
        Some(value) if top > 0.0 => {
            // In 0..=7 by the clamp.
            let step = (value / top * 7.0).round().clamp(0.0, 7.0) as usize;
            EIGHTHS[step]
        }
        Some(_) => EIGHTHS[0],
    }));
    out
}

/// `values` put together into at most `columns` cells by their maximum.
pub fn buckets(values: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    if columns == 0 || values.is_empty() {
        return Vec::new();
    }
    if values.len() <= columns {
        return values.to_vec();
    }
    (0..columns)
        .map(|cell| {
            let range = cell * values.len() / columns..(cell + 1) * values.len() / columns;
            values[range].iter().flatten().copied().reduce(f64::max)
        })
        .collect()
}

/// The cell in which the value at `index` of `count` is drawn by [`line`].
pub fn cell_of(index: usize, count: usize, columns: usize) -> usize {
    if count <= columns {
        columns - count + index
    } else {
        // The inverse of the bucket bounds above.
        (0..columns)
            .find(|cell| index < (cell + 1) * count / columns)
            .unwrap_or(columns.saturating_sub(1))
    }
}

/// A bar of `columns`, `share` (0–1) of it full, as full and empty parts.
pub fn bar(share: f64, columns: usize) -> (String, String) {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let mut full = (share * columns as f64).round() as usize;
    if share > 0.0 && full == 0 {
        full = 1.min(columns);
    }
    ("█".repeat(full), "░".repeat(columns - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_survives_being_squeezed() {
        let mut values = vec![Some(1.0); 60];
        values[31] = Some(100.0);
        let drawn = line(&values, 10, 0.0);
        assert_eq!(drawn.chars().count(), 10);
        assert_eq!(drawn.chars().nth(cell_of(31, 60, 10)), Some('█'));
        assert_eq!(drawn.matches('█').count(), 1);
    }

    #[test]
    fn a_hole_is_blank_and_never_a_zero() {
        assert_eq!(line(&[Some(0.0), None, Some(8.0)], 3, 0.0), "▁ █");
    }

    #[test]
    fn few_values_stand_at_the_right() {
        assert_eq!(line(&[Some(1.0)], 3, 0.0), "  █");
        assert_eq!(cell_of(0, 1, 3), 2);
    }

    #[test]
    fn values_below_the_floor_stay_low() {
        assert_eq!(line(&[Some(0.1), Some(0.1)], 2, 5.0), "▁▁");
    }

    #[test]
    fn a_bar_shows_that_something_is_there() {
        assert_eq!(bar(0.001, 8).0, "█");
        assert_eq!(bar(0.0, 4), (String::new(), "░░░░".into()));
        assert_eq!(bar(f64::NAN, 2).0, "");
        assert_eq!(bar(7.0, 2).0, "██");
    }
}
