//! Bars and sparklines of one row, drawn with block glyphs.

const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` in exactly `columns` glyphs, the newest at the right. More values than columns are
/// put together by their maximum, so that a peak is never averaged away; fewer are stretched; a
/// hole is a blank.
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
    if cells.is_empty() {
        return " ".repeat(columns);
    }
    let mut out = String::new();
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

/// `values` as `columns` cells: put together by their maximum, or stretched. Empty without values.
pub fn buckets(values: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    if columns == 0 || values.is_empty() {
        return Vec::new();
    }
    if values.len() <= columns {
        return (0..columns)
            .map(|cell| values[cell * values.len() / columns])
            .collect();
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
    if count == 0 || columns == 0 {
        return 0;
    }
    if count <= columns {
        // The first cell that [`buckets`] fills with it.
        (index * columns).div_ceil(count).min(columns - 1)
    } else {
        // The inverse of the bucket bounds above.
        (0..columns)
            .find(|cell| index < (cell + 1) * count / columns)
            .unwrap_or(columns - 1)
    }
}

/// `values` without the holes before the first value, but no fewer than `least`: a service that
/// is young fills the width all the same.
pub fn since_first(values: &[Option<f64>], least: usize) -> &[Option<f64>] {
    let first = values
        .iter()
        .position(Option::is_some)
        .unwrap_or(values.len());
    &values[first.min(values.len().saturating_sub(least))..]
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
    fn few_values_are_stretched_over_the_width() {
        assert_eq!(line(&[Some(1.0), Some(8.0)], 6, 0.0), "▂▂▂███");
        assert_eq!((cell_of(0, 2, 6), cell_of(1, 2, 6)), (0, 3));
    }

    #[test]
    fn holes_before_the_first_value_take_no_room() {
        let values = [None, None, None, Some(1.0), None];
        assert_eq!(since_first(&values, 1), [Some(1.0), None]);
        assert_eq!(since_first(&values, 4).len(), 4);
        assert_eq!(since_first(&[None, None], 1).len(), 1);
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
