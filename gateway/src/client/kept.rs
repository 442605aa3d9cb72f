//! Who left a will, as it is kept over a restart: enough to ask the registry, the authorities and the revocation lists of the day on which
//! the will is due.

use super::Client;
use crate::lifecycle::Presence;
use access::{Certificate, Principal, User};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// The format that is written.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    peer: SocketAddr,
    /// The chain it showed, the client's own certificate first; in DER, base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<KeptUser>,
}

#[derive(Serialize, Deserialize)]
struct KeptUser {
    name: String,
    /// Base64.
    salt: String,
}

/// Why nobody stands for a will any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// Not what [`Client::kept`] writes.
    #[error("what is kept of the client can't be read: {0}")]
    Unreadable(String),
    /// A newer program wrote it.
    #[error("what is kept of the client has format {0}, which is newer than this program")]
    Newer(u32),
}

impl Client {
    /// The client as text, for [`Client::restore`].
    pub(super) fn kept(&self) -> String {
        let kept = Kept {
            format: FORMAT,
            peer: self.peer(),
            certificates: self.certificates().iter().map(|der| STANDARD.encode(der)).collect(),
            user: self
                .identity()
                .user()
                .map(|user| KeptUser { name: user.name.clone(), salt: STANDARD.encode(user.salt) }),
        };
        serde_json::to_string(&kept).expect("it is plain data")
    }

    /// A client of an earlier process. It may do nothing before [`crate::gateway::Gateway::still_admitted`] says what.
    ///
    /// # Errors
    /// When the text is not one that was kept.
    pub(crate) fn restore(text: &str, client_id: &str) -> Result<Self, RestoreError> {
        let unreadable = |cause: &dyn std::fmt::Display| RestoreError::Unreadable(cause.to_string());
        let kept: Kept = serde_json::from_str(text).map_err(|cause| unreadable(&cause))?;
        if kept.format > FORMAT {
            return Err(RestoreError::Newer(kept.format));
        }
        let chain: Result<Vec<_>, _> = kept.certificates.iter().map(|der| STANDARD.decode(der)).collect();
        let chain = chain.map_err(|cause| unreadable(&cause))?;
        let certificate = match chain.first() {
            Some(der) => Certificate::from_der(der).map_err(|cause| unreadable(&cause))?,
            None => Certificate::absent(),
        };
        let user = match kept.user {
            Some(KeptUser { name, salt }) => {
                let salt = STANDARD.decode(salt).ok().and_then(|salt| salt.try_into().ok());
                let salt = salt.ok_or_else(|| unreadable(&"the salt of its user is none"))?;
                Some(Arc::new(User { name, salt }))
            }
            None => None,
        };
        let principal = Principal {
            certificate: Arc::new(certificate),
            user,
            things: Arc::from([]),
            policies: Arc::from([]),
        };
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Ok(Self::new(&principal, client_id, kept.peer, chain, Presence::past()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(chain: &[CertificateDer<'static>], user: Option<User>) -> Client {
        let certificate =
            chain.first().map_or_else(Certificate::absent, |der| Certificate::from_der(der).unwrap());
        let principal = Principal {
            certificate: Arc::new(certificate),
            user: user.map(Arc::new),
            things: Arc::from([]),
            policies: Arc::from([]),
        };
        Client::new(&principal, "kiln", "192.0.2.7:1883".parse().unwrap(), chain.into(), Presence::past())
    }

    #[test]
    fn a_client_is_restored_as_it_was() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut authority =
            certs::Authority::create(folder.path(), "authority", certs::Validity::days(2)).unwrap();
        let request = certs::DeviceRequest::new("kiln", certs::Validity::days(1));
        authority.issue_devices(&[request], |_| ()).unwrap();
        let pem = std::fs::read(folder.path().join("devices/kiln.crt")).unwrap();
        let chain: Vec<CertificateDer<'static>> =
            rustls::pki_types::pem::PemObject::pem_slice_iter(&pem).map(Result::unwrap).collect();
        let user = User { name: "operator \"1\"".to_owned(), salt: [0xa7; _] };
        for (chain, user) in
            [(&chain[..], None), (&chain[..], Some(user.clone())), (&[], Some(user)), (&[], None)]
        {
            let client = client(chain, user);
            let restored = Client::restore(&client.kept(), "kiln").unwrap();
            assert_eq!(restored.fingerprint(), client.fingerprint());
            assert_eq!(restored.certificates(), client.certificates());
            assert_eq!(restored.identity().user(), client.identity().user());
            assert_eq!((restored.client_id(), restored.peer()), ("kiln", client.peer()));
            assert!(restored.identity().authorise_connect(access::ConnectAttributes::default()).is_err());
        }
    }

    #[test]
    fn what_is_not_a_client_is_said() {
        for (text, complaint) in [
            ("", "can't be read"),
            (r#"{"format":2,"peer":"192.0.2.7:1"}"#, "newer than this program"),
            (r#"{"format":1,"peer":"192.0.2.7:1","certificates":["AAAA"]}"#, "can't be read"),
            (r#"{"format":1,"peer":"192.0.2.7:1","user":{"name":"a","salt":"zz"}}"#, "can't be read"),
        ] {
            let error = Client::restore(text, "kiln").unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
