//! The input of expressions besides nodes: documents and variables.

use super::value::Value;
use crate::dom::Dom;
use crate::error::PageError;

/// The documents and variables of a page.
pub(crate) trait World<'a> {
    /// Returns a document of the page. Items only refer to existing documents.
    fn dom(&'a self, document: u32) -> &'a Dom<'a>;

    /// Returns the number of a document that rules name, if the page has it.
    fn document(&'a self, named: u32) -> Option<u32>;

    /// Returns a parameter of the page.
    fn parameter(&'a self, name: &str) -> Option<Value<'a>>;

    /// Returns a variable of the rules.
    fn global(&'a self, index: u32) -> Result<Value<'a>, PageError>;

    /// Returns a variable of the running rule or template.
    fn local(&'a self, slot: u32) -> Value<'a>;

    /// Makes a document from written HTML, and returns its number.
    fn parse(&'a self, html: &str) -> Result<u32, PageError>;
}

/// A world with only one document.
pub(crate) struct OneDocument<'a, P> {
    pub(crate) dom: &'a Dom<'a>,
    pub(crate) parameters: P,
}

impl<'a, P: Fn(&str) -> Option<Value<'a>>> World<'a> for OneDocument<'a, P> {
    fn dom(&'a self, _: u32) -> &'a Dom<'a> {
        self.dom
    }

    fn document(&'a self, _: u32) -> Option<u32> {
        None
    }

    fn parameter(&'a self, name: &str) -> Option<Value<'a>> {
        (self.parameters)(name)
    }

    fn global(&'a self, _: u32) -> Result<Value<'a>, PageError> {
        Ok(Value::Text("".into()))
    }

    fn local(&'a self, _: u32) -> Value<'a> {
        Value::Text("".into())
    }

    fn parse(&'a self, _: &str) -> Result<u32, PageError> {
        Err(PageError::TooMuchWork)
    }
}
