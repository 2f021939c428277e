//! The name of each page and each file in an export: its own, if every file system allows it, or
//! else a similar one.

use std::collections::{BTreeMap, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::store::parent;

/// The longest name in bytes. Most file systems take 255; a number and an ending may be added.
const LONGEST: usize = 200;

/// A longer ending is part of the name.
const LONGEST_ENDING: usize = 16;

/// Names of devices on Windows, with any ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A page or a file that is exported, by its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    /// The extension of a page's file; none for a file.
    pub(crate) page: Option<&'static str>,
}

/// The names of everything in one export.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    /// By path, without a slash at the end.
    folders: BTreeMap<&'a str, String>,
    /// The names that are taken in each folder, as file systems compare them.
    taken: HashMap<String, HashSet<String>>,
    /// The next number to try, by folder, stem and extension, as file systems compare them.
    next: HashMap<[String; 3], usize>,
    /// In the order of the given places.
    names: Vec<String>,
}

impl<'a> Layout<'a> {
    /// Files choose their names first: a page can also be in its own folder, as its index.
    pub(crate) fn of(places: &[Place<'a>]) -> Self {
        let mut layout = Self {
            folders: BTreeMap::from([("/", String::new())]),
            taken: HashMap::new(),
            next: HashMap::new(),
            names: vec![String::new(); places.len()],
        };
        for place in places {
            if let Some(folder) = parent(place.path) {
                layout.folder(folder);
            }
        }
        let (files, pages): (Vec<_>, Vec<_>) = places
            .iter()
            .enumerate()
            .partition(|(_, place)| place.page.is_none());
        for (at, place) in files.into_iter().chain(pages) {
            layout.names[at] = match place.page {
                None => layout.file(place.path),
                Some(ending) => layout.page(place.path, ending),
            };
        }
        layout
    }

    /// The name of each place, in the given order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The folders by path, except for the first one, and their names.
    pub(crate) fn folders(&self) -> impl Iterator<Item = (&'a str, &str)> {
        self.folders
            .iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(path, name)| (*path, name.as_str()))
    }

    /// The name of the folder for the contents of `path`.
    fn folder(&mut self, path: &'a str) -> String {
        if let Some(name) = self.folders.get(path) {
            return name.clone();
        }
        let within = self.folder(parent(path).unwrap_or("/"));
        let name = self.free(&within, &safe(last(path)), "");
        self.folders.insert(path, name.clone());
        name
    }

    fn file(&mut self, path: &'a str) -> String {
        let within = self.folder(parent(path).unwrap_or("/"));
        let name = last(path);
        let (stem, ending) = match name.rfind('.') {
            Some(at) if at > 0 && name.len() - at <= LONGEST_ENDING => name.split_at(at),
            _ => (name, ""),
        };
        // The extension of the whole name: one that would be changed is not treated as an
        // extension.
        let whole = safe(name);
        if ending.is_empty() || !whole.ends_with(ending) {
            return self.free(&within, &whole, "");
        }
        self.free(&within, &safe(stem), ending)
    }

    /// Next to its folder, or else in it.
    fn page(&mut self, path: &'a str, ending: &str) -> String {
        let Some(folder) = parent(path) else {
            return format!("index.{ending}");
        };
        let within = self.folder(folder);
        let beside = format!("{}.{ending}", safe(last(path)));
        if safe(last(path)) == last(path) && self.take(&within, &beside) {
            return join(&within, &beside);
        }
        let own = self.folder(path);
        // The name is free: only the folder's own page may have it.
        join(&own, &format!("index.{ending}"))
    }

    /// Returns a free name in the folder `within`, and marks it as taken.
    fn free(&mut self, within: &str, stem: &str, ending: &str) -> String {
        let key = [within.to_owned(), folded(stem), folded(ending)];
        let mut number = self.next.get(&key).copied().unwrap_or(1);
        loop {
            let name = match number {
                1 => format!("{stem}{ending}"),
                _ => format!("{stem}~{number}{ending}"),
            };
            number += 1;
            if self.take(within, &name) {
                self.next.insert(key, number);
                return join(within, &name);
            }
        }
    }

    fn take(&mut self, within: &str, name: &str) -> bool {
        let key = folded(name);
        let is_of_folder = matches!(&*key, "index.md" | "index.html" | "index.htm");
        !is_of_folder && self.taken.entry(within.to_owned()).or_default().insert(key)
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        return name.to_owned();
    }
    format!("{folder}/{name}")
}

