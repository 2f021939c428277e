//! Finds a byte that is likely to be near.

/// The number of words that are searched here, because a call of `memchr` takes as long as a few of
/// them.
const WORDS: usize = 4;
const WORD: usize = size_of::<u64>();

/// Returns the position of the first byte with this value.
#[inline]
pub(super) fn find(byte: u8, source: &[u8]) -> Option<usize> {
    let (words, _) = source.as_chunks::<WORD>();
    let mut at = 0;
    for word in words.iter().take(WORDS) {
        let found = bytes_in(*word, byte);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += WORD;
    }
    far(byte, source, at)
}

/// Returns the position of the first byte with one of these values.
pub(super) fn find_either(a: u8, b: u8, source: &[u8]) -> Option<usize> {
    let (words, _) = source.as_chunks::<WORD>();
    let mut at = 0;
    for word in words.iter().take(WORDS) {
        let found = bytes_in(*word, a) | bytes_in(*word, b);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += WORD;
    }
    let rest = &source[at..];
    let found = if rest.len() < WORD {
        rest.iter().position(|byte| *byte == a || *byte == b)
    } else {
        memchr::memchr2(a, b, rest)
    };
    found.map(|found| at + found)
}

/// Returns a number whose lowest set bit is the high bit of the first byte with this value.
#[inline]
fn bytes_in(word: [u8; WORD], byte: u8) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; WORD]);
    const HIGH: u64 = ONES << 7;
    // A byte of `differences` is zero where the word has the byte. The lowest such byte, and
    // perhaps others above it, have their high bit set in the result.
    let differences = u64::from_le_bytes(word) ^ (ONES * u64::from(byte));
    differences.wrapping_sub(ONES) & !differences & HIGH
}

/// This is a separate function, so that the loops of the parser keep their variables in registers.
#[inline(never)]
fn far(byte: u8, source: &[u8], at: usize) -> Option<usize> {
    let rest = &source[at..];
    let found = if rest.len() < WORD {
        rest.iter().position(|other| *other == byte)
    } else {
        memchr::memchr(byte, rest)
    };
    found.map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::{find, find_either};

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..80 {
            for at in 0..length {
                // The bytes differ only in their lowest or highest bit.
                let mut source: Vec<u8> =
                    (0..length).map(|at| [0x3d, 0xbc, 0x00][at % 3]).collect();
                assert_eq!(find(0x3c, &source), None);
                assert_eq!(find_either(0x3c, 0x3e, &source), None);
                source[at] = 0x3c;
                assert_eq!(find(0x3c, &source), Some(at), "{length}");
                assert_eq!(find_either(0x3e, 0x3c, &source), Some(at), "{length}");
                source[length - 1] = 0x3c;
                assert_eq!(find(0x3c, &source), Some(at), "{length}");
                source[length - 1] = 0x3e;
                assert_eq!(find_either(0x3e, 0x3c, &source), Some(at), "{length}");
                assert_eq!(find_either(0x3c, 0x3e, &source), Some(at), "{length}");
            }
        }
    }
}
