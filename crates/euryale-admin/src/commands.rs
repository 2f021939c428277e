//! Commands that change a running program.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use euryale_core::BoxError;

type Run = dyn Fn(&[&str]) -> Result<String, BoxError> + Send + Sync;

#[derive(Clone)]
struct Command {
    /// The names of its arguments.
    arguments: &'static str,
    about: &'static str,
    run: Arc<Run>,
}

/// The commands of a [`Console`](crate::Console), by name.
///
/// `help` lists them. [`Admin::console`](crate::Admin::console) has some of its own.
#[derive(Clone, Default)]
pub struct Commands(BTreeMap<&'static str, Command>);

impl Commands {
    /// Creates an empty set of commands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command, or replaces the one with this name. `usage` is its name, followed by the
    /// names of its arguments, for example `resize N`. An argument in brackets may be left out. If
    /// `usage` ends with `...`, there may be more arguments of the last kind. `about` is a line for
    /// `help`.
    ///
    /// `run` gets as many arguments as `usage` names. They contain no white space. It returns lines
    /// for the operator.
    /// It is called on the console's thread, which serves one command at a time, so it must not
    /// wait for the runtime, a worker or a client.
    #[must_use]
    pub fn verb(
        mut self,
        usage: &'static str,
        about: &'static str,
        run: impl Fn(&[&str]) -> Result<String, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let (name, arguments) = usage.split_once(' ').unwrap_or((usage, ""));
        let command = Command {
            arguments,
            about,
            run: Arc::new(run),
        };
        self.0.insert(name, command);
        self
    }

    /// Adds `others`, which replace commands of the same names.
    pub(crate) fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Runs the command in `line`.
    ///
    /// # Errors
    ///
    /// There is no such command, the number of arguments is wrong, or the command's own error.
    pub fn run(&self, line: &str) -> Result<String, BoxError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((name, arguments)) = words.split_first() else {
            return Err("there is no command: see help".into());
        };
        if *name == "help" {
            return Ok(self.help());
        }
        let Some(command) = self.0.get(name) else {
            return Err(format!("there is no command {name}: see help").into());
        };
        let known = command.arguments.split_ascii_whitespace();
        let required = known.clone().filter(|name| !name.starts_with('[')).count();
        let usage = usage((name, command));
        if arguments.len() < required {
            return Err(format!("the arguments are missing: {usage}").into());
        }
        if arguments.len() > known.count() && !command.arguments.ends_with("...") {
            return Err(format!("there are too many arguments: {usage}").into());
        }
        (command.run)(arguments)
    }

    fn help(&self) -> String {
        let width = self.0.iter().map(|it| usage(it).len()).max();
        let width = width.unwrap_or_default();
        let mut help = String::new();
        for it in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(help, "{:width$}  {}", usage(it), it.1.about);
        }
        help
    }
}

fn usage((name, command): (&&str, &Command)) -> String {
    format!("{name} {}", command.arguments)
        .trim_end()
        .to_owned()
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
