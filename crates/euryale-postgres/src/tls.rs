//! Encryption through rustls, with the feature `tls`.

#[cfg(feature = "tls")]
mod encrypted;

#[cfg(feature = "tls")]
mod refusal;

#[cfg(feature = "tls")]
pub(crate) use self::encrypted::Tls;
#[cfg(not(feature = "tls"))]
pub(crate) use self::plain::Tls;
#[cfg(feature = "tls")]
pub(crate) use self::refusal::advice;

/// Without encryption, no certificate is refused.
#[cfg(not(feature = "tls"))]
pub(crate) fn advice(_: &std::io::Error) -> Option<&'static str> {
    None
}

#[cfg(not(feature = "tls"))]
mod plain {
    use tokio_postgres::NoTls;
    use tokio_postgres::config::SslMode as Wanted;

    use crate::settings::{Host, Settings, SettingsError, SslMode};

    /// No encryption.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls;

    impl Tls {
        pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
            if settings.ssl_mode > SslMode::Prefer {
                return Err(SettingsError::new(
                    "sslmode: encryption needs the feature `tls` of euryale-postgres",
                ));
            }
            Ok(Self)
        }

        pub(crate) fn handshake(&self, _: &Host) -> (NoTls, Wanted) {
            (NoTls, Wanted::Disable)
        }
    }
}
