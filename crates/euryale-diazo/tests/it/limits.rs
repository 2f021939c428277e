//! Rules and pages that would need endless work are refused quickly.

use std::borrow::Cow;
use std::time::Duration;

use euryale_diazo::{Context, PageError};
use rustix::time::{ClockId, clock_gettime};

use crate::faults::{folder, load, rules, theme};

/// The limit of the processor time of each of these cases. Only the time of this thread counts, so
/// that the result is the same on a busy machine. Without optimization, a step takes about ten
/// times as long.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// The time of the processor that this thread has used.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Does something, and soon.
fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = thread_time();
    let done = work();
    let took = thread_time() - begun;
    println!("{:4} ms  {what}", took.as_millis());
    assert!(took < SOON, "{what}: {took:?}");
    done
}

/// Themes a page with one rule, within the time limit.
fn apply(inner: &str, page: &str) -> Result<String, PageError> {
    let theme = theme(inner);
    let themed = soon(inner, || theme.apply(page, &Context::new("/")));
    themed.map(Cow::into_owned)
}

#[test]
fn rules_that_multiply_end() {
    let page = "<div>".repeat(500) + &"<i>x</i>".repeat(20_000);
    let cases = [
        (
            "<replace css:theme=\"#a\" content=\"//*[.//*[.//*[. = //i]]]\"/>",
            &*page,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\" content=\"//*\"/>",
            &*page,
            PageError::TooLong,
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"i\"/><after css:content=\"i\"><include \
                css:content=\"i\"/></after>",
            "<i>x</i>",
            PageError::TooNested,
        ),
    ];
    for (rules, page, expected) in cases {
        assert_eq!(apply(rules, page).err(), Some(expected), "{rules}");
    }
}

/// A file of a few bytes may stand for terabytes. It is refused before they are written.
#[test]
fn entity_bombs_end() {
    let long = format!("<!ENTITY a \"{}\">", "x".repeat(1 << 20));
    let nested: String = (1..12)
        .map(|level| {
            let before = format!("&a{};", level - 1).repeat(10);
            format!("<!ENTITY a{level} \"{before}\">")
        })
        .collect();
    let cases = [
        (
            "entities in entities",
            format!("<!ENTITY a0 \"boom\">{nested}"),
            "<before css:theme=\"#a\">&a11;</before>".to_owned(),
            "its entities stand for more than 8 MiB",
        ),
        (
            "a long entity in a text",
            long.clone(),
            format!(
                "<before css:theme=\"#a\">{}</before>",
                "&a;".repeat(2 << 20)
            ),
            "its entities stand for more than 8 MiB",
        ),
        (
            "a long entity in an attribute",
            long.clone(),
            format!("<before theme=\"{}\"/>", "&a;".repeat(2 << 20)),
            "its entities stand for more than 8 MiB",
        ),
        (
            "a long entity in a short one",
            format!("{long}<!ENTITY b \"{}\">", "&a;".repeat(200)),
            format!(
                "<before css:theme=\"#a\">{}</before>",
                "&b;".repeat(1 << 20)
            ),
            "its entities stand for more than 8 MiB",
        ),
        (
            "elements in an entity",
            format!("<!ENTITY a \"{}\">", "<b/>".repeat(1_000)),
            format!("<before css:theme=\"#a\">{}</before>", "&a;".repeat(1_000)),
            "not well-formed XML: nodes limit reached",
        ),
        (
            "as much as is allowed",
            long,
            format!(
                "<before css:theme=\"#nothing\">{}</before>",
                "&a;".repeat(7)
            ),
            "",
        ),
    ];
    for (name, entities, inner, expected) in cases {
        let file = format!("<!DOCTYPE rules [{entities}]>{}", rules(&inner));
        let folder = folder(&[("rules.xml", &file)]);
        let said = soon(name, || load(folder.path())).err();
        let said = said.map_or_else(String::new, |error| error.to_string());
        let fits = said.contains(expected) && said.is_empty() == expected.is_empty();
        assert!(fits, "{name}: {said}");
    }
}

