//! A screen's buffer as an SVG picture, for the README and the docs.
//!
//! The picture must look the same wherever it is opened, so nothing is left to the reader's font:
//! every run of text is pinned to its cells by `x` and `textLength`, and lines, corners and bars
//! (box drawing U+2500–257F, blocks U+2580–259F) are drawn as shapes, because glyphs of those
//! never meet across rows at a browser's line height. The output depends on the buffer alone: the
//! same screen gives the same bytes, so a picture that drifted shows in `git diff`.

use super::svg_shapes;
use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Width of a cell in pixels: six tenths of the font size, as monospaced fonts have it.
pub(super) const CELL_WIDTH: u32 = 9;
/// Height of a cell in pixels.
pub(super) const CELL_HEIGHT: u32 = 18;
/// Size of the font in pixels.
const FONT_SIZE: u32 = 15;
/// Where the text stands in its cell, from the top.
const BASELINE: u32 = 14;
/// Margin around the screen.
const MARGIN: u32 = 10;

/// What `Color::Reset` means in the picture.
const FOREGROUND: Rgb = Rgb(0xd4, 0xd9, 0xe2);
/// The picture's own ground.
const BACKGROUND: Rgb = Rgb(0x12, 0x16, 0x1d);

/// The sixteen colours, in the terminal's order.
const ANSI: [Rgb; 16] = [
    Rgb(0x1d, 0x23, 0x2d),
    Rgb(0xf0, 0x6c, 0x75),
    Rgb(0x8c, 0xc8, 0x6c),
    Rgb(0xe6, 0xb4, 0x50),
    Rgb(0x5f, 0xa8, 0xf5),
    Rgb(0xc0, 0x8a, 0xe8),
    Rgb(0x56, 0xbf, 0xc9),
    Rgb(0xb8, 0xbf, 0xcc),
    Rgb(0x6b, 0x75, 0x86),
    Rgb(0xff, 0x8a, 0x8f),
    Rgb(0xa9, 0xe0, 0x8a),
    Rgb(0xff, 0xd0, 0x75),
    Rgb(0x88, 0xc3, 0xff),
    Rgb(0xd9, 0xad, 0xf7),
    Rgb(0x7f, 0xdc, 0xe4),
    Rgb(0xff, 0xff, 0xff),
];

/// A colour of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rgb(u8, u8, u8);

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Draws `buffer` as a stand-alone SVG document; `title` is what a screen reader says of it.
pub fn svg(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = u32::from(area.width) * CELL_WIDTH + 2 * MARGIN;
    let height = u32::from(area.height) * CELL_HEIGHT + 2 * MARGIN;
    let mut out = String::with_capacity(64 * 1024);
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="'DejaVu Sans Mono', Menlo, Consolas, ui-monospace, monospace" font-size="{FONT_SIZE}">"#
    );
    let _ = writeln!(out, r#"<title id="title">{}</title>"#, escape(title));
    let _ = writeln!(
        out,
        r#"<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>"#
    );
    let _ = writeln!(
        out,
        r#"<g transform="translate({MARGIN} {MARGIN})" xml:space="preserve" style="white-space:pre">"#
    );
    for row in 0..area.height {
        let cells = row_of(buffer, row);
        grounds(&mut out, &cells, u32::from(row));
        texts(&mut out, &cells, u32::from(row));
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// A cell with the place and the look it has in the picture.
struct Drawn<'a> {
    column: u32,
    columns: u32,
    symbol: &'a str,
    look: Look,
    ground: Rgb,
}

/// What text of one run has in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    colour: Rgb,
    modifier: Modifier,
}

/// The visible cells of a row; the second half of a wide character is not one.
fn row_of(buffer: &Buffer, row: u16) -> Vec<Drawn<'_>> {
    let area = buffer.area;
    let mut cells = Vec::with_capacity(usize::from(area.width));
    let mut column = 0;
    while column < area.width {
        let cell = &buffer[(area.x + column, area.y + row)];
        let left = area.width - column;
        let columns = u16::try_from(cell.symbol().width())
            .unwrap_or(1)
            .clamp(1, 2)
            .min(left);
        let (colour, ground) = colours(cell);
        cells.push(Drawn {
            column: u32::from(column),
            columns: u32::from(columns),
            symbol: if cell.modifier.contains(Modifier::HIDDEN) {
                " "
            } else {
                cell.symbol()
            },
            look: Look {
                colour,
                modifier: cell.modifier
                    & (Modifier::BOLD
                        | Modifier::DIM
                        | Modifier::ITALIC
                        | Modifier::UNDERLINED
                        | Modifier::CROSSED_OUT),
            },
            ground,
        });
        column += columns;
    }
    cells
}

