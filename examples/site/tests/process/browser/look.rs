//! The look of pages: on phones and on desktops, light and dark.

use super::devtools::DevTools;
use super::tour;
use crate::Running;

/// Finds content that is too wide for the window or the header (tables and code scroll in separate
/// boxes), text with too little contrast (WCAG 2.2, 1.4.3: 4.5 to 1), and touch targets that are
/// too small (2.5.8: 24 pixels, except for links within a sentence).
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
    const right = document.querySelector('body > header')?.getBoundingClientRect().right;
    for (const element of document.querySelectorAll('body > header form *')) {
        const out = element.getBoundingClientRect().right - right;
        if (out > 0.5) faults.push(`${element.outerHTML}: ${out} px out of the header`);
    }
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

/// The positions and sizes of everything in the header, independent of scrolling.
const HEADER: &str = "[...document.querySelectorAll('body > header *')].map(element => [
    element.localName, element.offsetLeft, element.offsetTop, element.offsetWidth, \
    element.offsetHeight].join(' ')).filter(box => !box.endsWith(' ')).join('\\n')";

/// The smallest width without scrolling in two directions (WCAG 2.2, 1.4.10), two phones and a
/// desktop, light and dark.
const LOOKS: [(u32, &str); 8] = [
    (320, "light"),
    (320, "dark"),
    (360, "light"),
    (360, "dark"),
    (390, "light"),
    (390, "dark"),
    (1280, "light"),
    (1280, "dark"),
];

fn faults(browser: &mut DevTools, what: &str) {
    let faults = browser.ask(FAULTS);
    assert_eq!(
        faults.as_array().map(Vec::len),
        Some(0),
        "{what}: {faults:#}"
    );
}

/// Checks that the page has no faults, on phones and on a desktop, light and dark. Without a
/// browser, the skip is reported.
pub(crate) fn fits(profile: &std::path::Path, url: &str) {
    let Some(mut browser) = DevTools::start(profile) else {
        return euryale_test::skip("chromium is not installed");
    };
    browser.open(url);
    for (width, scheme) in LOOKS {
        browser.looks(width, scheme);
        faults(&mut browser, &format!("{url} {width} {scheme}"));
    }
}

#[test]
fn pages_fit_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = DevTools::start(&folder.path().join("profile")) else {
        return euryale_test::skip("chromium is not installed");
    };
    for theme in ["euryale", "gazette"] {
        let data = folder.path().join(theme);
        let site = Running::start(&data, &[&format!("--theme={theme}")]);
        let mut headers = Vec::new();
        let mut grounds = Vec::new();
        tour::of(&mut browser, &site, |browser, page| {
            let mut own = Vec::new();
            for (width, scheme) in LOOKS {
                browser.looks(width, scheme);
                faults(browser, &format!("{theme} {page} {width} {scheme}"));
                own.push(browser.ask(HEADER));
                if page == "/" {
                    let tiles = browser.ask("document.querySelectorAll('aside .tile h2').length");
                    assert_eq!(tiles, 2, "{theme}");
                    grounds.push(browser.ask(GROUND));
                }
            }
            assert!(
                own[0]
                    .as_str()
                    .is_some_and(|boxes| boxes.contains("input "))
            );
            if headers.is_empty() {
                headers = own;
            } else {
                assert_eq!(headers, own, "the header of {theme} {page}");
            }
        });
        assert_eq!(
            (&grounds[0], &grounds[1]),
            (&grounds[6], &grounds[7]),
            "{theme}"
        );
        assert_ne!(grounds[0], grounds[1], "{theme}: light and dark");
        site.end_well();
    }
}
