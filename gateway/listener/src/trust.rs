//! Whom we trust: authorities, revocation lists, and the tickets that were given out under them.
//!
//! Tickets and stored sessions belong to the trust they were made under: when an authority or a revocation list
//! changes, a new trust takes its place with new ticket keys and an empty store, and every old ticket is worthless.
//! When only the server's own certificate changes, the trust stays, and with it the tickets.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
    VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::verifier::{Recording, Shown};
use crate::{ClientCertificate, LoadError, Reason, Refused, Tls, files, words};

/// One ticket is enough for a device that makes one connection at a time; each further one costs an encryption.
const TICKETS_PER_HANDSHAKE: usize = 1;

#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) digest: [u8; 32],
    verifier: Arc<dyn ClientCertVerifier>,
    resumption: Option<Resumption>,
    wanted: ClientCertificate,
}

#[derive(Debug)]
struct Resumption {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl Trust {
    pub(crate) fn load(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Self, LoadError> {
        let (verifier, digest) = match tls.client_certificate {
            ClientCertificate::None => (WebPkiClientVerifier::no_client_auth(), [0; 32]),
            wanted => verifier(tls, wanted, provider)?,
        };
        let resumption = if tls.resumption { Some(Resumption::new(tls.sessions_max)?) } else { None };
        Ok(Self {
            digest,
            verifier: Arc::new(Recording(verifier)),
            resumption,
            wanted: tls.client_certificate,
        })
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    pub(crate) fn apply_resumption(&self, config: &mut ServerConfig) {
        if let Some(resumption) = &self.resumption {
            config.ticketer = Arc::clone(&resumption.tickets);
            config.session_storage = Arc::clone(&resumption.sessions);
            config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
    }

    /// Checks the chain of a session that was resumed under this trust. Its ticket can only have been made under this
    /// very trust, so authorities and revocation lists are those the chain was verified against, and only time has
    /// passed. Asking the verifier each time would cost most of what a resumption saves.
    pub(crate) fn check_resumed(&self, chain: &[CertificateDer<'_>]) -> Result<(), Refused> {
        let now_secs = time::OffsetDateTime::now_utc().unix_timestamp();
        if !chain.is_empty() && chain.iter().all(|certificate| is_within_validity(certificate, now_secs)) {
            return Ok(());
        }
        // A chain may hold a certificate that plays no part, so only the verifier can say whether this matters.
        self.check(chain)
    }

    /// Checks a chain that was presented earlier, as a handshake now would.
    pub(crate) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), Refused> {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return match self.wanted {
                ClientCertificate::Required => {
                    Err(words::explain(&rustls::Error::NoCertificatesPresented, &Shown::default()))
                }
                ClientCertificate::Optional | ClientCertificate::None => Ok(()),
            };
        };
        if self.wanted == ClientCertificate::None {
            return Ok(());
        }
        let verdict = self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now());
        verdict.map(drop).map_err(|error| {
            let shown = Shown { certificate: Some(leaf.clone().into_owned()), turned_down: true };
            words::explain(&error, &shown)
        })
    }
}

fn is_within_validity(certificate: &CertificateDer<'_>, now_secs: i64) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, parsed)| {
        let validity = parsed.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now_secs)
    })
}

impl Resumption {
    fn new(sessions_max: usize) -> Result<Self, LoadError> {
        Ok(Self {
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new()?,
            sessions: ServerSessionMemoryCache::new(sessions_max),
        })
    }
}

type Verifier = Arc<dyn ClientCertVerifier>;

fn verifier(
    tls: &Tls,
    wanted: ClientCertificate,
    provider: &Arc<CryptoProvider>,
) -> Result<(Verifier, [u8; 32]), LoadError> {
    let mut hasher = Sha256::new();
    let roots = Arc::new(load_roots(tls, &mut hasher)?);
    let mut lists = Vec::new();
    for file in &tls.revocation_lists {
        let loaded = files::revocation_lists(file)?;
        // Building once per file is what lets the error name the file.
        build(&roots, loaded.clone(), wanted, provider)
            .map_err(|error| files::damaged("revocation list", file, &error))?;
        loaded.iter().for_each(|list| hasher.update(list));
        warn_about_lists(file, &loaded, &roots);
        lists.extend(loaded);
    }
    // The first list of an issuer is the one that counts, so the newest comes first.
    lists.sort_by_key(|list| std::cmp::Reverse(this_update_secs(list)));
    let verifier = build(&roots, lists, wanted, provider)
        .map_err(|error| LoadError::Tls(rustls::Error::General(error.to_string())))?;
    Ok((verifier, hasher.finalize().into()))
}

fn load_roots(tls: &Tls, hasher: &mut Sha256) -> Result<RootCertStore, LoadError> {
    let mut roots = RootCertStore::empty();
    for file in &tls.authorities {
        for certificate in files::certificates("authority certificate", file)? {
            hasher.update(&certificate);
            roots.add(certificate).map_err(|error| files::damaged("authority certificate", file, &error))?;
        }
    }
    // Marks where the authorities end, so that moving a certificate between the two kinds changes the digest.
    hasher.update([0xff]);
    if roots.is_empty() { Err(LoadError::NoAuthorities) } else { Ok(roots) }
}

fn build(
    roots: &Arc<RootCertStore>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    wanted: ClientCertificate,
    provider: &Arc<CryptoProvider>,
) -> Result<Verifier, VerifierBuilderError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .with_crls(lists)
        .allow_unknown_revocation_status();
    match wanted {
        ClientCertificate::Optional => builder.allow_unauthenticated().build(),
        ClientCertificate::Required | ClientCertificate::None => builder.build(),
    }
}

fn this_update_secs(list: &CertificateRevocationListDer<'_>) -> i64 {
    CertificateRevocationList::from_der(list).map_or(i64::MIN, |(_, list)| list.last_update().timestamp())
}

/// A list that is overdue, or that no trusted authority made, is most likely a mistake, but refusing every device
/// for it would be a worse one.
fn warn_about_lists(file: &Path, lists: &[CertificateRevocationListDer<'_>], roots: &RootCertStore) {
    let now = time::OffsetDateTime::now_utc();
    for (_, list) in lists.iter().filter_map(|list| CertificateRevocationList::from_der(list).ok()) {
        let issuer = list.issuer().as_raw();
        if !roots.roots.iter().any(|root| issuer.ends_with(&root.subject)) {
            tracing::warn!(file = %file.display(), issuer = %words::tame(&list.issuer().to_string()),
                "revocation list is of an authority that is not trusted, it revokes nothing here");
        }
        if let Some(due) = list.next_update().map(|due| due.to_datetime()).filter(|due| *due < now) {
            tracing::warn!(file = %file.display(), next_update = words::date(due),
                "revocation list is overdue, it still counts; fetch or make a new one");
        }
    }
}

/// What a handshake is told when no trust is there to ask.
pub(crate) fn not_tls_here() -> Refused {
    Refused::new(Reason::NoCertificate, "this listener speaks no TLS, so it knows no certificates")
}
