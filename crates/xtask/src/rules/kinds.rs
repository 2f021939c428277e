//! The kinds of crates, each with one rule: which other members a crate of this kind may import.
//!
//! A crate names its kind in its own manifest and nowhere else.

use std::fmt;

/// From the lowest level to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The vocabulary that all others share.
    Ground,
    /// A pure library that is useful without a stack.
    Library,
    /// A layer of the onion.
    Layer,
    /// The transforms that a layer runs, and the libraries below them.
    Transform,
    /// An implementation of `Database`.
    Database,
    /// Keeps blobs.
    Store,
    /// Runs after a commit.
    After,
    /// The contract of an interface for applications that are not written in Rust.
    Gateway,
    /// Assembles a whole server around such applications.
    Host,
    /// Outside the stack: servers, and interfaces for operators.
    Around,
    /// Assembles the layers.
    Facade,
    /// For the development of the others; never published, and free to import any of them.
    Tool,
}

use Kind::{
    After, Around, Database, Facade, Gateway, Ground, Host, Layer, Library, Store, Tool, Transform,
};

/// The layer that runs transforms.
const CHAIN: &str = "euryale-transform";

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Ground, Library, Layer, Transform, Database, Store, After, Gateway, Host, Around, Facade,
        Tool,
    ];

    /// The kind's name in a manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ground => "ground",
            Library => "library",
            Layer => "layer",
            Transform => "transform",
            Database => "database",
            Store => "store",
            After => "after",
            Gateway => "gateway",
            Host => "host",
            Around => "around",
            Facade => "facade",
            Tool => "tool",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether the crate `importer`, of this kind, may import the member `name`, whose kind
    /// is `other`. Tests may import anything, so this applies to normal and build dependencies.
    pub(crate) fn may_import(self, importer: &str, name: &str, other: Self) -> bool {
        match self {
            Ground | Library => false,
            // Only the chain of transforms reads pages, with the module `text` of that crate.
            Layer => other == Ground || (importer, name) == (CHAIN, "euryale-subrequest"),
            // They share the libraries below them, and are written for a single layer.
            Transform => matches!(other, Ground | Library | Transform) || name == CHAIN,
            Database => matches!(other, Ground | Database),
            Store => matches!(other, Ground | Store),
            // Their tables are in databases.
            After => matches!(other, Ground | Database | After),
            Gateway => other == Ground,
            Host => matches!(other, Ground | Gateway | Transform | Around | Facade),
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
