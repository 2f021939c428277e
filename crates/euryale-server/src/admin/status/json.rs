//! For programs. Times are in seconds; what is not known is `null`, and so is what is beyond the
//! greatest bound.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use euryale_core::Stage;

use super::details::{Fact, Held};
use super::figures::{Figures, Lane, QUANTILES, Section, Times, Transform, Value};
use crate::slowest::Ended;

pub(super) fn write(figures: &Figures) -> String {
    let Figures {
        process,
        recent,
        sections,
        times,
        lanes,
        transforms,
        details,
        slowest,
        ..
    } = figures;
    let mut members = vec![
        member("host", Quoted(&process.host)),
        member("state", Quoted(process.state)),
        member("up_seconds", Number(Some(process.up.as_secs_f64()))),
        member(
            "recent_seconds",
            Number(recent.map(|recent| recent.as_secs_f64())),
        ),
    ];
    let program = process.program.as_deref();
    members.extend(program.map(|program| member("program", Quoted(program))));
    members.extend(sections.iter().map(section));
    members.push(member("times", object(times.iter().map(time))));
    members.push(member("lanes", array(lanes.iter().map(lane))));
    members.push(member(
        "transforms",
        array(transforms.iter().map(transform)),
    ));
    members.push(member("held", array(details.held.iter().map(held))));
    members.extend(
        slowest
            .as_ref()
            .map(|slowest| member("slowest", array(slowest.iter().map(ended)))),
    );
    members.push(member("facts", array(details.facts.iter().map(fact))));
    object(members) + "\n"
}

fn section(section: &Section) -> String {
    member(
        section.id,
        object(
            section
                .rows
                .iter()
                .map(|(id, _, value)| member(id, Json(*value))),
        ),
    )
}

fn time(times: &Times) -> String {
    let recent = times
        .recent
        .as_ref()
        .map_or_else(|| "null".to_owned(), quantiles);
    member(
        times.id,
        object([
            member("recent", recent),
            member("ever", quantiles(&times.ever)),
        ]),
    )
}

fn quantiles(values: &[Option<f64>; 3]) -> String {
    object(
        QUANTILES
            .iter()
            .zip(values)
            .map(|((name, _), value)| member(name, Number(*value))),
    )
}

fn transform(transform: &Transform) -> String {
    object([
        member("name", Quoted(&transform.name)),
        member("pages", transform.pages),
        member("ever", quantiles(&transform.ever)),
        member("failures", transform.failures),
    ])
}

fn lane(lane: &Lane) -> String {
    object([
        member("name", Quoted(&lane.name)),
        member("running", lane.running),
        member("running_peak", lane.peak),
        member("waiting", lane.waiting),
        member("refused", lane.refused),
    ])
}

fn held(held: &Held) -> String {
    let text = |text: &Option<String>| {
        text.as_deref()
            .map_or_else(|| "null".to_owned(), |text| Quoted(text).to_string())
    };
    object([
        member("age_seconds", Number(Some(held.age.as_secs_f64()))),
        member(
            "waited_seconds",
            Number(held.waited.map(|waited| waited.as_secs_f64())),
        ),
        member("route", text(&held.route)),
        member("lane", text(&held.lane)),
        member("phase", text(&held.phase)),
        member("attempt", held.attempt),
        member("pass", held.pass),
    ])
}

fn ended(ended: &Ended) -> String {
    let seconds = |time: Duration| Number(Some(time.as_secs_f64()));
    let route = ended.route.as_ref().map_or_else(
        || "null".to_owned(),
        |route| Quoted(route.name()).to_string(),
    );
    let status = ended
        .status
        .map_or_else(|| "null".to_owned(), |status| status.as_u16().to_string());
    let stages = Stage::ALL
        .iter()
        .zip(ended.stages)
        .map(|(stage, time)| member(stage.name(), seconds(time)));
    let stages = stages.chain([member("elsewhere", seconds(ended.elsewhere()))]);
    object([
        member("took_seconds", seconds(ended.took)),
        member("method", Quoted(ended.method.as_str())),
        member("route", route),
        member("status", status),
        member("stage_seconds", object(stages)),
        member("sending_seconds", seconds(ended.sending)),
        member("publications", ended.publications),
        member("ended_seconds_ago", seconds(ended.at.elapsed())),
    ])
}

fn fact(fact: &Fact) -> String {
    object([
        member("group", Quoted(&fact.group)),
        member("name", Quoted(&fact.name)),
        member("value", Quoted(&fact.value)),
        member("alarm", fact.is_alarm),
    ])
}

fn member(name: &str, value: impl Display) -> String {
    format!("{}:{value}", Quoted(name))
}

fn object(members: impl IntoIterator<Item = String>) -> String {
    format!("{{{}}}", joined(members))
}

fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", joined(values))
}

fn joined(values: impl IntoIterator<Item = String>) -> String {
    values.into_iter().collect::<Vec<_>>().join(",")
}

struct Json(Value);

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Count(count) => count.fmt(f),
            Value::Bytes(bytes) => bytes.fmt(f),
            Value::Seconds(value) | Value::PerSecond(value) | Value::BytesPerSecond(value) => {
                Number(value).fmt(f)
            }
        }
    }
}

/// JSON has no infinity.
struct Number(Option<f64>);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter(|value| value.is_finite()) {
            // Six digits are a microsecond, in which times are.
            Some(value) => write!(f, "{value:.6}"),
            None => f.write_str("null"),
        }
    }
}

/// RFC 8259 §7.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
