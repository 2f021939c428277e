//! Compares trees with those of a browser's parser, and tests the HTML that is written from them.

use dom_query::{Document, NodeData, NodeRef};
use proptest::prelude::*;

use super::{Dom, Excess, Id, Kind, NONE, Node, ROOT, write_comment};
use crate::xpath::Item;

/// A tree as lines: one for each element, comment and text, with adjacent texts joined.
#[derive(Default)]
struct Lines(Vec<(usize, bool, String)>);

impl Lines {
    fn text(&mut self, depth: usize, text: &str) {
        match self.0.last_mut() {
            Some((at, true, before)) if *at == depth => before.push_str(text),
            _ => self.0.push((depth, true, text.to_owned())),
        }
    }

    fn line(&mut self, depth: usize, line: String) {
        self.0.push((depth, false, line));
    }

    fn show(self) -> String {
        let lines = self
            .0
            .into_iter()
            .filter(|(_, is_text, line)| !is_text || !line.trim().is_empty());
        lines
            .map(|(depth, _, line)| format!("{}{}\n", " ".repeat(depth), line.trim()))
            .collect()
    }
}

fn ours(html: &str) -> String {
    fn write(dom: &Dom<'_>, id: Id, depth: usize, out: &mut Lines) {
        let node = dom.node(id);
        match node.kind {
            Kind::Element => {
                let name = dom.written_name(id).to_ascii_lowercase();
                out.line(depth, format!("{name} {}", node.attribute_count));
            }
            Kind::Text => out.text(depth, &Item::new(0, id).text(dom)),
            Kind::Comment => out.line(depth, "<!---->".to_owned()),
            Kind::Root | Kind::Doctype => {}
        }
        dom.children(id)
            .for_each(|child| write(dom, child, depth + 1, out));
    }
    let dom = Dom::parse(html).unwrap();
    let mut out = Lines::default();
    dom.children(ROOT)
        .for_each(|id| write(&dom, id, 0, &mut out));
    out.show()
}

fn browsers(html: &str) -> String {
    fn write(node: &NodeRef<'_>, depth: usize, out: &mut Lines) {
        node.query(|node| match &node.data {
            NodeData::Element(element) => {
                out.line(
                    depth,
                    format!("{} {}", element.name.local, element.attrs.len()),
                );
            }
            NodeData::Text { contents } => out.text(depth, contents),
            NodeData::Comment { .. } => out.line(depth, "<!---->".to_owned()),
            _ => {}
        });
        node.children()
            .iter()
            .for_each(|child| write(child, depth + 1, out));
    }
    let mut out = Lines::default();
    Document::from(html)
        .root()
        .children()
        .iter()
        .for_each(|child| write(child, 0, &mut out));
    out.show()
}

#[test]
fn trees_are_those_of_a_browser() {
    let pages = [
        "",
        "text",
        "<p>a<p>b<div>c</div>",
        "<!DOCTYPE html><title>x</title><p>y",
        "<head><title>x</title></head><body class=a id=b>y</body>",
        "<html lang=de><body><ul><li>a<li>b<ul><li>c</ul><li>d</ul>",
        "<dl><dt>a<dd>b<dt>c</dl>",
        "<table><tbody><tr><td>1<td>2<tr><th>3</table>after",
        "<table><caption>c</caption><colgroup><col><col></colgroup><thead><tr><td>x</thead>\
            </table>",
        "<select><option>a<option>b</select>",
        "<p><b>x</b></p><br><img src=a alt='b c'><hr>",
        "<script>if (a < b) { '<p>' }</script><style>p > a {}</style><p>x",
        "<textarea><p>no</p></textarea><p>yes",
        "<h1>a</h1><h2>b<h3>c</h3>",
        "<div>a</span>b</div></div>c",
        "<a href=1>x<a href=2>y</a>",
        "<svg><path d=x /><g><circle/></g></svg><p>z",
        "<p title='a>b' class=\"c\" hidden>t",
        "<p a=1 A=2 b>t",
        "a < b and 3<4 <p>x",
        "<!-- c --><html><!-- d --><head><!-- e --></head><body>x<!-- f --></body></html>",
        "<head><script>x</script></head> <body>a</body> </html> ",
        "<button>a<button>b</button>",
        "<ruby>a<rt>b<rp>c</ruby>",
        "<form><p>a</form><p>b",
        "<p>unfinished <a href='x",
        "<div><ul></div>x",
        "<body>x</body><!-- a --></html><!-- b -->",
        "<body>x</body> <!-- a --> <!-- b --> </html> <!-- c --> <!-- d --> ",
        "<p>x</p></body></html><!-- a",
    ];
    for page in pages {
        assert_eq!(ours(page), browsers(page), "{page}");
    }
}

