//! Pages as trees that can be compared.

use dom_query::{Document, NodeData, NodeRef};

/// The tree of a page as one line per node, as a browser's parser reads it. It leaves out invisible
/// things, and those in which the two always differ: the doctype, insignificant white space, the
/// order of attributes, the value of `checked` and its like, `xmlns`, `xml:lang`, and the
/// `Content-Type` that libxml2 adds to a head.
pub(crate) fn normal(html: &str) -> String {
    let document = Document::from(html);
    let mut out = String::new();
    for child in document.root().children() {
        write(&child, 0, &mut out);
    }
    out
}

fn write(node: &NodeRef<'_>, depth: usize, out: &mut String) {
    let line = node.query(|node| match &node.data {
        NodeData::Text { contents } => {
            let words: Vec<&str> = contents.split_whitespace().collect();
            (!words.is_empty()).then(|| format!("\"{}\"", words.join(" ")))
        }
        NodeData::Comment { contents } => Some(format!("<!--{}-->", contents.trim())),
        NodeData::Element(element) => {
            let mut attributes: Vec<String> = element
                .attrs
                .iter()
                .filter(|attribute| !matches!(&*attribute.name.local, "xmlns" | "xml:lang"))
                .map(|attribute| {
                    let name = &*attribute.name.local;
                    match attribute.value.to_string() {
                        // libxml2 writes `checked="checked"` as `checked`.
                        value if value == name => format!("{name}=\"\""),
                        value => format!("{name}={value:?}"),
                    }
                })
                .collect();
            attributes.sort();
            let added = attributes
                .iter()
                .any(|attribute| attribute == "http-equiv=\"Content-Type\"");
            (!added).then(|| format!("{} {}", element.name.local, attributes.join(" ")))
        }
        _ => None,
    });
    if let Some(Some(line)) = line {
        out.push_str(&"  ".repeat(depth));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for child in node.children() {
        write(&child, depth + 1, out);
    }
}
