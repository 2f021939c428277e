//! The theme that a page chooses.

use crate::live::LiveTheme;

/// The theme of a page, in the extensions of its response, for
/// [`ThemeTransform::of_pages`](crate::ThemeTransform::of_pages). It is taken from a
/// [`ThemeSet`](crate::ThemeSet), or is a theme of the program.
#[derive(Clone, Debug)]
pub struct PageTheme {
    pub(crate) theme: LiveTheme,
    /// The `id` of the script that is kept.
    script: Option<&'static str>,
}

impl PageTheme {
    /// Chooses this theme.
    pub fn new(theme: LiveTheme) -> Self {
        Self {
            theme,
            script: None,
        }
    }

    /// Keeps an empty `<script>` with this `id` that is last in the page's body, even if the rules
    /// leave it out: it is then last in the themed body. plone.protect puts such a script there,
    /// with the token for requests that scripts make.
    #[must_use]
    pub fn keep_script(mut self, id: &'static str) -> Self {
        self.script = Some(id);
        self
    }

    /// Returns the themed page with the script of the unthemed page that it has to keep.
    pub(crate) fn finish(&self, content: &str, mut themed: String) -> String {
        let script = self.script.and_then(|id| last_script(content, id));
        if let Some(script) = script.filter(|script| !themed.contains(script))
            && let Some(end) = themed.rfind("</body>")
        {
            themed.insert_str(end, script);
        }
        themed
    }
}

/// Returns the empty script with this `id` at the end of a page's body. Only that place is
/// examined, because authors of the page's text cannot write there.
fn last_script<'c>(content: &'c str, id: &str) -> Option<&'c str> {
    let page = content.trim_end();
    let page = page.strip_suffix("</html>").unwrap_or(page).trim_end();
    let body = page.strip_suffix("</body>")?.trim_end();
    let script = &body[body.rfind("<script")?..];
    let start = script.strip_suffix("></script>")?;
    let is_one = !start.contains('>') && start.contains(&format!(" id=\"{id}\""));
    is_one.then_some(script)
}

#[cfg(test)]
mod tests {
    use euryale_diazo::{Context, Loader};

    use super::*;

    const SCRIPT: &str = "<script src=\"/p.js\" data-token=\"t\" id=\"protect\"></script>";

    fn finished(content: &str, rules: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.xml");
        let html = "<html><body><main></main></body></html>";
        std::fs::write(folder.path().join("index.html"), html).unwrap();
        let rules = format!(
            "<rules xmlns=\"http://namespaces.plone.org/diazo\"><theme href=\"index.html\"/>\
             <replace theme-children=\"//main\" content-children=\"{rules}\"/></rules>"
        );
        std::fs::write(&file, rules).unwrap();
        let live = LiveTheme::new(Loader::new(file));
        let page = PageTheme::new(live.clone()).keep_script("protect");
        let themed = live
            .theme()
            .unwrap()
            .apply(content, &Context::new("/"))
            .unwrap();
        page.finish(content, themed.into_owned())
    }

    #[test]
    fn a_script_that_the_rules_leave_out_is_last_in_the_body() {
        let content = format!("<html><body><p>x</p>{SCRIPT}</body></html>\n");
        let themed = finished(&content, "//p");
        assert!(
            themed.contains(&format!("<main>x</main>{SCRIPT}</body>")),
            "{themed}"
        );
    }

    #[test]
    fn a_script_that_the_rules_take_is_not_repeated() {
        let content = format!("<html><body><p>x</p>{SCRIPT}</body></html>");
        let themed = finished(&content, "//body");
        assert_eq!(themed.matches("id=\"protect\"").count(), 1, "{themed}");
    }

    #[test]
    fn only_an_empty_script_with_this_id_at_the_end_of_the_body_is_kept() {
        let other = SCRIPT.replace("\"protect\"", "\"other\"");
        let full = SCRIPT.replace("></", ">alert()</");
        for end in [
            format!("{SCRIPT}<p>y</p></body></html>"),
            format!("{other}</body></html>"),
            format!("{full}</body></html>"),
            format!("<!-- {SCRIPT} --></body></html>"),
            SCRIPT.to_owned(),
        ] {
            let content = format!("<html><body><p>x</p>{end}");
            let themed = finished(&content, "//b");
            assert!(!themed.contains("<script"), "{end}: {themed}");
        }
    }
}
