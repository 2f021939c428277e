//! Explanations name each rule with its place, and say what it does.

use euryale_diazo::Context;

use crate::faults::theme;

fn explained(inner: &str, page: &str) -> Vec<String> {
    let theme = theme(inner);
    let all = theme.explain(page, &Context::new("/a")).unwrap();
    let lines = all
        .iter()
        .map(|one| format!("{}: {}", one.line(), one.what()));
    lines.collect()
}

const PAGE: &str = "<h1 class=x>Head</h1><p id=a>One</p><p>Two</p><i>x</i><ul> <li>1</li>\n</ul>";

#[test]
fn each_rule_says_which_nodes_it_puts_where() {
    let said = explained(
        "<before css:theme=\"#a\" css:content=\"p\"/>\n\
         <replace css:theme=\"#a\" css:content=\"h1\" if-path=\"/a\"/>\n\
         <after css:theme-children=\"#a\" css:content=\"i\"/>\n\
         <drop css:theme=\"title\" if-path=\"/b\"/>\n\
         <after css:theme=\"title\"><b/></after>\n\
         <drop css:content=\"p\" if-path=\"/b\"/>\n\
         <strip css:content=\"i\"/>\n\
         <drop css:content=\"nothing\"/>\n\
         <replace css:theme=\"#b\" css:content=\"p\" if-path=\"/b\"/>\n\
         <before css:theme-children=\"#a\" content=\"//ul/node()\"/>\n\
         <before css:theme=\"#a\" content=\"//ul/text()\"/>",
        PAGE,
    );
    let expected = [
        "4: <before> puts p#a, p before div#a",
        "5: <replace> puts h1.x in place of div#a",
        "6: <after> does nothing: line 5 replaces div#a",
        "7: <drop> does nothing: a condition does not hold",
        "8: <after> puts HTML of its own after title",
        "9: <drop> does nothing: its condition holds for no node",
        "10: <strip> is about i of the content",
        "11: <drop> is about nothing in the content",
        "12: <replace> does nothing: the theme has nothing that it is about",
        "13: <before> does nothing: line 5 replaces div#a",
        "14: <before> puts white space before div#a",
    ];
    assert!(said[0].starts_with("3: the theme is "), "{said:?}");
    assert_eq!(said[1..], expected);
}

#[test]
fn white_space_is_not_listed() {
    let said = explained(
        "<replace css:theme-children=\"#a\" content=\"//ul/node()\"/>",
        PAGE,
    );
    assert_eq!(
        said[1..],
        ["4: <replace> puts li into div#a, in place of its children"]
    );
}

#[test]
fn variables_have_no_output_of_their_own() {
    let said = explained(
        "<replace css:theme=\"#a\">\n<xsl:variable name=\"p\" select=\"//p\"/>\n\
         <xsl:if test=\"$p/a\">x</xsl:if>\n<xsl:copy-of select=\"$p[1]\"/></replace>",
        PAGE,
    );
    let expected = [
        "4: <replace> puts HTML of its own in place of div#a",
        "5: <xsl:variable> runs once",
        "6: <xsl:if> runs once and writes nothing",
        "7: <xsl:copy-of> runs once and writes 15 bytes",
    ];
    assert_eq!(said[1..], expected);
}

#[test]
fn instructions_are_counted() {
    let said = explained(
        "<replace css:theme=\"#a\">\n<xsl:for-each select=\"//p\">\n<b><xsl:value-of \
         select=\".\"/></b></xsl:for-each></replace>",
        PAGE,
    );
    let expected = [
        "4: <replace> puts HTML of its own in place of div#a",
        "5: <xsl:for-each> runs once and writes 20 bytes",
        "6: <xsl:value-of> runs 2 times and writes 6 bytes",
    ];
    assert_eq!(said[1..], expected);
}

#[test]
fn a_page_without_a_theme_is_explained_too() {
    let said = explained("<notheme if-path=\"/a\"/><drop css:content=\"p\"/>", PAGE);
    let expected = [
        "4: no theme is chosen: the content stays without one",
        "4: <drop> is about p#a, p of the content",
    ];
    assert_eq!(said, expected);
}
