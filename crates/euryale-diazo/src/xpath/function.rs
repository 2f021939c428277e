//! The functions of XPath 1.0 §4, XSLT and EXSLT by name.

macro_rules! functions {
    ($($variant:ident = $name:literal $least:literal..=$most:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function { $($variant),* }

        /// The name, and the minimum and maximum number of arguments.
        const FUNCTIONS: &[(&str, Function, usize, usize)] =
            &[$(($name, Function::$variant, $least, $most)),*];
    };
}

functions! {
    Boolean = "boolean" 1..=1, Ceiling = "ceiling" 1..=1, Concat = "concat" 2..=64,
    Contains = "contains" 2..=2, Count = "count" 1..=1, False = "false" 0..=0,
    Floor = "floor" 1..=1, Last = "last" 0..=0, LocalName = "local-name" 0..=1,
    Name = "name" 0..=1, NormalizeSpace = "normalize-space" 0..=1, Not = "not" 1..=1,
    Number = "number" 0..=1, Position = "position" 0..=0, Round = "round" 1..=1,
    StartsWith = "starts-with" 2..=2, String = "string" 0..=1,
    StringLength = "string-length" 0..=1, Substring = "substring" 2..=3,
    SubstringAfter = "substring-after" 2..=2, SubstringBefore = "substring-before" 2..=2,
    Sum = "sum" 1..=1, Translate = "translate" 3..=3, True = "true" 0..=0,
    Lang = "lang" 1..=1, Id = "id" 1..=1,
    // XSLT 1.0 §12, and EXSLT.
    Current = "current" 0..=0, GenerateId = "generate-id" 0..=1, Document = "document" 1..=2,
    NodeSet = "exsl:node-set" 1..=1, Replace = "str:replace" 3..=3,
    Tokenize = "str:tokenize" 1..=2,
}

impl Function {
    #[cfg(test)]
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FUNCTIONS.iter().map(|(name, ..)| *name)
    }

    pub(super) fn named(name: &str, arguments: usize) -> Result<Self, String> {
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|known| known.0 == name)
        else {
            return Err(match name {
                "key" => "key() is not supported: write the path that the key stands for".into(),
                "format-number" => {
                    "format-number() is not supported: write the number in the page as it is to \
                     be read"
                        .into()
                }
                _ => format!("no function {name}() here"),
            });
        };
        if (*least..=*most).contains(&arguments) {
            return Ok(*function);
        }
        Err(format!("{name}() does not take {arguments} arguments"))
    }

    pub(super) fn gives_number(self) -> bool {
        matches!(
            self,
            Self::Ceiling
                | Self::Count
                | Self::Floor
                | Self::Last
                | Self::Number
                | Self::Position
                | Self::Round
                | Self::StringLength
                | Self::Sum
        )
    }

    pub(super) fn gives_nodes(self) -> bool {
        matches!(
            self,
            Self::Current | Self::Document | Self::Id | Self::NodeSet | Self::Tokenize
        )
    }

    pub(super) fn is_relative(self, without_arguments: bool) -> bool {
        let takes_context = matches!(
            self,
            Self::LocalName
                | Self::Name
                | Self::NormalizeSpace
                | Self::Number
                | Self::String
                | Self::StringLength
                | Self::GenerateId
        );
        let at_the_node = matches!(self, Self::Current | Self::Lang | Self::Id);
        at_the_node
            || matches!(self, Self::Position | Self::Last)
            || (takes_context && without_arguments)
    }
}
