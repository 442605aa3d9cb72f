//! What TLS is spoken with right now, and how it is replaced.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::identity::Identity;
use crate::trust::Trust;
use crate::{LoadError, Tls, Versions};

/// What a reload changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The server's certificate or key is another one.
    pub identity_changed: bool,
    /// Authorities or revocation lists changed; old tickets are worthless, and connections that were accepted before
    /// should be checked again.
    pub trust_changed: bool,
}

impl Reloaded {
    /// Whether anything changed.
    pub fn anything(self) -> bool {
        self.identity_changed || self.trust_changed
    }
}

const TLS_12_AND_13: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const TLS_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// Reads the files as a listener would, without listening.
///
/// # Errors
/// The first file that can't be used, and why.
pub fn check_files(tls: &Tls) -> Result<(), LoadError> {
    Current::load(tls).map(drop)
}

/// Everything a handshake needs, replaced as a whole.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) trust: Arc<Trust>,
    pub(crate) config: Arc<ServerConfig>,
    identity: Arc<Identity>,
}

impl Current {
    pub(crate) fn load(tls: &Tls) -> Result<Self, LoadError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let identity = Arc::new(Identity::load(tls, &provider)?);
        let trust = Arc::new(Trust::load(tls, &provider)?);
        Self::assemble(tls, provider, identity, trust)
    }

    /// Reads the files again; what is unchanged is kept, above all the tickets of an unchanged trust.
    pub(crate) fn reload(&self, tls: &Tls) -> Result<(Self, Reloaded), LoadError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut identity = Arc::new(Identity::load(tls, &provider)?);
        let mut trust = Arc::new(Trust::load(tls, &provider)?);
        let reloaded = Reloaded {
            identity_changed: identity.digest != self.identity.digest,
            trust_changed: trust.digest != self.trust.digest,
        };
        if !reloaded.identity_changed {
            identity = Arc::clone(&self.identity);
        }
        if !reloaded.trust_changed {
            trust = Arc::clone(&self.trust);
        }
        Ok((Self::assemble(tls, provider, identity, trust)?, reloaded))
    }

    fn assemble(
        tls: &Tls,
        provider: Arc<CryptoProvider>,
        identity: Arc<Identity>,
        trust: Arc<Trust>,
    ) -> Result<Self, LoadError> {
        let versions = match tls.versions {
            Versions::Tls12And13 => TLS_12_AND_13,
            Versions::Tls13 => TLS_13,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(trust.verifier())
            .with_cert_resolver(identity.resolver());
        config.alpn_protocols = tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        trust.apply_resumption(&mut config);
        Ok(Self { trust, config: Arc::new(config), identity })
    }
}
