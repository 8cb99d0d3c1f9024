//! Printing: tables for people, JSON for programs; no colour, no cursor movement.

use super::Failure;
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use std::io::Write;
use unicode_width::UnicodeWidthStr;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Columns for people.
    Table,
    /// One JSON document; for changes and logs, one JSON object a line.
    Json,
    /// Logs only: the bare messages.
    Raw,
}

impl OutputFormat {
    /// The format asked for, refusing `raw` where there is nothing raw to print.
    pub fn table_or_json(asked: Option<Self>) -> Result<Self, Failure> {
        match asked {
            Some(Self::Raw) => Err(Failure::usage(
                "--output raw is for logs only; use --output table or --output json",
            )),
            other => Ok(other.unwrap_or(Self::Table)),
        }
    }
}

/// Prints a line. `println!` panics when who reads it has gone (`opsconsole history | head`); this
/// ends the program with the code that says so.
pub fn line(said: std::fmt::Arguments) {
    if let Err(error) = writeln!(std::io::stdout(), "{said}") {
        std::process::exit(Failure::from(error).tell().into());
    }
}

/// Prints a line to standard error, as far as anybody reads that.
pub fn remark(said: std::fmt::Arguments) {
    let _ = writeln!(std::io::stderr(), "{said}");
}

/// Prints `value` as indented JSON.
pub fn print_json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Prints `value` as one line of JSON, at once.
pub fn print_json_line<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// A table with aligned columns. The last column is not padded.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            rows: vec![
                headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
            ],
        }
    }

    /// Adds a row; control characters are taken out of every cell.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// The table as text, each line ending in a newline.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if column + 1 < row.len() {
                    line.push_str(&" ".repeat(widths[column] - cell.width() + 2));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Prints it.
    pub fn print(&self) -> Result<(), Failure> {
        std::io::stdout()
            .lock()
            .write_all(self.render().as_bytes())?;
        Ok(())
    }
}

/// Text from outside without control characters, so that it cannot drive the terminal.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// How long ago, in the largest unit that fits: `4 m`, `2 h`, `6 d`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    span_text(now.as_second() - at.as_second())
}

/// Seconds in the largest unit that fits.
pub fn span_text(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} m", s / 60),
        s if s < 86_400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_wide_characters_count_twice() {
        let mut table = Table::new(["ENV", "RELEASE"]);
        table.row(["dev".into(), "1.5.0".into()]);
        table.row(["日本".into(), "1.4.1".into()]);
        assert_eq!(table.render(), "ENV   RELEASE\ndev   1.5.0\n日本  1.4.1\n");
    }

    #[test]
    fn a_name_with_escape_sequences_cannot_drive_the_terminal() {
        assert_eq!(printable("api\u{1b}[2Jx\n"), "api[2Jx");
    }

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        assert_eq!(span_text(59), "59 s");
        assert_eq!(span_text(3600), "1 h");
        assert_eq!(span_text(6 * 86_400 + 7200), "6 d");
    }
}