fn colours(cell: &Cell) -> (Rgb, Rgb) {
    let fore = resolve(cell.fg, FOREGROUND);
    let back = resolve(cell.bg, BACKGROUND);
    if cell.modifier.contains(Modifier::REVERSED) {
        (back, fore)
    } else {
        (fore, back)
    }
}

/// One rectangle for each stretch of the same ground; the picture's own needs none.
fn grounds(out: &mut String, cells: &[Drawn<'_>], row: u32) {
    for run in cells.chunk_by(|a, b| a.ground == b.ground) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        if first.ground == BACKGROUND {
            continue;
        }
        let _ = writeln!(
            out,
            r#"<rect x="{}" y="{}" width="{}" height="{CELL_HEIGHT}" fill="{}"/>"#,
            first.column * CELL_WIDTH,
            row * CELL_HEIGHT,
            (last.column + last.columns - first.column) * CELL_WIDTH,
            first.ground,
        );
    }
}

/// The row's text and shapes, run by run.
fn texts(out: &mut String, cells: &[Drawn<'_>], row: u32) {
    let mut at = 0;
    while at < cells.len() {
        let end = run_end(cells, at);
        let run = &cells[at..end];
        at = end;
        match svg_shapes::shape(run[0].symbol) {
            Some(shape) => {
                let paint = paint(run[0].look, shape.paint());
                let columns = u32::try_from(run.len()).unwrap_or(1);
                let (step, wide) = if shape.joins() {
                    (run.len(), columns)
                } else {
                    (1, 1)
                };
                for cell in run.iter().step_by(step) {
                    let (x, y) = (cell.column * CELL_WIDTH, row * CELL_HEIGHT);
                    shape.write(out, x, y, wide, &paint);
                }
            }
            None => text(out, run, row),
        }
    }
}

/// Where the run that starts at `start` ends: the same look, and only plain characters are trusted
/// to have the font's advance; any other stands alone, pinned to its own cell. Two blanks end a
/// run as well: what stands in columns does not depend on how a reader treats white space.
fn run_end(cells: &[Drawn<'_>], start: usize) -> usize {
    let first = &cells[start];
    if svg_shapes::shape(first.symbol).is_some() {
        let alike = cells[start..]
            .iter()
            .take_while(|cell| cell.look == first.look && cell.symbol == first.symbol);
        return start + alike.count();
    }
    if !is_plain(first.symbol) {
        return start + 1;
    }
    let mut blanks = 0;
    let alike = cells[start..].iter().take_while(|cell| {
        let was_column = blanks >= 2 && cell.symbol != " ";
        blanks = if cell.symbol == " " { blanks + 1 } else { 0 };
        cell.look == first.look && is_plain(cell.symbol) && !was_column
    });
    start + alike.count()
}

fn is_plain(symbol: &str) -> bool {
    symbol.is_ascii() || matches!(symbol, "·" | "…" | "≥" | "é" | "ä" | "ö" | "ü" | "×")
}

fn text(out: &mut String, run: &[Drawn<'_>], row: u32) {
    let decorated = run[0]
        .look
        .modifier
        .intersects(Modifier::UNDERLINED | Modifier::CROSSED_OUT);
    let blank = |cell: &&Drawn<'_>| cell.symbol.trim().is_empty();
    let (lead, tail) = if decorated {
        (0, 0)
    } else {
        (
            run.iter().take_while(blank).count(),
            run.iter().rev().take_while(blank).count(),
        )
    };
    if lead == run.len() {
        return;
    }
    let run = &run[lead..run.len() - tail];
    let columns: u32 = run.iter().map(|cell| cell.columns).sum();
    let content: String = run.iter().map(|cell| cell.symbol).collect();
    let _ = writeln!(
        out,
        r#"<text x="{}" y="{}" textLength="{}" lengthAdjust="spacingAndGlyphs" {}>{}</text>"#,
        run[0].column * CELL_WIDTH,
        row * CELL_HEIGHT + BASELINE,
        columns * CELL_WIDTH,
        paint(run[0].look, svg_shapes::Paint::Fill),
        escape(&content),
    );
}

/// The attributes of a look.
fn paint(look: Look, how: svg_shapes::Paint) -> String {
    let mut attributes = match how {
        svg_shapes::Paint::Fill => format!(r#"fill="{}""#, look.colour),
        svg_shapes::Paint::Stroke => format!(r#"fill="none" stroke="{}""#, look.colour),
    };
    if look.modifier.contains(Modifier::DIM) {
        attributes.push_str(r#" opacity="0.6""#);
    }
    if how == svg_shapes::Paint::Fill {
        if look.modifier.contains(Modifier::BOLD) {
            attributes.push_str(r#" font-weight="bold""#);
        }
        if look.modifier.contains(Modifier::ITALIC) {
            attributes.push_str(r#" font-style="italic""#);
        }
        let lines: Vec<&str> = [
            (Modifier::UNDERLINED, "underline"),
            (Modifier::CROSSED_OUT, "line-through"),
        ]
        .into_iter()
        .filter(|(modifier, _)| look.modifier.contains(*modifier))
        .map(|(_, name)| name)
        .collect();
        if !lines.is_empty() {
            let _ = write!(attributes, r#" text-decoration="{}""#, lines.join(" "));
        }
    }
    attributes
}

/// Text for XML 1.0: markup is escaped, and control characters, which it forbids, become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn resolve(colour: Color, reset: Rgb) -> Rgb {
    match colour {
        Color::Reset => reset,
        Color::Black => ANSI[0],
        Color::Red => ANSI[1],
        Color::Green => ANSI[2],
        Color::Yellow => ANSI[3],
        Color::Blue => ANSI[4],
        Color::Magenta => ANSI[5],
        Color::Cyan => ANSI[6],
        Color::Gray => ANSI[7],
        Color::DarkGray => ANSI[8],
        Color::LightRed => ANSI[9],
        Color::LightGreen => ANSI[10],
        Color::LightYellow => ANSI[11],
        Color::LightBlue => ANSI[12],
        Color::LightMagenta => ANSI[13],
        Color::LightCyan => ANSI[14],
        Color::White => ANSI[15],
        Color::Rgb(r, g, b) => Rgb(r, g, b),
        Color::Indexed(index) => indexed(index),
    }
}

/// xterm's 256 colours: the sixteen, a 6×6×6 cube, 24 greys.
fn indexed(index: u8) -> Rgb {
    match index {
        0..16 => ANSI[usize::from(index)],
        16..232 => {
            let cube = index - 16;
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            Rgb(grey, grey, grey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{layout::Rect, style::Style};

    fn screen(lines: &[(&str, Style)]) -> Buffer {
        let height = u16::try_from(lines.len()).expect("few lines");
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, height));
        for (row, (text, style)) in (0..).zip(lines) {
            buffer.set_string(0, row, text, *style);
        }
        buffer
    }

    #[test]
    fn the_same_screen_gives_the_same_picture() {
        let buffer = screen(&[
            ("prod", Style::new().fg(Color::Red)),
            ("│ ok", Style::new()),
        ]);
        assert_eq!(svg(&buffer, "t"), svg(&buffer, "t"));
    }

    #[test]
    fn a_whole_picture() {
        let buffer = screen(&[
            ("╭ a<b&c ──╮", Style::new().fg(Color::Green)),
            ("日本 ▲ ok", Style::new().add_modifier(Modifier::BOLD)),
            ("▁▅█", Style::new().fg(Color::Indexed(208))),
        ]);
        insta::assert_snapshot!(svg(&buffer, "A \"small\" screen"));
    }

    #[test]
    fn text_is_escaped_and_control_characters_never_reach_the_xml() {
        assert_eq!(
            escape("<a & \"b\">\u{1b}[0m"),
            "&lt;a &amp; &quot;b&quot;&gt;\u{fffd}[0m"
        );
    }

    #[test]
    fn a_wide_character_takes_two_cells_and_what_follows_keeps_its_place() {
        let picture = svg(&screen(&[("日x", Style::new())]), "t");
        assert!(
            picture.contains(r#"<text x="0" y="14" textLength="18""#),
            "{picture}"
        );
        assert!(
            picture.contains(r#"<text x="18" y="14" textLength="9""#),
            "{picture}"
        );
    }

    #[test]
    fn reverse_swaps_the_colours_and_dim_and_underline_are_kept() {
        let style = Style::new()
            .fg(Color::Yellow)
            .add_modifier(Modifier::REVERSED | Modifier::DIM | Modifier::UNDERLINED);
        let picture = svg(&screen(&[("warn", style)]), "t");
        assert!(
            picture.contains(&format!(r#"height="18" fill="{}"/>"#, ANSI[3])),
            "{picture}"
        );
        assert!(
            picture.contains(&format!(
                r#"fill="{BACKGROUND}" opacity="0.6" text-decoration="underline">warn<"#
            )),
            "{picture}"
        );
    }

    #[test]
    fn the_256_colours_are_xterms() {
        assert_eq!(indexed(16), Rgb(0, 0, 0));
        assert_eq!(indexed(208), Rgb(255, 135, 0));
        assert_eq!(indexed(231), Rgb(255, 255, 255));
        assert_eq!(indexed(232), Rgb(8, 8, 8));
        assert_eq!(indexed(255), Rgb(238, 238, 238));
    }
}
