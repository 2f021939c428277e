//! Names of elements as numbers, and their properties in HTML.

/// The name of an element in lower case. Names of up to eight bytes are stored directly, longer
/// ones as a hash with the top bit set, which no ASCII byte has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(u64);

impl Name {
    pub(crate) const fn of(name: &[u8]) -> Self {
        let mut at = 0;
        if name.len() <= 8 {
            let mut packed = 0;
            while at < name.len() {
                packed = packed << 8 | name[at].to_ascii_lowercase() as u64;
                at += 1;
            }
            return Self(packed);
        }
        // FNV-1a.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        while at < name.len() {
            hash = (hash ^ name[at].to_ascii_lowercase() as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        Self(hash | 1 << 63)
    }

    /// Returns whether the text of such an element has neither tags nor references.
    pub(crate) fn is_raw(self) -> bool {
        matches!(
            self,
            SCRIPT | STYLE | NOFRAMES | IFRAME | NOEMBED | XMP | PLAINTEXT
        )
    }

    /// Returns whether the tag `</name>` begins here, in small letters, and where it ends.
    pub(super) fn end_tag(self, source: &[u8], start: usize) -> Option<usize> {
        let bits = u64::BITS - self.0.leading_zeros();
        // No name at all, or a long one, which is only known by its hash.
        if matches!(bits, 0 | u64::BITS) {
            return None;
        }
        let length = bits.div_ceil(8);
        let word: [u8; 8] = source.get(start + 2..start + 10)?.try_into().ok()?;
        let written = u64::from_be_bytes(word) >> (u64::BITS - 8 * length);
        let end = start + 2 + length as usize;
        (written == self.0 && source.get(end) == Some(&b'>')).then_some(end + 1)
    }

    /// Packs a name of up to eight bytes in lower case, the last byte in the lowest bits.
    pub(super) const fn of_packed(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns a number from 0 to 255 that depends on all bytes of the name.
    pub(super) fn hash(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }
}

macro_rules! names {
    ($($constant:ident = $text:literal),* $(,)?) => {
        $(pub(crate) const $constant: Name = Name::of($text.as_bytes());)*
    };
}

names! {
    A = "a", ADDRESS = "address", AREA = "area", ARTICLE = "article", ASIDE = "aside",
    BASE = "base", BASEFONT = "basefont", BGSOUND = "bgsound", BLOCKQUOTE = "blockquote",
    BODY = "body", BR = "br", BUTTON = "button", CAPTION = "caption", CENTER = "center",
    COL = "col", COLGROUP = "colgroup", DD = "dd", DETAILS = "details", DIALOG = "dialog",
    DIR = "dir", DIV = "div", DL = "dl", DT = "dt", EMBED = "embed", FIELDSET = "fieldset",
    FIGCAPTION = "figcaption", FIGURE = "figure", FOOTER = "footer", FORM = "form",
    FRAMESET = "frameset", H1 = "h1", H2 = "h2", H3 = "h3", H4 = "h4", H5 = "h5", H6 = "h6",
    HEAD = "head", HEADER = "header", HGROUP = "hgroup", HR = "hr", HTML = "html",
    IFRAME = "iframe", IMG = "img", INPUT = "input", LI = "li", LINK = "link", LISTING = "listing",
    MAIN = "main", MARQUEE = "marquee", MATH = "math", MENU = "menu", META = "meta", NAV = "nav",
    NOEMBED = "noembed", NOFRAMES = "noframes", NOSCRIPT = "noscript", OBJECT = "object",
    OL = "ol", OPTGROUP = "optgroup", OPTION = "option", P = "p", PARAM = "param",
    PLAINTEXT = "plaintext", PRE = "pre", RP = "rp", RT = "rt", SCRIPT = "script",
    SEARCH = "search", SECTION = "section", SELECT = "select", SOURCE = "source", STYLE = "style",
    SUMMARY = "summary", SVG = "svg", TABLE = "table", TBODY = "tbody", TD = "td",
    TEMPLATE = "template", TEXTAREA = "textarea", TFOOT = "tfoot", TH = "th", THEAD = "thead",
    TITLE = "title", TR = "tr", TRACK = "track", UL = "ul", WBR = "wbr", XMP = "xmp",
}

/// The properties of an element that the parser needs, as bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits(u16);

impl Traits {
    /// The element has no end tag and no children (HTML §13.1.2).
    pub(crate) const VOID: u16 = 1;
    /// The element's text has neither tags nor references.
    pub(crate) const RAW: u16 = 1 << 1;
    /// The element's text has references but no tags.
    pub(crate) const RCDATA: u16 = 1 << 2;
    /// The element belongs in the head if it is before the body.
    pub(crate) const HEAD: u16 = 1 << 3;
    /// The element's start tag closes an open `p`.
    pub(crate) const CLOSES_P: u16 = 1 << 4;
    /// "Special" in HTML §13.2.4.2: an end tag does not reach through it.
    pub(crate) const SPECIAL: u16 = 1 << 5;
    /// The element begins a scope: elements that are open outside cannot be closed from inside.
    pub(crate) const SCOPE: u16 = 1 << 6;
    /// The element's start tag may close elements of the same kind.
    pub(crate) const CLOSES_KIN: u16 = 1 << 7;

    pub(crate) fn of(name: Name) -> Self {
        Self(match name {
            BASE | BASEFONT | BGSOUND | LINK | META => Self::VOID | Self::HEAD | Self::SPECIAL,
            AREA | BR | EMBED | IMG | INPUT | PARAM | SOURCE | TRACK | WBR => {
                Self::VOID | Self::SPECIAL
            }
            COL => Self::VOID | Self::SPECIAL | Self::CLOSES_KIN,
            HR => Self::VOID | Self::SPECIAL | Self::CLOSES_P,
            SCRIPT | STYLE | NOFRAMES => Self::RAW | Self::HEAD | Self::SPECIAL,
            IFRAME | NOEMBED => Self::RAW | Self::SPECIAL,
            XMP | PLAINTEXT => Self::RAW | Self::SPECIAL | Self::CLOSES_P,
            TITLE => Self::RCDATA | Self::HEAD | Self::SPECIAL,
            TEXTAREA => Self::RCDATA | Self::SPECIAL,
            TEMPLATE => Self::HEAD | Self::SPECIAL | Self::SCOPE,
            NOSCRIPT => Self::HEAD,
            ADDRESS | ARTICLE | ASIDE | BLOCKQUOTE | CENTER | DETAILS | DIALOG | DIR | DIV | DL
            | FIELDSET | FIGCAPTION | FIGURE | FOOTER | FORM | HEADER | HGROUP | LISTING | MAIN
            | MENU | NAV | OL | PRE | SEARCH | SECTION | SUMMARY | UL => {
                Self::CLOSES_P | Self::SPECIAL
            }
            P => Self::CLOSES_P | Self::SPECIAL,
            H1 | H2 | H3 | H4 | H5 | H6 => Self::CLOSES_P | Self::SPECIAL | Self::CLOSES_KIN,
            LI | DD | DT => Self::CLOSES_P | Self::SPECIAL | Self::CLOSES_KIN,
            OPTION | OPTGROUP | A | RP | RT => Self::CLOSES_KIN,
            BUTTON => Self::SPECIAL | Self::CLOSES_KIN,
            TABLE => Self::CLOSES_P | Self::SPECIAL | Self::SCOPE,
            TD | TH | CAPTION => Self::SPECIAL | Self::SCOPE | Self::CLOSES_KIN,
            TR | TBODY | THEAD | TFOOT | COLGROUP => Self::SPECIAL | Self::CLOSES_KIN,
            HTML | MARQUEE | OBJECT => Self::SPECIAL | Self::SCOPE,
            BODY | HEAD | FRAMESET | SELECT => Self::SPECIAL,
            SVG | MATH => Self::SCOPE,
            _ => 0,
        })
    }

    pub(crate) fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

/// The properties of the names that were asked for last: a page has few names.
#[derive(Debug)]
pub(super) struct KnownTraits([(Name, Traits); 64]);

impl KnownTraits {
    pub(super) fn new() -> Self {
        Self([(Name(0), Traits(0)); 64])
    }

    pub(super) fn of(&mut self, name: Name) -> Traits {
        let known = &mut self.0[name.hash() % 64];
        if known.0 != name {
            *known = (name, Traits::of(name));
        }
        known.1
    }
}

/// Returns whether an element with this name has no end tag and no children.
pub(crate) fn is_void(name: &str) -> bool {
    Traits::of(Name::of(name.as_bytes())).has(Traits::VOID)
}

/// Returns whether a name of an element or attribute is safe, so that it cannot end a tag.
pub(crate) fn is_name(name: &str) -> bool {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return true;
    }
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    starts && chars.all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}
