//! The status as HTML. The page without scripts and the events are written by the same code.

use std::time::Duration;

use euryale_core::request::Route;
use euryale_server::SlowRequest;
use html_escape::encode_quoted_attribute as escaped;

use super::details::Held;
use super::figures::{Figures, QUANTILES, Section, Times, Value};
use super::format::Seconds;
use super::trends::{SPAN, Trend};

pub(super) fn whole(figures: &Figures) -> String {
    let state = state(figures);
    let main = main(figures);
    let host = escaped(&figures.process.host);
    let program = figures.process.program.as_deref();
    let name = program.map_or_else(
        || format!("Status of {host}"),
        |program| format!("Status of {} on {host}", escaped(program)),
    );
    format!(
        "<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content=\"width=device-width, initial-scale=1\">
<title>{name}</title>
<link rel=stylesheet href=status.css>
<script src=status.js type=module></script>
</head>
<body>
<header><h1>{name}</h1>
{state}<p id=live role=status>Snapshot</p></header>
{main}
<footer>For programs: <a href=status.json>status.json</a>, <a href=metrics>metrics</a></footer>
</body>
</html>
"
    )
}

/// Writes an event: all elements that have an id, except the one that says whether the page is
/// live. None of them is inside another.
pub(super) fn event(figures: &Figures) -> String {
    state(figures) + &main(figures)
}

fn state(figures: &Figures) -> String {
    let state = figures.process.state;
    let up = Seconds(figures.process.up.as_secs_f64());
    let alarm = if state == "ready" { "" } else { " alarm" };
    format!("<p id=state class=\"state{alarm}\">{state}</p>\n<p>up <span id=up>{up}</span></p>\n")
}

fn main(figures: &Figures) -> String {
    let Figures {
        recent,
        trends,
        sections,
        times,
        ..
    } = figures;
    let lately = recent.map_or_else(
        || "Rates and recent times appear when this page loads again.".to_owned(),
        |recent| {
            format!(
                "“Lately” is the last {}. The charts show two minutes.",
                Seconds(recent.as_secs_f64().round())
            )
        },
    );
    format!(
        "<main>
{trends}{held}{slowest}{times}{lanes}{sections}{transforms}{facts}
<p class=quiet id=lately>{lately}</p>
</main>",
        trends = all(trends.iter().map(trend)),
        held = held(&figures.details.held),
        slowest = figures.slowest.as_deref().map(slowest).unwrap_or_default(),
        times = table_of_times(times),
        lanes = lanes(figures),
        sections = all(sections.iter().map(section)),
        transforms = transforms(figures),
        facts = facts(figures),
    )
}

fn all(parts: impl Iterator<Item = String>) -> String {
    parts.collect()
}

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 56.0;

fn trend(trend: &Trend) -> String {
    let Trend {
        id,
        title,
        now,
        scale,
        line,
        cap,
        is_full,
    } = trend;
    let peak = line
        .iter()
        .flatten()
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    let top = scale.max(peak);
    let beside = cap.map_or_else(
        || format!("peak {}", now.like(peak)),
        |cap| format!("of {cap}"),
    );
    let full = if *is_full { " <b>full</b>" } else { "" };
    let mut path = String::new();
    let mut area = String::new();
    let mut last = None;
    for point in line.iter().map(Some).chain([None]) {
        let point = point.copied().flatten();
        let place = point.map(|(age, value)| {
            (
                WIDTH * (1.0 - age / SPAN),
                HEIGHT - 1.0 - (HEIGHT - 2.0) * value / top,
            )
        });
        match (place, last) {
            (Some((x, y)), None) => {
                path += &format!("M{x:.1} {y:.1}");
                area += &format!("M{x:.1} {HEIGHT}V{y:.1}");
            }
            (Some((x, y)), Some(_)) => {
                path += &format!("L{x:.1} {y:.1}");
                area += &format!("L{x:.1} {y:.1}");
            }
            (None, Some((x, _))) => area += &format!("L{x:.1} {HEIGHT}Z"),
            (None, None) => {}
        }
        last = place;
    }
    format!(
        "<section class=\"card trend\"><h2>{title}</h2><p id=trend-{id}>{now} <small>{beside}\
            </small>{full}</p>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=none aria-hidden=true>\
         <line x1=0 x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />\
         <path id=area-{id} class=area d=\"{area}\" /><path id=line-{id} d=\"{path}\" /></svg>\
         </section>\n"
    )
}

