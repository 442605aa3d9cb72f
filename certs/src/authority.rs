//! The authority: its certificate, its key, its directory and its books.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

use crate::files::{self, Readers};
use crate::index::Index;
use crate::issue::random_serial;
use crate::{Error, Fingerprint, Issued, Kind, Status, Validity, names, validity};

/// The longest common name, in characters (ub-common-name of RFC 5280).
pub const DEVICE_NAME_CHARACTERS_MAX: usize = 64;

/// How long a revocation list is valid unless another time is asked for, in days.
pub const REVOCATION_LIST_DAYS: u16 = 30;

/// A certificate authority that lives in a directory (see the crate's documentation for its files).
pub struct Authority {
    pub(crate) directory: PathBuf,
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) index: Index,
    not_after: OffsetDateTime,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority called `name` in `directory`, with an empty revocation list. The certificate is written
    /// last, so a directory in which this was interrupted holds no authority and can be used again.
    ///
    /// # Errors
    /// `Error::AuthorityExists` if the directory holds one; `Error::Subject` for a name that can't stand in a
    /// certificate; otherwise about a file.
    pub fn create(directory: impl AsRef<Path>, name: &str, validity: Validity) -> Result<Self, Error> {
        let directory = directory.as_ref().to_path_buf();
        names::check_subject(name).map_err(|reason| Error::Subject {
            field: "authority name",
            value: name.to_owned(),
            reason,
        })?;
        files::make_directory(&directory.join("devices"))?;
        let index = Index::open_or_create(&directory.join("issued.jsonl"))?;
        if directory.join("authority.crt").exists() || !index.entries().is_empty() {
            return Err(Error::AuthorityExists { directory });
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::making("a key"))?;
        let parameters = authority_parameters(name, validity);
        let certificate =
            parameters.self_signed(&key).map_err(Error::making("the authority's certificate"))?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        files::replace(&directory.join("authority.key"), key.serialize_pem().as_bytes(), Readers::Owner)?;
        let issuer = Issuer::new(parameters, key);
        let mut authority =
            Self { directory, issuer, certificate: der, index, not_after: validity.not_after };
        authority.renew_revocation_list(REVOCATION_LIST_DAYS)?;
        files::replace(&authority.certificate_file(), pem.as_bytes(), Readers::All)?;
        files::flush_directory(&authority.directory)?;
        Ok(authority)
    }

    /// Reads the authority in `directory`. A revocation list that is missing or older than the books, as a crash can
    /// leave it, is made anew.
    ///
    /// # Errors
    /// `Error::NoAuthority` if there is none, `Error::KeyMismatch` if key and certificate are not a pair, and errors
    /// about damaged or unreadable files.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref().to_path_buf();
        let missing = |missing| Error::NoAuthority { directory: directory.clone(), missing };
        let certificate_file = directory.join("authority.crt");
        let key_file = directory.join("authority.key");
        let certificate =
            files::read_if_present(&certificate_file)?.ok_or_else(|| missing("authority.crt"))?;
        let key = files::read_if_present(&key_file)?.ok_or_else(|| missing("authority.key"))?;
        let index = Index::open(&directory.join("issued.jsonl"))?.ok_or_else(|| missing("issued.jsonl"))?;

        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| Error::damaged(&certificate_file, &error))?;
        let key = KeyPair::from_pem(&key).map_err(|error| Error::damaged(&key_file, &error))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|error| Error::damaged(&certificate_file, &error))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(Error::KeyMismatch { key: key_file, certificate: certificate_file });
        }
        let not_after = parsed.validity().not_after.to_datetime();
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(Error::making("an issuer"))?;
        let mut authority = Self { directory, issuer, certificate, index, not_after };
        if authority.revocation_list_is_stale()? {
            authority.renew_revocation_list(REVOCATION_LIST_DAYS)?;
        }
        Ok(authority)
    }

    /// Reads the authority in `directory`, or makes one if the directory holds none.
    ///
    /// # Errors
    /// As `load` and `create`.
    pub fn load_or_create(
        directory: impl AsRef<Path>,
        name: &str,
        validity: Validity,
    ) -> Result<Self, Error> {
        match Self::load(&directory) {
            Err(Error::NoAuthority { .. }) => Self::create(directory, name, validity),
            result => result,
        }
    }

    /// The directory of the authority.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The fingerprint of the authority's certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// The last second at which the authority is valid.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// `authority.crt`.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.join("authority.crt")
    }

    /// `crl.pem`.
    pub fn revocation_list_file(&self) -> PathBuf {
        self.directory.join("crl.pem")
    }

    /// `server.crt` and `server.key`; they exist once a server certificate was issued.
    pub fn server_files(&self) -> (PathBuf, PathBuf) {
        (self.directory.join("server.crt"), self.directory.join("server.key"))
    }

    /// `devices/NAME.crt` and `devices/NAME.key` of a device.
    ///
    /// # Errors
    /// `Error::DeviceName` for a name that could lead out of the directory.
    pub fn device_files(&self, common_name: &str) -> Result<(PathBuf, PathBuf), Error> {
        names::check_device_name(common_name)?;
        let devices = self.directory.join("devices");
        Ok((devices.join(format!("{common_name}.crt")), devices.join(format!("{common_name}.key"))))
    }

    /// What was issued, oldest first, as of the last change made through this value or `refresh`.
    pub fn list(&self) -> &[Issued] {
        self.index.entries()
    }

    /// Reads what other processes have issued or revoked meanwhile.
    ///
    /// # Errors
    /// About `issued.jsonl`.
    pub fn refresh(&mut self) -> Result<(), Error> {
        self.index.lock().map(drop)
    }

    /// The latest certificate of this kind and common name that is valid now.
    pub fn valid(&self, kind: Kind, common_name: &str) -> Option<&Issued> {
        let now = validity::now();
        self.list().iter().rev().find(|issued| {
            issued.kind == kind && issued.common_name == common_name && issued.status(now) == Status::Valid
        })
    }
}

fn authority_parameters(name: &str, validity: Validity) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = validity.not_before;
    parameters.not_after = validity.not_after;
    parameters.serial_number = Some(random_serial());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}
