//! Content that a cache in front of the program puts into the page: server-side and edge-side
//! includes.

use roxmltree::Node;

use super::reader::Reader;
use super::selector::Written;
use crate::dom::{escape_text, write_attribute, write_comment};
use crate::error::LoadError;
use crate::xpath::css_as_xpath;

/// The namespace of `<esi:include>`.
pub(crate) const ESI: &str = "http://www.edge-delivery.org/esi/1.0";

pub(super) fn is_edge(method: Option<&str>) -> bool {
    matches!(method, Some("ssi" | "ssiwait" | "esi"))
}

impl Reader {
    /// Returns the HTML of a rule with `method="ssi"`, `"ssiwait"` or `"esi"`, as Diazo writes it,
    /// or `None` for another method.
    pub(super) fn edge_include(
        &mut self,
        node: Node<'_, '_>,
        content: Option<&Written>,
        content_children: Option<&Written>,
    ) -> Result<Option<String>, LoadError> {
        let method = node.attribute("method").unwrap_or_default();
        let is_esi = method == "esi";
        if !is_edge(Some(method)) {
            return Ok(None);
        }
        if node.has_attribute("attributes") {
            let what = format!("method=\"{method}\" is about elements: attributes need document");
            return Err(self.error(node, what));
        }
        let is_understood = if is_esi { self.edge.esi } else { self.edge.ssi };
        if !is_understood {
            let kind = if is_esi { "esi" } else { "ssi" };
            let what = format!(
                "method=\"{method}\" needs a cache in front that understands it, which the program \
                 has to declare (of the site: --edge-includes {kind}): write method=\"document\""
            );
            return Err(self.error(node, what));
        }
        let Some(href) = node.attribute("href") else {
            return Err(self.error(node, format!("method=\"{method}\" needs an href")));
        };
        let address = match (content_children, content) {
            (None, None) => href.to_owned(),
            (Some(written), _) => filtered(href, &self.as_xpath(node, written, "/node()")?),
            (None, Some(written)) => filtered(href, &self.as_xpath(node, written, "")?),
        };
        let address = address.replace('"', "%22");
        let mut html = String::new();
        if is_esi {
            self.rules.uses_esi = true;
            let mut escaped = String::new();
            escape_text(&mut escaped, &address, false);
            html.push_str("<esi:include");
            write_attribute(&mut html, "src", &escaped, false);
            html.push_str("/>");
        } else {
            let wait = match method {
                "ssiwait" => " wait=\"yes\"",
                _ => "",
            };
            // Two hyphens may end a comment.
            let address = address.replace("--", "-%2D");
            write_comment(&mut html, &format!("#include  virtual=\"{address}\"{wait}"));
        }
        Ok(Some(html))
    }

    fn as_xpath(
        &mut self,
        node: Node<'_, '_>,
        written: &Written,
        children: &str,
    ) -> Result<String, LoadError> {
        let expr = self.nodes(node, written)?;
        if !written.css {
            return Ok(format!("{}{children}", written.text));
        }
        match css_as_xpath(&expr) {
            Some(xpath) if written.prefix.is_none() => Ok(format!("{xpath}{children}")),
            _ => {
                let what = format!(
                    "\"{}\" is to be found by what serves the include: write it in XPath",
                    written.text
                );
                Err(self.error(node, what))
            }
        }
    }
}

/// Returns the address of a part of a page, as Diazo requests it.
fn filtered(href: &str, xpath: &str) -> String {
    let mark = if href.contains('?') { "" } else { "?" };
    format!("{href}{mark};filter_xpath={}", encoded(xpath))
}

/// Encodes like `str:encode-uri(…, false())` of EXSLT, which keeps the reserved characters of an
/// address.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,[]".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
