//! `site theme`: commands for authors of a theme, without a running site.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use euryale_theme::{Context, Theme};
use http::Uri;

use super::choice::Choice;
use super::settings::{ThemeSettings, warnings};
use crate::cli::error::StartError;
use crate::cli::output::print;

/// The commands for authors of a theme.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ThemeTask {
    /// Read a theme and show its mistakes: exit code 0, or 1 if it cannot be used
    Check {
        /// Folder with a manifest.cfg or a rules.xml
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Apply a theme to a page and write the result to standard output
    Apply {
        /// Folder with a manifest.cfg or a rules.xml
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// File with the HTML of the page; - is standard input
        #[arg(value_name = "PAGE.html")]
        page: PathBuf,
        /// Address of the page, for rules that ask for it
        #[arg(long, value_name = "URL", default_value = "http://localhost:8080/")]
        url: String,
        /// Write which rule put which nodes where, instead of the page
        #[arg(long)]
        explain: bool,
    },
}

/// Runs one of the tasks, with the parameters and folders of `settings`.
pub(crate) fn run(settings: &ThemeSettings, task: &ThemeTask) -> Result<ExitCode, StartError> {
    match task {
        ThemeTask::Check { folder } => {
            load(&with_folder(settings, folder), folder)?;
            print("The theme can be used.\n");
        }
        ThemeTask::Apply {
            folder,
            page,
            url,
            explain,
        } => apply(&with_folder(settings, folder), folder, page, url, *explain)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn with_folder(settings: &ThemeSettings, folder: &Path) -> ThemeSettings {
    ThemeSettings {
        theme: Choice::Folder(folder.to_owned()),
        ..settings.clone()
    }
}

/// Loads the theme in `folder`, and prints the warnings.
fn load(settings: &ThemeSettings, folder: &Path) -> Result<Theme, StartError> {
    settings.check()?;
    let theme = settings.load(folder)?;
    for warning in warnings(&theme) {
        eprintln!("warning: {warning}");
    }
    Ok(theme)
}

fn apply(
    settings: &ThemeSettings,
    folder: &Path,
    page: &Path,
    url: &str,
    explain: bool,
) -> Result<(), StartError> {
    let theme = load(settings, folder)?;
    let html = read(page)?;
    let context = context(url)?;
    for href in theme.documents(&context) {
        let what = "nothing is used from this document";
        let warning = StartError::new(what, href, "only a running site has it");
        eprintln!("warning: {warning}");
    }
    let mut messages = Vec::new();
    let themed = if explain {
        let explained = theme.explain(&html, &context);
        explained.map(|all| all.iter().map(|one| format!("{one}\n")).collect())
    } else {
        let themed = theme.apply_logged(&html, &context, &mut |message| {
            let file = message.file().display();
            messages.push(format!("{file}:{}: {}", message.line(), message.text()));
        });
        themed.map(std::borrow::Cow::into_owned)
    };
    for message in messages {
        eprintln!("{message}");
    }
    let themed: String = themed.map_err(|error| {
        let what = format!("the page stays unthemed: {error}");
        StartError::new(what, page.display(), "simplify the rules, or the page")
    })?;
    print(&themed);
    Ok(())
}

fn read(page: &Path) -> Result<String, StartError> {
    let read = if page == Path::new("-") {
        let mut html = String::new();
        std::io::stdin().read_to_string(&mut html).map(|_| html)
    } else {
        std::fs::read_to_string(page)
    };
    read.map_err(|error| {
        let what = format!("the page cannot be read: {error}");
        StartError::new(what, page.display(), "name a file with HTML in UTF-8")
    })
}

/// The parameters of an address, as a running site computes them.
fn context(url: &str) -> Result<Context<'static>, StartError> {
    let wrong = || StartError::new("the address has no host", url, "write http://HOST/PATH");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme().is_none() || uri.authority().is_none() {
        return Err(wrong());
    }
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.uri = uri;
    Ok(euryale_theme::request_context(&request))
}
