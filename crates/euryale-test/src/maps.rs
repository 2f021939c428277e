//! Maps of files, as the kernel sees them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

/// A part of a file that a process has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMap {
    /// The length in bytes, in whole pages.
    pub len: u64,
    /// The bytes of the pages that the process has touched. Passing an address to the kernel for
    /// `sendfile(2)` touches no page; reading one byte touches its page, and Linux maps the
    /// neighbouring pages as well.
    pub touched: u64,
}

/// Returns the maps of `file` that `process` has at the moment: `smaps` in proc_pid_smaps(5).
///
/// It shows whether any code in a host reads the files that are sent, even if the host is another
/// process. Keep the maps, by clones of the chunks or by a client that does not read, and check
/// them with this function.
///
/// # Errors
/// When there is no such process or no `/proc`.
///
/// # Panics
/// A line is not as proc_pid_smaps(5) describes it.
pub fn maps_of(process: u32, file: &File) -> io::Result<Vec<FileMap>> {
    let inode = file.metadata()?.ino().to_string();
    let text = fs::read_to_string(format!("/proc/{process}/smaps"))?;
    let mut maps = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match *words {
            // `address perms offset device inode path`
            [addresses, _, _, _, found, ..] if addresses.contains('-') => {
                is_ours = found == inode;
                if is_ours {
                    let (begin, end) = addresses.split_once('-').expect("two addresses");
                    let len = address(end) - address(begin);
                    maps.push(FileMap { len, touched: 0 });
                }
            }
            ["Rss:", kibibytes, "kB"] if is_ours => {
                let map = maps.last_mut().expect("the line before it was a map");
                map.touched = kibibytes.parse::<u64>().expect("a number") << 10;
            }
            _ => {}
        }
    }
    Ok(maps)
}

fn address(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("an address")
}
