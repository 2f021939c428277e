//! Pictures that take far more memory than their files.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::Running;

/// The number of simultaneous requests for each kind.
const AT_ONCE: usize = 15;

/// The height of pictures that can be made, with a width of 16,384: 188 MiB each, so two of them
/// are more than [`MOST`]. Without optimisation a row takes some milliseconds, so they are small,
/// and only the refused ones test the memory.
const HEIGHT: u32 = if cfg!(debug_assertions) { 128 } else { 12_000 };

/// The memory that all of them together may take, in KiB.
const MOST: u64 = 300 << 10;

/// A black PNG with one bit a pixel (ISO/IEC 15948).
pub(super) fn black(width: u32, height: u32) -> Vec<u8> {
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::best());
    let row = vec![0; 1 + width as usize / 8];
    (0..height).for_each(|_| pixels.write_all(&row).unwrap());
    let pixels = pixels.finish().unwrap();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let head = [&size[..], &[1, 0, 0, 0, 0]].concat();
    for (name, content) in [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", Vec::new())] {
        let length = u32::try_from(content.len()).unwrap();
        let part = [&name[..], &content].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&part);
        png.extend(length.to_be_bytes());
        png.extend(part);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

impl Running {
    /// A figure of the process's memory, in KiB, by its name in proc(5).
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Restarts the measurement of the peak memory (`VmHWM`; proc(5), clear_refs). Returns the
    /// current memory, in KiB.
    pub(crate) fn count_peak(&self) -> u64 {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
        self.memory("VmRSS:")
    }
}

/// Only with optimisation: see [`HEIGHT`].
#[test]
fn pictures_that_are_made_at_once_share_a_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    // A file of 32 kB that decodes to 256 MiB.
    let refused = black(16_384, 16_384);
    let made = black(16_384, HEIGHT);
    assert!(refused.len() < 40_000, "{}", refused.len());
    for number in 0..AT_ONCE {
        assert_eq!(
            site.upload(&format!("refused-{number}.png"), &refused)
                .status,
            201
        );
        assert_eq!(
            site.upload(&format!("made-{number}.png"), &made).status,
            201
        );
    }
    let before = site.count_peak();
    let ask = |name: String| site.peer().get(&format!("/{name}.png/@@scale/64")).unwrap();
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..AT_ONCE)
            .flat_map(|number| [format!("refused-{number}"), format!("made-{number}")])
            .map(|name| scope.spawn(move || (name.clone(), ask(name))))
            .collect();
        for asked in asked {
            let (name, answer) = asked.join().unwrap();
            if name.starts_with("made") {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                assert_eq!(answer.status, 422, "{answer:?}");
                assert!(answer.text().contains("256 MiB"), "{answer:?}");
            }
        }
    });
    let grown = site.memory("VmHWM:") - before;
    println!(
        "{} pictures at once: {} MiB at the peak",
        2 * AT_ONCE,
        grown >> 10
    );
    assert!(grown <= MOST, "{grown} KiB");
    site.end_well();
}
