//! Mistakes in rules files and themes are reported with their place, and all work is limited.

use std::path::Path;
use std::time::{Duration, Instant};

use euryale_diazo::{Context, LoadError, Loader, PageError, Theme};

const THEME: &str = "<html><head><title>T</title></head><body><div id=\"a\">A</div></body></html>";

pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("theme.html"), THEME).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

pub(crate) fn rules(inner: &str) -> String {
    format!(
        "<rules xmlns=\"http://namespaces.plone.org/diazo\" \
            xmlns:css=\"http://namespaces.plone.org/diazo/css\"\n  \
         xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" \
         xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n\
         <theme href=\"theme.html\"/>\n{inner}\n</rules>"
    )
}

pub(crate) fn load(folder: &Path) -> Result<Theme, LoadError> {
    Theme::load(folder.join("rules.xml"))
}

pub(crate) fn theme(inner: &str) -> Theme {
    let folder = folder(&[("rules.xml", &rules(inner))]);
    load(folder.path()).unwrap()
}

#[test]
fn a_mistake_is_named_with_its_line() {
    let cases = [
        ("<xsl:template/>", "needs match or name"),
        (
            "<xsl:key name=\"a\"/>",
            "<xsl:key> is not supported: write the path",
        ),
        ("<xsl:import href=\"a\"/>", "<xsl:import> is not supported"),
        ("<xsl:template match=\"/\"/>", "match=\"/\" is Diazo's own"),
        (
            "<xsl:template match=\"a\" priority=\"b\"/>",
            "priority is a number",
        ),
        ("<xsl:variable/>", "<xsl:variable> needs a name"),
        (
            "<xsl:variable name=\"a\"/><xsl:param name=\"a\"/>",
            "$a is declared twice",
        ),
        (
            "<xsl:variable name=\"a\" select=\"$b\"/><xsl:variable name=\"b\" select=\"$a\"/>",
            "$a is made of itself",
        ),
        (
            "<before css:theme=\"#a\"><xsl:number/></before>",
            "<xsl:number> is not supported: count what is before",
        ),
        (
            "<before css:theme=\"#a\"><xsl:value-of/></before>",
            "<xsl:value-of> needs select",
        ),
        (
            "<before css:theme=\"#a\"><xsl:call-template name=\"b\"/></before>",
            "no <xsl:template name=\"b\">",
        ),
        (
            "<before css:theme=\"#a\"><b c=\"{d\"/></before>",
            "a single `{` in \"{d\"",
        ),
        (
            "<before css:theme=\"#a\"><xsl:value-of select=\"key('a', 'b')\"/></before>",
            "key() is not supported: write the path",
        ),
        (
            "<before css:theme=\"#a\"><xsl:choose><p/></xsl:choose></before>",
            "in <xsl:choose> there are",
        ),
        ("<replce css:theme=\"#a\"/>", "<replce> is no rule"),
        ("<div xmlns=\"\"/>", "<div> is no rule"),
        (
            "<replace css:theme=\"#a[\" css:content=\"b\"/>",
            "the selector \"#a[\" is not understood",
        ),
        (
            "<replace css:theme=\"#a:hover\" css:content=\"b\"/>",
            "no pseudo-class :hover here",
        ),
        (
            "<replace theme=\"//a[\" content=\"b\"/>",
            "the selector \"//a[\" is not understood",
        ),
        ("<replace theme=\"'a'\" content=\"b\"/>", "selects no nodes"),
        (
            "<drop theme=\"//a[document(.)]\"/>",
            "document() takes an address in quotes",
        ),
        (
            "<drop theme=\"//a[contains(@b)]\"/>",
            "contains() does not take 1 arguments",
        ),
        (
            "<drop css:theme=\"#a\" css:content=\"#b\"/>",
            "theme and content",
        ),
        (
            "<drop css:theme=\"#a\" if=\"$a = \"/>",
            "the expression ends too early",
        ),
        (
            "<drop css:theme=\"#a\" css:prefix=\"//p[\"/>",
            "css:prefix=\"//p[\" is not understood",
        ),
        ("<notheme css:if-path=\"/a\"/>", "if-path is no selector"),
        (
            "<copy css:theme=\"#a\" css:content=\"#b\" css:attributes=\"x\"/>",
            "attributes is no selector",
        ),
        (
            "<merge css:theme=\"#a\" css:content=\"#b\"/>",
            "<merge> needs attributes",
        ),
        (
            "<copy css:theme-children=\"#a\" css:content=\"#b\"/>",
            "theme-children is not allowed in <copy>",
        ),
        (
            "<replace css:theme=\"#a\" href=\"/x\"/>",
            "href needs content",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" href=\"https://a/\"/>",
            "is elsewhere",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" href=\"//a/b\"/>",
            "is elsewhere",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" href=\"mailto:a\"/>",
            "is elsewhere",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" method=\"esi\"/>",
            "method=\"esi\" needs a cache in front that understands it",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" method=\"ssiwait\"/>",
            "(of the site: --edge-includes ssi)",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\" method=\"ajax\"/>",
            "method=\"ajax\" is not supported: it is raw, document, transform, ssi",
        ),
        (
            "<replace css:theme=\"#a\" css:content=\"b\"><i/></replace>",
            "a rule takes one of them",
        ),
        ("<replace/>", "<replace> needs theme or content"),
        ("<theme href=\"missing.html\"/>", "cannot read"),
        (
            "<theme href=\"http://a/\"/>",
            "a theme is read from files only",
        ),
        ("<theme/>", "<theme> needs an href, or HTML in it"),
        (
            "<theme href=\"theme.html\"><b/></theme>",
            "a <theme> takes one",
        ),
        (
            "<theme href=\"theme.html\"/>",
            "a second theme without a condition (the first is in line 3)",
        ),
        (
            "<xi:include href=\"rules.xml\"/>",
            "rules.xml includes itself",
        ),
        ("<xi:include href=\"none.xml\"/>", "cannot read"),
        ("<xi:include/>", "<xi:include> needs an href"),
        (
            "<xi:include href=\"none.xml\" parse=\"html\"/>",
            "is not xml or text",
        ),
        (
            "<xi:include href=\"none.xml\" xpointer=\"a\"/>",
            "<xi:include> includes whole files",
        ),
        (
            "<before css:theme=\"#a\"><xi:fallback/></before>",
            "<xi:fallback> is not inside <xi:include>",
        ),
        (
            "<replace css:theme=\"#a\"/><replace css:theme=\"div\"/>",
            "two rules without a condition replace <div>",
        ),
        ("<replace", "not well-formed XML"),
    ];
    for (inner, expected) in cases {
        let folder = folder(&[("rules.xml", &rules(inner))]);
        let error = load(folder.path()).expect_err(inner);
        let said = error.to_string();
        assert!(said.contains(expected), "{inner}: {said}");
        assert!(!said.contains('\n'), "one line: {said}");
        assert!(
            said.contains("rules.xml:4: ") || said.contains("rules.xml:5: "),
            "its place: {said}"
        );
    }
}

