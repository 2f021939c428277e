//! Parts of themes and pages that are not in the theme's file: inline themes, included files, and
//! includes of caches.

use euryale_diazo::{Context, Loader, Theme};

use crate::faults::{folder, load, rules};
use crate::normal::normal;

fn inline(theme: &str, inner: &str) -> Theme {
    let text = rules(&format!("<theme>{theme}</theme>{inner}"));
    let text = text.replace("<theme href=\"theme.html\"/>\n", "");
    let folder = folder(&[("rules.xml", &text)]);
    load(folder.path()).unwrap()
}

fn apply(theme: &Theme, page: &str) -> String {
    theme.apply(page, &Context::new("/")).unwrap().into_owned()
}

const PAGE: &str = "<title>News</title><body class='\"x&quot;'><h1>One</h1><p>Two</p></body>";

#[test]
fn a_theme_is_written_in_the_rules() {
    let theme = inline(
        "<html><head><title>T</title></head><body><div id=\"a\"/>\
         <img src=\"b.png\"/></body></html>",
        "<replace css:theme=\"title\" css:content=\"title\"/>\
         <replace css:theme-children=\"#a\" css:content=\"p\"/>",
    );
    let themed = apply(&theme, PAGE);
    assert_eq!(
        themed,
        "<!DOCTYPE html>\n<html><head><title>News</title></head><body><div id=\"a\">\
         <p>Two</p></div>\
         <img src=\"b.png\"></body></html>"
    );
}

#[test]
fn instructions_in_an_inline_theme_see_the_page() {
    let theme = inline(
        "<html lang=\"{substring(//h1, 1, 2)}\"><xsl:variable name=\"v\" select=\"//p\"/><head>\
         <title>The <xsl:value-of select=\"//title\"/></title></head>\
         <body><xsl:attribute name=\"class\"><xsl:value-of select=\"//body/@class\"/>\
         </xsl:attribute><a title=\"{//body/@class}\" id=\"a\"><xsl:value-of select=\"$v\"/></a>\
         <include css:content=\"h1\"/></body></html>",
        "<merge attributes=\"title\" css:theme=\"#a\" css:content=\"body\"/>",
    );
    let themed = apply(&theme, PAGE);
    assert_eq!(
        normal(&themed),
        normal(
            "<!DOCTYPE html><html lang=On><head><title>The News</title></head>\
             <body class='&quot;x&quot;'><a title='&quot;x&quot; ' id=a>Two</a>\
             <h1>One</h1></body></html>"
        ),
        "{themed}"
    );
}

#[test]
fn an_inline_theme_may_be_a_part_of_a_page() {
    let theme = inline(
        "<section><b id=\"a\">A</b></section>",
        "<replace css:theme=\"#a\" css:content=\"p\"/>",
    );
    assert_eq!(
        apply(&theme, PAGE),
        "<!DOCTYPE html>\n<section><p>Two</p></section>"
    );
}

#[test]
fn a_page_cannot_leave_an_attribute_of_an_inline_theme() {
    let theme = inline(
        "<html><body><a title=\"{//p}\" id=\"a\">x</a><script>var a = '<xsl:value-of \
         select=\"string-length(//p)\"/>';</script></body></html>",
        "",
    );
    let themed = apply(&theme, "<p>\"><script>alert(1)</script></p>");
    assert!(!themed.contains("<script>alert"), "{themed}");
    assert!(themed.contains("<a title=\"&quot;>alert(1)\""), "{themed}");
    assert!(themed.contains("var a = '10';"), "{themed}");
}

#[test]
fn comments_of_rules_and_pages_cannot_be_ended() {
    let theme = inline(
        "<html><body><!--><script>1</script>--><p/></body></html>",
        "<before css:theme=\"p\"><!--->2--></before>",
    );
    let themed = apply(&theme, PAGE);
    let expected = "<body><!-- ><script>1</script>--><!-- ->2--><p></p></body>";
    assert!(themed.contains(expected), "{themed}");
}

