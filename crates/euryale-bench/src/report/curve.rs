//! Curves as SVG: a section whose cases are sizes, with its first column as the height. Sizes are
//! evenly spaced, because each is about the same multiple of the one before.

use html_escape::encode_text;

use super::line;
use crate::rounds::Section;
use crate::statistics::Spread;
use crate::workload::Column;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 440.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 184.0;

const STYLE: &str = "text{font:12px sans-serif;fill:#222;text-anchor:middle}.t{font-weight:bold;\
                     text-anchor:start}.c{fill:none;stroke:#c2571a;stroke-width:2}\
                     .w,.a{stroke:#222;stroke-width:1}.p{fill:#c2571a}svg{background:#fff}";

/// Draws medians as a curve from zero, with extremes as whiskers. Cases without a figure are left
/// out.
pub(crate) fn curve(section: &Section, column: &Column) -> String {
    let spreads: Vec<Option<Spread>> = section
        .cases
        .iter()
        .map(|runs| Spread::of(runs.values(column.key).into_iter().flatten()))
        .collect();
    let all = spreads.iter().flatten();
    let most = all
        .map(|spread| spread.max)
        .fold(f64::MIN_POSITIVE, f64::max);
    let steps = section.cases.len().saturating_sub(1).max(1) as f64;
    let x = |index: usize| LEFT + 20.0 + (RIGHT - LEFT - 40.0) * index as f64 / steps;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most;

    let mut out = String::new();
    line(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
                role=\"img\">\n<style>{STYLE}</style>\n\
             <text class=\"t\" x=\"10\" y=\"20\">{}</text>\n\
             <text class=\"t\" x=\"10\" y=\"36\">{}</text>\n\
             <line class=\"a\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{BOTTOM}\"/>",
            encode_text(&section.title),
            encode_text(column.title)
        ),
    );
    let mut points = Vec::new();
    for (index, (runs, spread)) in section.cases.iter().zip(&spreads).enumerate() {
        let middle = x(index);
        line(
            &mut out,
            format_args!(
                "<text x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
                BOTTOM + 18.0,
                encode_text(&runs.case)
            ),
        );
        let Some(spread) = spread else {
            continue;
        };
        let height = y(spread.median);
        points.push(format!("{middle:.1},{height:.1}"));
        line(
            &mut out,
            format_args!(
                "<line class=\"w\" x1=\"{middle:.1}\" y1=\"{:.1}\" x2=\"{middle:.1}\" \
                    y2=\"{:.1}\"/>\n\
                 <circle class=\"p\" cx=\"{middle:.1}\" cy=\"{height:.1}\" r=\"3\"/>\n\
                 <text x=\"{middle:.1}\" y=\"{:.1}\">{:.*}</text>",
                y(spread.min),
                y(spread.max),
                y(spread.max) - 6.0,
                column.digits,
                spread.median
            ),
        );
    }
    line(
        &mut out,
        format_args!(
            "<polyline class=\"c\" points=\"{}\"/>\n</svg>",
            points.join(" ")
        ),
    );
    out
}
