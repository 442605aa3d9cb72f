//! Revoking certificates and making the revocation list.

use std::path::PathBuf;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::files::{self, Readers};
use crate::index::Event;
use crate::{Authority, Error, Fingerprint, Issued, REVOCATION_LIST_DAYS, Reason, Revocation, validity};

/// A revocation list, as written to `crl.pem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// The number of the list; each list has a higher one than the list before.
    pub number: u64,
    /// When it was made.
    pub this_update: OffsetDateTime,
    /// When the next one is due.
    pub next_update: OffsetDateTime,
    /// How many certificates it revokes.
    pub revoked: usize,
    /// The list, PEM.
    pub pem: String,
    /// The file it was written to.
    pub file: PathBuf,
}

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The certificates that were asked for; those revoked earlier keep their first date and reason.
    pub certificates: Vec<Issued>,
    /// The list that names them.
    pub list: RevocationList,
}

impl Authority {
    /// Finds certificates by fingerprint, by serial number (both hex, colons allowed), or by common name; a name can
    /// give several, as a device gets a new certificate after the old one.
    ///
    /// # Errors
    /// `Error::NotFound`, with the name that is most like it.
    pub fn find(&self, which: &str) -> Result<Vec<&Issued>, Error> {
        let digits = which.replace(':', "").to_ascii_lowercase();
        let fingerprint = which.parse::<Fingerprint>().ok();
        let exact = |issued: &&Issued| Some(issued.fingerprint) == fingerprint || issued.serial == digits;
        if let Some(issued) = self.list().iter().find(exact) {
            return Ok(vec![issued]);
        }
        let named: Vec<&Issued> = self.list().iter().filter(|issued| issued.common_name == which).collect();
        if named.is_empty() {
            return Err(Error::NotFound { which: which.to_owned(), nearest: self.nearest_name(which) });
        }
        Ok(named)
    }

    /// Revokes the certificate with this fingerprint or serial number, or every certificate with this common name,
    /// and writes a new revocation list. Revoking twice does no harm.
    ///
    /// # Errors
    /// `Error::NotFound`, or about a file.
    pub fn revoke(&mut self, which: &str, reason: Reason) -> Result<Revoked, Error> {
        self.refresh()?;
        let serials: Vec<String> = self.find(which)?.iter().map(|issued| issued.serial.clone()).collect();
        let list = self.make_list(&serials, reason, REVOCATION_LIST_DAYS)?;
        let certificates =
            self.list().iter().filter(|issued| serials.contains(&issued.serial)).cloned().collect();
        Ok(Revoked { certificates, list })
    }

    /// Makes a new revocation list of everything revoked so far, valid for `days`, and writes it to `crl.pem`.
    ///
    /// # Errors
    /// About a file.
    pub fn renew_revocation_list(&mut self, days: u16) -> Result<RevocationList, Error> {
        self.make_list(&[], Reason::Unspecified, days)
    }

    fn make_list(&mut self, revoke: &[String], reason: Reason, days: u16) -> Result<RevocationList, Error> {
        let this_update = validity::now();
        // A list of zero days is due at once, but X.509 wants it to end after it begins.
        let next_update = this_update + Duration::days(i64::from(days)).max(Duration::seconds(1));
        let file = self.revocation_list_file();
        let mut locked = self.index.lock()?;
        let number = locked.revocation_list_number() + 1;
        let revocation = Revocation { at_secs: this_update.unix_timestamp(), reason };
        let mut events: Vec<Event> = locked
            .entries()
            .iter()
            .filter(|issued| issued.revocation.is_none() && revoke.contains(&issued.serial))
            .map(|issued| Event::Revoked { serial: issued.serial.clone(), revocation })
            .collect();
        events.push(Event::RevocationList {
            number,
            this_update_secs: this_update.unix_timestamp(),
            next_update_secs: next_update.unix_timestamp(),
        });
        locked.append(events)?;
        let revoked_certs: Vec<_> = locked.entries().iter().filter_map(revoked_parameters).collect();
        let revoked = revoked_certs.len();
        let list = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .map_err(Error::making("a revocation list"))?;
        let pem = list.pem().map_err(Error::making("a revocation list"))?;
        files::replace(&file, pem.as_bytes(), Readers::All)?;
        files::flush_directory(&self.directory)?;
        Ok(RevocationList { number, this_update, next_update, revoked, pem, file })
    }

    /// Whether `crl.pem` is missing, unreadable, or not the list the books speak of last.
    pub(crate) fn revocation_list_is_stale(&self) -> Result<bool, Error> {
        let Some(text) = files::read_if_present(&self.revocation_list_file())? else { return Ok(true) };
        Ok(list_number(&text) != Some(self.index.revocation_list_number()))
    }

    fn nearest_name(&self, which: &str) -> Option<String> {
        let similarity =
            |issued: &&Issued| (strsim::jaro_winkler(&issued.common_name, which) * 1000.0) as u32;
        let nearest = self.list().iter().max_by_key(similarity)?;
        (similarity(&nearest) >= 850).then(|| nearest.common_name.clone())
    }
}

fn revoked_parameters(issued: &Issued) -> Option<RevokedCertParams> {
    let revocation = issued.revocation?;
    let serial = hex::decode(&issued.serial).expect("the index refuses a serial number that is not hex");
    let revocation_time = OffsetDateTime::from_unix_timestamp(revocation.at_secs);
    Some(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: revocation_time.expect("the index refuses a time that is no date"),
        reason_code: Some(revocation.reason.to_rcgen()),
        invalidity_date: None,
    })
}

fn list_number(text: &str) -> Option<u64> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).ok()?;
    let (_, list) = CertificateRevocationList::from_der(&pem.contents).ok()?;
    list.crl_number()?.to_u64_digits().first().copied()
}
