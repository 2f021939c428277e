//! The certificates of TLS listeners.

use std::fmt::Display;

use euryale_server::rustls::{ServerConfig, crypto};
use euryale_server::{PemError, Tls};
use euryale_wsgi::Settings;

/// Reads `tls_cert` and `tls_key`. Returns `None` if neither is set.
///
/// # Errors
/// A message of one line that names the setting and its file.
pub(crate) fn read(settings: &Settings) -> Result<Option<ServerConfig>, String> {
    let (certificates, key) = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificates), Some(key)) => (certificates, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("tls_cert needs tls_key, the file of its key".into()),
        (None, Some(_)) => return Err("tls_key needs tls_cert, the file of certificates".into()),
    };
    let read = Tls::read_pem(certificates, key, crypto::aws_lc_rs::default_provider());
    read.map(Some).map_err(|error| {
        let (setting, path, error): (_, _, &dyn Display) = match &error {
            PemError::Certificates(error) => ("tls_cert", certificates, error),
            PemError::Key(error) => ("tls_key", key, error),
            PemError::Unusable(error) => ("tls_cert", certificates, error),
        };
        format!("{setting} = {}: {error}", path.display())
    })
}
