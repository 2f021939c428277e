//! Folders with a theme as Plone has them.

use std::path::Path;

use euryale_diazo::{Context, Loader, Parameter};

use crate::faults::rules;

const MANIFEST: &str = "# A theme\n[theme]\ntitle = Mine\nrules = /++theme++mine/the-rules.xml\n\
    prefix = /++theme++mine\nDocType = <!doctype html>\n\
    production-css =\n    ++theme++mine/a.css, /++theme++mine/b.css\n    /other.css\n\
    [theme:parameters]\najax_load = python:request.get('ajax_load')\n\
    portal_url = portal_state/portal_url\n";

fn folder(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("manifest.cfg", manifest);
    write(
        "the-rules.xml",
        &rules(
            "<notheme if=\"$ajax_load\"/>\
             <xi:include href=\"++theme++mine/more.xml\"/>\
             <replace css:theme-children=\"#main\" css:content-children=\"body\"/>",
        ),
    );
    write(
        "more.xml",
        "<after xmlns=\"http://namespaces.plone.org/diazo\" theme=\"//p\">\
         <a title=\"{$portal_url} {$color}\"/></after>",
    );
    write(
        "theme.html",
        "<!DOCTYPE html SYSTEM \"x\"><html><head><link href=\"++theme++mine/c.css\">\
         <link href=\"d.css\"></head><body><div id=\"main\"></div>\
         <p><img src=\"/++theme++mine/e.png\"></body></html>",
    );
    folder
}

fn themed(folder: &Path, prefix: Option<&str>) -> String {
    let mut loader = Loader::from_folder(folder).parameter("color", "red");
    if let Some(prefix) = prefix {
        loader = loader.prefix(prefix);
    }
    let context = Context::new("/").parameter("portal_url", "http://a");
    let theme = loader.load().unwrap();
    theme.apply("<p>x", &context).unwrap().into_owned()
}

#[test]
fn a_manifest_names_rules_prefix_doctype_and_styles() {
    let folder = folder(MANIFEST);
    assert_eq!(
        themed(folder.path(), None),
        "<!doctype html>\n<html><head><link href=\"/++theme++mine/++theme++mine/c.css\">\
         <link href=\"/++theme++mine/d.css\"><link rel=\"stylesheet\" \
         href=\"/++theme++mine/a.css\"><link rel=\"stylesheet\" href=\"/++theme++mine/b.css\">\
         <link rel=\"stylesheet\" href=\"/other.css\"></head><body><div id=\"main\"><p>x</p></div>\
         <p><img src=\"/++theme++mine/e.png\"></p><a title=\"http://a red\"></a></body></html>"
    );
}

#[test]
fn the_programs_prefix_is_in_the_place_of_the_themes_address() {
    let folder = folder(MANIFEST);
    let themed = themed(folder.path(), Some("/@@theme"));
    for address in ["a.css", "b.css", "c.css", "d.css", "e.png"] {
        assert!(
            themed.contains(&format!("=\"/@@theme/{address}\"")),
            "{themed}"
        );
    }
    assert!(themed.contains("href=\"/other.css\""), "{themed}");
}

/// A manifest without addresses: the theme has the name of its folder.
#[test]
fn the_version_changes_with_the_name_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let folder = outer.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
        write("manifest.cfg", "[theme]\ntitle = Mine\n");
        write("rules.xml", &rules(""));
        write("theme.html", "<link href=\"++theme++a/c.css\">");
        let loader = Loader::from_folder(&folder).prefix("/static");
        let theme = loader.load().unwrap();
        let page = theme.apply("<p>x", &Context::new("/")).unwrap();
        let page = page.into_owned();
        (theme.version().to_owned(), page)
    };
    let (a, page_of_a) = load("a");
    let (b, page_of_b) = load("b");
    assert!(page_of_a.contains("\"/static/c.css\""), "{page_of_a}");
    assert_ne!(page_of_a, page_of_b);
    assert_ne!(a, b);
}

#[test]
fn a_page_may_set_what_the_program_has_set() {
    let folder = folder(MANIFEST);
    let theme = Loader::from_folder(folder.path()).parameter("color", "red");
    let theme = theme.load().unwrap();
    let apply = |context: Context<'_>| theme.apply("<p>x", &context).unwrap().into_owned();
    let own = apply(Context::new("/").parameter("color", "blue"));
    assert!(own.contains("title=\" blue\""), "{own}");
    assert_eq!(apply(Context::new("/").parameter("ajax_load", "1")), "<p>x");
}

