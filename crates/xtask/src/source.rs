//! Rust text split into code and comments, line by line, so that rules about code cannot trip over
//! prose or strings.

/// Lines of `code` and `comments` correspond to the lines of the text, and each character keeps its
/// column.
pub(crate) struct Source {
    code: String,
    comments: String,
    text: String,
}

pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    /// Comments are blank here, and the contents of literals are filled with `"`.
    pub(crate) code: &'a str,
    /// Everything but comments is blank here.
    pub(crate) comment: &'a str,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let mut splitter = Splitter::default();
        let chars: Vec<char> = text.chars().collect();
        let mut state = State::Code;
        let mut at = 0;
        while at < chars.len() {
            let (taken, next) = splitter.step(state, &chars, at);
            at += taken;
            state = next;
        }
        Self {
            code: splitter.code,
            comments: splitter.comments,
            text: text.into(),
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let split = self
            .text
            .lines()
            .zip(self.code.lines())
            .zip(self.comments.lines());
        split
            .zip(1..)
            .map(|(((text, code), comment), number)| Line {
                number,
                text,
                code,
                comment,
            })
    }
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    /// A block comment, with its depth, because they nest.
    BlockComment(usize),
    Text,
    /// A raw string, with the number of `#` that end it.
    RawText(usize),
}

#[derive(Default)]
struct Splitter {
    code: String,
    comments: String,
}

impl Splitter {
    /// Consumes some characters from `at` on. Returns their number, and the state after them.
    fn step(&mut self, state: State, chars: &[char], at: usize) -> (usize, State) {
        let rest = &chars[at..];
        match state {
            State::Code => self.code(chars, at),
            State::LineComment if rest[0] == '\n' => self.keep(rest, 1, State::Code),
            State::LineComment => self.comment(rest, 1, state),
            State::BlockComment(depth) if rest.starts_with(&['/', '*']) => {
                self.comment(rest, 2, State::BlockComment(depth + 1))
            }
            State::BlockComment(1) if rest.starts_with(&['*', '/']) => {
                self.comment(rest, 2, State::Code)
            }
            State::BlockComment(depth) if rest.starts_with(&['*', '/']) => {
                self.comment(rest, 2, State::BlockComment(depth - 1))
            }
            State::BlockComment(_) => self.comment(rest, 1, state),
            State::Text if rest[0] == '\\' => self.fill(rest, 2, state),
            State::Text if rest[0] == '"' => self.keep(rest, 1, State::Code),
            State::RawText(hashes) if rest[0] == '"' && count_hashes(&rest[1..]) >= hashes => {
                self.keep(rest, 1 + hashes, State::Code)
            }
            State::Text | State::RawText(_) => self.fill(rest, 1, state),
        }
    }

    fn code(&mut self, chars: &[char], at: usize) -> (usize, State) {
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            self.comment(rest, 2, State::LineComment)
        } else if rest.starts_with(&['/', '*']) {
            self.comment(rest, 2, State::BlockComment(1))
        } else if let Some(hashes) = raw_text(chars, at) {
            self.keep(rest, 2 + hashes, State::RawText(hashes))
        } else if rest[0] == '"' {
            self.keep(rest, 1, State::Text)
        } else if let Some(length) = char_literal(rest) {
            self.fill(rest, length, State::Code)
        } else {
            self.keep(rest, 1, State::Code)
        }
    }

    fn keep(&mut self, rest: &[char], count: usize, next: State) -> (usize, State) {
        self.push(rest, count, next, |c| (c, ' '))
    }

    fn fill(&mut self, rest: &[char], count: usize, next: State) -> (usize, State) {
        self.push(rest, count, next, |c| {
            (if c.is_whitespace() { c } else { '"' }, ' ')
        })
    }

    fn comment(&mut self, rest: &[char], count: usize, next: State) -> (usize, State) {
        self.push(rest, count, next, |c| (' ', c))
    }

    fn push(
        &mut self,
        rest: &[char],
        count: usize,
        next: State,
        split: impl Fn(char) -> (char, char),
    ) -> (usize, State) {
        let count = count.min(rest.len());
        for &c in &rest[..count] {
            let (code, comment) = if c == '\n' { (c, c) } else { split(c) };
            self.code.push(code);
            self.comments.push(comment);
        }
        (count, next)
    }
}

fn count_hashes(rest: &[char]) -> usize {
    rest.iter().take_while(|&&c| c == '#').count()
}

/// The number of hashes of the raw string that starts with the `r` at `at`.
fn raw_text(chars: &[char], at: usize) -> Option<usize> {
    if chars[at] != 'r' || !starts_a_word(chars, at) {
        return None;
    }
    let hashes = count_hashes(&chars[at + 1..]);
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// `r` begins a literal if it is not the end of an identifier; `br` and `cr` do so too.
fn starts_a_word(chars: &[char], at: usize) -> bool {
    let is_word = |back: usize| {
        at.checked_sub(back)
            .is_some_and(|i| is_identifier(chars[i]))
    };
    !is_word(1) || (matches!(chars[at - 1], 'b' | 'c') && !is_word(2))
}

/// Returns the length of the character literal at the start, or `None` for a lifetime.
fn char_literal(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, tail @ ..] => tail.iter().position(|&c| c == '\'').map(|end| end + 4),
        ['\'', c, '\'', ..] if *c != '\'' => Some(3),
        _ => None,
    }
}

pub(crate) fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns whether `line` contains `word`, and not only as a part of a longer identifier.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let opens = word.starts_with(is_identifier);
    let closes = word.ends_with(is_identifier);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].ends_with(is_identifier);
        let after = line[at + word.len()..].starts_with(is_identifier);
        !(opens && before || closes && after)
    })
}
