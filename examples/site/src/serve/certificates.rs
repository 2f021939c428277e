//! The certificates that the site presents, and its key.

use euryale_server::rustls::{ServerConfig, crypto};
use euryale_server::{PemError, Tls};

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
    let read = Tls::read_pem(certificates, key, crypto::aws_lc_rs::default_provider());
    read.map(Some).map_err(|error| {
        let path = match &error {
            PemError::Key(_) => key,
            PemError::Certificates(_) | PemError::Unusable(_) => certificates,
        };
        StartError::new(error, path.display(), "see --tls-cert and --tls-key")
    })
}