#[test]
fn misnested_tags_are_left_for_browsers_to_repair() {
    // With scripts, the contents of the head's `noscript` are text; the reference parser reads them
    // like a browser without scripts.
    let head = ours("<head><noscript><img src=x></noscript></head><body>x");
    assert_eq!(
        head,
        "html 0\n head 0\n  noscript 0\n   <img src=x>\n body 0\n  x\n"
    );
    // Crossed tags, end tags without a start tag, and tables without an implied tbody.
    assert_eq!(ours("</p>x</br>y"), "html 0\n head 0\n body 0\n  xy\n");
    assert_eq!(
        ours("<b><p>x</b>y</p>"),
        "html 0\n head 0\n body 0\n  b 0\n   p 0\n    xy\n"
    );
    assert_eq!(ours("<table><tr><td>x</table>").matches("tbody").count(), 0);
    // A comment after the body, with more content after it.
    let comment = ours("<body>x</body><!-- a --><p>y</p><!-- c -->");
    assert_eq!(
        comment,
        "html 0\n head 0\n body 0\n  x\n  <!---->\n  p 0\n   y\n <!---->\n"
    );
    // A reference without its semicolon, which browsers accept for the oldest ones.
    assert_eq!(
        ours("a &gt b &gt; c"),
        "html 0\n head 0\n body 0\n  a &gt b > c\n"
    );
}

#[test]
fn unchanged_nodes_are_written_byte_for_byte() {
    let page = "<DIV Class='a'  b=c>x &amp; y<BR/>\n<p>one<p>two</DIV>";
    let dom = Dom::parse(page).unwrap();
    let body = dom.children(1).last().unwrap();
    let mut out = String::new();
    dom.write(&mut out, dom.first_child(body).unwrap());
    assert_eq!(out, page);
}

#[test]
fn open_elements_are_closed_when_they_are_moved() {
    let write = |page: &str| {
        let dom = Dom::parse(page).unwrap();
        let mut out = String::new();
        dom.write(
            &mut out,
            dom.first_child(dom.children(1).last().unwrap()).unwrap(),
        );
        out
    };
    assert_eq!(write("<div><b>x"), "<div><b>x</b></div>");
    assert_eq!(write("<div><p>x</span></b></div>"), "<div><p>x</p></div>");
    assert_eq!(write("<div>a < b<!-- x"), "<div>a &lt; b<!-- x--></div>");
}

#[test]
fn text_of_scripts_and_titles_stays_text_elsewhere() {
    let alone = |page: &str| {
        let dom = Dom::parse(page).unwrap();
        let text = (0..dom.nodes.len() as Id)
            .find(|id| dom.node(*id).kind == Kind::Text)
            .unwrap();
        let mut out = String::new();
        dom.write_alone(&mut out, text, false);
        out
    };
    assert_eq!(alone("<title><b>&amp;</title>"), "&lt;b>&amp;");
    assert_eq!(alone("<script>a<b&amp;</script>"), "a&lt;b&amp;amp;");
    assert_eq!(alone("<p>a <3</p>"), "a &lt;3");
}

#[test]
fn pages_beyond_the_limits_have_no_tree() {
    assert_eq!(Dom::parse(&"<i>".repeat(513)).err(), Some(Excess::Depth));
    assert_eq!(
        Dom::parse(&"<br>".repeat(2_000_001)).err(),
        Some(Excess::Nodes)
    );
}

/// Well-formed HTML of a few elements.
fn html() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z &;<]{0,6}".prop_map(|text| text.replace('&', "&amp;").replace('<', "&lt;")),
        Just("a & b; &c".to_owned()),
        Just("<br>".to_owned()),
        Just("<img src=\"a\" alt='b'>".to_owned()),
        Just("<!-- c -->".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = prop::sample::select(vec!["div", "section", "ul", "blockquote", "main"]);
        (name, prop::collection::vec(inner, 0..5), "[a-z]{1,3}").prop_map(|(name, inner, class)| {
            format!("<{name} class=\"{class}\">{}</{name}>", inner.concat())
        })
    })
}