#[test]
fn a_page_gives_no_orders_to_a_cache() {
    let theme = inline(
        "<html><body><p/></body></html>",
        "<before css:theme=\"p\"><xsl:comment><xsl:value-of select=\"//h1\"/></xsl:comment>\
         </before>\
         <after css:theme=\"p\"><xsl:comment>#include virtual=\"/<xsl:value-of \
         select=\"//h2\"/>\"</xsl:comment></after>",
    );
    for order in ["#exec cmd=\"x\"", "esi <script>1</script>"] {
        let page = format!("<h1>{}</h1><h2>foot</h2>", order.replace('<', "&lt;"));
        let themed = apply(&theme, &page);
        assert!(themed.contains(&format!("<!-- {order}-->")), "{themed}");
        assert!(
            themed.contains("<!--#include virtual=\"/foot\"-->"),
            "{themed}"
        );
    }
}

#[test]
fn a_page_adds_only_text_to_an_order() {
    let value = "<xsl:value-of select=\"//title\"/>";
    let raw = "<xsl:value-of select=\"//title\" disable-output-escaping=\"yes\"/>";
    let cases = [
        // Text inside a quoted value, or between tags.
        (
            format!("#include virtual=\"/{value}\" wait=\"yes\""),
            "a-b",
            "<!--#include virtual=\"/a-b\" wait=\"yes\"-->",
        ),
        (
            format!("esi &lt;b title='{value}'&gt;{value}&lt;/b&gt;"),
            "Tea (it is 5 o)",
            "<!--esi <b title='Tea (it is 5 o)'>Tea (it is 5 o)</b>-->",
        ),
        // Everything else.
        (
            format!("#include virtual=\"/{value}\""),
            "x&quot; virtual=&quot;/secret",
            "<!-- #include virtual=\"/x\" virtual=\"/secret\"-->",
        ),
        (
            format!("#include virtual=\"/{value}\""),
            "$http_cookie",
            "<!-- #include virtual=\"/$http_cookie\"-->",
        ),
        (
            format!("#{value}"),
            "exec cmd=&quot;x&quot;",
            "<!-- #exec cmd=\"x\"-->",
        ),
        (format!("#{value}"), "printenv ", "<!-- #printenv -->"),
        (
            format!("#include virtual=\"/a\" {value}"),
            "file=/secret",
            "<!-- #include virtual=\"/a\" file=/secret-->",
        ),
        (
            format!("#include virtual=\"/{raw}\" wait=\"yes\""),
            "x&quot; virtual=&quot;/secret&quot; &lt;!--",
            "<!-- #include virtual=\"/x\" virtual=\"/secret\" -->",
        ),
        (
            format!("es{value}"),
            "i &lt;esi:include src=/secret /&gt;",
            "<!-- esi <esi:include src=/secret />-->",
        ),
        (
            format!("esi{value}"),
            " &lt;esi:include src=/secret /&gt;",
            "<!-- esi <esi:include src=/secret />-->",
        ),
        (
            format!("esi &lt;esi:include {value}/&gt;"),
            "src=/secret ",
            "<!-- esi <esi:include src=/secret />-->",
        ),
    ];
    for (comment, title, expected) in cases {
        let rule = format!("<after css:theme=\"p\"><xsl:comment>{comment}</xsl:comment></after>");
        let theme = inline("<html><body><p/></body></html>", &rule);
        let themed = apply(&theme, &format!("<title>{title}</title>"));
        assert!(themed.contains(expected), "{comment}: {themed}");
    }
}

