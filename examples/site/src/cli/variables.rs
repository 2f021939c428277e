//! `EURYALE_*` variables: an empty one counts as unset, and an unknown one is reported.

use std::ffi::OsString;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, Error};
use euryale_server::supervise::CHILD_VARIABLE;

use crate::cli::settings::Settings;

const PREFIX: &str = "EURYALE_";

/// Names that are less similar than this are not treated as typing errors. It is the measure with
/// which clap suggests flags.
const SIMILAR: f64 = 0.7;

/// Container tools and unit files produce empty variables for settings that have no value.
pub(crate) fn without_empty(command: Command) -> Command {
    command.mut_args(|argument| {
        let is_empty = variable(&argument)
            .and_then(std::env::var_os)
            .is_some_and(|value| value.is_empty());
        if is_empty {
            argument.env(Resettable::<clap::builder::OsStr>::Reset)
        } else {
            argument
        }
    })
}

/// An error about a value names the variable, if the value is the variable's.
pub(crate) fn name_source(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    // clap writes the flag with its value: `--connections <NUMBER>`, `--demo[=<BOOLEAN>]`.
    let name = wrong
        .trim_start_matches("--")
        .split([' ', '=', '['])
        .next()
        .unwrap_or_default();
    let argument = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name));
    let Some(argument) = argument else {
        return error;
    };
    let flag = format!("--{name}");
    let is_given = arguments
        .iter()
        .any(|argument| argument.to_string_lossy().split('=').next() == Some(&flag));
    let variable = variable(argument).filter(|name| std::env::var_os(name).is_some());
    if let (Some(name), false) = (variable, is_given) {
        let tip = StyledStr::from(format!("the value is that of the variable {name}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// The variable of the setting with this id.
pub(crate) fn of(id: &str) -> Option<String> {
    let command = Settings::command();
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_id() == id)?;
    variable(argument).map(str::to_owned)
}

fn variable(argument: &Arg) -> Option<&str> {
    argument.get_env()?.to_str()
}

/// A line for each variable of this process that no setting has.
pub(crate) fn unknown() -> Vec<String> {
    let command = Settings::command();
    let known: Vec<&str> = command.get_arguments().filter_map(variable).collect();
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            let value = value.to_string_lossy();
            warning(&name, &value, &known)
        })
        .collect();
    unknown.sort_unstable();
    unknown
}

fn warning(name: &str, value: &str, known: &[&str]) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    // Set by the parent for its children.
    if name == CHILD_VARIABLE || known.contains(&name) || is_of_kubernetes(name, value) {
        return None;
    }
    let nearest = known
        .iter()
        .filter_map(|known| Some((strsim::jaro(rest, known.strip_prefix(PREFIX)?), known)))
        .filter(|(similarity, _)| *similarity > SIMILAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let remedy = match nearest {
        Some((_, nearest)) => format!("did you mean {nearest}?"),
        None => "see site --help".to_owned(),
    };
    Some(format!(
        "unknown variable, without effect - {name} - {remedy}"
    ))
}

/// Returns whether Kubernetes sets this variable for a Service whose name begins with `euryale`
/// (`enableServiceLinks`): `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_PORT=tcp://…`, `X_PORT_80_TCP…`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let is_part_of_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let mut parts = rest.split('_');
        let is_number = |part: &str| part.parse::<u16>().is_ok();
        parts.next().is_some_and(is_number)
            && parts
                .next()
                .is_some_and(|part| ["TCP", "UDP", "SCTP"].contains(&part))
    });
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_url)
        || is_part_of_port
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = [
        "EURYALE_CONNECTIONS",
        "EURYALE_LISTEN",
        "EURYALE_LOG",
        "EURYALE_REUSE_PORT",
    ];

    #[test]
    fn unknown_variable_is_reported_with_the_nearest_name() {
        let cases = [
            (
                "EURYALE_CONECTIONS",
                Some("did you mean EURYALE_CONNECTIONS?"),
            ),
            (
                "EURYALE_RUSE_PORT",
                Some("did you mean EURYALE_REUSE_PORT?"),
            ),
            ("EURYALE_QQQ", Some("see site --help")),
            ("EURYALE_LOG", None),
            ("OTHER_CONECTIONS", None),
        ];
        for (name, remedy) in cases {
            let line = remedy
                .map(|remedy| format!("unknown variable, without effect - {name} - {remedy}"));
            assert_eq!(warning(name, "5", &KNOWN), line);
        }
    }

    /// From the manual of Kubernetes ("Accessing the Service: Environment variables").
    #[test]
    fn variables_of_a_kubernetes_service_are_not_reported() {
        let cases = [
            ("EURYALE_SITE_SERVICE_HOST", "10.0.0.11"),
            ("EURYALE_SITE_SERVICE_PORT", "80"),
            ("EURYALE_SITE_SERVICE_PORT_HTTP", "80"),
            ("EURYALE_SITE_PORT", "tcp://10.0.0.11:80"),
            ("EURYALE_SITE_PORT_80_TCP", "tcp://10.0.0.11:80"),
            ("EURYALE_SITE_PORT_80_TCP_PROTO", "tcp"),
            ("EURYALE_SITE_PORT_80_TCP_PORT", "80"),
            ("EURYALE_SITE_PORT_80_TCP_ADDR", "10.0.0.11"),
        ];
        for (name, value) in cases {
            assert_eq!(warning(name, value, &KNOWN), None);
        }
        for (name, value) in [("EURYALE_SITE_PORT", "80"), ("EURYALE_A_PORT_80", "80")] {
            assert!(warning(name, value, &KNOWN).is_some(), "{name}");
        }
    }
}