fn section(section: &Section) -> String {
    let Section { id, title, rows } = section;
    let rows = rows
        .iter()
        .map(|(row, name, value)| format!("<dt>{name}</dt><dd id={id}-{row}>{value}</dd>"));
    format!(
        "<section class=card><h2>{title}</h2><dl>{}</dl></section>\n",
        all(rows)
    )
}

fn held(held: &[Held]) -> String {
    let row = |held: &Held| {
        let text = |text: &Option<String>, none: &str| {
            escaped(text.as_deref().unwrap_or(none)).into_owned()
        };
        format!(
            "<tr><td>{}</td><td class=\"words route\">{}</td><td class=words>{}</td><td \
                class=words>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td></tr>",
            Seconds(held.age.as_secs_f64()),
            text(&held.route, "–"),
            text(&held.phase, "–"),
            text(&held.lane, "default"),
            Value::Seconds(held.waited.as_ref().map(Duration::as_secs_f64)),
            held.attempt,
            held.pass,
        )
    };
    let rows = if held.is_empty() {
        "<tr><td colspan=7 class=\"words quiet\">None.</td></tr>".to_owned()
    } else {
        all(held.iter().map(row))
    };
    format!(
        "<section class=\"card wide\" aria-label=\"Workers in use\" tabindex=0>\
         <h2>Requests that hold a worker, the longest first</h2><table><thead><tr>\
         <th>Age</th><th class=words>Route</th><th class=words>Phase</th><th class=words>Lane</th>\
         <th>Waited</th><th>Attempt</th><th>Pass</th></tr></thead><tbody id=held>{rows}</tbody>\
         </table></section>\n"
    )
}

fn slowest(slowest: &[SlowRequest]) -> String {
    let row = |ended: &SlowRequest| {
        let seconds = |time: Duration| Seconds(time.as_secs_f64());
        let stages = ended
            .stages
            .into_iter()
            .chain([ended.elsewhere(), ended.sending]);
        let stages = stages.map(|time| {
            if time.is_zero() {
                "<td>–</td>".to_owned()
            } else {
                format!("<td>{}</td>", seconds(time))
            }
        });
        let class = if ended.status.is_none_or(|status| status.is_server_error()) {
            " class=alarm"
        } else {
            ""
        };
        let status = ended
            .status
            .map_or_else(|| "gone".to_owned(), |status| status.as_u16().to_string());
        format!(
            "<tr><td>{}</td><td class=words>{}</td><td class=\"words route\">{}</td>\
                <td{class}>{status}</td>{}\
             <td>{}</td><td>{}</td></tr>",
            seconds(ended.took),
            escaped(ended.method.as_str()),
            escaped(ended.route.as_ref().map_or("–", Route::name)),
            all(stages),
            ended.publications,
            seconds(ended.at.elapsed()),
        )
    };
    let rows = if slowest.is_empty() {
        "<tr><td colspan=12 class=\"words quiet\">None.</td></tr>".to_owned()
    } else {
        all(slowest.iter().map(row))
    };
    let stages = [
        "Reading",
        "Queued",
        "In a worker",
        "Suspended",
        "Elsewhere",
        "Sending",
    ];
    let stages = all(stages.iter().map(|stage| format!("<th>{stage}</th>")));
    format!(
        "<section class=\"card wide\" aria-label=\"Slowest requests\" tabindex=0>\
         <h2>Slowest requests that ended in the last five minutes</h2><table><thead><tr>\
         <th>Took</th><th class=words>Method</th><th class=words>Route</th><th>Status</th>{stages}\
         <th>Passes</th><th>Ago</th></tr></thead><tbody id=slowest>{rows}</tbody></table>\
         </section>\n"
    )
}