#[test]
fn files_that_are_no_rules_are_refused() {
    let cases: [(&[u8], &str); 5] = [
        (b"<html/>", "a rules file begins with <rules"),
        (
            b"<rules xmlns=\"http://namespaces.plone.org/other\"/>",
            "a rules file begins with <rules",
        ),
        (
            b"<rules xmlns=\"http://namespaces.plone.org/diazo\">\n\xff</rules>",
            "rules.xml:2: not UTF-8",
        ),
        (b"", "not well-formed XML"),
        (
            b"<rules xmlns=\"http://namespaces.plone.org/diazo\"><xi:include/></rules>",
            "not well-formed XML",
        ),
    ];
    for (bytes, expected) in cases {
        let folder = folder(&[]);
        std::fs::write(folder.path().join("rules.xml"), bytes).unwrap();
        let said = load(folder.path()).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    let folder = folder(&[("rules.xml", &rules(""))]);
    std::fs::write(folder.path().join("theme.html"), b"<p>\n\xc3\x28").unwrap();
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("theme.html:2: not UTF-8"), "{said}");
}

#[test]
fn entity_bombs_and_circles_end() {
    let mut bomb = "<!DOCTYPE rules [<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..30 {
        let before = level - 1;
        bomb += &format!(
            "<!ENTITY a{level} \"{}\">",
            format!("&a{before};").repeat(10)
        );
    }
    bomb += "]><rules xmlns=\"http://namespaces.plone.org/diazo\"><before theme=\"//a\">&a29;\
        </before></rules>";
    let said = load(folder(&[("rules.xml", &bomb)]).path())
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("rules.xml: its entities stand for more than 8 MiB"),
        "{said}"
    );
    let circle = "<!DOCTYPE rules [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>\
        <rules xmlns=\"http://namespaces.plone.org/diazo\">&a;</rules>";
    let said = load(folder(&[("rules.xml", circle)]).path())
        .unwrap_err()
        .to_string();
    assert!(said.contains("not well-formed XML"), "{said}");

    let include = |href: &str| {
        rules(&format!("<xi:include href=\"{href}\"/>")).replace("<theme href=\"theme.html\"/>", "")
    };
    let files = [
        ("rules.xml", &*include("b.xml")),
        ("b.xml", &*include("./x/../rules.xml")),
    ];
    let said = load(folder(&files).path()).unwrap_err().to_string();
    assert!(
        said.contains("b.xml:4: ./x/../rules.xml includes itself"),
        "{said}"
    );
}

