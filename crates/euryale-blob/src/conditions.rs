//! Conditional requests (RFC 9110 §13).

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use crate::asked::{Asked, Asking};
use crate::range::{self, Selection};
use crate::validators::{Comparison, Validators, date};

/// The decision about a conditional request for a blob.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200, 206 or 416.
    Send(Selection),
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the conditions of a request in the order of RFC 9110 §13.2.2. `len` is the length of
/// the blob in bytes, and `ranges` says whether clients may request parts of it.
pub(crate) fn judge(asked: &Asked, validators: &Validators, len: u64, ranges: bool) -> Verdict {
    if !may_go_on(asked, validators) {
        return Verdict::Failed;
    }
    if is_known(asked, validators) {
        return Verdict::NotModified;
    }
    if !ranges || asked.method != Asking::Get || !is_range_wanted(asked, validators) {
        return Verdict::Send(Selection::Whole);
    }
    Verdict::Send(
        asked
            .single(&RANGE)
            .map_or(Selection::Whole, |value| range::select(value, len)),
    )
}

/// Steps 1 and 2: `If-Match`, or `If-Unmodified-Since` if there is no `If-Match`.
fn may_go_on(asked: &Asked, validators: &Validators) -> bool {
    if let Some(lines) = asked.lines(&IF_MATCH) {
        return validators.is_in(lines, Comparison::Strong);
    }
    let since = asked.single(&IF_UNMODIFIED_SINCE).and_then(date);
    since.and_then(|since| validators.is_changed_since(since)) != Some(true)
}

/// Steps 3 and 4: `If-None-Match`, or `If-Modified-Since` if there is no `If-None-Match`.
fn is_known(asked: &Asked, validators: &Validators) -> bool {
    if let Some(lines) = asked.lines(&IF_NONE_MATCH) {
        return validators.is_in(lines, Comparison::Weak);
    }
    let since = asked.single(&IF_MODIFIED_SINCE).and_then(date);
    since.and_then(|since| validators.is_changed_since(since)) == Some(false)
}

/// Step 5: `If-Range`. A client that has another version wants the whole file.
fn is_range_wanted(asked: &Asked, validators: &Validators) -> bool {
    if !asked.has(&IF_RANGE) {
        return true;
    }
    asked
        .single(&IF_RANGE)
        .is_some_and(|known| validators.is_still(known))
}
