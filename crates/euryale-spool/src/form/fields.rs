//! The fields of a form that is being read, and their charge.

use std::sync::Arc;

use euryale_core::Error;

use super::limits::{FIELDS, NO_UTF8, malformed, too_large};
use super::{Field, Form, FormLimits, Upload};
use crate::budget::{Buffer, MemoryCharge, Share};
use crate::settings::Settings;

/// The charge for a field in addition to its name and text: its place in a list that grows by
/// doubling, and two allocations.
const FIELD: usize = 2 * size_of::<Field>() + 64;

/// The additional charge for a file.
const FILE: usize = size_of::<Upload>() + 64;

pub(super) struct Fields {
    fields: Vec<Field>,
    most: usize,
    charge: MemoryCharge,
    settings: Arc<Settings>,
}

impl Fields {
    pub(super) fn new(settings: &Arc<Settings>, limits: FormLimits) -> Self {
        Self {
            fields: Vec::new(),
            most: limits.fields,
            charge: MemoryCharge::none(settings),
            settings: Arc::clone(settings),
        }
    }

    /// Returns an empty text.
    pub(super) fn text(&self) -> Buffer {
        Buffer::new(MemoryCharge::none(&self.settings))
    }

    /// Appends `more` to a text, which will have at most `most` bytes.
    ///
    /// # Errors
    /// `SPOOL_BUSY`: the budget has no memory for it.
    pub(super) fn extend(&self, text: &mut Buffer, more: &[u8], most: usize) -> Result<(), Error> {
        let all = self.charge.bytes() + text.as_slice().len() + more.len();
        if text.extend(more, most, Share::of_fields(all)) {
            Ok(())
        } else {
            Err(self.settings.busy())
        }
    }

    /// Completes a text, whose charge is then final.
    ///
    /// # Errors
    /// `MALFORMED`: the text is not UTF-8.
    pub(super) fn end(&mut self, text: Buffer) -> Result<String, Error> {
        let (text, charge) = text.into_exact();
        self.charge.absorb(charge);
        String::from_utf8(text).map_err(|_| malformed(NO_UTF8))
    }

    /// Adds a text field whose name and text are already charged.
    ///
    /// # Errors
    /// `BODY_TOO_LARGE`: the form has too many fields. `SPOOL_BUSY`: the budget has no memory for
    /// it.
    pub(super) fn push_text(&mut self, name: String, text: String) -> Result<(), Error> {
        if self.fields.len() == self.most {
            return Err(too_large(FIELDS, self.most));
        }
        self.charge(FIELD)?;
        self.fields.push(Field::new_text(name, text));
        Ok(())
    }

    /// Adds a file field whose name is already charged.
    ///
    /// # Errors
    /// `SPOOL_BUSY`: the budget has no memory for it.
    pub(super) fn push_file(&mut self, name: String, file: Upload) -> Result<(), Error> {
        self.charge(file.file_name().len() + FIELD + FILE)?;
        self.fields.push(Field::new_file(name, file));
        Ok(())
    }

    /// Charges more memory to the form.
    ///
    /// # Errors
    /// `SPOOL_BUSY`: the budget has no memory for it.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        let all = self.charge.bytes() + bytes;
        if self.charge.grow(all, Share::of_fields(all)) {
            Ok(())
        } else {
            Err(self.settings.busy())
        }
    }

    pub(super) fn into_form(self) -> Form {
        Form {
            fields: self.fields.into(),
            _charge: Some(Arc::new(self.charge)),
        }
    }
}
