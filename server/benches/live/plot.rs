//! Plots as small SVG, drawn by hand: one x axis, up to three lines, with one scale from zero or each with its own.

use std::fmt::Write as _;

use crate::report::short;

/// Width of the drawing area, in pixels.
const W: f64 = 420.0;
/// Its height.
const H: f64 = 200.0;
/// What lies left of it, and right.
const LEFT: f64 = 60.0;
/// What lies above it.
const TOP: f64 = 50.0;
/// One per line.
const COLOURS: [&str; 3] = ["#0b57d0", "#b3261e", "#1e7d34"];
/// Points beyond which figures would cover the line.
const FIGURES: usize = 12;

/// A line.
#[derive(Debug)]
pub(crate) struct Line {
    /// What it shows, with its unit.
    pub(crate) name: String,
    /// Points.
    pub(crate) points: Vec<(f64, f64)>,
}

/// How the lines of a plot are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Each fills the height.
    Own,
    /// All alike, since they show the same thing.
    Shared,
}

/// A plot.
#[derive(Debug)]
pub(crate) struct Plot {
    /// Title.
    pub(crate) title: String,
    /// What x is.
    pub(crate) x: &'static str,
    /// How lines are scaled.
    pub(crate) scale: Scale,
    /// Lines.
    pub(crate) lines: Vec<Line>,
}

/// The plot as SVG.
pub(crate) fn svg(plot: &Plot) -> String {
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" font-size="12" role="img">
<rect width="100%" height="100%" fill="#fff"/>
<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{}</text>
<path d="M{LEFT} {TOP}v{H}h{W}" fill="none" stroke="#444"/>
"##,
        W + 2.0 * LEFT,
        TOP + H + 45.0,
        plot.title
    );
    let xs = plot.lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x));
    let x_max = xs.fold(0.0, f64::max);
    let tallest =
        |line: &Line| line.points.iter().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max);
    let of_all = plot.lines.iter().map(tallest).fold(f64::MIN_POSITIVE, f64::max);
    // Figures of the first line stand above it, of the others below.
    for ((line, colour), figures) in plot.lines.iter().zip(COLOURS).zip([-6.0, 16.0, 16.0]) {
        let y_max = if plot.scale == Scale::Own { tallest(line) } else { of_all };
        draw(&mut out, line, colour, (x_max, y_max), figures);
    }
    if let Some(line) = plot.lines.first() {
        let every = line.points.len().div_ceil(FIGURES).max(1);
        let mut last = f64::MIN;
        for (x, _) in line.points.iter().step_by(every) {
            let at = LEFT + W * x / x_max;
            // Crowded figures cannot be read.
            if at - last < 30.0 {
                continue;
            }
            last = at;
            let _ = writeln!(
                out,
                r#"<text x="{at:.0}" y="{}" text-anchor="middle">{}</text>"#,
                TOP + H + 16.0,
                short(*x)
            );
        }
    }
    let _ = writeln!(
        out,
        r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        LEFT + W / 2.0,
        TOP + H + 36.0,
        plot.x
    );
    for (at, (line, colour)) in plot.lines.iter().zip(COLOURS).enumerate() {
        let x = LEFT + 480.0 / plot.lines.len() as f64 * at as f64;
        let _ = writeln!(out, r#"<text x="{x}" y="40" fill="{colour}">{}</text>"#, line.name);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, line: &Line, colour: &str, (x_max, y_max): (f64, f64), figures: f64) {
    let place = |(x, y): &(f64, f64)| (LEFT + W * x / x_max, TOP + H - H * y / y_max);
    let path: Vec<String> =
        line.points.iter().map(place).map(|(x, y)| format!("{x:.0},{y:.0}")).collect();
    let _ = writeln!(
        out,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
        path.join(" ")
    );
    let highest = line.points.iter().map(|(_, y)| *y).fold(f64::MIN, f64::max);
    let few = line.points.len() <= FIGURES;
    for point in line.points.iter().filter(|(_, y)| few || *y >= highest) {
        let (x, y) = place(point);
        let _ = writeln!(
            out,
            r#"<circle cx="{x:.0}" cy="{y:.0}" r="3" fill="{colour}"/><text x="{:.0}" y="{:.0}" fill="{colour}">{}</text>"#,
            x + 5.0,
            y + figures,
            short(point.1)
        );
    }
}
