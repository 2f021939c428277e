//! Settings of the theme, and the parameters from each request.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use euryale::forwarded::PublicUrl;
use euryale_theme::{LoadError, Loader, Theme, ThemeParameters};
use http::request;
use serde::{Serialize, Serializer};

use super::choice::Choice;
use crate::cli::error::StartError;
use crate::cli::help;
use crate::cli::serialize::as_display;

/// The address of a theme's files.
pub(super) const PATH: &str = "/@@theme";

#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = help::CONTENT)]
pub(crate) struct ThemeSettings {
    /// Theme of the pages: euryale, gazette, none, or a folder with a rules.xml as in Diazo, or a
    /// manifest.cfg as in Plone
    #[arg(
        long,
        env = "EURYALE_THEME",
        value_name = "NAME|FOLDER",
        default_value = "euryale"
    )]
    #[serde(serialize_with = "as_display")]
    pub(crate) theme: Choice,

    /// Value of a parameter of the theme's rules, without a comma; may be given several times
    #[arg(long, env = "EURYALE_THEME_PARAMETER", value_name = "NAME=VALUE")]
    #[arg(value_delimiter = ',', global = true)]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "all_as_display"
    )]
    pub(crate) theme_parameter: Vec<Named>,

    /// Folder that the theme finds as ++theme++NAME; may be given several times
    #[arg(long, env = "EURYALE_THEME_MOUNT", value_name = "NAME=FOLDER")]
    #[arg(value_delimiter = ',', global = true)]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "all_as_display"
    )]
    pub(crate) theme_mount: Vec<Named>,

    /// Includes that a cache in front of the site runs, and that the theme's rules may write
    #[arg(long, env = "EURYALE_EDGE_INCLUDES", value_name = "KIND")]
    #[arg(value_delimiter = ',', global = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) edge_includes: Vec<EdgeIncludes>,
}

/// Languages of includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EdgeIncludes {
    /// Server-side includes: <!--#include virtual="/path"-->
    Ssi,
    /// Edge-side includes: <esi:include src="/path"/>
    Esi,
}

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    name: String,
    value: String,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '{', '}']);
        match text.split_once('=') {
            Some((name, value)) if is_name(name) => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("write a name, an equals sign, and a value"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

fn all_as_display<S: Serializer>(all: &[Named], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(ToString::to_string))
}

impl ThemeSettings {
    /// Checks that there is such a theme, and that each name of a mount is given once. Nothing of
    /// the theme is read.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut names = BTreeSet::new();
        let twice = self
            .theme_mount
            .iter()
            .find(|mount| !names.insert(&mount.name));
        if let Some(mount) = twice {
            return Err(StartError::new(
                "two folders have the same name",
                mount,
                "give each name of --theme-mount once",
            ));
        }
        self.theme.check()
    }

    /// A theme in a folder, with these settings applied.
    pub(super) fn loader(&self, folder: &Path) -> Loader {
        let mut loader = Loader::from_folder(folder).prefix(PATH);
        for Named { name, value } in &self.theme_parameter {
            loader = loader.parameter(name, value.as_str());
        }
        for (name, folder) in self.mounts() {
            loader = loader.mount(name, folder);
        }
        for includes in &self.edge_includes {
            loader = match includes {
                EdgeIncludes::Ssi => loader.ssi(),
                EdgeIncludes::Esi => loader.esi(),
            };
        }
        loader
    }

    pub(super) fn mounts(&self) -> Vec<(String, PathBuf)> {
        let mounts = self.theme_mount.iter();
        mounts
            .map(|mount| (mount.name.clone(), PathBuf::from(&mount.value)))
            .collect()
    }

    /// Reads and compiles the theme in `folder`.
    pub(super) fn load(&self, folder: &Path) -> Result<Theme, StartError> {
        self.loader(folder).load().map_err(|error| {
            let what = format!("the theme is wrong: {error}");
            StartError::new(what, folder.display(), "pages would be served without it")
        })
    }

    /// Reads and compiles it; the warnings, one a line.
    ///
    /// # Errors
    /// It is missing, or wrong.
    pub(crate) fn try_out(&self) -> Result<Vec<StartError>, StartError> {
        self.check()?;
        match &self.theme {
            Choice::Folder(folder) => Ok(warnings(&self.load(folder)?)),
            // They are compiled by the tests.
            Choice::None | Choice::Embedded(_) => Ok(Vec::new()),
        }
    }
}

/// The probable mistakes in the theme, one a line.
pub(super) fn warnings(theme: &Theme) -> Vec<StartError> {
    let warning = |warning: &LoadError| {
        let see = "see the guide of themes";
        StartError::new("a likely mistake in the theme", warning, see)
    };
    theme.warnings().iter().map(warning).collect()
}

/// The address as the browser sees it, by the names that plone.app.theming gives its parts.
pub(super) fn of_request(request: &request::Parts) -> ThemeParameters {
    let url = PublicUrl::of(&request.extensions);
    match url.and_then(|url| Some((url, url.origin()?))) {
        Some((url, origin)) => {
            let base = format!("{origin}{}", url.prefix());
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            let path = request.uri.path();
            // The site's own names are visible even where they are outside the visible part.
            let seen = url.url(path).unwrap_or_else(|| format!("{base}{path}"));
            ThemeParameters::new()
                .set("scheme", url.scheme())
                .set("host", host)
                .set("url", seen)
                .set("portal_url", base.clone())
                .set("base", base)
        }
        None => ThemeParameters::new(),
    }
}
