//! Reads certificates and keys from files.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::Tls;

impl Tls {
    /// Reads a chain of certificates and its key, in PEM (RFC 7468), for [`new`](Self::new) and
    /// [`replace`](Self::replace). Clients need no certificates. Blocks.
    ///
    /// # Errors
    ///
    /// A file cannot be read, it contains no certificate or no key, or the key does not belong to
    /// the first certificate.
    pub fn read_pem(
        certificates: &Path,
        key: &Path,
        provider: CryptoProvider,
    ) -> Result<ServerConfig, PemError> {
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(PemError::Certificates)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(PemError::Key)?;
        ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(PemError::Unusable)
    }
}

/// The reason why certificates or their key could not be read.
#[derive(Debug)]
pub enum PemError {
    /// The file of certificates cannot be read.
    Certificates(pem::Error),
    /// The file of the key cannot be read.
    Key(pem::Error),
    /// Both files can be read, but rustls refuses their content.
    Unusable(rustls::Error),
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates(error) => write!(f, "cannot read the certificates: {error}"),
            Self::Key(error) => write!(f, "cannot read the key: {error}"),
            Self::Unusable(error) => write!(f, "the certificates cannot be used: {error}"),
        }
    }
}

impl Error for PemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Certificates(error) | Self::Key(error) => Some(error),
            Self::Unusable(error) => Some(error),
        }
    }
}
