//! Lines, corners and bars as SVG shapes that meet across cells.

use super::svg::{CELL_HEIGHT, CELL_WIDTH};
use std::fmt::Write as _;

/// Whether a shape is filled or drawn along its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Filled.
    Fill,
    /// Drawn along its lines.
    Stroke,
}

/// What is drawn for one character.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Lines from the middle of the cell to its edges.
    Arms(Arms),
    /// A quarter circle between two arms; `right` and `down` say which.
    Corner { right: bool, down: bool },
    /// A dashed line through the cell.
    Dashed { vertical: bool, dashes: u32 },
    /// A part of the cell in eighths: x, y, width, height.
    Block {
        x: u32,
        y: u32,
        width: u32,
        height: u32,
    },
    /// The whole cell, in so many percent of the colour.
    Shade(u32),
}

/// Line widths of the four arms in pixels; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arms {
    up: u32,
    right: u32,
    down: u32,
    left: u32,
}

/// The shape of `symbol`, or `None` where the font's glyph is drawn.
pub(super) fn shape(symbol: &str) -> Option<Shape> {
    let mut chars = symbol.chars();
    let c = chars.next()?;
    if chars.next().is_some() {
        return None;
    }
    let arms = |up, right, down, left| {
        Some(Shape::Arms(Arms {
            up,
            right,
            down,
            left,
        }))
    };
    match c {
        '─' => arms(0, 1, 0, 1),
        '│' => arms(1, 0, 1, 0),
        '┌' => arms(0, 1, 1, 0),
        '┐' => arms(0, 0, 1, 1),
        '└' => arms(1, 1, 0, 0),
        '┘' => arms(1, 0, 0, 1),
        '├' => arms(1, 1, 1, 0),
        '┤' => arms(1, 0, 1, 1),
        '┬' => arms(0, 1, 1, 1),
        '┴' => arms(1, 1, 0, 1),
        '┼' => arms(1, 1, 1, 1),
        '╴' => arms(0, 0, 0, 1),
        '╵' => arms(1, 0, 0, 0),
        '╶' => arms(0, 1, 0, 0),
        '╷' => arms(0, 0, 1, 0),
        '━' => arms(0, 3, 0, 3),
        '┃' => arms(3, 0, 3, 0),
        '┏' => arms(0, 3, 3, 0),
        '┓' => arms(0, 0, 3, 3),
        '┗' => arms(3, 3, 0, 0),
        '┛' => arms(3, 0, 0, 3),
        '┣' => arms(3, 3, 3, 0),
        '┫' => arms(3, 0, 3, 3),
        '┳' => arms(0, 3, 3, 3),
        '┻' => arms(3, 3, 0, 3),
        '╋' => arms(3, 3, 3, 3),
        '╭' => Some(Shape::Corner {
            right: true,
            down: true,
        }),
        '╮' => Some(Shape::Corner {
            right: false,
            down: true,
        }),
        '╰' => Some(Shape::Corner {
            right: true,
            down: false,
        }),
        '╯' => Some(Shape::Corner {
            right: false,
            down: false,
        }),
        '┄' | '╌' | '┈' => Some(Shape::Dashed {
            vertical: false,
            dashes: 3,
        }),
        '┆' | '╎' | '┊' => Some(Shape::Dashed {
            vertical: true,
            dashes: 4,
        }),
        '▀' => Some(Shape::Block {
            x: 0,
            y: 0,
            width: 8,
            height: 4,
        }),
        '▁'..='█' => {
            let eighths = u32::from(c) - u32::from('▁') + 1;
            Some(Shape::Block {
                x: 0,
                y: 8 - eighths,
                width: 8,
                height: eighths,
            })
        }
        '▉'..='▏' => {
            let eighths = u32::from('▏') - u32::from(c) + 1;
            Some(Shape::Block {
                x: 0,
                y: 0,
                width: eighths,
                height: 8,
            })
        }
        '▐' => Some(Shape::Block {
            x: 4,
            y: 0,
            width: 4,
            height: 8,
        }),
        '░' => Some(Shape::Shade(25)),
        '▒' => Some(Shape::Shade(50)),
        '▓' => Some(Shape::Shade(75)),
        '▔' => Some(Shape::Block {
            x: 0,
            y: 0,
            width: 8,
            height: 1,
        }),
        '▕' => Some(Shape::Block {
            x: 7,
            y: 0,
            width: 1,
            height: 8,
        }),
        _ => None,
    }
}

impl Shape {
    /// How it is painted.
    pub(super) fn paint(self) -> Paint {
        match self {
            Self::Block { .. } | Self::Shade(_) => Paint::Fill,
            Self::Arms(_) | Self::Corner { .. } | Self::Dashed { .. } => Paint::Stroke,
        }
    }

