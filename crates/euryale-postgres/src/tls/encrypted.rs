//! The handshake, and the certificates that it trusts
//! (<https://www.postgresql.org/docs/15/libpq-ssl.html>).

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode as Wanted;
use tokio_postgres::tls::{ChannelBinding, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::settings::{Host, Place, Settings, SettingsError, SslMode};
use crate::socket::Socket;

/// The encryption of connections.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Option<Arc<ClientConfig>>,
    is_required: bool,
}

impl Tls {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mode = settings.ssl_mode;
        let is_required = mode > SslMode::Prefer;
        let provider = CryptoProvider::get_default();
        let config = match provider {
            _ if mode == SslMode::Disable => None,
            None if !is_required => None,
            None => {
                return Err(SettingsError::new(
                    "sslmode: the program has installed no provider of cryptography for rustls; \
                     call CryptoProvider::install_default()",
                ));
            }
            Some(provider) => Some(configure(
                mode,
                settings.root_certificates.as_deref(),
                provider,
            )?),
        };
        Ok(Self {
            config: config.map(Arc::new),
            is_required,
        })
    }

    /// Returns the handshake with this host, and whether the server may decline encryption.
    pub(crate) fn handshake(&self, host: &Host) -> (Handshake, Wanted) {
        let Place::Name(name, _) = &host.place else {
            // As in libpq, a Unix socket is not encrypted.
            return (Handshake(None), Wanted::Disable);
        };
        let name = ServerName::try_from(name.clone()).ok();
        match (&self.config, name) {
            (Some(config), Some(name)) => {
                let wanted = if self.is_required {
                    Wanted::Require
                } else {
                    Wanted::Prefer
                };
                (Handshake(Some((Arc::clone(config), name))), wanted)
            }
            // No certificate can have this name, so the handshake fails with that error.
            (Some(_), None) if self.is_required => (Handshake(None), Wanted::Require),
            _ => (Handshake(None), Wanted::Disable),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}

fn configure(
    mode: SslMode,
    roots: Option<&Path>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, SettingsError> {
    let trusted = match roots {
        Some(file) => Some(read_roots(file)?),
        None if mode >= SslMode::VerifyCa => {
            return Err(SettingsError::new(
                "sslrootcert: there is no ~/.postgresql/root.crt; name a file with the \
                 certificates of the authorities that you trust",
            ));
        }
        None => None,
    };
    let chain = match trusted {
        None => None,
        Some(roots) => {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            let verifier = builder.build();
            let verifier =
                verifier.map_err(|error| SettingsError::new(format!("sslrootcert: {error}")))?;
            // As in libpq, the server's certificate is checked as soon as there are root
            // certificates, unless encryption was only preferred.
            Some(verifier).filter(|_| mode >= SslMode::Require)
        }
    };
    let verifier = Arc::new(Verifier {
        chain,
        checks_name: mode == SslMode::VerifyFull,
        provider: Arc::clone(provider),
    });
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::new(format!("sslmode: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn read_roots(file: &Path) -> Result<RootCertStore, SettingsError> {
    if file == Path::new("system") {
        return Err(SettingsError::new(
            "sslrootcert: `system` is not supported; name a file, for example \
             /etc/ssl/certs/ca-certificates.crt",
        ));
    }
    let wrong = |error: &dyn fmt::Display| {
        SettingsError::new(format!("sslrootcert: {}: {error}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"has no certificate"));
    }
    Ok(roots)
}

/// Checks a certificate as far as the mode requires.
#[derive(Debug)]
struct Verifier {
    /// `None` accepts any certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(certificate, others, name, ocsp, now) {
            // The name is checked last, after the chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The data of one handshake.
pub(crate) struct Handshake(Option<(Arc<ClientConfig>, ServerName<'static>)>);

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let Some((config, name)) = self.0 else {
                return Err(io::Error::other("the host's name can have no certificate"));
            };
            let connector = TlsConnector::from(config);
            connector.connect(name, socket).await.map(Encrypted)
        })
    }
}

pub(crate) struct Encrypted(TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
