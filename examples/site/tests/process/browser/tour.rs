//! The pages that a browser opens: at least one of each kind.

use super::devtools::DevTools;
use crate::Running;
use crate::pictures::black;

const PATHS: [&str; 15] = [
    "/",
    "/guides",
    "/guides/uploads",
    "/operate/settings",
    "/pictures",
    "/pictures?list=1",
    "/guides?q=connection",
    "/guides?q=nowhere",
    "/guides?new",
    "/guides/cap?edit",
    "/guides/cap?delete",
    "/guides?delete",
    "/@@counter",
    "/nothing",
    "/guides/not-yet",
];

/// The form for a page that somebody else changes.
const EDITED: &str = "/guides/cap";

/// Opens one page after the other, and calls `look` with the name of each. The home page has tiles
/// and a file with a preview; the last page is the answer to a form that was refused.
pub(super) fn of(
    browser: &mut DevTools,
    site: &Running,
    mut look: impl FnMut(&mut DevTools, &str),
) {
    let picture = site.upload("black.png", &black(512, 256));
    assert_eq!(picture.status, 201, "{picture:?}");
    let address = |path: &str| format!("http://{}{path}", site.public[0]);
    for path in PATHS {
        browser.open(&address(path));
        look(browser, path);
    }
    let form = address(&format!("{EDITED}?edit"));
    browser.open(&form);
    browser.submit("form.document .second");
    let opened = "document.querySelector('.preview + form details').open = true";
    assert_eq!(browser.ask(opened), true);
    look(browser, "a preview, with help");
    browser.open(&form);
    let changed = site.ask("POST", EDITED, "title=Changed&body=by+somebody+else");
    assert_eq!(changed.status, 204, "{changed:?}");
    browser.ask("document.querySelector('#title').value += ', mine'");
    browser.submit("form.document button");
    let refused = browser.ask("document.querySelector('[role=alert]') !== null");
    assert_eq!(refused, true, "somebody else has changed the page");
    look(browser, "a refused form");
}
