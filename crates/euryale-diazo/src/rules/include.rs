//! Files that rules include: `xi:include`.

use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

use super::entities::expanded;
use super::namespace::XINCLUDE;
use super::reader::Reader;
use crate::error::LoadError;
use crate::stamp::Stamp;

/// The maximum number of files that include each other.
const MAX_INCLUDES: usize = 16;
const MAX_XML_NODES: u32 = 500_000;
/// The maximum number of bytes to which the entities of a file expand.
const MAX_EXPANDED: usize = 8 << 20;

/// The replacement of an `xi:include`.
pub(super) enum Included<'a, 'i> {
    /// The root element of the file.
    Root(Node<'a, 'i>),
    /// The file, as text.
    Text(String),
    /// The children of this element, because the file is missing.
    Fallback(Node<'a, 'i>),
}

impl Reader {
    /// Reads an XML file and passes its root element to a function. During that call it is the
    /// current file.
    pub(super) fn parsed<T>(
        &mut self,
        path: &Path,
        asked: Option<&LoadError>,
        with: impl FnOnce(&mut Self, Node<'_, '_>) -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let text = self.text(path, asked)?;
        if expanded(&text) > MAX_EXPANDED {
            let what = format!(
                "its entities stand for more than {} MiB: use them less often",
                MAX_EXPANDED >> 20
            );
            return Err(LoadError::new(path, None, what));
        }
        let options = ParsingOptions {
            allow_dtd: true,
            nodes_limit: MAX_XML_NODES,
            ..Default::default()
        };
        let document = Document::parse_with_options(&text, options).map_err(|error| {
            LoadError::new(
                path,
                Some(error.pos().row),
                format!("not well-formed XML: {error}"),
            )
        })?;
        let outer = std::mem::replace(&mut self.file, path.to_owned());
        self.including.push(path.to_owned());
        let result = with(self, document.root_element());
        self.including.pop();
        self.file = outer;
        result
    }

    /// Reads the content of an `xi:include` (XInclude 1.0 §3.1), and passes it to a function.
    pub(super) fn included<T>(
        &mut self,
        node: Node<'_, '_>,
        with: impl FnOnce(&mut Self, Included<'_, '_>) -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let Some(href) = node.attribute("href") else {
            return Err(self.error(node, "<xi:include> needs an href"));
        };
        if node.has_attribute("xpointer") {
            let what = "<xi:include> includes whole files: write the part into a file of its own";
            return Err(self.error(node, what));
        }
        let is_text = match node.attribute("parse") {
            None | Some("xml") => false,
            Some("text") => true,
            Some(other) => {
                let what = format!("parse=\"{other}\" of <xi:include> is not xml or text");
                return Err(self.error(node, what));
            }
        };
        let path = self.beside(node, href)?;
        if self.including.contains(&path) && !is_text {
            return Err(self.error(node, format!("{href} includes itself")));
        }
        if self.including.len() > MAX_INCLUDES {
            return Err(self.error(
                node,
                format!("more than {MAX_INCLUDES} files include each other"),
            ));
        }
        let is_fallback = |child: &Node<'_, '_>| {
            child.tag_name().namespace() == Some(XINCLUDE) && child.tag_name().name() == "fallback"
        };
        let fallback = node.children().find(is_fallback);
        if let Some(fallback) = fallback.filter(|_| !self.exists(&path)) {
            // The missing file is recorded, because the theme changes once it exists.
            self.rules.files.push(Stamp::of(&path));
            return with(self, Included::Fallback(fallback));
        }
        let asked = self.error(node, "");
        if is_text {
            let text = self.text(&path, Some(&asked))?;
            return with(self, Included::Text(text));
        }
        self.parsed(&path, Some(&asked), |reader, root| {
            with(reader, Included::Root(root))
        })
    }
}
