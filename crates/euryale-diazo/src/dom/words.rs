//! Which words a value may have, in one number.

/// A bit for each word, which other words may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words(u64);

impl Words {
    /// The words of a value as it is written. One with references may have any.
    pub(crate) fn of(written: &str) -> Self {
        let mut all = 0;
        let mut hash: u64 = 0;
        for byte in written.bytes() {
            match byte {
                // White space and `&` are below.
                b'\''.. => hash = hash.wrapping_mul(31).wrapping_add(u64::from(byte)),
                b' ' | b'\n' | b'\t' | b'\r' | b'\x0c' => {
                    all |= bit(hash);
                    hash = 0;
                }
                b'&' => return Self(u64::MAX),
                _ => hash = hash.wrapping_mul(31).wrapping_add(u64::from(byte)),
            }
        }
        Self(all | bit(hash))
    }

    /// Returns whether these may be among the words.
    pub(crate) fn may_have(self, words: Self) -> bool {
        self.0 & words.0 == words.0
    }
}

/// The bit of a word; none for the empty one.
fn bit(hash: u64) -> u64 {
    match hash {
        0 => 0,
        hash => 1 << (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58),
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn a_value_may_have_each_of_its_words() {
        let words = ["a", "level-1", "\u{e4}", "x".repeat(100).leak()];
        let value = Words::of(&format!(" {}\n", words.join("\t ")));
        for word in words {
            assert!(value.may_have(Words::of(word)), "{word}");
            assert!(Words::of("b &#97;").may_have(Words::of(word)), "{word}");
        }
        let others = (0..100).filter(|n| value.may_have(Words::of(&format!("other-{n}"))));
        assert!(others.count() < 20);
        assert!(!Words::of("").may_have(Words::of("a")));
    }
}
