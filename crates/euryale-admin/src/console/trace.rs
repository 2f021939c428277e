//! The command that logs requests as they end.

use std::time::Duration;

use euryale_core::BoxError;
use euryale_server::Slowest;

use crate::commands::Commands;

/// The longest trace, in seconds.
const LONGEST: u64 = 600;

pub(crate) fn commands(slowest: &Slowest) -> Commands {
    let slowest = slowest.clone();
    Commands::new().verb(
        "trace TIME [ROUTE]",
        "log requests as they end, with their stages, for example for 30s",
        move |words| {
            let time = seconds(words[0])?;
            let route = words.get(1).copied();
            slowest.trace(time, route);
            let which = route.unwrap_or("all routes");
            Ok(format!(
                "tracing {which} for {time:?}: the log has the requests"
            ))
        },
    )
}

/// Parses `30s`, or `30`.
fn seconds(text: &str) -> Result<Duration, BoxError> {
    let number = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let number = number.filter(|number| (1..=LONGEST).contains(number));
    number
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text} is not a time from 1s to {LONGEST}s").into())
}
