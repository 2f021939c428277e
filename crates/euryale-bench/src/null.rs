//! A database that costs nothing, so that only the scheme around it is measured.

use euryale::{Access, BoxError, Database, Fault};

/// A database that does nothing.
pub(crate) struct Null;

impl Database for Null {
    type Connection = ();

    fn connect(&self) -> Result<(), BoxError> {
        Ok(())
    }

    fn begin(&self, _connection: &mut (), _access: Access) -> Result<(), BoxError> {
        Ok(())
    }

    fn commit(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _error: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }
}
