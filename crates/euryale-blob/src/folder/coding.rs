//! The content codings that a client accepts (RFC 9110 §12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// The coding of a precompressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// All codings in the server's order of preference: smallest files first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// Returns the codings that the client accepts, best first. Codings with a lower weight than the
/// uncoded file are left out.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let weights = Weights::of(headers);
    let least = weights.of_name("identity").unwrap_or(1).max(1);
    let mut accepted: Vec<(u16, Coding)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| Some((weights.of_coding(coding)?, coding)))
        .filter(|(weight, _)| *weight >= least)
        .collect();
    accepted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    accepted.into_iter().map(|(_, coding)| coding).collect()
}

/// The codings with their weights, in thousandths.
struct Weights(Vec<(String, u16)>);

impl Weights {
    fn of(headers: &HeaderMap) -> Self {
        Self(items(headers).take(64).filter_map(parse).collect())
    }

    fn of_name(&self, name: &str) -> Option<u16> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, weight)| *weight)
    }

    fn of_coding(&self, coding: Coding) -> Option<u16> {
        let old = if coding == Coding::Gzip {
            "x-gzip"
        } else {
            coding.name()
        };
        self.of_name(coding.name())
            .or_else(|| self.of_name(old))
            .or_else(|| self.of_name("*"))
    }
}

/// Returns the elements of `Accept-Encoding`.
pub(crate) fn items(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Splits `name` or `name;q=0.5` into the name, in lower case, and the weight in thousandths. A
/// malformed weight counts as 0.
pub(crate) fn parse(item: &str) -> Option<(String, u16)> {
    let (name, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = parameter
        .trim()
        .strip_prefix(['q', 'Q'])?
        .trim_start()
        .strip_prefix('=')?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then(|| (name, thousandths(weight.trim()).unwrap_or(0)))
}

/// Parses a weight from 0 to 1 with up to three decimals (RFC 9110 §12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" if is_number => Some(decimals),
        "1" if is_number && decimals == 0 => Some(1000),
        _ => None,
    }
}
