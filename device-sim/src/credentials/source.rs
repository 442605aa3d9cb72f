//! Where the certificates of a run's devices come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Authority, Credential, Identity, Standing, Trust, find};
use crate::error::Error;
use crate::scenario::{Certificates, Handshake, Server};

/// Gives each device of a run its TLS settings. Shared by all threads: nothing changes in it.
#[derive(Debug)]
pub struct Credentials {
    trust: Trust,
    source: Source,
}

#[derive(Debug)]
enum Source {
    None,
    Folder { path: PathBuf, pairs: Vec<Credential> },
    Authority(Box<Authority>),
}

impl Credentials {
    /// What `server` says about certificates, for `devices` devices. Makes the authority if it says so.
    ///
    /// # Errors
    /// When a file cannot be read or written, or there are too few certificates.
    pub fn prepare(server: &Server, devices: u32) -> Result<Self, Error> {
        let source = match &server.certificates {
            Certificates::None => Source::None,
            Certificates::Folder(path) => Source::Folder { path: path.clone(), pairs: find(path, devices)? },
            Certificates::Authority { certificate, key } => {
                Source::Authority(Box::new(Authority::load(certificate, key)?))
            }
            Certificates::Made(directory) => {
                let mut names = vec![server.server_name.as_str()];
                names.extend(["localhost", "127.0.0.1"].iter().filter(|name| **name != server.server_name));
                Source::Authority(Box::new(Authority::make(directory, &names)?))
            }
        };
        let resume = server.handshake == Handshake::Resumed;
        let trust = match (&server.authority, &source) {
            (Some(file), _) => Trust::load(file, resume)?,
            (None, Source::Authority(authority)) => Trust::of(vec![authority.certificate().clone()], resume)
                .map_err(|error| Error::Certificate {
                    what: "the trust in the authority".to_owned(),
                    reason: error.to_string(),
                })?,
            (None, _) => return Err(Error::Missing("--authority")),
        };
        Ok(Self { trust, source })
    }

    /// The names of the devices, in order, if the source decides them: then they are the common names of the
    /// certificates, near enough, and no others can be used.
    pub fn names(&self) -> Option<impl ExactSizeIterator<Item = &Arc<str>>> {
        match &self.source {
            Source::Folder { pairs, .. } => Some(pairs.iter().map(|pair| &pair.name)),
            _ => None,
        }
    }

    /// The settings of the device with this number, counted through all fleets, and name. Reads files or signs, so
    /// keep what it gives: a device that asks again has forgotten its session.
    ///
    /// # Errors
    /// When there is no such certificate: a file is missing or damaged, or the name cannot stand in one.
    pub fn settings(&self, device: u32, name: &str, standing: Standing) -> Result<Arc<ClientConfig>, Error> {
        let identity = match (&self.source, standing) {
            (Source::None, Standing::Valid) => None,
            (Source::None, _) => return Err(missing(name, standing, "name an authority that signs them")),
            (Source::Folder { pairs, .. }, Standing::Valid) => {
                let pair = pairs.get(device as usize).ok_or_else(|| {
                    missing(name, standing, "the folder has fewer pairs than there are devices")
                })?;
                Some(Identity::load(&pair.certificate, &pair.key)?)
            }
            (Source::Folder { path, .. }, _) => Some(from_folder_of(path, device, name, standing)?),
            (Source::Authority(authority), _) => Some(authority.issue(name, standing)?),
        };
        self.trust.settings(identity.as_ref())
    }
}

/// A folder of valid certificates may have folders `expired`, `not_yet_valid` and `revoked`. A device takes the one of
/// its name there, or any.
fn from_folder_of(folder: &Path, device: u32, name: &str, standing: Standing) -> Result<Identity, Error> {
    let folder = folder.join(standing.name());
    let own = folder.join(format!("{name}.crt"));
    if own.exists() {
        return Identity::load(&own, &own.with_extension("key"));
    }
    let advice = format!("put a pair NAME.crt and NAME.key into `{}`", folder.display());
    let any = find(&folder, 1).map_err(|_| missing(name, standing, &advice))?;
    let pair = any.get(device as usize % any.len().max(1)).ok_or_else(|| missing(name, standing, &advice))?;
    Identity::load(&pair.certificate, &pair.key)
}

fn missing(name: &str, standing: Standing, advice: &str) -> Error {
    Error::Standing { name: name.to_owned(), standing: standing.name(), advice: advice.to_owned() }
}
