//! The registry itself: reads from memory, writes to disk first.

use crate::changes::{Announcer, Changes};
use crate::draft::Draft;
use crate::state::{PolicyEntry, State, ThingEntry};
use crate::store::Store;
use crate::{
    CertificateRecord, CertificateStatus, Operation, Page, PolicyRecord, RegisterUnknown, RegistryError,
    RegistryLimits, ThingRecord, UserRecord,
};
use access::{Certificate, Fingerprint};
use journal::state::StateStore;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// How the registry behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to do with a certificate that is trusted but not registered.
    pub register_unknown: RegisterUnknown,
    /// How often the password of a user that does not exist is said to be hashed: as often as those of most users are.
    pub password_iterations: u32,
    /// How much may be declared.
    pub limits: RegistryLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            register_unknown: RegisterUnknown::default(),
            password_iterations: access::scram::ITERATIONS_DEFAULT,
            limits: RegistryLimits::default(),
        }
    }
}

/// Things, certificates, users and policies. Shared by reference counting.
pub struct Registry {
    pub(crate) settings: Settings,
    pub(crate) decoy_secret: [u8; 32],
    pub(crate) state: RwLock<State>,
    /// Held by the one call that writes, over its fsync; readers do not wait for it.
    writer: Mutex<Store>,
    announcer: Announcer,
}

impl Registry {
    /// Opens the registry in a state store and reads all of it.
    ///
    /// # Errors
    /// When the store fails, or a row cannot be read or names something that is not there.
    pub fn open(store: &StateStore, settings: Settings) -> Result<Arc<Self>, RegistryError> {
        let store = Store::open(store)?;
        let rows = store.rows()?;
        let mut state = State::default();
        for record in rows.policies {
            // What was accepted stays, also when the limit is lower now.
            let entry = PolicyEntry::compile(record, usize::MAX)?;
            state.policies.insert(entry.record.name.clone(), entry);
        }
        for record in rows.things {
            state.things.insert(record.name.clone(), ThingEntry::new(record));
        }
        for record in rows.certificates {
            check_attached(&record, &state)?;
            state.put_certificate(record.fingerprint, Some(record));
        }
        for record in rows.users {
            check_user(&record, &state)?;
            let name = record.name.clone();
            state.put_user(&name, Some(record));
        }
        let decoy_secret = store.installation(rand::random())?.decoy_secret;
        let (state, writer) = (RwLock::new(state), Mutex::new(store));
        Ok(Arc::new(Self { settings, decoy_secret, state, writer, announcer: Announcer::new() }))
    }

    /// Announcements of every change made from now on.
    ///
    /// A connection must not slip between being authenticated and being known to whoever reads these: make it known
    /// first, and [`authenticate`](Self::authenticate) it once more then.
    pub fn changes(&self) -> Changes {
        self.announcer.subscribe()
    }

    /// Makes any number of changes as one: with one fsync, all of them or none. Blocks.
    ///
    /// # Errors
    /// When one of them is not possible; nothing is changed then. When the store fails; what a restart will find is not
    /// known then.
    pub fn apply(&self, operations: impl IntoIterator<Item = Operation>) -> Result<(), RegistryError> {
        self.write(|draft| operations.into_iter().try_for_each(|operation| draft.apply(operation)))
    }

    /// Works out a change on what is declared at this moment, makes it durable, puts it in force and announces it.
    pub(crate) fn write(
        &self,
        change: impl FnOnce(&mut Draft<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let store = self.writer.lock();
        let outcome = {
            let state = self.state.read();
            let mut draft = Draft::new(&state, &self.settings.limits);
            change(&mut draft)?;
            draft.into_outcome()?
        };
        if outcome.is_empty() {
            return Ok(());
        }
        let affected: Arc<[Fingerprint]> = outcome.affected.iter().copied().collect();
        let affected_users: Arc<[String]> = outcome.affected_users.iter().cloned().collect();
        store.write(&outcome)?;
        self.state.write().apply(outcome);
        // Announced under the writer's lock, so that announcements come in the order of the changes.
        self.announcer.announce(affected, affected_users);
        Ok(())
    }

    /// Registers a certificate; see [`Operation::RegisterCertificate`]. `now_ms` is the time in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn register_certificate(
        &self,
        certificate: &Certificate,
        status: CertificateStatus,
        now_ms: u64,
    ) -> Result<(), RegistryError> {
        self.apply([Operation::RegisterCertificate(CertificateRecord::new(certificate, status, now_ms))])
    }

