//! An authority that signs certificates for devices as they are needed.

mod files;

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use super::{Identity, certificates, content};
use crate::error::Error;

/// The most that a certificate can say as a common name [X.520].
const NAME_CHARACTERS_MAX: usize = 64;
/// How long an authority made here, and what it signs, is of use. Runs are shorter.
const VALID: Duration = Duration::days(30);
/// Clocks differ a little.
const BACKDATED: Duration = Duration::hours(1);
/// The serial number of every certificate that is made to be refused as revoked, so that a revocation list can name
/// them before there are any.
const REVOKED_SERIAL: [u8; 16] = *b"device-sim-bad-1";

/// Whether a server should accept a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It should.
    #[default]
    Valid,
    /// Its validity ended yesterday.
    Expired,
    /// Its validity begins tomorrow.
    NotYetValid,
    /// The revocation list of the authority names it.
    Revoked,
}

impl Standing {
    /// In words, and as the name of a folder below that of the valid ones.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
        }
    }
}

/// Signs certificates. All share one key, because making a key takes longer than signing, and simulated devices have
/// nothing to hide from each other.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    device_key: KeyPair,
    signing: Arc<dyn SigningKey>,
}

/// Without keys.
impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// An authority that exists, by its certificate and private key, both PEM.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        const CERTIFICATE: &str = "authority certificate";
        const KEY: &str = "authority key";
        let der = certificates(CERTIFICATE, certificate)?.swap_remove(0);
        let text = std::fs::read_to_string(key).map_err(|source| Error::Read {
            what: KEY,
            path: key.to_owned(),
            source,
            advice: "check the path and who may read it",
        })?;
        let key_pair = KeyPair::from_pem(&text).map_err(|error| content(KEY, key, error))?;
        let issuer = Issuer::from_ca_cert_der(&der, key_pair)
            .map_err(|error| content(CERTIFICATE, certificate, error))?;
        Self::new(der, issuer)
    }

    /// The authority in `directory`, made with a server certificate for `server_names` if there is none. See
    /// [`files`] for what is written there.
    ///
    /// # Errors
    /// When a file cannot be read or written, or a name cannot stand in a certificate.
    pub fn make(directory: &Path, server_names: &[&str]) -> Result<Self, Error> {
        files::make(directory, server_names)
    }

    fn new(certificate: CertificateDer<'static>, issuer: Issuer<'static, KeyPair>) -> Result<Self, Error> {
        let device_key = new_key()?;
        let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(device_key.serialize_der()));
        let signing = any_supported_type(&secret).map_err(|error| cannot("a key", error))?;
        Ok(Self { certificate, issuer, device_key, signing })
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs a certificate whose common name is `name`.
    ///
    /// # Errors
    /// When the name is empty or too long for a certificate.
    pub fn issue(&self, name: &str, standing: Standing) -> Result<Identity, Error> {
        let what = || format!("a certificate for `{name}`");
        let characters = name.chars().count();
        if characters == 0 || characters > NAME_CHARACTERS_MAX {
            let reason = format!("a common name has 1 to {NAME_CHARACTERS_MAX} characters, not {characters}");
            return Err(Error::Certificate { what: what(), reason });
        }
        let mut parameters = parameters(name);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = OffsetDateTime::now_utc();
        match standing {
            Standing::Valid => {}
            Standing::Revoked => parameters.serial_number = Some(SerialNumber::from_slice(&REVOKED_SERIAL)),
            Standing::Expired => {
                parameters.not_before = now - VALID;
                parameters.not_after = now - Duration::DAY;
            }
            Standing::NotYetValid => parameters.not_before = now + Duration::DAY,
        }
        let signed = parameters.signed_by(&self.device_key, &self.issuer);
        let signed = signed.map_err(|error| cannot(&what(), error))?;
        Ok(Identity::of(signed.der().clone(), Arc::clone(&self.signing)))
    }

    /// The revocation list, PEM. It names the certificates of [`Standing::Revoked`], issued or not.
    ///
    /// # Errors
    /// When the authority may not sign revocation lists.
    pub fn revocation_list(&self) -> Result<String, Error> {
        let now = OffsetDateTime::now_utc();
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(&REVOKED_SERIAL),
            revocation_time: now - BACKDATED,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: now + VALID,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).and_then(|list| list.pem());
        list.map_err(|error| cannot("a revocation list", error))
    }
}

/// What every certificate made here says.
fn parameters(name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = now - BACKDATED;
    parameters.not_after = now + VALID;
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

/// What an authority's own certificate says.
fn authority_parameters() -> CertificateParams {
    let mut parameters = parameters("device-sim authority");
    // It outlives what it signs.
    parameters.not_after += BACKDATED;
    parameters.use_authority_key_identifier_extension = false;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| cannot("a key", error))
}

fn cannot(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Certificate { what: what.to_owned(), reason: error.to_string() }
}