fn cells(values: Option<[Option<f64>; 3]>) -> String {
    all(values
        .unwrap_or_default()
        .into_iter()
        .map(|value| format!("<td>{}</td>", Value::Seconds(value))))
}

fn table_of_times(times: &[Times]) -> String {
    let rows = |part: &str, values: fn(&Times) -> Option<[Option<f64>; 3]>| {
        all(times.iter().map(|times| {
            let Times { id, title, .. } = times;
            format!(
                "<tr id=times-{part}-{id}><th scope=row>{title}</th>{}</tr>",
                cells(values(times))
            )
        }))
    };
    let heads = all(QUANTILES.iter().map(|(name, _)| format!("<th>{name}</th>")));
    format!(
        "<section class=\"card wide half\" aria-label=Times tabindex=0>\
         <h2>Times</h2><table><thead><tr><th>Lately</th>{heads}</tr></thead>\
         <tbody>{}</tbody><tbody><tr><th class=part>Since the start</th></tr>{}</tbody></table>\
         </section>\n",
        rows("recent", |times| times.recent),
        rows("ever", |times| Some(times.ever)),
    )
}

fn lanes(figures: &Figures) -> String {
    let rows = figures.lanes.iter().map(|lane| {
        format!(
            "<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&lane.name),
            lane.running,
            lane.peak,
            lane.waiting,
            lane.refused
        )
    });
    let rows = all(rows);
    let rows = if rows.is_empty() {
        "<tr><td colspan=5 class=\"words quiet\">None.</td></tr>"
    } else {
        &rows
    };
    format!(
        "<section class=\"card wide half\" aria-label=\"Blocking lanes\" tabindex=0>\
         <h2>Blocking lanes</h2><table><thead><tr><th>Lane</th>\
         <th>Running</th><th>Peak</th><th>Waiting</th><th>Refused</th></tr></thead>\
         <tbody id=lanes>{rows}</tbody></table></section>\n"
    )
}

/// The element exists even if it is empty, so that later events can fill it.
fn transforms(figures: &Figures) -> String {
    let rows = figures.transforms.iter().map(|transform| {
        let failures = transform.failures;
        let class = if failures == 0 { "" } else { " class=alarm" };
        format!(
            "<tr><th scope=row>{}</th><td>{}</td>{}<td{class}>{failures}</td></tr>",
            escaped(&transform.name),
            transform.pages,
            cells(Some(transform.ever)),
        )
    });
    let rows = all(rows);
    let hidden = if rows.is_empty() { " hidden" } else { "" };
    let heads = all(QUANTILES.iter().map(|(name, _)| format!("<th>{name}</th>")));
    format!(
        "<section class=\"card wide\" aria-label=Transforms tabindex=0 \
         id=transforms{hidden}><h2>Transforms</h2><table><thead><tr><th>Name</th>\
         <th>Pages</th>{heads}<th>Failed</th></tr></thead><tbody>{rows}</tbody></table></section>\n"
    )
}

/// The element exists even if it is empty, so that later events can fill it.
fn facts(figures: &Figures) -> String {
    let facts = &figures.details.facts;
    let mut groups: Vec<&str> = Vec::new();
    for fact in facts {
        if !groups.contains(&&*fact.group) {
            groups.push(&fact.group);
        }
    }
    let cards = groups.into_iter().map(|group| {
        let rows = facts.iter().filter(|fact| fact.group == group).map(|fact| {
            let class = if fact.is_alarm { " class=alarm" } else { "" };
            format!(
                "<dt>{}</dt><dd{class}>{}</dd>",
                escaped(&fact.name),
                escaped(&fact.value)
            )
        });
        format!("<h2>{}</h2><dl>{}</dl>", escaped(group), all(rows))
    });
    let cards = all(cards);
    let hidden = if cards.is_empty() { " hidden" } else { "" };
    format!("<section class=\"card wide\" id=facts{hidden}>{cards}</section>\n")
}
