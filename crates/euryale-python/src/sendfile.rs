//! Files that an application names in `X-Sendfile` or `X-Accel-Redirect`.

use std::io;
use std::sync::Arc;

use euryale::blob::ServeFolder;
use euryale::body::Descriptors;
use euryale::{Blob, Body, Response};
use euryale_wsgi::{Mount, NamedFile, Settings};
use http::header::CONTENT_ENCODING;
use pyo3::prelude::*;

use crate::answers::{Asked, internal_error, not_found};
use crate::file;
use crate::statics::existing;

/// The codings for which a client gets conditions and ranges, as for a file without a coding.
const CODINGS: [&str; 4] = ["br", "zstd", "gzip", "deflate"];

/// The folders of the setting `sendfile`.
#[derive(Clone)]
pub(crate) struct Sendfile(Arc<[(Mount, ServeFolder)]>);

impl Sendfile {
    /// Finds the folders, so that a mistake ends the start.
    ///
    /// # Errors
    /// A message of one line that names the setting.
    pub(crate) fn new(settings: &Settings, descriptors: &Descriptors) -> Result<Self, String> {
        let mut all = Vec::new();
        for Mount { url, folder } in &settings.sendfile {
            let named = existing(folder).map_err(|what| format!("sendfile: {what}"))?;
            let files = file::folder(&named).descriptors(descriptors);
            // Some frameworks resolve the links in the paths that they name.
            let real = named.canonicalize().unwrap_or_else(|_| named.clone());
            for folder in [named, real] {
                let url = url.clone();
                all.push((Mount { url, folder }, files.clone()));
            }
        }
        // The deepest folder counts.
        all.sort_by_key(|(mount, _)| std::cmp::Reverse(mount.folder.components().count()));
        Ok(Self(all.into()))
    }

    /// Returns the answer with the file that the application has named, if it has named one.
    pub(crate) fn fill(&self, py: Python<'_>, asked: &Asked, mut response: Response) -> Response {
        let Some(named) = response.extensions_mut().remove::<NamedFile>() else {
            return response;
        };
        match py.detach(|| self.open(&named)) {
            Found::File(blob) => with_file(response, blob),
            Found::Nothing => {
                tracing::warn!("{asked}: there is no file {named}");
                not_found()
            }
            Found::Outside => {
                tracing::error!("{asked}: no folder of the setting sendfile has {named}");
                internal_error()
            }
            Found::Error(error) if Descriptors::are_exhausted(&error) => asked.no_room(),
            Found::Error(error) => {
                tracing::error!("{asked}: {named}: {error}");
                internal_error()
            }
        }
    }

    fn open(&self, named: &NamedFile) -> Found {
        let mut found = Found::Outside;
        for (mount, folder) in &*self.0 {
            for name in named.below(mount) {
                match folder.open(name) {
                    Ok(Some(blob)) => return Found::File(blob),
                    Ok(None) => found = Found::Nothing,
                    Err(error) => return Found::Error(error),
                }
            }
        }
        found
    }
}

enum Found {
    File(Blob),
    /// The name is below a folder, where there is no such file.
    Nothing,
    /// The name is below no folder.
    Outside,
    Error(io::Error),
}

fn with_file(response: Response, blob: Blob) -> Response {
    let coding = response.headers().get(CONTENT_ENCODING);
    let coding = CODINGS
        .iter()
        .find(|known| coding.is_some_and(|coding| coding == **known));
    let blob = match coding {
        Some(coding) => blob.coded(coding),
        None => blob,
    };
    response.map(|_| Body::from(blob))
}
