//! The certificates that the site presents, and its key.

use std::path::Path;
use std::sync::Arc;

use euryale_server::rustls::pki_types::pem::PemObject;
use euryale_server::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use euryale_server::rustls::{ServerConfig, crypto};

use crate::cli::edge::Edge;
use crate::cli::error::StartError;

/// A tls: address, or a socket from systemd, without certificates.
pub(crate) fn missing(place: impl std::fmt::Display) -> StartError {
    StartError::new(
        "there are no certificates",
        place,
        "give --tls-cert and --tls-key",
    )
}

/// None if the site has no certificates.
pub(crate) fn read(edge: &Edge) -> Result<Option<ServerConfig>, StartError> {
    let (certificates, key) = match (&edge.tls_cert, &edge.tls_key) {
        (Some(certificates), Some(key)) => (certificates, key),
        (None, None) => return Ok(None),
        (Some(one), None) | (None, Some(one)) => {
            let remedy = "give --tls-cert and --tls-key";
            return Err(StartError::new(
                "a certificate needs its key, and a key its certificate",
                one.display(),
                remedy,
            ));
        }
    };
    let wrong = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        StartError::new(
            format!("{what}: {error}"),
            path.display(),
            "see --tls-cert and --tls-key",
        )
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("cannot read the certificates", certificates, &error))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("cannot read the key", key, &error))?;
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map(Some)
        .map_err(|error| wrong("the certificates cannot be used", certificates, &error))
}
