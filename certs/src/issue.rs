//! Issuing: a fresh key, a certificate for it, a line in the books, and the two files.

use std::fmt;
use std::path::PathBuf;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{self, Readers};
use crate::index::Event;
use crate::{Authority, Error, Fingerprint, Issued, Kind, Validity, names, validity};

/// How many certificates share one flush of the books and of the directory.
const BATCH_CERTIFICATES_MAX: usize = 128;

/// What a device certificate shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The device's name.
    pub common_name: String,
    /// Who owns it.
    pub organization: Option<String>,
    /// From when until when it is valid.
    pub validity: Validity,
}

impl DeviceRequest {
    /// A request without an organization.
    pub fn new(common_name: impl Into<String>, validity: Validity) -> Self {
        Self { common_name: common_name.into(), organization: None, validity }
    }

    fn check(&self) -> Result<(), Error> {
        names::check_device_name(&self.common_name)?;
        self.organization.as_deref().map_or(Ok(()), names::check_organization)
    }
}

/// A certificate that was just issued, its private key, and where both are.
#[derive(Clone)]
pub struct Credentials {
    /// The entry in the books.
    pub issued: Issued,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The file with the certificate, PEM.
    pub certificate_file: PathBuf,
    /// The file with the private key, PEM, mode 0600.
    pub key_file: PathBuf,
    key: Vec<u8>,
}

impl Credentials {
    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// Without the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("issued", &self.issued)
            .field("certificate_file", &self.certificate_file)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Issues a server certificate for DNS names and IP addresses, and makes it the one in `server.crt`. The one that
    /// was there stays valid until it expires or is revoked.
    ///
    /// # Errors
    /// About a name, the validity, or a file.
    pub fn issue_server(
        &mut self,
        names: &[impl AsRef<str>],
        validity: Validity,
    ) -> Result<Credentials, Error> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let alternatives = names.iter().map(|name| names::server_name(name)).collect::<Result<_, _>>()?;
        let first = names.first().ok_or(Error::NoServerName)?;
        // A common name is decoration on a server certificate, where only the alternative names count.
        let common_name: String = first.chars().take(crate::DEVICE_NAME_CHARACTERS_MAX).collect();
        let draft =
            Draft { kind: Kind::Server, common_name, organization: None, names, alternatives, validity };
        let made = self.sign(draft)?;
        let mut issued = self.record_and_write(vec![(made, self.server_files())])?;
        issued.pop().ok_or(Error::NoServerName)
    }

    /// Issues one device certificate.
    ///
    /// # Errors
    /// `Error::AlreadyIssued` if the device has a valid one, with its files; otherwise about a name, the validity, or
    /// a file.
    pub fn issue_device(
        &mut self,
        common_name: &str,
        organization: Option<&str>,
        validity: Validity,
    ) -> Result<Credentials, Error> {
        let organization = organization.map(str::to_owned);
        let request = DeviceRequest { common_name: common_name.to_owned(), organization, validity };
        let mut issued = self.issue_devices(std::slice::from_ref(&request), |_| ())?;
        Ok(issued.pop().expect("one request gives one certificate"))
    }

    /// Issues many device certificates; `progress` is told after each batch how many are done. All requests are
    /// checked before the first certificate is issued.
    ///
    /// # Errors
    /// As `issue_device`. After an error about a file, the batches that were reported done stay issued.
    pub fn issue_devices(
        &mut self,
        requests: &[DeviceRequest],
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Credentials>, Error> {
        self.refresh()?;
        self.check_requests(requests)?;
        let mut all = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH_CERTIFICATES_MAX) {
            let made =
                batch.iter().map(|request| self.sign_device(request)).collect::<Result<Vec<_>, _>>()?;
            all.extend(self.record_and_write(made)?);
            progress(all.len());
        }
        Ok(all)
    }

    fn check_requests(&self, requests: &[DeviceRequest]) -> Result<(), Error> {
        let mut names = std::collections::HashSet::new();
        let now = validity::now();
        let valid: std::collections::HashSet<&str> = self
            .list()
            .iter()
            .filter(|issued| issued.kind == Kind::Device && issued.status(now) == crate::Status::Valid)
            .map(|issued| issued.common_name.as_str())
            .collect();
        for request in requests {
            request.check()?;
            self.check_validity(request.validity)?;
            let (certificate, key) = self.device_files(&request.common_name)?;
            // Books without files are what a crash leaves: the key is lost, so the name is free.
            let taken = valid.contains(request.common_name.as_str()) && certificate.exists() && key.exists();
            if taken || !names.insert(request.common_name.as_str()) {
                return Err(Error::AlreadyIssued { name: request.common_name.clone(), file: certificate });
            }
        }
        Ok(())
    }

    fn check_validity(&self, validity: Validity) -> Result<(), Error> {
        if validity.not_after > self.not_after() {
            return Err(Error::OutlivesAuthority {
                not_after: validity::date(validity.not_after),
                authority_not_after: validity::date(self.not_after()),
            });
        }
        Ok(())
    }

    fn sign_device(&self, request: &DeviceRequest) -> Result<(Made, (PathBuf, PathBuf)), Error> {
        let files = self.device_files(&request.common_name)?;
        let made = self.sign(Draft {
            kind: Kind::Device,
            common_name: request.common_name.clone(),
            organization: request.organization.clone(),
            names: Vec::new(),
            alternatives: Vec::new(),
            validity: request.validity,
        })?;
        Ok((made, files))
    }

    fn sign(&self, draft: Draft) -> Result<Made, Error> {
        self.check_validity(draft.validity)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::making("a key"))?;
        let serial = random_serial();
        let parameters = draft.parameters(serial.clone());
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(Error::making("a certificate"))?;
        let issued = Issued {
            kind: draft.kind,
            serial: hex::encode(serial.to_bytes()),
            fingerprint: Fingerprint::of(certificate.der()),
            common_name: draft.common_name,
            organization: draft.organization,
            names: draft.names,
            issued_at_secs: validity::now().unix_timestamp(),
            not_before_secs: draft.validity.not_before.unix_timestamp(),
            not_after_secs: draft.validity.not_after.unix_timestamp(),
            revocation: None,
        };
        Ok(Made { issued, certificate, key })
    }

    /// Books first: a certificate that exists can then always be found and revoked.
    fn record_and_write(
        &mut self,
        batch: Vec<(Made, (PathBuf, PathBuf))>,
    ) -> Result<Vec<Credentials>, Error> {
        let events = batch.iter().map(|(made, _)| Event::Issued(made.issued.clone())).collect();
        // The lock covers the files as well: two processes that renew the server's certificate must not leave the
        // key of one beside the certificate of the other.
        let mut locked = self.index.lock()?;
        locked.append(events)?;
        let mut written = Vec::with_capacity(batch.len());
        for (made, (certificate_file, key_file)) in batch {
            written.push(made.write(certificate_file, key_file)?);
        }
        if let Some(directory) = written.first().and_then(|credentials| credentials.key_file.parent()) {
            files::flush_directory(directory)?;
        }
        Ok(written)
    }
}

