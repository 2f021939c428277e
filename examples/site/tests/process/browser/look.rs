//! What pages look like: on a telephone and on a desk, by day and by night.

use super::devtools::DevTools;
use crate::Running;

/// What is too wide for the window (tables and code scroll in boxes of their own), text that is
/// hard to read (WCAG 2.2, 1.4.3: 4.5 to 1), and what a finger misses (2.5.8: 24 pixels, but for
/// links within a sentence).
const FAULTS: &str = "(() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [red, green, blue] = numbers(colour).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = element => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (numbers(colour)[3] !== 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const faults = [];
    const wide = document.documentElement.scrollWidth - innerWidth;
    if (wide > 0) faults.push(`${wide} px too wide`);
    for (const element of document.querySelectorAll('body *')) {
        const { width, height } = element.getBoundingClientRect();
        const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (text && width && height) {
            const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
            const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            if (ratio < 4.5) faults.push(`${element.outerHTML}: ${ratio} to 1`);
        }
        const isTarget = element.matches('a, button, input') && !element.closest('main p, main > \
        ul, main > ol, td');
        if (isTarget && height && height < 24) faults.push(`${element.outerHTML}: ${height} px \
        high`);
    }
    return faults;
})()";

const GROUND: &str = "getComputedStyle(document.body).backgroundColor";

const PAGES: [&str; 8] = [
    "/",
    "/guides",
    "/guides/uploads",
    "/operate/settings",
    "/pictures",
    "/guides?q=connection",
    "/guides?new",
    "/nothing",
];

/// That the page has no faults, on a telephone and on a desk, by day and by night. A skip is said
/// where there is no browser.
pub(crate) fn fits(profile: &std::path::Path, url: &str) {
    let Some(mut browser) = DevTools::start(profile) else {
        return euryale_test::skip("chromium is not installed");
    };
    for (width, scheme) in [
        (390, "light"),
        (390, "dark"),
        (1280, "light"),
        (1280, "dark"),
    ] {
        browser.looks(width, scheme);
        browser.open(url);
        let faults = browser.ask(FAULTS);
        assert_eq!(
            faults.as_array().map(Vec::len),
            Some(0),
            "{url} {width} {scheme}: {faults:#}"
        );
    }
}

#[test]
fn pages_fit_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = DevTools::start(&folder.path().join("profile")) else {
        return euryale_test::skip("chromium is not installed");
    };
    for theme in ["euryale", "gazette"] {
        let site = Running::start(&folder.path().join("data"), &[&format!("--theme={theme}")]);
        let mut grounds = Vec::new();
        for (width, scheme) in [
            (390, "light"),
            (390, "dark"),
            (1280, "light"),
            (1280, "dark"),
        ] {
            browser.looks(width, scheme);
            for path in PAGES {
                browser.open(&format!("http://{}{path}", site.public[0]));
                let faults = browser.ask(FAULTS);
                assert_eq!(
                    faults.as_array().map(Vec::len),
                    Some(0),
                    "{theme} {path} {width} {scheme}: {faults:#}"
                );
                if path == "/" {
                    let tiles = browser.ask("document.querySelectorAll('aside .tile h2').length");
                    assert_eq!(tiles, 2, "{theme}");
                    grounds.push(browser.ask(GROUND));
                }
            }
        }
        assert_eq!(
            (&grounds[0], &grounds[1]),
            (&grounds[2], &grounds[3]),
            "{theme}"
        );
        assert_ne!(grounds[0], grounds[1], "{theme}: light and dark");
        site.end_well();
    }
}
