//! The parts of `--help` that do not belong to a single setting.

pub(crate) const ADDRESSES: &str = "Addresses";
pub(crate) const PERMISSIONS: &str = "Permissions";
pub(crate) const CONTENT: &str = "Content";
pub(crate) const WORKERS: &str = "Workers";
pub(crate) const BODIES: &str = "Request bodies";
pub(crate) const PROXIES: &str = "Proxies and hosts";
pub(crate) const PEERS: &str = "Peers";
pub(crate) const LOG: &str = "Log";
pub(crate) const CONFIGURATION: &str = "Configuration";

/// Below the list of flags.
pub(crate) const MORE: &str = "\
A flag overrides its variable, the variable overrides the file, and the file overrides the\n\
default. An empty variable counts as unset. The file is TOML, and its keys are the names of the\n\
flags; --print-config writes one. SIGHUP reads it again. The log goes to standard error.";

/// Below the flags of the import.
pub(crate) const IMPORT: &str = "\
FOLDER/a/b.bin becomes the file /a/b.bin, FOLDER/a/b.md (or .html, .htm; up to 1 MiB) the \
document /a/b,\n\
FOLDER/a/index.md the document /a itself. A folder without one is given a document with its \
name.\n\n\
What stands at the same path is REPLACED if it differs: documents by title, text and format, \
files by size\n\
and time of change (in seconds). What does not differ is skipped, so a second run goes on where \
the first\n\
ended. Nothing is deleted. A data folder that the import makes has no sample pages. A site may \
serve the\n\
folder meanwhile.\n\n\
Left out: names that begin with a dot (their number is said); and, each named with its reason, \
links\n\
(never followed), pipes, sockets and devices, names and texts that are not UTF-8, names that no \
address may\n\
have, files that cannot be read, and what another one stands in the way of.\n\n\
Ctrl-C or SIGTERM: what is complete stays, the rest is not there; a second one ends at once.\n\n\
Exit codes: 0 everything is imported, 1 it could not start or go on, 2 wrong flags, 3 a signal \
ended it,\n\
4 something was left out and named.";