    /// Whether a row of it is one long shape.
    pub(super) fn joins(self) -> bool {
        match self {
            Self::Arms(Arms {
                up,
                right,
                down,
                left,
            }) => up + down == 0 && right == left,
            Self::Block { x, width, .. } => x == 0 && width == 8,
            Self::Shade(_) => true,
            Self::Corner { .. } | Self::Dashed { .. } => false,
        }
    }

    /// Writes it over `columns` cells, of which the first has its left upper corner at `x`, `y`.
    pub(super) fn write(self, out: &mut String, x: u32, y: u32, columns: u32, paint: &str) {
        let width_px = CELL_WIDTH * columns;
        // Half pixels put a line of one pixel exactly on the raster.
        let middle_x = f64::from(x) + f64::from(width_px) / 2.0;
        let middle_y = f64::from(y) + f64::from(CELL_HEIGHT) / 2.0 - 0.5;
        let (right, bottom) = (x + width_px, y + CELL_HEIGHT);
        match self {
            Self::Arms(arms) if self.joins() => {
                let _ = writeln!(
                    out,
                    r#"<path d="M{x} {middle_y}H{right}" stroke-width="{}" {paint}/>"#,
                    arms.right
                );
            }
            Self::Arms(arms) => {
                for (weight, end_x, end_y) in [
                    (arms.up, middle_x, f64::from(y)),
                    (arms.right, f64::from(right), middle_y),
                    (arms.down, middle_x, f64::from(bottom)),
                    (arms.left, f64::from(x), middle_y),
                ] {
                    if weight > 0 {
                        let _ = writeln!(
                            out,
                            r#"<path d="M{middle_x} {middle_y}L{end_x} {end_y}" stroke-width="{weight}" stroke-linecap="square" {paint}/>"#
                        );
                    }
                }
            }
            Self::Corner {
                right: to_right,
                down,
            } => {
                let end_x = if to_right { right } else { x };
                let start_y = if down { bottom } else { y };
                let _ = writeln!(
                    out,
                    r#"<path d="M{middle_x} {start_y}Q{middle_x} {middle_y} {end_x} {middle_y}" stroke-width="1" {paint}/>"#
                );
            }
            Self::Dashed { vertical, dashes } => {
                let (line, length) = if vertical {
                    (format!("M{middle_x} {y}V{bottom}"), CELL_HEIGHT)
                } else {
                    (format!("M{x} {middle_y}H{right}"), CELL_WIDTH)
                };
                let dash = f64::from(length) / f64::from(dashes) / 2.0;
                let _ = writeln!(
                    out,
                    r#"<path d="{line}" stroke-dasharray="{dash}" stroke-width="1" {paint}/>"#
                );
            }
            Self::Block {
                x: left,
                y: top,
                width,
                height,
            } => {
                let eighth = |part: u32, whole: u32| f64::from(part) * f64::from(whole) / 8.0;
                let _ = writeln!(
                    out,
                    r#"<rect x="{}" y="{}" width="{}" height="{}" shape-rendering="crispEdges" {paint}/>"#,
                    f64::from(x) + eighth(left, CELL_WIDTH),
                    f64::from(y) + eighth(top, CELL_HEIGHT),
                    eighth(width, width_px),
                    eighth(height, CELL_HEIGHT),
                );
            }
            Self::Shade(percent) => {
                let _ = writeln!(
                    out,
                    r#"<rect x="{x}" y="{y}" width="{width_px}" height="{CELL_HEIGHT}" fill-opacity="{}" shape-rendering="crispEdges" {paint}/>"#,
                    f64::from(percent) / 100.0,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_of_a_sparkline_grow_from_the_bottom() {
        assert_eq!(
            shape("▁"),
            Some(Shape::Block {
                x: 0,
                y: 7,
                width: 8,
                height: 1
            })
        );
        assert_eq!(
            shape("█"),
            Some(Shape::Block {
                x: 0,
                y: 0,
                width: 8,
                height: 8
            })
        );
        assert_eq!(
            shape("▏"),
            Some(Shape::Block {
                x: 0,
                y: 0,
                width: 1,
                height: 8
            })
        );
        assert_eq!(
            shape("▌"),
            Some(Shape::Block {
                x: 0,
                y: 0,
                width: 4,
                height: 8
            })
        );
    }

    #[test]
    fn a_line_reaches_the_edge_where_its_neighbour_starts() {
        let mut out = String::new();
        shape("─").expect("a shape").write(&mut out, 9, 0, 2, "");
        shape("┤").expect("a shape").write(&mut out, 27, 0, 1, "");
        assert!(out.contains("M9 8.5H27"), "{out}");
        assert!(out.contains("M31.5 8.5L27 8.5"), "{out}");
    }

    #[test]
    fn letters_and_clusters_are_left_to_the_font() {
        assert_eq!(shape("a"), None);
        assert_eq!(shape("─\u{301}"), None);
        assert_eq!(shape(""), None);
    }
}
