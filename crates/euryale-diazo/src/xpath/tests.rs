//! Tests of the values of expressions on one page.

use super::{Budget, CssStart, Expr, Item, OneDocument, Scope, Value, parse_xpath};
use crate::dom::Dom;
use crate::error::PageError;

const PAGE: &str = "<html lang=en><head><title>A &amp; B</title></head><body class='one two'>\
    <div id=a class=box><p>1</p><p class='x  y'>2</p><!-- c --><span>3</span></div>\
    <div id=b data-n=4><p>4</p><a href='/x?a=1&amp;b=2'>link</a></div></body></html>";

fn parse_css(text: &str) -> Result<Expr, String> {
    super::parse_css(text, CssStart::Document)
}

fn show(expr: &str, css: bool) -> String {
    let dom = Dom::parse(PAGE).unwrap();
    let expr = if css {
        parse_css(expr)
    } else {
        parse_xpath(expr)
    };
    let expr = expr.unwrap_or_else(|error| panic!("{error}"));
    let world = OneDocument {
        dom: &dom,
        parameters: |name: &str| (name == "n").then_some(Value::Number(2.0)),
    };
    let budget = Budget::new(100_000);
    let value = Scope::new(&world, &budget, Item::TOP).value(&expr).unwrap();
    match value {
        Value::Nodes(nodes) => nodes
            .iter()
            .map(|item| item.text(&dom).into_owned())
            .collect::<Vec<_>>()
            .join("|"),
        Value::Truth(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.into_owned(),
        Value::Fragment(html) => html.to_string(),
    }
}

#[test]
fn paths_select_nodes_in_document_order() {
    let cases = [
        ("//p", "1|2|4"),
        ("/html/body/div/p[1]", "1|4"),
        ("//p[1]", "1|4"),
        ("(//p)[1]", "1"),
        ("//p[last()]", "2|4"),
        ("//p[position() > 1]", "2"),
        ("//div[p]/@id", "a|b"),
        ("//div[@id='b']/p | //span", "3|4"),
        ("//*[@class]/@class", "one two|box|x  y"),
        ("//span/preceding-sibling::p[1]", "2"),
        ("//span/preceding-sibling::p", "1|2"),
        ("//span/following::p", "4"),
        ("//a/preceding::p", "1|2|4"),
        ("//p/parent::*[@data-n]/a", "link"),
        ("//p/ancestor::div[@id='a']/span", "3"),
        ("//@data-n/..//a", "link"),
        ("//div[1]/text()", ""),
        ("//comment()", " c "),
        ("/html/@lang", "en"),
        (
            "/",
            "A & B123 4link"
                .replace(' ', "")
                .replace("A&B", "A & B")
                .leak(),
        ),
        (
            "//p[contains(concat(' ', normalize-space(@class), ' '), ' y ')]",
            "2",
        ),
        ("//div[not(span)]/p", "4"),
        ("//body//p[. = '2']", "2"),
        ("//p[$n]", "2"),
        ("//a[@href='/x?a=1&b=2']", "link"),
        ("//xsl:p", ""),
        ("descendant::p[parent::div/@data-n = 4]", "4"),
        // The nodes are in document order and each occurs once, whatever the order of the walk.
        ("//p/..//p", "1|2|4"),
        ("//div/descendant-or-self::*/p", "1|2|4"),
        ("//p/../../div/p[1]", "1|4"),
        ("//p/ancestor-or-self::*/span", "3"),
        ("//span/ancestor::*/@*", "en|one two|a|box"),
        ("//a/@href/../preceding-sibling::*", "4"),
        ("//span/../@id/../p", "1|2"),
        ("//p[@class][1]", "2"),
        ("//p[1][@class]", ""),
        ("//*[@id][2]/p", "4"),
        ("/descendant::p[2]", "2"),
        ("/descendant::*[@id][2]/p", "4"),
        ("//span/preceding-sibling::p[2]", "1"),
        ("//span/preceding-sibling::p[position() = last()]", "1"),
        ("//a/ancestor::*[1]/p", "4"),
        ("//p[following-sibling::p[1][. = '2']]", "1"),
        ("//div[p[2]]/span", "3"),
        ("//div[count(p) = 1]/p", "4"),
        ("(//p | //span)[3]", "3"),
        ("//p[../span and not(@class)]", "1"),
        ("//div[p = span]", ""),
        ("//div[4 = @data-n]/p", "4"),
        ("//div[@data-n != 4 or span]/span", "3"),
        ("//div[true() = span]/span", "3"),
        // An attribute has no attributes.
        ("//div/@id[@id='a' or @id]", ""),
        ("//div/@id[@id]", ""),
        ("//div/@*[self::id]", "a|b"),
        ("//div/@*[self::*]", ""),
        ("//@data-n/ancestor-or-self::*/a", "link"),
        ("//@data-n/ancestor-or-self::node()[1]", "4"),
        // The position is that of the outer node.
        ("//p[(//span | //p)[position() = 1][. = 1]]", "1|2|4"),
        ("//div[id(substring('ab', position(), 1))/span]/p[1]", "1"),
    ];
    for (expr, expected) in cases {
        assert_eq!(show(expr, false), expected, "{expr}");
    }
}

/// The recursion that walks the steps of a path is limited.
#[test]
fn long_paths_need_little_stack() {
    let all = show("count(//node())", false);
    let cases = [
        ("./", "1"),
        ("../", "0"),
        ("*/", "0"),
        (".//", &*all),
        ("descendant-or-self::node()/", &*all),
    ];
    for (step, expected) in cases {
        let path = format!("count(/{}node())", step.repeat(150));
        assert_eq!(show(&path, false), expected, "{step}");
    }
}

#[test]
fn functions_and_operators_compute() {
    let cases = [
        ("count(//p)", "3"),
        ("count(//p) = 3 and not(false())", "true"),
        ("sum(//p) div 2 - 1", "2.5"),
        ("7 mod 4 * -2", "-6"),
        ("string(//title)", "A & B"),
        ("concat(//p, '-', //span, 1 > 2)", "1-3false"),
        ("starts-with(//title, 'A') or 1 div 0", "true"),
        ("substring('12345', 2, 3)", "234"),
        ("substring('12345', 0)", "12345"),
        ("substring-before('a/b', '/')", "a"),
        ("substring-after('a/b', '/')", "b"),
        ("normalize-space('  a  b ')", "a b"),
        ("translate('bar', 'abc', 'AB')", "BAr"),
        ("string-length(//title)", "5"),
        ("name(//*[@id='a']/*)", "p"),
        ("round(2.5) + floor(-1.5) + ceiling(0.2)", "2"),
        ("boolean(//missing)", "false"),
        ("//p = 4", "true"),
        ("//p != 1", "true"),
        ("//p > //span", "true"),
        ("'a' = //missing", "false"),
        ("number('x') = number('x')", "false"),
        ("$n + $missing", "NaN"),
        ("true() = 1", "true"),
        ("number('1e3')", "NaN"),
        ("1 div sum(//missing)", "inf"),
    ];
    for (expr, expected) in cases {
        assert_eq!(show(expr, false), expected, "{expr}");
    }
}

/// Thousands of nodes may have the same siblings.
#[test]
fn nodes_that_are_found_often_are_kept_once() {
    let page = "<i></i>".repeat(1_500);
    let dom = Dom::parse(&page).unwrap();
    let world = OneDocument {
        dom: &dom,
        parameters: |_: &str| None,
    };
    let budget = Budget::new(10_000_000);
    let expr = parse_xpath("(//i)/following-sibling::i").unwrap();
    let value = Scope::new(&world, &budget, Item::TOP).value(&expr);
    let Ok(Value::Nodes(nodes)) = value else {
        panic!("{value:?}");
    };
    assert_eq!(nodes.len(), 1_499);
    assert!(nodes.capacity() < 20_000, "room for {}", nodes.capacity());
}

#[test]
fn css_selects_the_same_as_in_a_browser() {
    let cases = [
        ("p", "1|2|4"),
        ("#a p, #b > a", "1|2|link"),
        ("div.box > p.x.y", "2"),
        ("p + p", "2"),
        ("p ~ span", "3"),
        ("p + span", "3"),
        ("[data-n='4'] p", "4"),
        ("a[href$='2']", "link"),
        ("a[href*='a=1']", "link"),
        ("[class~=two] span", "3"),
        ("div p:first-child", "1|4"),
        ("div :last-child", "3|link"),
        ("p:nth-child(2)", "2"),
        ("p:nth-of-type(odd)", "1|4"),
        ("p:nth-last-child(-n+2)", "2|4"),
        ("p:only-of-type", "4"),
        ("p:not(.x)", "1|4"),
        ("title:root, span:not([id])", "3"),
        ("p:contains('4')", "4"),
        ("*:empty", ""),
    ];
    for (expr, expected) in cases {
        assert_eq!(show(expr, true), expected, "{expr}");
    }
}

#[test]
fn invalid_expressions_are_refused() {
    for expr in [
        "", "//", "//p[", "a b", "foo()", "1 +", "//p[@]", "$", "'a", "p::a", "//p]", "!", "not()",
    ] {
        assert!(parse_xpath(expr).is_err(), "{expr}");
    }
    for expr in [
        "",
        ">",
        "a >",
        "a,",
        "#",
        ".",
        "a[",
        "a[b=",
        ":nth-child(x)",
        ":hover",
        "a|b",
        "a{",
    ] {
        assert!(parse_css(expr).is_err(), "{expr}");
    }
    assert!(parse_xpath(&"(".repeat(1000)).is_err());
    assert!(parse_xpath(&format!("{}1{}", "(".repeat(50), ")".repeat(50))).is_err());
}

/// Work is limited by the number of visited nodes and not of found ones.
#[test]
fn visited_nodes_count_even_if_they_are_not_selected() {
    let same = "<i></i>".repeat(1_000);
    let all_others: String = (0..1_000).map(|n| format!("<x{n}></x{n}>")).collect();
    // Some of these names share a list with `b`.
    let of_many_names: String = (0..200)
        .map(|n| format!("<x{n}></x{n}>").repeat(100))
        .collect();
    let of_many_names = format!("{same}{of_many_names}");
    let long = "b".repeat(2_000);
    let long_values = format!("<i class=\"{long}\" id=\"{long}\"></i>").repeat(1_000);
    let attributes: String = (0..1_000).map(|n| format!(" x{n}")).collect();
    let with_attributes = format!("<body{attributes}>{same}");
    let comments = format!("<p>{}</p>{same}", "<!---->".repeat(1_000));
    for (page, expr) in [
        (&same, parse_xpath("//i[following-sibling::b]")),
        (&same, parse_xpath("//i[preceding-sibling::b]")),
        (&same, parse_xpath("//i[preceding-sibling::b[1]]")),
        (&same, parse_xpath("//i[../b]")),
        (&of_many_names, parse_xpath("//i[//b]")),
        (&long_values, parse_css("i:not(.b)")),
        (&long_values, parse_xpath("//i[@id='bb']")),
        (&with_attributes, parse_xpath("//i[../@b]")),
        (&all_others, parse_css("body > :nth-of-type(2)")),
        (&all_others, parse_css("body > :nth-last-of-type(2)")),
        (&comments, parse_xpath("//i[../p[not(node()[self::b])]]")),
    ] {
        let dom = Dom::parse(page).unwrap();
        let expr = expr.unwrap();
        let budget = Budget::new(100_000);
        let world = OneDocument {
            dom: &dom,
            parameters: |_: &str| None,
        };
        let value = Scope::new(&world, &budget, Item::TOP).value(&expr);
        let error = value.map(|_| ()).err();
        assert_eq!(error, Some(PageError::TooMuchWork), "{expr:?}");
    }
}
