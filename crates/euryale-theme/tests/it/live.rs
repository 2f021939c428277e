//! A theme follows its files, and requests never wait for it.

use std::io::Write;
use std::time::{Duration, SystemTime};

use euryale_diazo::Context;
use euryale_test::eventually;
use euryale_theme::{LiveTheme, Loader};

const RULES: &str = "<rules xmlns=\"http://namespaces.plone.org/diazo\"><theme \
    href=\"theme.html\"/>\
                     <xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"more.xml\"/>\
                     </rules>";
const MORE: &str = "<rules xmlns=\"http://namespaces.plone.org/diazo\"/>";

struct Files(tempfile::TempDir, u64);

impl Files {
    fn new() -> Self {
        let mut files = Self(tempfile::tempdir().unwrap(), 0);
        files.write("rules.xml", RULES);
        files.write("more.xml", MORE);
        files.write("theme.html", "<p>one</p>");
        files
    }

    /// Each time a second later: file systems may be coarse.
    fn write(&mut self, name: &str, text: &str) {
        self.1 += 1;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(self.1))
            .unwrap();
    }

    fn loader(&self) -> Loader {
        Loader::new(self.0.path().join("rules.xml"))
    }
}

fn page(live: &LiveTheme) -> Option<String> {
    Some(
        live.theme()?
            .apply("", &Context::new("/"))
            .unwrap()
            .into_owned(),
    )
}

#[test]
fn a_theme_is_read_again_only_when_a_file_has_changed() {
    let mut files = Files::new();
    let live = LiveTheme::new(files.loader());
    let before = live.theme().unwrap();
    assert!(!live.reload());
    assert!(page(&live).unwrap().contains("<p>one</p>"));
    files.write("theme.html", "<p>two</p>");
    assert!(live.reload());
    assert!(page(&live).unwrap().contains("<p>two</p>"));
    assert_ne!(live.theme().unwrap().version(), before.version());
    assert!(
        before
            .apply("", &Context::new("/"))
            .unwrap()
            .contains("<p>one</p>"),
        "who has the old one keeps it"
    );
    assert!(!live.reload());
}

#[test]
fn broken_files_leave_no_theme_until_they_are_mended() {
    let mut files = Files::new();
    let live = LiveTheme::new(files.loader());
    files.write("more.xml", "<rules>");
    assert!(live.reload());
    assert!(page(&live).is_none());
    let said = live.state().error().unwrap().to_string();
    assert!(said.contains("more.xml:1: not well-formed XML"), "{said}");
    assert!(!live.reload(), "it is not read again and again");
    files.write("more.xml", MORE);
    assert!(live.reload());
    assert!(live.state().error().is_none());
    assert!(page(&live).is_some());
}

#[test]
fn files_that_come_later_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let live = LiveTheme::new(Loader::new(folder.path().join("rules.xml")));
    assert!(
        live.state()
            .error()
            .unwrap()
            .to_string()
            .contains("cannot read")
    );
    std::fs::write(folder.path().join("rules.xml"), MORE).unwrap();
    assert!(live.reload());
    assert!(live.theme().is_some());
}

#[tokio::test]
async fn the_watching_thread_ends_with_its_theme() {
    let mut files = Files::new();
    let live = LiveTheme::new(files.loader())
        .watch(Duration::from_millis(5))
        .unwrap();
    files.write("theme.html", "<p>two</p>");
    eventually("the change is seen", || {
        page(&live).is_some_and(|page| page.contains("two"))
    })
    .await;
    let state = live.state();
    drop(live);
    assert!(state.theme().is_some());
}

/// The theme's HTML is a pipe, which holds the reader up behind the rules.
#[cfg(unix)]
#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let mut files = Files::new();
    let pipe = files.0.path().join("theme.html");
    std::fs::remove_file(&pipe).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // Opens as soon as somebody reads.
    let open = move || std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let loader = files.loader();
    let loading = std::thread::spawn(move || LiveTheme::new(loader));
    let mut opened = open();
    files.write(
        "rules.xml",
        &RULES.replace("<theme", "<notheme if-path=\"/raw\"/><theme"),
    );
    opened.write_all(b"<p>one</p>").unwrap();
    drop(opened);
    let live = loading.join().unwrap();
    let is_raw = || {
        live.theme()
            .unwrap()
            .apply("raw", &Context::new("/raw"))
            .unwrap()
            == "raw"
    };
    assert!(!is_raw());
    std::thread::spawn(move || open().write_all(b"<p>one</p>").unwrap());
    assert!(live.reload());
    assert!(is_raw());
}