#[test]
fn deep_files_are_refused_and_deep_pages_stay() {
    let deep = |levels: usize| "<b>".repeat(levels);
    let nested = rules(&("<rules>".repeat(60) + &"</rules>".repeat(60)));
    let said = load(folder(&[("rules.xml", &nested)]).path())
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("more than 50 <rules> in each other"),
        "{said}"
    );
    let inline = rules(&format!(
        "<before theme=\"//a\">{}{}</before>",
        deep(200),
        "</b>".repeat(200)
    ));
    let said = load(folder(&[("rules.xml", &inline)]).path())
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("more than 100 elements in each other"),
        "{said}"
    );
    let folder = folder(&[("rules.xml", &rules(""))]);
    std::fs::write(folder.path().join("theme.html"), deep(1_000_000)).unwrap();
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(
        said.contains("theme.html: more than 512 elements"),
        "{said}"
    );

    let theme = theme("<replace css:theme=\"#a\" css:content=\"body\"/>");
    let apply = |page: &str| theme.apply(page, &Context::new("/")).map(|page| page.len());
    assert_eq!(apply(&deep(1_000_000)), Err(PageError::TooDeep));
    assert_eq!(apply(&"<br>".repeat(2_000_000)), Err(PageError::TooLarge));
    assert!(apply(&deep(400)).is_ok());
    assert!(apply(&("<p>".repeat(400_000) + &"</div>".repeat(400_000))).is_ok());
}

#[test]
fn endless_expressions_and_nests_are_refused() {
    let long = |part: &str, last: &str| format!("{}{last}", part.repeat(100_000));
    for inner in [
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("1 or ", "1")),
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("1 - ", "1")),
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("-", "1")),
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("(", "1")),
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("a[", "1")),
        format!("<drop theme=\"{}\"/>", long("a|", "a")),
        format!("<drop theme=\"{}\"/>", long("a/", "a")),
        format!("<drop css:theme=\"#a\" if=\"{}\"/>", long("true() = ", "1")),
        format!("<drop css:theme=\"{}\"/>", long("a,", "a")),
        format!("<drop css:theme=\"{}\"/>", long(":not(", "a")),
        long("<rules>", &"</rules>".repeat(100_000)),
        format!(
            "<before css:theme=\"#a\">{}</before>",
            long("<b>", &"</b>".repeat(100_000))
        ),
    ] {
        let folder = folder(&[("rules.xml", &rules(&inner))]);
        // In a thread with a stack as small as those that watch themes have.
        let loaded = std::thread::spawn(move || {
            load(folder.path()).map(|theme| drop(theme.apply("<p>", &Context::new("/"))))
        });
        let said = loaded.join().unwrap().err().map(|error| error.to_string());
        assert!(
            said.is_some_and(|said| said.len() < 1000),
            "{}",
            &inner[..60]
        );
    }
}

#[test]
fn a_byte_order_mark_is_no_content() {
    let theme = theme(
        "<replace css:theme=\"#a\" css:content=\"p\"/><replace css:theme=\"title\" \
            css:content=\"title\"/>",
    );
    let page = "<html><head><title>Page</title></head><body><p>x</p></body></html>";
    let context = Context::new("/");
    let marked = format!("\u{feff}{page}");
    assert_eq!(theme.apply(&marked, &context), theme.apply(page, &context));
}

#[test]
fn expressions_may_be_long() {
    let xpath = "0 or ".repeat(499) + "1";
    let css = ".x, ".repeat(499) + "#a";
    let work = move || {
        let theme = theme(&format!(
            "<drop css:theme=\"{css}\" if=\"{xpath}\"/><drop css:content=\"{css}\"/>"
        ));
        theme
            .apply("<p class=x>", &Context::new("/"))
            .unwrap()
            .into_owned()
    };
    let page = std::thread::spawn(work).join().unwrap();
    assert!(!page.contains("id=\"a\""), "{page}");
}

#[test]
fn warnings_name_what_is_most_likely_misspelt() {
    let folder = folder(&[(
        "rules.xml",
        &rules("<drop css:theme=\"#nowhere\" css:thme=\"x\"/>"),
    )]);
    let theme = Loader::new(folder.path().join("rules.xml")).load().unwrap();
    let warnings: Vec<String> = theme.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].ends_with("rules.xml:4: <drop> has no attribute thme: it is ignored"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("the theme has nothing that this rule is about"),
        "{warnings:?}"
    );
    assert_eq!(theme.warnings()[0].line(), Some(4));
    assert_eq!(theme.files().len(), 2);
}

