//! The kinds of crates, each with one rule: which other members a crate of this kind may import.
//!
//! A crate names its kind in its own manifest, and is listed nowhere else.

use std::fmt;

/// From the lowest level to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The vocabulary, which all others share.
    Ground,
    /// A layer of the onion.
    Layer,
    /// What a layer of transforms runs, and the libraries below it.
    Transform,
    /// An implementation of `Database`.
    Database,
    /// Keeps blobs.
    Store,
    /// Runs after a commit.
    After,
    /// Runs applications that are not written in Rust.
    Host,
    /// What is outside the stack: servers, and what operators see.
    Around,
    /// Assembles the layers.
    Facade,
    /// For the development of the others; never published, and free to import any of them.
    Tool,
}

use Kind::{After, Around, Database, Facade, Ground, Host, Layer, Store, Tool, Transform};

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Ground, Layer, Transform, Database, Store, After, Host, Around, Facade, Tool,
    ];

    /// As a manifest says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ground => "ground",
            Layer => "layer",
            Transform => "transform",
            Database => "database",
            Store => "store",
            After => "after",
            Host => "host",
            Around => "around",
            Facade => "facade",
            Tool => "tool",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether a crate of this kind may import the member `name`, whose kind is `other`.
    /// Tests may import anything, so this is about normal and build dependencies.
    pub(crate) fn may_import(self, name: &str, other: Self) -> bool {
        match self {
            Ground => false,
            // A layer may ask the site itself.
            Layer => other == Ground || name == "euryale-subrequest",
            // They share the libraries below them, and are written for one layer.
            Transform => matches!(other, Ground | Transform) || name == "euryale-transform",
            Database => matches!(other, Ground | Database),
            Store => matches!(other, Ground | Store),
            // Their tables are in databases.
            After => matches!(other, Ground | Database | After),
            // A host assembles a whole server around applications.
            Host => other != Tool,
            Around => matches!(other, Ground | Around),
            Facade => matches!(other, Ground | Layer | Transform | Store),
            Tool => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
