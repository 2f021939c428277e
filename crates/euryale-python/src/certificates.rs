//! The certificates of TLS listeners.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use euryale_server::rustls::pki_types::pem::PemObject;
use euryale_server::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use euryale_server::rustls::{ServerConfig, crypto};
use euryale_wsgi::Settings;

/// Reads `tls_cert` and `tls_key`. Returns `None` if neither is set.
///
/// # Errors
/// One line that names the setting and its file.
pub(crate) fn read(settings: &Settings) -> Result<Option<ServerConfig>, String> {
    let (certificates, key) = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificates), Some(key)) => (certificates, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("tls_cert needs tls_key, the file of its key".into()),
        (None, Some(_)) => return Err("tls_key needs tls_cert, the file of certificates".into()),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("tls_cert", certificates, &error))?;
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("tls_key", key, &error))?;
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
        .map(Some)
        .map_err(|error| wrong("tls_cert", certificates, &error))
}

fn wrong(setting: &str, path: &Path, error: &dyn Display) -> String {
    format!("{setting} = {}: {error}", path.display())
}