#[test]
fn parts_of_rules_are_included() {
    let inner = "<xi:include href=\"variable.xml\"/><xi:include href=\"rule.xml\"/>\
        <xi:include href=\"none.xml\"><xi:fallback><drop css:theme=\"title\"/></xi:fallback>\
        </xi:include><xi:include href=\"text.txt\" parse=\"text\"/>";
    let namespaces = "xmlns=\"http://namespaces.plone.org/diazo\" \
        xmlns:css=\"http://namespaces.plone.org/diazo/css\" \
        xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" \
        xmlns:xi=\"http://www.w3.org/2001/XInclude\"";
    let rule = format!(
        "<before {namespaces} css:theme=\"#a\"><xi:include href=\"section.xml\"/>\
         <xi:include href=\"if.xml\"/><xi:include href=\"text.txt\" parse=\"text\"/>\
         <xi:include href=\"none.xml\"><xi:fallback>none <i/></xi:fallback></xi:include></before>"
    );
    let files = [
        ("rules.xml", rules(inner)),
        (
            "variable.xml",
            format!("<xsl:variable {namespaces} name=\"v\" select=\"//p\"/>"),
        ),
        ("rule.xml", rule),
        (
            "section.xml",
            format!("<section {namespaces}><xsl:value-of select=\"$v\"/></section>"),
        ),
        (
            "if.xml",
            format!("<xsl:if {namespaces} test=\"//h1\"><b>yes</b></xsl:if>"),
        ),
        ("text.txt", "<script>1</script> & more".to_owned()),
    ];
    let all: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let folder = folder(&all);
    let (theme, stamps) = Loader::new(folder.path().join("rules.xml")).load_with_stamps();
    let theme = theme.unwrap();
    let themed = apply(&theme, PAGE);
    let expected = "<body><section>Two</section><b>yes</b>&lt;script>1&lt;/script> &amp; more\
        none <i></i><div id=\"a\">";
    assert!(themed.contains(expected), "{themed}");
    assert!(!themed.contains("<title>"), "{themed}");
    let said: Vec<String> = theme.warnings().iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|said| said.contains("text between rules")),
        "{said:?}"
    );

    // A file that did not exist before changes the theme.
    std::fs::write(folder.path().join("none.xml"), "<x/>").unwrap();
    assert!(stamps.iter().any(|stamp| !stamp.still_holds()));
}

#[test]
fn a_mistake_in_an_included_part_is_reported_with_its_own_line() {
    let inner = "<before css:theme=\"#a\"><xi:include href=\"part.xml\"/></before>";
    let part = "<p xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">\n<xsl:number/></p>";
    let folder = folder(&[("rules.xml", &rules(inner)), ("part.xml", part)]);
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("part.xml:2: <xsl:number>"), "{said}");
    std::fs::write(
        folder.path().join("part.xml"),
        "<p xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"part.xml\"/></p>",
    )
    .unwrap();
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(
        said.contains("part.xml:1: part.xml includes itself"),
        "{said}"
    );
    std::fs::write(
        folder.path().join("rules.xml"),
        rules(&inner.replace("part.xml", "/etc/hosts")),
    )
    .unwrap();
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("is outside of"), "{said}");
}

#[test]
fn includes_of_a_cache_are_written_for_a_cache_that_was_declared() {
    let inner = "<replace css:theme=\"#a\"><b><include href=\"/a?b\" content=\"//p[@id='x']\" \
        method=\"ssi\" if-path=\"/\"/></b></replace>\
        <after css:theme=\"#a\" css:content-children=\"#x > a\" href=\"/&quot;--&gt;\" \
        method=\"esi\"/>\
        <before css:theme=\"#a\" href=\"/a---b/--\" method=\"ssi\"/>";
    let folder = folder(&[("rules.xml", &rules(inner))]);
    let loader = Loader::new(folder.path().join("rules.xml"));
    assert!(loader.load().is_err());
    assert!(loader.clone().ssi().load().is_err());
    let theme = loader.ssi().esi().load().unwrap();
    let themed = apply(&theme, PAGE);
    for expected in [
        "<b><!--#include  virtual=\"/a?b;filter_xpath=//p[@id='x']\"--></b>",
        "<esi:include src=\"/%22-->?;filter_xpath=//*[@id%20=%20'x']/a/node()\"/>",
        "<!--#include  virtual=\"/a-%2D-b/-%2D\"-->",
        "<html xmlns:esi=\"http://www.edge-delivery.org/esi/1.0\">",
    ] {
        assert!(themed.contains(expected), "{themed}");
    }
    let context = Context::new("/");
    assert_eq!(
        theme.documents(&context).count(),
        0,
        "the cache fetches them"
    );
}

#[test]
fn an_empty_element_of_a_theme_is_written_with_a_start_tag() {
    let text = rules("<replace css:theme-children=\"#x\" css:content=\"p\"/>");
    let folder = folder(&[("rules.xml", &text)]);
    let html = "<html><body><div id=\"x\" /><br /><a href=/y/><i/></a></body></html>";
    std::fs::write(folder.path().join("theme.html"), html).unwrap();
    let themed = apply(&load(folder.path()).unwrap(), PAGE);
    let expected = "<div id=\"x\"><p>Two</p></div><br /><a href=/y/><i></i></a>";
    assert!(themed.contains(expected), "{themed}");
}