#[test]
fn a_mistake_in_a_manifest_is_named_with_its_line() {
    let cases = [
        (
            "[theme:parameters]\nurl = x\ncolor = python:1\n",
            "3: Plone computes the parameter color: give it a value, of the site with \
             --theme-parameter color=VALUE",
        ),
        (
            "[theme]\ndoctype = <script>\n",
            "2: doctype is written <!DOCTYPE html>",
        ),
        (
            "[theme]\ndoctype: <!DOCTYPE html><script>\n",
            "2: doctype is written <!DOCTYPE html>",
        ),
        (
            "[theme]\nprefix = /++theme++mine\nrules = /++theme++base/rules.xml\n",
            "3: /++theme++base/rules.xml: no theme base is mounted",
        ),
        (
            "[theme]\nrules = /a/rules.xml\n",
            "2: /a/rules.xml is an address in Plone: name a file of the folder",
        ),
    ];
    for (manifest, expected) in cases {
        let folder = folder(manifest);
        let said = Loader::from_folder(folder.path()).load().unwrap_err();
        let said = said.to_string();
        assert!(said.contains(&format!("manifest.cfg:{expected}")), "{said}");
    }
    let outside = folder("[theme]\nrules = ../../../../../../etc/hostname\n");
    let said = Loader::from_folder(outside.path()).load().unwrap_err();
    assert!(said.to_string().contains("is outside of"), "{said}");
}

#[test]
fn a_folder_may_have_no_manifest_and_get_one() {
    let folder = folder(MANIFEST);
    std::fs::remove_file(folder.path().join("manifest.cfg")).unwrap();
    let loader = Loader::from_folder(folder.path());
    let (theme, stamps) = loader.load_with_stamps();
    assert!(theme.unwrap_err().to_string().contains("cannot read"));
    std::fs::write(folder.path().join("manifest.cfg"), MANIFEST).unwrap();
    assert!(stamps.iter().any(|stamp| !stamp.still_holds()));
    assert!(Loader::from_folder(folder.path()).load().is_ok());
}

/// A theme in a database: no file of it is on the disk, except those of another theme.
#[test]
fn texts_are_in_the_place_of_files() {
    let other = folder(MANIFEST);
    let main = rules(
        "<xi:include href=\"++theme++disk/more.xml\"/><xi:include href=\"more.xml\">\
         <xi:fallback/></xi:include>",
    );
    let loader = Loader::new("/++theme++own/rules.xml")
        .mount("own", "/++theme++own")
        .mount("disk", other.path())
        .text("/++theme++own/rules.xml", &main)
        .text("/++theme++own/theme.html", "<body><p></p></body>")
        .prefix("/site/++theme++own");
    let apply = |loader: &Loader| {
        let theme = loader.load().unwrap();
        let page = theme.apply("<p>x", &Context::new("/")).unwrap();
        (page.into_owned(), theme.version().to_owned())
    };
    let (page, version) = apply(&loader);
    assert!(page.contains("<p></p><a title=\" \"></a>"), "{page}");
    let more = rules("<before css:theme=\"p\"><i/></before>").replace("<theme ", "<!-- ");
    let more = more.replace("html\"/>", "html -->");
    let loader = loader
        .text("/++theme++own/more.xml", more)
        .doctype("<!doctype html>");
    let (page, other_version) = apply(&loader);
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("<i></i><p></p><a"), "{page}");
    assert_ne!(version, other_version);
}

#[test]
fn a_text_that_cannot_be_used_is_named() {
    let load = |rules: &str| {
        let loader = Loader::new("/++theme++own/rules.xml").text("/++theme++own/rules.xml", rules);
        loader.load().unwrap_err().to_string()
    };
    let said = load("<rules>\n<");
    assert!(said.starts_with("/++theme++own/rules.xml:2:"), "{said}");
    let said = load(&rules(""));
    assert!(
        said.contains("cannot read /++theme++own/theme.html"),
        "{said}"
    );
    let said = load(&rules("").replace("theme.html", "/etc/hostname"));
    assert!(said.contains("is outside of /++theme++own"), "{said}");
    let doctype = Loader::new("/a.xml").text(
        "/a.xml",
        "<rules xmlns=\"http://namespaces.plone.org/diazo\"/>",
    );
    let said = doctype.doctype("<script>").load().unwrap_err().to_string();
    assert!(said.contains("a doctype is written"), "{said}");
}

/// Plone gives the path of a virtual host as a parameter, and `None` for what is not there.
#[test]
fn a_parameter_may_be_the_path_or_no_node() {
    let text = rules(
        "<notheme if-path=\"/a\"/><replace css:theme-children=\"p\">\
         <xsl:value-of select=\"concat($path, boolean($x), $x = '')\"/></replace>",
    );
    let theme = Loader::new("/a.xml").text("/a.xml", text);
    let theme = theme.text("/theme.html", "<body><p></p></body>").load();
    let theme = theme.unwrap();
    let apply = |path: &str| {
        let context = Context::new("/a").parameter("path", path);
        let context = context.parameter("x", Parameter::Nothing);
        theme.apply("<i>", &context).unwrap().into_owned()
    };
    assert_eq!(apply("/a/b"), "<i>");
    assert!(
        apply("/b").contains("<p>/bfalsefalse</p>"),
        "{}",
        apply("/b")
    );
}