    /// Sets the status of a certificate. Its connections are cut unless it is active.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn update_certificate_status(
        &self,
        certificate: Fingerprint,
        status: CertificateStatus,
    ) -> Result<(), RegistryError> {
        self.apply([Operation::UpdateCertificateStatus { certificate, status }])
    }

    /// Creates a thing.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn create_thing(
        &self,
        name: &str,
        thing_type: Option<&str>,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        let (name, thing_type) = (name.to_owned(), thing_type.map(str::to_owned));
        self.apply([Operation::CreateThing { name, thing_type, attributes }])
    }

    /// Creates a policy from its document.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); [`RegistryError::Policy`] has the place of what is wrong in the document.
    pub fn create_policy(&self, name: &str, document: &str) -> Result<(), RegistryError> {
        self.apply([Operation::CreatePolicy { name: name.to_owned(), document: document.to_owned() }])
    }

    /// Gives a policy a new document, in force at once for live connections too.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn update_policy(&self, name: &str, document: &str) -> Result<(), RegistryError> {
        self.apply([Operation::UpdatePolicy { name: name.to_owned(), document: document.to_owned() }])
    }

    /// Attaches a policy to a certificate.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn attach_policy(&self, policy: &str, certificate: Fingerprint) -> Result<(), RegistryError> {
        self.apply([Operation::AttachPolicy { policy: policy.to_owned(), certificate }])
    }

    /// Attaches a thing to a certificate.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn attach_thing_principal(&self, thing: &str, certificate: Fingerprint) -> Result<(), RegistryError> {
        self.apply([Operation::AttachThingPrincipal { thing: thing.to_owned(), certificate }])
    }

    /// The row of a certificate.
    pub fn certificate(&self, certificate: &Fingerprint) -> Option<Arc<CertificateRecord>> {
        self.state.read().certificates.get(certificate).cloned()
    }

    /// The row of a thing.
    pub fn thing(&self, name: &str) -> Option<ThingRecord> {
        self.state.read().things.get(name).map(|entry| entry.record.clone())
    }

    /// The row of a policy.
    pub fn policy(&self, name: &str) -> Option<PolicyRecord> {
        self.state.read().policies.get(name).map(|entry| entry.record.clone())
    }

    /// The certificates a thing is attached to, in order.
    pub fn list_thing_principals(&self, thing: &str) -> Vec<Fingerprint> {
        self.state.read().certificates_of_thing(thing).copied().collect()
    }

    /// The certificates a policy is attached to, in order.
    pub fn list_targets_for_policy(&self, policy: &str) -> Vec<Fingerprint> {
        self.state.read().certificates_of_policy(policy).copied().collect()
    }

    /// A page of at most `length` certificates, after the one a previous page ended with.
    pub fn list_certificates(
        &self,
        after: Option<Fingerprint>,
        length: usize,
    ) -> Page<Arc<CertificateRecord>> {
        let state = self.state.read();
        let rows =
            state.certificates.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Page::take(rows.map(|(fingerprint, record)| (fingerprint.to_string(), Arc::clone(record))), length)
    }

    /// A page of at most `length` things, after the name a previous page ended with.
    pub fn list_things(&self, after: Option<&str>, length: usize) -> Page<ThingRecord> {
        let state = self.state.read();
        let rows =
            state.things.range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Page::take(rows.map(|(name, entry)| (name.clone(), entry.record.clone())), length)
    }

    /// A page of at most `length` policies, after the name a previous page ended with.
    pub fn list_policies(&self, after: Option<&str>, length: usize) -> Page<PolicyRecord> {
        let state = self.state.read();
        let rows = state
            .policies
            .range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Page::take(rows.map(|(name, entry)| (name.clone(), entry.record.clone())), length)
    }

    /// How many certificates are registered.
    pub fn certificate_count(&self) -> usize {
        self.state.read().certificates.len()
    }
}

fn check_attached(record: &CertificateRecord, state: &State) -> Result<(), RegistryError> {
    let policy = record.policies.iter().find(|name| !state.policies.contains_key(*name));
    let thing = record.things.iter().find(|name| !state.things.contains_key(*name));
    // Without the policy it names a certificate might be allowed what that policy denies.
    match policy.map(|name| ("policy", name)).or(thing.map(|name| ("thing", name))) {
        None => Ok(()),
        Some((what, name)) => Err(RegistryError::Corrupt {
            table: "registry-certificates",
            key: record.fingerprint.to_string(),
            reason: format!(
                "it names the {what} `{name}`, which is not there; restore the directory from a copy"
            ),
        }),
    }
}

fn check_user(record: &UserRecord, state: &State) -> Result<(), RegistryError> {
    let missing = record.policies.iter().find(|name| !state.policies.contains_key(*name));
    missing.map_or(Ok(()), |name| {
        Err(RegistryError::Corrupt {
            table: "registry-users",
            key: record.name.clone(),
            reason: format!(
                "it names the policy `{name}`, which is not there; restore the directory from a copy"
            ),
        })
    })
}

#[cfg(test)]
mod tests;