/// What a certificate shall say, server or device.
struct Draft {
    kind: Kind,
    common_name: String,
    organization: Option<String>,
    names: Vec<String>,
    alternatives: Vec<SanType>,
    validity: Validity,
}

impl Draft {
    fn parameters(&self, serial: SerialNumber) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        if let Some(organization) = &self.organization {
            parameters.distinguished_name.push(DnType::OrganizationName, organization);
        }
        parameters.distinguished_name.push(DnType::CommonName, &self.common_name);
        parameters.subject_alt_names.clone_from(&self.alternatives);
        parameters.not_before = self.validity.not_before;
        parameters.not_after = self.validity.not_after;
        parameters.serial_number = Some(serial);
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![match self.kind {
            Kind::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Kind::Device => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        parameters
    }
}

/// Signed, but neither in the books nor on disk yet.
struct Made {
    issued: Issued,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Made {
    fn write(self, certificate_file: PathBuf, key_file: PathBuf) -> Result<Credentials, Error> {
        files::replace(&key_file, self.key.serialize_pem().as_bytes(), Readers::Owner)?;
        files::replace(&certificate_file, self.certificate.pem().as_bytes(), Readers::All)?;
        Ok(Credentials {
            issued: self.issued,
            certificate: self.certificate.der().clone(),
            certificate_file,
            key_file,
            key: self.key.serialize_der(),
        })
    }
}

/// 16 random bytes, always positive and always written with the same length.
pub(crate) fn random_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}
