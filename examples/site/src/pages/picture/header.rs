//! The memory that a picture will need, read from the head of its file: nothing is decoded, and
//! little is kept.
//!
//! The figures are upper bounds of what `image` 0.25 and its decoders allocate, whatever the rest
//! of the file holds.

use std::io::{self, BufRead, Seek, SeekFrom};

/// The maximum number of parts of a file that are read.
const MOST_PARTS: usize = 10_000;

/// image-webp builds tables for up to 65,536 groups of Huffman codes, and some 11 bytes of the file
/// are enough for a table of 4 KiB.
const WEBP_TABLES: u64 = 400;

/// Bytes at the end of a part of a PNG.
const CHECKSUM: i64 = 4;

/// The contents of a file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes of a pixel once it is decoded.
    pub(super) pixel: u64,
    pub(super) has_alpha: bool,
    /// Bytes that the decoder holds beside the pixels.
    pub(super) decoder: u64,
}

impl Header {
    /// Reads the head of a file that has `length` bytes. `None` if the file is not a PNG, JPEG or
    /// WebP picture, or its head is broken.
    ///
    /// # Errors
    /// The file's.
    pub(crate) fn read(file: &mut (impl BufRead + Seek), length: u64) -> io::Result<Option<Self>> {
        let read = match array(file) {
            Ok([0x89, b'P', b'N', b'G']) => png(file),
            Ok([0xff, 0xd8, 0xff, _]) => jpeg(file, length),
            Ok([b'R', b'I', b'F', b'F']) => webp(file),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read,
        }
    }

    /// Bytes of all pixels once they are decoded.
    pub(super) fn decoded(&self) -> u64 {
        area(self.width, self.height, 1).saturating_mul(self.pixel)
    }
}

/// PNG (ISO/IEC 15948) §11.2.2.
fn png(file: &mut (impl BufRead + Seek)) -> io::Result<Option<Header>> {
    file.seek(SeekFrom::Start(12))?;
    if array(file)? != *b"IHDR" {
        return Ok(None);
    }
    let width = u32::from_be_bytes(array(file)?);
    let height = u32::from_be_bytes(array(file)?);
    let [depth, color, _, _, _] = array(file)?;
    file.seek_relative(CHECKSUM)?;
    let sample = if depth == 16 { 2 } else { 1 };
    for _ in 0..MOST_PARTS {
        let size = u32::from_be_bytes(array(file)?);
        let name: [u8; 4] = array(file)?;
        // Transparency is declared before the pixels (§5.6).
        let has_transparent_color = name == *b"tRNS";
        if has_transparent_color || name == *b"IDAT" {
            let has_alpha = has_transparent_color || matches!(color, 4 | 6);
            let colors = if matches!(color, 0 | 4) { 1 } else { 3 };
            return Ok(Some(Header {
                width,
                height,
                pixel: (colors + u64::from(has_alpha)) * sample,
                has_alpha,
                decoder: 0,
            }));
        }
        file.seek_relative(i64::from(size) + CHECKSUM)?;
    }
    Ok(None)
}

/// JPEG (ITU-T T.81) §B.1 and §B.2: markers up to the first scan.
fn jpeg(file: &mut (impl BufRead + Seek), length: u64) -> io::Result<Option<Header>> {
    file.seek(SeekFrom::Start(2))?;
    let mut frame = None;
    for _ in 0..MOST_PARTS {
        let [0xff, marker] = array(file)? else {
            return Ok(None);
        };
        let size = u16::from_be_bytes(array(file)?);
        match marker {
            // Baseline, extended and progressive: the supported kinds.
            0xc0..=0xc2 if frame.is_none() => {
                let [_depth] = array(file)?;
                let height = u16::from_be_bytes(array(file)?);
                let width = u16::from_be_bytes(array(file)?);
                let [components] = array(file)?;
                frame = Some((marker == 0xc2, width.into(), height.into(), components));
                file.seek_relative(i64::from(size) - 8)?;
            }
            0xda => {
                let Some((is_progressive, width, height, components)) = frame else {
                    return Ok(None);
                };
                let [in_this_scan] = array(file)?;
                let is_kept = is_progressive || in_this_scan < components;
                // Two bytes for each coefficient, in blocks of up to 32 × 32.
                let coefficients = if is_kept {
                    area(width, height, 32).saturating_mul(2 * u64::from(components))
                } else {
                    0
                };
                return Ok(Some(Header {
                    width,
                    height,
                    pixel: if components == 1 { 1 } else { 3 },
                    has_alpha: false,
                    // The whole file is read, and its metadata is copied.
                    decoder: coefficients.saturating_add(2 * length),
                }));
            }
            // A second frame, a thumbnail, or a marker without a length.
            0xc0..=0xc2 | 0x00 | 0x01 | 0xd0..=0xd9 | 0xff => return Ok(None),
            _ => drop(file.seek_relative(i64::from(size) - 2)?),
        }
    }
    Ok(None)
}

