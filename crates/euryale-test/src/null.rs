//! A database that costs nothing.

use euryale_core::{Begin, BoxError, Database, Fault};

/// A database that does nothing: for benches, which measure only what is around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullDatabase;

impl Database for NullDatabase {
    type Connection = ();

    #[inline]
    fn connect(&self) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn begin(&self, _connection: &mut (), _begin: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn commit(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn abort(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _error: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }
}
