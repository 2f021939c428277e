//! The header fields between a server and its proxy.

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::OffloadTo;
use super::place::Map;

/// Fields that give orders to a proxy or describe it. All fields that begin with `x-accel-` are
/// treated alike.
const ORDERS: [&str; 5] = [
    "x-sendfile",
    "x-sendfile-type",
    "x-sendfile2",
    "x-lighttpd-send-file",
    "x-reproxy-url",
];

/// Removes all these fields. In a request they may come from a client, and in a response from a
/// publisher.
pub(super) fn remove_orders(headers: &mut HeaderMap) {
    let is_order = |name: &&HeaderName| {
        ORDERS.contains(&name.as_str()) || name.as_str().starts_with("x-accel-")
    };
    let found: Vec<HeaderName> = headers.keys().filter(is_order).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// The way in which a proxy takes files, and its mappings if it sends any.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) to: OffloadTo,
    pub(super) maps: Option<Vec<Map>>,
}

impl Order {
    /// Reads the fields of a trusted proxy, which have the same names as in Rack:
    /// `X-Sendfile-Type`, and `X-Accel-Mapping: FOLDER=PREFIX, …` if `may_map`.
    pub(super) fn read(parts: &Parts, may_map: bool) -> Option<Self> {
        let kind = single(&parts.headers, "x-sendfile-type")?;
        let to = if kind.eq_ignore_ascii_case("x-accel-redirect") {
            OffloadTo::Accel
        } else if ["x-sendfile", "x-lighttpd-send-file"]
            .iter()
            .any(|name| kind.eq_ignore_ascii_case(name))
        {
            OffloadTo::Sendfile
        } else {
            return None;
        };
        if !may_map || to == OffloadTo::Sendfile || !parts.headers.contains_key("x-accel-mapping") {
            return Some(Self { to, maps: None });
        }
        let list = single(&parts.headers, "x-accel-mapping")?;
        let maps: Option<Vec<Map>> = list.split(',').map(|map| Map::parse(map.trim())).collect();
        // A malformed mapping is ignored.
        Some(Self {
            to,
            maps: Some(maps?),
        })
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}
