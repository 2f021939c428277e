//! Why a server was refused, and what to do about it.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

/// Returns what is wrong with the server's certificate and what to do, if that is the error.
pub(crate) fn advice(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref()?;
    let Error::InvalidCertificate(error) = error else {
        return None;
    };
    Some(match error {
        // The second one is of another authority with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority in sslrootcert has signed its certificate; name the file with the \
             authority's certificate"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; connect by the name in the certificate, or use \
             sslmode=verify-ca"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clocks of both machines"
        }
        _ => return None,
    })
}