#[test]
fn elements_that_close_themselves_are_written_with_an_end_tag() {
    let cases = [
        ("<div/><i/>x", "<div></div><i></i>x"),
        ("<p id=a />x<br/>", "<p id=a></p>x<br/>"),
        (
            "<div/><script/>a<b></script>",
            "<div></div><script/>a<b></script>",
        ),
        (
            "<i/><textarea/>a</textarea>",
            "<i></i><textarea/>a</textarea>",
        ),
        ("<svg><g/></svg><b/>", "<svg><g/></svg><b></b>"),
    ];
    for (page, expected) in cases {
        let dom = Dom::parse(page).unwrap();
        let mut out = String::new();
        dom.write(&mut out, ROOT);
        assert!(out.contains(expected), "{page}: {out}");
        assert_eq!(ours(page), browsers(&out), "{page}");
    }
}

/// Compares the lists of elements by id, class and name with a search through all nodes.
fn lists_are_complete(dom: &Dom<'_>) {
    let all = || (0..dom.nodes.len() as Id).filter(|id| dom.is_element(*id));
    let having = |of: fn(&Node) -> u32| -> Vec<Id> {
        all().filter(|id| of(dom.node(*id)) != NONE).collect()
    };
    assert_eq!(dom.ids, having(|node| node.id), "{}", dom.source);
    assert_eq!(dom.classes, having(|node| node.class), "{}", dom.source);
    for id in all() {
        let name = dom.node(id).name;
        let same = all().filter(|other| dom.node(*other).name == name);
        let same: Vec<Id> = same.collect();
        let listed = dom.list_of(name);
        let listed: Vec<Id> = listed.filter(|id| dom.node(*id).name == name).collect();
        assert_eq!(listed, same, "{}", dom.source);
    }
}

proptest! {
    #[test]
    fn elements_are_listed_whatever_their_order(
        tags in prop::collection::vec(prop::sample::select(vec![
            "<p>", "</p>", "<p id=a>", "<b class=x>", "</b id=b class=y>", "<div id=c class>", "x",
            "</div>", "<html>", "<html id=d class=z>", "<body>", "<body class=w>", "<head id=e>",
            "</body>", "</html>", "<!-- -->", "<title>t</title>", "<li>", "<svg id=f><g/></svg>",
            "<b-very-long-name>", "<nav>", "<main>", "<h1>", "<h2>", "<td>",
        ]), 0..40)
    ) {
        let page = tags.concat();
        lists_are_complete(&Dom::parse(&page).unwrap());
        lists_are_complete(&Dom::parse_theme(&page).unwrap());
        lists_are_complete(&Dom::parse_fragment(&page).unwrap());
    }

    #[test]
    fn well_formed_pages_have_the_tree_of_a_browser(page in html()) {
        let page = format!("<!DOCTYPE html><html><head></head><body>{page}</body></html>");
        prop_assert_eq!(ours(&page), browsers(&page));
    }

    #[test]
    fn text_never_ends_a_comment_in_a_browser(text in "[-!<>a ]{0,12}") {
        let mut html = "<p>".to_owned();
        write_comment(&mut html, &text);
        html.push_str("x</p>");
        prop_assert_eq!(browsers(&html), browsers("<p><!-- -->x</p>"), "{}", html);
    }

    #[test]
    fn anything_is_parsed_and_written_without_a_panic(page in "[<>/a-d!?\"'= \
        -]{0,200}|\\PC{0,100}") {
        let dom = Dom::parse(&page).unwrap();
        let mut out = String::new();
        dom.write(&mut out, ROOT);
        // The written HTML is equivalent, because it is parsed to the same tree.
        prop_assert_eq!(ours(&out), ours(&page));
    }

    #[test]
    fn tags_in_any_order_are_written_as_they_are_understood(
        tags in prop::collection::vec(prop::sample::select(vec![
            "<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<li>", "</li>", "<ul>", "</ul>",
            "<table>", "</table>", "<tr>", "<td>", "</td>", "<a>", "</a>", "<h1>", "</h1>", "x",
            "<br>", "<body>", "</body>", "</html>",
            "<option>", "<select>", "</select>", "<svg>", "<g/>", "</svg>", "<title>t</title>",
            "<p/>", "<b/>", "<li/>", "<article-list>", "</article-list>", "</P>", "</div >",
        ]), 0..25)
    ) {
        let page = tags.concat();
        let dom = Dom::parse(&page).unwrap();
        let mut out = String::new();
        dom.write(&mut out, ROOT);
        prop_assert_eq!(ours(&out), ours(&page), "{}", out);
    }
}