/// RIFF of WebP (RFC 9649 §2). Each of its parts says how large it is, and any of them may lie.
fn webp(file: &mut (impl BufRead + Seek)) -> io::Result<Option<Header>> {
    file.seek(SeekFrom::Start(8))?;
    if array(file)? != *b"WEBP" {
        return Ok(None);
    }
    let mut canvas = (0, 0);
    let mut lossy = 0;
    let mut lossless = 0;
    let mut alpha = 0;
    let mut is_animated = false;
    let mut is_whole = false;
    for _ in 0..MOST_PARTS {
        if file.fill_buf()?.is_empty() {
            is_whole = true;
            break;
        }
        let name: [u8; 4] = array(file)?;
        let size = u32::from_le_bytes(array(file)?);
        let read = match &name {
            b"VP8X" => {
                let [_, _, _, _, a, b, c, d, e, f] = array(file)?;
                let width = u32::from_le_bytes([a, b, c, 0]) + 1;
                let height = u32::from_le_bytes([d, e, f, 0]) + 1;
                canvas = (width, height);
                10
            }
            b"VP8 " => {
                let [_, _, _, _, _, _, a, b, c, d] = array(file)?;
                let width = u32::from(u16::from_le_bytes([a, b]) & 0x3fff);
                let height = u32::from(u16::from_le_bytes([c, d]) & 0x3fff);
                // Luma, and chroma in halves, in blocks of 16 × 16.
                lossy = lossy.max(area(width, height, 16) * 3 / 2);
                canvas = larger(canvas, (width, height));
                10
            }
            b"VP8L" => {
                let [_, a, b, c, d] = array(file)?;
                let bits = u32::from_le_bytes([a, b, c, d]);
                let (width, height) = ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
                let tables = u64::from(size) * WEBP_TABLES;
                lossless = lossless.max(area(width, height, 1) * 4 + tables);
                canvas = larger(canvas, (width, height));
                5
            }
            b"ALPH" => {
                alpha = alpha.max(u64::from(size) * WEBP_TABLES);
                0
            }
            // Its chunks follow.
            b"ANMF" => {
                is_animated = true;
                file.seek_relative(16)?;
                continue;
            }
            _ => 0,
        };
        let rest = i64::from(size) + i64::from(size % 2) - read;
        file.seek_relative(rest)?;
    }
    let (width, height) = canvas;
    if !is_whole || width == 0 {
        return Ok(None);
    }
    let area = area(width, height, 1);
    let has_alpha = lossless > 0 || alpha > 0 || is_animated;
    let alpha = if alpha > 0 { alpha + area * 5 } else { 0 };
    let frames = if is_animated { area * 8 } else { 0 };
    Ok(Some(Header {
        width,
        height,
        pixel: if has_alpha { 4 } else { 3 },
        has_alpha,
        decoder: lossy + lossless + alpha + frames,
    }))
}

fn larger(one: (u32, u32), other: (u32, u32)) -> (u32, u32) {
    (one.0.max(other.0), one.1.max(other.1))
}

/// Pixels, in whole blocks.
fn area(width: u32, height: u32, block: u32) -> u64 {
    let whole = |side: u32| u64::from(side.div_ceil(block)) * u64::from(block);
    whole(width).saturating_mul(whole(height))
}

fn array<const N: usize>(file: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
