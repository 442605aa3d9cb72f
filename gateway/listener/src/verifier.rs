//! A client-certificate verifier that remembers, for the handshake that runs, what the client showed. rustls hands the
//! chain out only when a handshake succeeds, but it is the failed ones whose certificate has to be named.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

tokio::task_local! {
    /// What the client of the running handshake showed. rustls calls the verifier while the handshake's future is
    /// polled, so this is always the handshake in question.
    pub(crate) static SHOWN: RefCell<Shown>;
}

/// The certificate a client showed, and whether the verifier turned it down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) turned_down: bool,
}

#[derive(Debug)]
pub(crate) struct Recording(pub(crate) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Recording {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.0.verify_client_cert(end_entity, intermediates, now);
        let shown =
            Shown { certificate: Some(end_entity.clone().into_owned()), turned_down: verdict.is_err() };
        // Outside a handshake, when a chain is checked again, nobody asks for the record.
        let _ = SHOWN.try_with(|record| record.replace(shown));
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
