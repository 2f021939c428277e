//! Classifies errors by their texts, because diesel does not pass on their codes.

use euryale_core::transaction::Fault;

/// Returns the fault of the first text that `message` starts with.
pub(crate) fn by_start(message: &str, texts: &[(&str, Fault)]) -> Fault {
    texts
        .iter()
        .find(|(text, _)| message.starts_with(text))
        .map_or(Fault::Other, |(_, fault)| *fault)
}