/// Each of these stops at its limit, within the time limit. `--nocapture` shows the times.
#[test]
fn instructions_end_at_their_limits() {
    let many = format!("<body>{}", "<p>x</p>".repeat(100_000));
    let each = "<xsl:for-each select=\"//p\">";
    let end = "</xsl:for-each>";
    let with_x = |inside: &str| {
        format!(
            "<body>{}<div id=\"x\">{inside}</div>",
            "<p>a</p>".repeat(20_000)
        )
    };
    let text = with_x(&"z ".repeat(1 << 20));
    let digits = with_x(&"1".repeat(2 << 20));
    let references = with_x(&"&lt;".repeat(1 << 19));
    let similar: String = (0..1_000)
        .map(|number| format!("<p>{}{number:03}</p>", "y".repeat(4_000)))
        .collect();
    let of_each = |expr: &str| {
        format!(
            "<replace css:theme=\"#a\"><xsl:for-each select=\"//p\"><xsl:value-of \
             select=\"{expr}\"/></xsl:for-each></replace>"
        )
    };
    let cases = [
        (
            "<xsl:template name=\"a\"><xsl:call-template name=\"a\"/></xsl:template>\
             <replace css:theme=\"#a\"><xsl:call-template name=\"a\"/></replace>"
                .to_owned(),
            &*many,
            PageError::TooNested,
        ),
        (
            "<xsl:template match=\"p\"><b><xsl:apply-templates select=\".\"/></b></xsl:template>\
             <replace css:theme=\"#a\" css:content=\"body\"/>"
                .to_owned(),
            &*many,
            PageError::TooNested,
        ),
        (
            format!("<replace css:theme=\"#a\">{each}{each}{each}<b/>{end}{end}{end}</replace>"),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            format!(
                "<replace css:theme=\"#a\">{each}<xsl:if test=\"//p[//b]\"><b/></xsl:if>{end}\
                 </replace>"
            ),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\" content=\"//p[contains(//*[@id='x'],'zzz')]\"/>".to_owned(),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            "<xsl:variable name=\"v\"><xsl:copy-of select=\"//p\"/></xsl:variable>\
             <replace css:theme=\"#a\"><xsl:for-each select=\"//p\">\
             <xsl:value-of select=\"$v\"/><xsl:copy-of select=\"$v\"/></xsl:for-each></replace>"
                .to_owned(),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\"><xsl:for-each select=\"//p\">\
             <xsl:sort select=\"count(//p)\"/><b/></xsl:for-each></replace>"
                .to_owned(),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\"><xsl:for-each select=\"//p\">\
             <xsl:value-of select=\"count(str:tokenize(//*[@id='x'], ' '))\"/></xsl:for-each>\
             </replace>"
                .to_owned(),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\" content=\"//*[//p][//p/b]\"/>".to_owned(),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            of_each("translate(//*[@id='x'], 'z', 'y')"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            of_each("normalize-space(//*[@id='x'])"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            of_each("string-length(//*[@id='x'])"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            of_each("substring(//*[@id='x'], 2, 3)"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            of_each("str:replace(//*[@id='x'], 'z', '')"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            of_each("concat(//*[@id='x'], 'z') = //p"),
            &*text,
            PageError::TooMuchWork,
        ),
        (
            "<xsl:variable name=\"v\"><xsl:copy-of select=\"//p\"/></xsl:variable>\
             <replace css:theme=\"#a\"><xsl:for-each select=\"//p\">\
             <xsl:value-of select=\"count(exsl:node-set($v)/p)\"/></xsl:for-each></replace>"
                .to_owned(),
            &*many,
            PageError::TooMuchWork,
        ),
        (
            of_each("number(//*[@id='x'])"),
            &*digits,
            PageError::TooMuchWork,
        ),
        (
            of_each("string-length(//*[@id='x'])"),
            &*references,
            PageError::TooMuchWork,
        ),
        (of_each("//p = //p"), &*many, PageError::TooMuchWork),
        (
            of_each("//p[//p = 'none']"),
            &*similar,
            PageError::TooMuchWork,
        ),
        (
            "<replace css:theme=\"#a\"><xsl:for-each select=\"//p\">\
             <xsl:sort select=\"concat(//*[@id='x'], .)\"/><b/></xsl:for-each></replace>"
                .to_owned(),
            &*text,
            PageError::TooMuchWork,
        ),
    ];
    for (inner, page, expected) in cases {
        assert_eq!(apply(&inner, page).err(), Some(expected), "{inner}");
    }
}

/// The existence of a node is known at the first one, and names are looked up.
#[test]
fn searches_that_end_at_once_are_little_work() {
    let many = format!("<body>{}<i>x</i>", "<p class=\"c\">x</p>".repeat(100_000));
    for test in [
        "//p",
        "//i",
        "//p[@class]",
        "//p = 'x'",
        "not(//b)",
        "//*[@id='x']",
    ] {
        let rules = format!("<replace css:theme=\"#a\" content=\"//p[{test}][last()]\"/>");
        let themed = apply(&rules, &many);
        assert!(themed.is_ok(), "{test}: {themed:?}");
    }
}

#[test]
fn a_comment_cannot_be_ended_by_the_page() {
    let rule = "<replace css:theme=\"#a\"><xsl:comment><xsl:value-of select=\"//title\"/>\
        </xsl:comment></replace>";
    let cases = [
        (
            "&gt;&lt;img src=x onerror=y&gt;",
            "<!-- ><img src=x onerror=y>-->",
        ),
        ("-&gt;&lt;img&gt;", "<!-- -><img>-->"),
        ("---&gt;&lt;script&gt;", "<!-- - - -><script>-->"),
        ("x--!&gt;&lt;script&gt;", "<!--x- -!><script>-->"),
        ("a--", "<!--a- - -->"),
        ("a - b", "<!--a - b-->"),
    ];
    for (title, expected) in cases {
        let page = format!("<title>{title}</title>");
        let themed = apply(rule, &page).unwrap();
        assert!(themed.contains(expected), "{title}: {themed}");
    }
}

#[test]
fn positions_are_counted_once() {
    let page = format!("<div id=c>{}</div>", "<i>x</i>".repeat(60_000));
    let template = "<xsl:template match=\"i\"><b><xsl:value-of \
        select=\"concat(position(), ' of ', last())\"/></b></xsl:template>\
        <replace css:theme=\"#a\" css:content=\"#c\"/>";
    let themed = apply(template, &page).unwrap();
    assert!(themed.contains("<b>2 of 60001</b><b>3 of 60001</b>"));
    assert!(themed.contains("<b>60001 of 60001</b>"));

    let attributes: String = (0..2_000).map(|n| format!(" a{n}=x")).collect();
    let page = format!("<div id=c{attributes}>{}</div>", "<br>".repeat(200_000));
    let template = "<xsl:template match=\"@a1999\"><xsl:attribute name=\"a1999\"><xsl:value-of \
        select=\"concat(position(), ' of ', last())\"/></xsl:attribute></xsl:template>\
        <xsl:template match=\"@id\"><xsl:attribute name=\"id\"><xsl:value-of \
        select=\"position()\"/></xsl:attribute></xsl:template>\
        <xsl:template match=\"@*\"><xsl:copy/></xsl:template>\
        <replace css:theme=\"#a\" css:content=\"#c\"/>";
    let themed = apply(template, &page).unwrap();
    assert!(
        themed.contains("a1999=\"2001 of 202001\""),
        "{}",
        &themed[..30_000]
    );
    assert!(themed.contains("<div id=\"1\""));
}

#[test]
fn static_html_in_a_loop_counts() {
    let page = "<p>x</p>".repeat(100_000);
    let html = "y".repeat(2_000);
    let rule = format!(
        "<replace css:theme=\"#a\"><xsl:for-each select=\"//p\"><b>{html}</b></xsl:for-each>\
         </replace>"
    );
    assert_eq!(apply(&rule, &page).err(), Some(PageError::TooLong));
}

#[test]
fn lists_of_attributes_count() {
    let attributes: String = (0..60_000).map(|n| format!(" a{n}=x")).collect();
    let page = format!("<div id=c{attributes}>{}</div>", "<i>x</i>".repeat(30_000));
    let rules = [
        "<copy attributes=\"*\" css:theme=\"#a\" css:content=\"#c\"/>",
        "<replace css:theme=\"#a\"><p><xsl:copy-of select=\"//div/@*\"/></p></replace>",
        "<replace css:theme=\"#a\" content=\"//i[//div[@zzz]]\"/>",
        "<replace css:theme=\"#a\" content=\"//i[//div[@zzz='x']]\"/>",
        "<replace css:theme=\"#a\"><xsl:for-each select=\"//i\">\
            <include css:content=\"div[zzz^=x]\"/></xsl:for-each></replace>",
        "<replace css:theme=\"#a\" content=\"//i[lang('de')]\"/>",
    ];
    for rule in rules {
        assert_eq!(
            apply(rule, &page).err(),
            Some(PageError::TooMuchWork),
            "{rule}"
        );
    }
}

#[test]
fn functions_cost_no_more_than_the_texts_are_long() {
    let many = "a".repeat(1 << 20);
    let page = format!("<p>{many}</p><i>{}</i>", "z".repeat(1 << 20));
    let rule = |expr: &str| {
        format!("<replace css:theme=\"#a\"><xsl:value-of select=\"{expr}\"/></replace>")
    };
    let text = |expr: &str| apply(&rule(&format!("concat('[', {expr}, ']')")), &page).unwrap();
    let themed = text("string-length(translate(//i, //p, 'b'))");
    assert!(themed.contains("[1048576]"), "{themed}");
    assert!(text("count(str:tokenize(//i, //p))").contains("[1]"));
    assert!(text("normalize-space(' a  b\u{a0}c ')").contains("[a b\u{a0}c]"));
    assert!(text("translate('abcabc', 'aba', 'xy')").contains("[xycxyc]"));
    assert!(text("translate('abc', 'ba', 'x')").contains("[xc]"));
}

#[test]
fn a_condition_is_asked_wherever_its_answer_may_differ() {
    let page = "<div><p class=x>1</p><p class=y>2</p></div><b class=y>B</b>";
    let content = "<replace css:theme=\"#a\" css:content=\"div\"/>";
    let current =
        format!("{content}<drop css:content=\"p\" if=\"//b[@class = current()/@class]\"/>");
    let themed = apply(&current, page).unwrap();
    assert!(themed.contains("<p class=x>1</p></div>"), "{themed}");

    let around = format!(
        "<rules if=\"not(self::p[@class='y'])\">{content}<drop css:content=\"p\"/></rules>"
    );
    let themed = apply(&around, page).unwrap();
    assert!(themed.contains("<div><p class=y>2</p></div>"), "{themed}");

    let local = "<xsl:template name=\"t\"><xsl:param name=\"v\"/>\
        <include css:content=\"b\" if=\"$v = 'y'\"/></xsl:template>\
        <replace css:theme=\"#a\">\
        <xsl:call-template name=\"t\"><xsl:with-param name=\"v\" select=\"'x'\"/>\
        </xsl:call-template>\
        <xsl:call-template name=\"t\"><xsl:with-param name=\"v\" select=\"'y'\"/>\
        </xsl:call-template></replace>";
    let themed = apply(local, page).unwrap();
    assert_eq!(themed.matches("<b class=y>").count(), 1, "{themed}");
}

#[test]
fn includes_that_multiply_end() {
    let files: Vec<(String, String)> = (0..16)
        .map(|level| {
            let next = format!("<xi:include href=\"f{}.xml\"/>", level + 1);
            let inner = if level < 15 {
                next.repeat(10)
            } else {
                String::new()
            };
            let text = rules(&inner).replace("<theme href=\"theme.html\"/>", "");
            (format!("f{level}.xml"), text)
        })
        .collect();
    let first = rules("<xi:include href=\"f0.xml\"/>");
    let mut all: Vec<(&str, &str)> = vec![("rules.xml", &first)];
    all.extend(files.iter().map(|(name, text)| (&**name, &**text)));
    let folder = folder(&all);
    let said = soon("includes", || load(folder.path()).unwrap_err().to_string());
    assert!(said.contains("more than 1024 times"), "{said}");
    assert!(said.contains(".xml:4: "), "its place: {said}");
}

#[test]
fn a_huge_step_in_a_selector_is_refused() {
    for formula in ["-n-9223372036854775807", "9999999999", "2n+9999999999"] {
        let rule = format!("<drop css:content=\"li:nth-child({formula})\"/>");
        let folder = folder(&[("rules.xml", &rules(&rule))]);
        let said = load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("not understood: ("), "{said}");
    }
    for formula in ["-n-2147483647", "-2147483648n-2147483648", "2147483647n+1"] {
        let rule =
            format!("<replace css:theme=\"#a\" css:content=\"li:nth-last-child({formula})\"/>");
        apply(&rule, "<ul><li>1<li>2</ul>").unwrap();
    }
}

#[test]
fn endless_recursion_has_an_error_of_its_own() {
    let rule = "<xsl:template name=\"a\"><xsl:call-template name=\"a\"/></xsl:template>\
        <replace css:theme=\"#a\"><xsl:call-template name=\"a\"/></replace>";
    let error = apply(rule, "<p>").unwrap_err();
    assert_eq!(error, PageError::TooNested);
    assert!(error.to_string().contains("in each other"), "{error}");
}