/// The name as compared by file systems that ignore case and the composition of letters.
fn folded(name: &str) -> String {
    let upper = name.nfkd().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkd().collect()
}

/// `name`, or a similar name that is not hidden and that Windows allows, too
/// (<https://learn.microsoft.com/windows/win32/fileio/naming-a-file>).
fn safe(name: &str) -> String {
    let is_reserved = |c: char| c.is_control() || r#"<>:"/\|?*"#.contains(c);
    let mut name: String = name
        .chars()
        .map(|c| if is_reserved(c) { '_' } else { c })
        .collect();
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or(0));
    }
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name.ends_with(['.', ' ']) {
        name.pop();
        name.push('_');
    }
    let device = name.split('.').next().unwrap_or_default();
    if DEVICES.contains(&&*device.trim().to_lowercase()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{Layout, Place};

    const MD: Option<&str> = Some("md");

    fn names(places: &[(&str, Option<&'static str>)]) -> Vec<String> {
        let places: Vec<_> = places
            .iter()
            .map(|&(path, page)| Place { path, page })
            .collect();
        Layout::of(&places).names().to_vec()
    }

    #[test]
    fn pages_and_files_have_their_own_names_where_they_can() {
        let places = [
            ("/", MD),
            ("/a", MD),
            ("/a/b", Some("html")),
            ("/a/c.bin", None),
            ("/ä b", MD),
            ("/x.md", MD),
        ];
        let expected = [
            "index.md", "a.md", "a/b.html", "a/c.bin", "ä b.md", "x.md.md",
        ];
        assert_eq!(names(&places), expected);
    }

    #[test]
    fn page_that_cannot_be_next_to_its_folder_is_inside_it() {
        let places = [
            ("/", MD),
            ("/index", MD),
            ("/e", MD),
            ("/e/INDEX", MD),
            ("/f", MD),
            ("/f.md", None),
            ("/f/index.md", None),
        ];
        let expected = [
            "index.md",
            "index/index.md",
            "e.md",
            "e/INDEX/index.md",
            "f/index.md",
            "f.md",
            "f/index~2.md",
        ];
        assert_eq!(names(&places), expected);
    }

    #[test]
    fn names_that_some_file_systems_do_not_accept_are_changed() {
        let long = format!("/{}", "字".repeat(100));
        let places = [
            ("/.git", MD),
            ("/a:b?", None),
            ("/end.", None),
            ("/Con.txt", None),
            ("/.", None),
            ("/A.txt", None),
            ("/a.txt", None),
            ("/e\u{301}", None),
            ("/\u{e9}", None),
            (&*long, MD),
        ];
        let names = names(&places);
        let expected = [
            "_git/index.md",
            "a_b_",
            "end_",
            "_Con.txt",
            "_",
            "A.txt",
            "a~2.txt",
            "e\u{301}",
            "\u{e9}~2",
        ];
        assert_eq!(names[..9], expected);
        assert!(names[9].split('/').all(|name| name.len() <= 255));
    }

    /// The search for a number starts after the last one: otherwise these would take minutes.
    #[test]
    fn many_names_that_become_the_same_are_numbered_at_once() {
        let count = 4000;
        // Each is cut to the same 200 bytes.
        let paths: Vec<String> = (0..count)
            .map(|number| format!("/{}{number}", "x".repeat(250)))
            .collect();
        let places: Vec<_> = paths.iter().map(|path| (&**path, None)).collect();
        let began = std::time::Instant::now();
        let names = names(&places);
        let took = began.elapsed();
        let stem = "x".repeat(200);
        assert_eq!(names[0], stem);
        assert_eq!(names[count - 1], format!("{stem}~{count}"));
        assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn number_that_is_a_name_already_is_passed_over() {
        let places = [
            ("/a:", None),
            ("/a_~3", None),
            ("/A?", None),
            ("/a*", None),
            ("/b/a?", None),
            ("/a?.txt", None),
            ("/a*.txt", None),
        ];
        let expected = ["a_", "a_~3", "A_~2", "a_~4", "b/a_", "a_.txt", "a_~2.txt"];
        assert_eq!(names(&places), expected);
    }
}
