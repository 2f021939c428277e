//! The files of answers that leave before their iterable has ended.

use std::any::Any;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::body::{SpillFile, SpillStore};

use super::{AnswerBudget, FileCharge, MemoryCharge};

impl SpillStore for AnswerBudget {
    /// `None` if no descriptor is left.
    fn create(&self) -> io::Result<Option<Arc<dyn SpillFile>>> {
        let Ok(charge) = FileCharge::open(self) else {
            return Ok(None);
        };
        let spilled = Spilled {
            file: tempfile::tempfile_in(self.folder())?,
            charge: Mutex::new(charge),
        };
        Ok(Some(Arc::new(spilled)))
    }

    fn charge_window(&self, bytes: usize) -> Option<Box<dyn Any + Send + Sync>> {
        let mut charge = MemoryCharge::none(self);
        if charge.grow(bytes) {
            return Some(Box::new(charge));
        }
        self.book().spilled.add(1);
        None
    }
}

/// One answer's file. It is closed before it is uncounted.
struct Spilled {
    file: File,
    charge: Mutex<FileCharge>,
}

impl SpillFile for Spilled {
    fn file(&self) -> &File {
        &self.file
    }

    fn reserve(&self, len: u64) -> bool {
        let mut charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner);
        charge.try_grow(len)
    }
}
