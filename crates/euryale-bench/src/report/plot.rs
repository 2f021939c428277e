//! Bars as SVG: a section's first column, medians as bars, extremes as whiskers.

use html_escape::encode_text;

use super::line;
use crate::rounds::Section;
use crate::statistics::Spread;
use crate::workload::Column;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 160.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 44.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;

const STYLE: &str = "text{font:13px sans-serif;fill:#222}.t{font-weight:bold}.n{text-anchor:end}\
                     .peer{fill:#9aa7b4}.ours{fill:#c2571a}.w{stroke:#222;stroke-width:1}";

/// The bars of a section. A failed or missing case is marked where its bar would be.
pub(crate) fn svg(section: &Section, column: &Column) -> String {
    let spreads: Vec<Option<Spread>> = section
        .cases
        .iter()
        .map(|runs| Spread::of(runs.values(column.key).into_iter().flatten()))
        .collect();
    let most = spreads
        .iter()
        .flatten()
        .map(|spread| spread.max)
        .fold(0.0, f64::max);
    let scale = |value: f64| {
        if most > 0.0 {
            LEFT + value / most * (WIDTH - LEFT - RIGHT)
        } else {
            LEFT
        }
    };
    let height = TOP + ROW * section.cases.len() as f64 + 10.0;
    let mut out = String::new();
    line(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
                role=\"img\">\n\
             <style>{STYLE}</style>\n<text class=\"t\" x=\"10\" y=\"24\">{}: {}</text>",
            encode_text(&section.title),
            encode_text(column.title)
        ),
    );
    for (index, (runs, spread)) in section.cases.iter().zip(&spreads).enumerate() {
        let y = TOP + ROW * index as f64;
        let text = y + BAR - 3.0;
        line(
            &mut out,
            format_args!(
                "<text class=\"n\" x=\"{}\" y=\"{text}\">{}</text>",
                LEFT - 8.0,
                encode_text(&runs.case)
            ),
        );
        let Some(spread) = spread else {
            let why = if runs.missing.is_some() {
                "not installed"
            } else if runs.rounds.is_empty() {
                "not measured"
            } else {
                "failed"
            };
            line(
                &mut out,
                format_args!("<text x=\"{LEFT}\" y=\"{text}\">{why}</text>"),
            );
            continue;
        };
        let class = if runs.ours { "ours" } else { "peer" };
        let end = scale(spread.median);
        let middle = y + BAR / 2.0;
        line(
            &mut out,
            format_args!(
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" \
                    height=\"{BAR}\"/>\n\
                 <line class=\"w\" x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\"/>\n\
                 <text x=\"{:.1}\" y=\"{text}\">{}</text>",
                end - LEFT,
                scale(spread.min),
                scale(spread.max),
                scale(spread.max) + 8.0,
                spread.show(column.digits)
            ),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// The file of a section, within its folder.
pub(crate) fn file_name(workload: &str, title: &str) -> String {
    let mut name = format!("{workload}-");
    for character in title.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => name.push(character.to_ascii_lowercase()),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.trim_end_matches('-').to_owned() + ".svg"
}
