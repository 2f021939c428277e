//! Commands that a parent passes on to its children.

use std::path::Path;
use std::thread;
use std::time::Duration;

use euryale_core::BoxError;
use euryale_server::supervise::{ChildStatus, Children};

use super::command;
use crate::commands::Commands;
use crate::controls::Controls;

/// The time for a child to answer its parent. It needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

impl Commands {
    /// Adds a command that is passed on to all `children` that serve, at the same time: one that
    /// their own consoles have. `usage` and `about` are those of [`verb`](Self::verb).
    #[must_use]
    pub fn pass_on(self, children: &Children, usage: &'static str, about: &'static str) -> Self {
        let name = usage.split_ascii_whitespace().next().unwrap_or_default();
        let children = children.clone();
        self.verb(usage, about, move |words| tell_all(&children, name, words))
    }

    /// The commands of a parent of several processes (`euryale_server::supervise`). `status`,
    /// `dump`, `resize`, `restrict`, `log` and `reload` are passed on to all children that serve,
    /// at the same time. `roll` replaces the children, and `drain` ends the program.
    ///
    /// `controls` are those of the parent. Its own settings are also read again by `reload` and by
    /// `roll`. Each child accepts commands at
    /// [`console_path`](euryale_server::supervise::console_path).
    #[must_use]
    pub fn for_children(children: &Children, controls: &Controls) -> Self {
        let tell = |name: &'static str| {
            let children = children.clone();
            move |words: &[&str]| tell_all(&children, name, words)
        };
        let log = tell("log");
        let reload = tell("reload");
        let reloaded = controls.clone();
        let rolled = controls.clone();
        let replaced = children.clone();
        controls
            .common(move |words, _| log(words))
            .pass_on(children, "status", "show readiness, workers and queue")
            .pass_on(children, "dump", "show jobs, the runtime and busy threads")
            .pass_on(
                children,
                "resize N",
                "set the maximum number of connections of each process",
            )
            .pass_on(
                children,
                "restrict LANE N",
                "set how many workers of each process a lane may have",
            )
            .verb(
                "reload",
                "read settings and certificates again, in the same processes",
                move |words| {
                    reloaded.ask_for_reload();
                    reload(words)
                },
            )
            .verb(
                "roll",
                "replace all processes one by one, like SIGHUP",
                move |_| {
                    rolled.ask_for_reload();
                    replaced.roll();
                    Ok("replacing all processes: the log has the result".to_owned())
                },
            )
    }
}

/// Sends a command to all children that serve, and joins their answers. A stuck child delays the
/// answer of no other.
fn tell_all(children: &Children, name: &str, words: &[&str]) -> Result<String, BoxError> {
    let line = [&[name], words].concat().join(" ");
    let children = children.list().into_iter().filter(|child| child.is_ready);
    let children: Vec<ChildStatus> = children.collect();
    let ask = |console: &Path| match command(console, &line, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => Err(format!("cannot be reached: {error}")),
    };
    let told: Vec<Result<String, String>> = thread::scope(|scope| {
        let asking: Vec<_> = children
            .iter()
            .map(|child| {
                let thread = thread::Builder::new().name("console-child".to_owned());
                thread.spawn_scoped(scope, || ask(&child.console))
            })
            .collect();
        let asking = asking.into_iter().zip(&children);
        asking
            .map(|(asking, child)| match asking {
                Ok(asking) => asking
                    .join()
                    .unwrap_or_else(|_| Err("the command panicked".to_owned())),
                // There is no thread for it.
                Err(_) => ask(&child.console),
            })
            .collect()
    });
    let mut answers = String::new();
    for (child, answer) in children.iter().zip(&told) {
        let (Ok(text) | Err(text)) = answer;
        let head = format!("process {}, pid {}", child.process, child.pid);
        if text.trim_end().contains('\n') {
            answers.push_str(&format!("{head}:\n{}\n", text.trim_end()));
        } else {
            answers.push_str(&format!("{head}: {}\n", text.trim_end()));
        }
    }
    if told.iter().any(Result::is_err) {
        return Err(answers.into());
    }
    if answers.is_empty() {
        return Err("no process serves".into());
    }
    Ok(answers)
}
