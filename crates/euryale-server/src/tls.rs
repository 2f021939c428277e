//! TLS, with certificates that can be replaced.

mod pem;

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

pub use self::pem::PemError;
use crate::transport::Raw;

/// The certificates that TLS listeners present to their peers. Clones are handles to the same.
///
/// The configuration is that of rustls, so the program chooses the cryptography provider, its
/// certificates, and whether clients need certificates.
#[derive(Clone)]
pub struct Tls {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Uses this configuration. If it names no protocols (ALPN, RFC 7301), `h2` and `http/1.1` are
    /// offered.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config: Arc::new(RwLock::new(Arc::new(with_protocols(config)))),
        }
    }

    /// Replaces the configuration for new peers, for example with new certificates. Open sockets
    /// are not affected.
    pub fn replace(&self, config: ServerConfig) {
        let config = Arc::new(with_protocols(config));
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn accept(&self, raw: Raw) -> Accept<Raw> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(raw)
    }
}

fn with_protocols(mut config: ServerConfig) -> ServerConfig {
    if config.alpn_protocols.is_empty() {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    config
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Performs the handshake.
pub(crate) async fn handshake(tls: &Tls, raw: Raw) -> io::Result<Box<TlsStream<Raw>>> {
    tls.accept(raw).await.map(Box::new)
}
