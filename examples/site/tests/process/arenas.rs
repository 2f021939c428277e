//! The arenas of the heap, as the map of the process shows them.

use std::fs;

use super::Running;

/// The address space that glibc reserves for an arena other than the first, in bytes and aligned to
/// its size: `HEAP_MAX_SIZE` of a 64-bit system (malloc/arena.c).
const RESERVED: usize = 64 << 20;

impl Running {
    /// Arenas other than the first one.
    fn arenas(&self) -> usize {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap();
        let range = |line: &str| {
            let (begin, rest) = line.split_once('-').unwrap();
            let end = rest.split(' ').next().unwrap();
            [begin, end].map(|address| usize::from_str_radix(address, 16).unwrap())
        };
        let ranges: Vec<_> = maps.lines().map(|line| (range(line), line)).collect();
        // The used part of an arena, and the part that is reserved after it.
        let is_arena = |pair: &&[([usize; 2], &str)]| {
            let [([begin, middle], used), ([next, end], free)] = pair else {
                return false;
            };
            begin % RESERVED == 0
                && middle == next
                && end - begin == RESERVED
                && used.contains(" rw-p ")
                && free.contains(" ---p ")
        };
        ranges.windows(2).filter(is_arena).count()
    }
}

#[test]
fn threads_share_the_arenas_that_the_settings_allow() {
    if !cfg!(all(target_env = "gnu", target_pointer_width = "64")) {
        euryale_test::skip(
            "only glibc has arenas, and on 64 bits they have the size that is counted",
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // By default glibc has eight for each core, so each of the first threads gets its own.
    for (flags, least, most) in [
        (&["--heap-arenas=0"][..], 2, usize::MAX),
        (&[], 1, 1),
        (&["--heap-arenas=1"], 0, 0),
    ] {
        let site = Running::start(folder.path(), flags);
        assert_eq!(site.peer().get("/history").unwrap().status, 200);
        let arenas = site.arenas();
        assert!((least..=most).contains(&arenas), "{flags:?}: {arenas}");
        let said = site.end_well();
        assert!(!said.contains("not limited"), "{said}");
    }
}
