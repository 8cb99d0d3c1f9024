//! A bar chart of several rows, drawn with block glyphs; and marks on its time axis.

use super::spark;

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` as `rows` lines of `columns` glyphs, the top line first. `floor` is the least value
/// that fills the height. One row is a sparkline.
pub fn bars(values: &[Option<f64>], columns: usize, rows: usize, floor: f64) -> Vec<String> {
    if rows <= 1 {
        return vec![spark::line(values, columns, floor)];
    }
    let cells = spark::buckets(values, columns);
    let top = cells
        .iter()
        .flatten()
        .fold(floor, |top, value| top.max(*value));
    if cells.is_empty() {
        return vec![" ".repeat(columns); rows];
    }
    let full = rows * 8;
    (0..rows)
        .map(|row| {
            let below = (rows - 1 - row) * 8;
            let mut line = String::new();
            line.extend(cells.iter().map(|cell| match cell {
                None => ' ',
                Some(value) => {
                    let share = if top > 0.0 {
                        (value / top).clamp(0.0, 1.0)
                    } else {
                        0.0
                    };
                    // At least one eighth, so that zero is seen and a hole is not.
                    let height = ((share * full as f64).round() as usize).max(1);
                    EIGHTHS[height.saturating_sub(below).min(8)]
                }
            }));
            line
        })
        .collect()
}

/// A line of `columns` with `marks` (column, text) on it; a mark that would cover an earlier one
/// is left out, one that would leave the line is moved in.
pub fn marks(columns: usize, marks: &[(usize, String)]) -> String {
    let mut line: Vec<char> = vec![' '; columns];
    for (at, text) in marks {
        let length = text.chars().count();
        let start = (*at).min(columns.saturating_sub(length));
        let end = (start + length).min(columns);
        if line[start..end].iter().any(|cell| *cell != ' ') {
            continue;
        }
        for (cell, character) in line[start..end].iter_mut().zip(text.chars()) {
            *cell = character;
        }
    }
    line.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_as_high_as_its_greatest_value() {
        let drawn = bars(&[Some(0.0), Some(4.0), None, Some(8.0)], 4, 2, 0.0);
        assert_eq!(drawn, ["   █", "▁█ █"]);
    }

    #[test]
    fn marks_do_not_cover_each_other_and_stay_inside() {
        let line = marks(
            12,
            &[
                (0, "▼1.4.0".into()),
                (2, "▼1.4.1".into()),
                (11, "▼1.5".into()),
            ],
        );
        assert_eq!(line, "▼1.4.0  ▼1.5");
    }
}
