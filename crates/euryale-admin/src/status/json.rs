//! The status as JSON. Times are in seconds. A number is `null` if it is unknown or beyond the
//! greatest bound.

use std::time::Duration;

use euryale_core::request::{Route, Stage};
use euryale_server::SlowRequest;
use serde_json::{Map, Value as Json, json};

use super::details::{Fact, Held};
use super::figures::{Figures, Lane, QUANTILES, Section, Times, Transform, Value};

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
    let mut all = Map::new();
    let mut add = |name: &str, value: Json| all.insert(name.to_owned(), value);
    add("host", json!(process.host));
    add("state", json!(process.state));
    add("up_seconds", seconds(process.up));
    add("recent_seconds", maybe_seconds(*recent));
    if let Some(program) = &process.program {
        add("program", json!(**program));
    }
    for Section { id, rows, .. } in sections {
        let rows = rows.iter().map(|(id, _, value)| (*id, figure(*value)));
        add(id, object(rows));
    }
    add("times", object(times.iter().map(time)));
    add("lanes", lanes.iter().map(lane).collect());
    add("transforms", transforms.iter().map(transform).collect());
    add("held", details.held.iter().map(held).collect());
    if let Some(slowest) = slowest {
        add("slowest", slowest.iter().map(ended).collect());
    }
    add("facts", details.facts.iter().map(fact).collect());
    format!("{}\n", Json::Object(all))
}

fn time(times: &Times) -> (&'static str, Json) {
    let recent = times.recent.as_ref().map(quantiles);
    (
        times.id,
        json!({"recent": recent, "ever": quantiles(&times.ever)}),
    )
}

fn quantiles(values: &[Option<f64>; 3]) -> Json {
    let names = QUANTILES.iter().map(|(name, _)| *name);
    object(names.zip(values.iter().map(|value| number(*value))))
}

fn transform(transform: &Transform) -> Json {
    json!({
        "name": transform.name,
        "pages": transform.pages,
        "ever": quantiles(&transform.ever),
        "failures": transform.failures,
    })
}

fn lane(lane: &Lane) -> Json {
    json!({
        "name": lane.name,
        "running": lane.running,
        "running_peak": lane.peak,
        "waiting": lane.waiting,
        "refused": lane.refused,
    })
}

fn held(held: &Held) -> Json {
    json!({
        "age_seconds": seconds(held.age),
        "waited_seconds": maybe_seconds(held.waited),
        "route": held.route,
        "lane": held.lane,
        "phase": held.phase,
        "attempt": held.attempt,
        "pass": held.pass,
    })
}

fn ended(ended: &SlowRequest) -> Json {
    let stages = Stage::ALL.iter().map(|stage| stage.name());
    let stages = stages.zip(ended.stages.map(seconds));
    let stages = stages.chain([("elsewhere", seconds(ended.elsewhere()))]);
    json!({
        "took_seconds": seconds(ended.took),
        "method": ended.method.as_str(),
        "route": ended.route.as_ref().map(Route::name),
        "status": ended.status.map(|status| status.as_u16()),
        "stage_seconds": object(stages),
        "sending_seconds": seconds(ended.sending),
        "publications": ended.publications,
        "ended_seconds_ago": seconds(ended.at.elapsed()),
    })
}

fn fact(fact: &Fact) -> Json {
    json!({
        "group": fact.group,
        "name": fact.name,
        "value": fact.value,
        "alarm": fact.is_alarm,
    })
}

fn object<'a>(members: impl Iterator<Item = (&'a str, Json)>) -> Json {
    members.collect()
}

fn figure(value: Value) -> Json {
    match value {
        Value::Count(count) => count.into(),
        Value::Bytes(bytes) => bytes.into(),
        Value::Seconds(value) | Value::PerSecond(value) | Value::BytesPerSecond(value) => {
            number(value)
        }
    }
}

fn seconds(time: Duration) -> Json {
    maybe_seconds(Some(time))
}

fn maybe_seconds(time: Option<Duration>) -> Json {
    number(time.map(|time| time.as_secs_f64()))
}

/// Rounds to a microsecond, the unit of the ledger's times. An infinite number becomes `null`,
/// because JSON has no infinity.
fn number(value: Option<f64>) -> Json {
    value.map_or(Json::Null, |value| ((value * 1e6).round() / 1e6).into())
}
