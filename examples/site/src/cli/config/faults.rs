//! Collects all wrong values, for `--check-config`. A start fails at the first one.

use std::ffi::OsString;

use clap::builder::{Resettable, ValueParser};
use clap::error::ContextKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::{entry, one_line, settings, table};
use crate::cli::error::StartError;
use crate::cli::settings::Settings;
use crate::cli::variables;

/// Returns the settings without the values that are wrong, and a fault for each of these. `None` if
/// `arguments` do not ask for a check, or if clap has to report what is wrong with them.
pub(crate) fn faults(
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<(Settings, Vec<StartError>)> {
    let mut faults = Vec::new();
    let command = variables::without_empty(Settings::command());
    let given = take_apart(&command, arguments.into_iter().collect(), &mut faults)?;
    if !given.get_flag("check_config") {
        return None;
    }
    // Each value is checked on its own, without the values of the variables.
    let command = command.mut_args(|argument| argument.env(Resettable::Reset));
    let mut flags = given_flags(&command, &given, &mut faults);
    let file = given.get_one::<OsString>("config");
    if let Some(file) = file.map(AsRef::as_ref) {
        match table(file) {
            Ok(table) => {
                for (key, value) in table {
                    match entry(&command, &key, &value, file) {
                        Ok((argument, own)) if !is_given(&given, argument) => flags.extend(own),
                        Ok(_) => {}
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    let all = std::iter::once("site".to_owned()).chain(flags);
    let settings = Settings::from_arg_matches(&command.try_get_matches_from(all).ok()?).ok()?;
    (!faults.is_empty()).then_some((settings, faults))
}

/// The arguments and the variables with values of any kind. Flags that do not exist are faults, and
/// are left out.
fn take_apart(
    command: &Command,
    mut arguments: Vec<OsString>,
    faults: &mut Vec<StartError>,
) -> Option<ArgMatches> {
    let lenient = command.clone().mut_args(|argument| {
        if argument.get_action().takes_values() {
            argument.value_parser(ValueParser::os_string())
        } else {
            argument
        }
    });
    loop {
        let error = match lenient.clone().try_get_matches_from(&arguments) {
            Ok(given) => return Some(given),
            Err(error) => error,
        };
        let wrong = error.get(ContextKind::InvalidArg)?.to_string();
        let is_wrong =
            |argument: &OsString| argument.to_string_lossy().split('=').next() == Some(&wrong);
        let place = arguments.iter().skip(1).position(is_wrong)? + 1;
        let removed = arguments.remove(place);
        let has_value = arguments
            .get(place)
            .is_some_and(|next| !next.to_string_lossy().starts_with('-'));
        if has_value && !removed.to_string_lossy().contains('=') {
            arguments.remove(place);
        }
        faults.push(StartError::new(one_line(&error), wrong, "see site --help"));
    }
}

/// The flags that correspond to flags and variables, without wrong values.
fn given_flags(command: &Command, given: &ArgMatches, faults: &mut Vec<StartError>) -> Vec<String> {
    let mut flags = Vec::new();
    for argument in settings(command).filter(|argument| is_given(given, argument)) {
        let id = argument.get_id().as_str();
        let name = argument.get_long().unwrap_or_default();
        for value in given.get_raw(id).into_iter().flatten() {
            let flag = format!("--{name}={}", value.to_string_lossy());
            let Err(error) = command.clone().try_get_matches_from(["site", &flag]) else {
                flags.push(flag);
                continue;
            };
            let place = match given.value_source(id) {
                Some(ValueSource::EnvVariable) => {
                    variables::of(id).unwrap_or_else(|| format!("--{name}"))
                }
                _ => format!("--{name}"),
            };
            faults.push(StartError::new(one_line(&error), place, "see site --help"));
        }
    }
    flags
}

fn is_given(given: &ArgMatches, argument: &Arg) -> bool {
    let source = given.value_source(argument.get_id().as_str());
    !matches!(source, None | Some(ValueSource::DefaultValue))
}
