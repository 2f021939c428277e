//! The settings that result from flags, variables and a TOML file.
//!
//! A flag overrides its variable, the variable overrides the file, and the file overrides the
//! default. A value in the file is parsed like the flag's, so its error messages are the same.

mod faults;

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

pub(crate) use self::faults::faults;
use crate::cli::error::StartError;
use crate::cli::settings::Settings;
use crate::cli::variables;

/// These are for a single run, and not settings.
const NO_SETTINGS: [&str; 3] = ["check-config", "config", "print-config"];

/// Why the settings cannot be read.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// Flags or variables are wrong, or ask for help.
    Flags(clap::Error),
    /// The file is wrong.
    File(StartError),
}

impl From<clap::Error> for ConfigError {
    fn from(error: clap::Error) -> Self {
        Self::Flags(error)
    }
}

impl From<StartError> for ConfigError {
    fn from(error: StartError) -> Self {
        Self::File(error)
    }
}

/// Reads `arguments` (the program's name first), the variables, and the file that they name, if
/// they do.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Settings, ConfigError> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = variables::without_empty(Settings::command());
    let given = command
        .clone()
        .try_get_matches_from(&arguments)
        .map_err(|error| variables::name_source(error, &command, &arguments))?;
    let settings = Settings::from_arg_matches(&given)?;
    let Some(file) = &settings.config else {
        return Ok(settings);
    };
    // Directly after the program's name: flags after a task's name belong to the task.
    let behind_name = arguments.len().min(1);
    let missing = missing_flags(&command, &given, file)?;
    arguments.splice(
        behind_name..behind_name,
        missing.into_iter().map(OsString::from),
    );
    Ok(Settings::from_arg_matches(
        &command.try_get_matches_from(arguments)?,
    )?)
}

/// The flags that correspond to the file, without those that were given. All of its values are
/// checked.
fn missing_flags(
    command: &Command,
    given: &ArgMatches,
    file: &Path,
) -> Result<Vec<String>, StartError> {
    let mut missing = Vec::new();
    for (key, value) in table(file)? {
        let (argument, flags) = entry(command, &key, &value, file)?;
        // Some have no default.
        if matches!(
            given.value_source(argument.get_id().as_str()),
            None | Some(ValueSource::DefaultValue)
        ) {
            missing.extend(flags);
        }
    }
    Ok(missing)
}

/// The setting of a line of the file, and the corresponding flags.
fn entry<'a>(
    command: &'a Command,
    key: &str,
    value: &Value,
    file: &Path,
) -> Result<(&'a Arg, Vec<String>), StartError> {
    let argument = settings(command).find(|argument| argument.get_long() == Some(key));
    let argument = argument.ok_or_else(|| unknown(command, key, file))?;
    let flags = flags(key, value).map_err(|what| wrong(key, &what, file))?;
    check(command, &flags).map_err(|what| wrong(key, &what, file))?;
    Ok((argument, flags))
}

fn table(file: &Path) -> Result<Table, StartError> {
    let failed =
        |what: String| StartError::new(what, file.display(), "check the file, or --config");
    let text = std::fs::read_to_string(file)
        .map_err(|error| failed(format!("cannot read the file of settings: {error}")))?;
    text.parse::<Table>().map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        failed(format!(
            "the file of settings is not valid TOML: {} in line {line}",
            error.message()
        ))
    })
}

fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| {
        argument
            .get_long()
            .is_some_and(|name| !NO_SETTINGS.contains(&name))
    })
}

/// As flags; a list is one flag for each of its values.
fn flags(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let flag = |value: &Value| match value {
        Value::String(text) => Ok(format!("--{key}={text}")),
        Value::Integer(number) => Ok(format!("--{key}={number}")),
        Value::Boolean(is) => Ok(format!("--{key}={is}")),
        _ => Err("it is neither a text nor a whole number nor true or false".to_owned()),
    };
    match value {
        Value::Array(values) if values.is_empty() => Err("the list is empty".to_owned()),
        Value::Array(values) => values.iter().map(flag).collect(),
        value => Ok(vec![flag(value)?]),
    }
}

/// clap's message for these flags alone, in one line.
fn check(command: &Command, flags: &[String]) -> Result<(), String> {
    let arguments = std::iter::once(command.get_name()).chain(flags.iter().map(String::as_str));
    command
        .clone()
        .try_get_matches_from(arguments)
        .map(drop)
        .map_err(|error| one_line(&error))
}

/// clap's message without what follows on further lines.
fn one_line(error: &clap::Error) -> String {
    let said = error.to_string();
    let line = said.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn unknown(command: &Command, key: &str, file: &Path) -> StartError {
    let names: Vec<&str> = settings(command).filter_map(Arg::get_long).collect();
    let remedy = format!("the settings are {}", names.join(", "));
    StartError::new(format!("there is no setting {key}"), file.display(), remedy)
}

fn wrong(key: &str, what: &str, file: &Path) -> StartError {
    StartError::new(
        format!("the setting {key} is wrong: {what}"),
        file.display(),
        "see site --help",
    )
}