#[test]
fn declarations_about_the_output_are_warnings_and_change_nothing() {
    let spaces = "<strip-space elements=\"*\"/><preserve-space elements=\"pre\"/>";
    let declared = format!("<output method=\"text\"/>{spaces}").replace('<', "<xsl:");
    let rule = "<replace css:theme-children=\"#a\" css:content-children=\"div\"/>";
    let theme = theme(&format!("{declared}{rule}"));
    let warnings: Vec<String> = theme.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for name in ["output", "strip-space", "preserve-space"] {
        let ignored = format!("<xsl:{name}> is ignored");
        assert!(
            warnings.iter().any(|warning| warning.contains(&ignored)),
            "{warnings:?}"
        );
    }
    let page = "<body><div> <b>one</b> <pre> </pre> </div></body>";
    let themed = theme.apply(page, &Context::new("/")).unwrap();
    assert!(
        themed.contains("> <b>one</b> <pre> </pre> </"),
        "the white space is that of the page: {themed}"
    );
}

#[test]
fn numbers_are_not_formatted() {
    let folder = folder(&[(
        "rules.xml",
        &rules(
            "<replace css:theme-children=\"#a\">\
             <xsl:value-of select=\"format-number(1234, '#,###')\"/></replace>",
        ),
    )]);
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("format-number() is not supported: write the number in the page"),
        "{error}"
    );
}

/// The rule in the README of the Python package.
#[test]
fn a_form_of_the_theme_gets_the_token_of_the_page() {
    let theme = theme(
        "<append css:theme=\"#a\" css:if-content=\"#protect-script\">\
         <input type=\"hidden\" name=\"_authenticator\"><xsl:attribute name=\"value\">\
         <xsl:value-of select=\"//*[@id='protect-script']/@data-token\"/></xsl:attribute></input>\
         </append>",
    );
    let script = "<script id=\"protect-script\" data-token=\"t0ken\"></script>";
    let themed = |script| {
        let page = format!("<body><p>x</p>{script}</body>");
        let themed = theme.apply(&page, &Context::new("/")).unwrap();
        themed.into_owned()
    };
    let field = "<input type=\"hidden\" name=\"_authenticator\" value=\"t0ken\">";
    assert!(themed(script).contains(field), "{}", themed(script));
    assert!(!themed("").contains("_authenticator"));
}

/// The cost of a theme grows linearly with its length, not quadratically.
#[test]
fn a_large_theme_is_compiled_soon() {
    let folder = folder(&[("rules.xml", &rules(""))]);
    let large = "<p class=x>text</p>\n".repeat((1 << 20) / 20);
    std::fs::write(folder.path().join("theme.html"), &large).unwrap();
    let began = Instant::now();
    let theme = load(folder.path()).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(
        theme
            .apply("", &Context::new("/"))
            .unwrap()
            .contains(&large)
    );
}

#[test]
fn files_outside_of_the_themes_folder_are_not_read() {
    let outside = folder(&[("rules.xml", &rules("")), ("secret.html", "<p>secret</p>")]);
    let inside = folder(&[]);
    let secret = outside.path().join("secret.html");
    std::os::unix::fs::symlink(&secret, inside.path().join("link.html")).unwrap();
    let up = format!(
        "../{}/secret.html",
        outside.path().file_name().unwrap().to_str().unwrap()
    );
    for href in ["link.html", &up, secret.to_str().unwrap(), "/etc/hostname"] {
        let text = rules("").replace("theme.html", href);
        std::fs::write(inside.path().join("rules.xml"), text).unwrap();
        let error = load(inside.path()).unwrap_err().to_string();
        assert!(error.contains("is outside of"), "{href}: {error}");
        if href != "/etc/hostname" {
            let loader = Loader::new(inside.path().join("rules.xml")).folder(outside.path());
            loader.load().unwrap();
        }
    }
}

#[test]
fn a_mounted_theme_is_found_by_its_name() {
    let other = folder(&[("more.xml", &rules("<drop css:theme=\"#a\"/>"))]);
    let text = rules("").replace("theme.html", "../++theme++other/theme.html");
    let own = folder(&[("rules.xml", &text)]);
    let error = load(own.path()).unwrap_err().to_string();
    assert!(error.contains("no theme other is mounted"), "{error}");
    let loader = Loader::new(own.path().join("rules.xml")).mount("other", other.path());
    let page = loader.load().unwrap();
    let page = page.apply("<p>", &Context::new("/")).unwrap();
    assert!(page.contains("<div id=\"a\">A</div>"), "{page}");
}
