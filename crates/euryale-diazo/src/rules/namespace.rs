//! The namespaces of rules files.

use roxmltree::Node;

pub(super) const DIAZO: &str = "http://namespaces.plone.org/diazo";
const CSS: &str = "http://namespaces.plone.org/diazo/css";
pub(super) const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
pub(super) const XSLT: &str = "http://www.w3.org/1999/XSL/Transform";
/// Namespaces from the time when Diazo had other names. They have the same meaning, except for
/// `nocontent`.
const DELIVERANCE: &str = "http://openplans.org/deliverance";
const XDV: &str = "http://namespaces.plone.org/xdv";
const OLD_CSS: [&str; 2] = [
    "http://namespaces.plone.org/xdv+css",
    "http://namespaces.plone.org/diazo+css",
];

pub(super) fn is_diazo(node: Node<'_, '_>) -> bool {
    matches!(node.tag_name().namespace(), Some(DIAZO | DELIVERANCE | XDV))
}

pub(super) fn is_rules(node: Node<'_, '_>) -> bool {
    is_diazo(node) && node.tag_name().name() == "rules"
}

/// Returns whether a rule without content does nothing, which is the default in Deliverance.
pub(super) fn needs_content(node: Node<'_, '_>) -> bool {
    node.tag_name().namespace() == Some(DELIVERANCE)
        && !node.has_attribute("if-content")
        && node.has_attribute("content")
        && node
            .attribute("nocontent")
            .is_none_or(|otherwise| otherwise == "theme")
}

pub(super) fn is_css(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|namespace| namespace == CSS || OLD_CSS.contains(&namespace))
}

/// Returns an attribute of the namespace for CSS.
pub(super) fn css_attribute<'n>(node: Node<'n, '_>, name: &str) -> Option<&'n str> {
    let mut all = node.attributes();
    let found = all.find(|known| is_css(known.namespace()) && known.name() == name);
    found.map(|attribute| attribute.value())
}

pub(super) fn is_xinclude(node: Node<'_, '_>) -> bool {
    node.tag_name().namespace() == Some(XINCLUDE) && node.tag_name().name() == "include"
}

pub(super) fn is_xslt(node: Node<'_, '_>) -> bool {
    node.tag_name().namespace() == Some(XSLT)
}

pub(super) fn is_xslt_named(node: Node<'_, '_>, name: &str) -> bool {
    is_xslt(node) && node.tag_name().name() == name
}
