//! The copy in memory: what is declared now, with the ways back from a policy or a thing to its certificates and users.

use crate::draft::Outcome;
use crate::record::{CertificateRecord, PolicyRecord, ThingRecord, UserRecord};
use access::{Fingerprint, Policy, PolicyLimits, Thing};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A thing's row and the form that policies use.
#[derive(Clone, Debug)]
pub(crate) struct ThingEntry {
    pub(crate) record: ThingRecord,
    pub(crate) thing: Arc<Thing>,
}

impl ThingEntry {
    pub(crate) fn new(record: ThingRecord) -> Self {
        let ThingRecord { name, thing_type, attributes, .. } = record.clone();
        Self { record, thing: Arc::new(Thing { name, thing_type, attributes }) }
    }
}

/// A policy's row and its compiled form.
#[derive(Clone, Debug)]
pub(crate) struct PolicyEntry {
    pub(crate) record: PolicyRecord,
    pub(crate) policy: Arc<Policy>,
}

impl PolicyEntry {
    pub(crate) fn compile(
        record: PolicyRecord,
        document_characters_max: usize,
    ) -> Result<Self, crate::RegistryError> {
        match Policy::parse(&record.name, &record.document, PolicyLimits { document_characters_max }) {
            Ok(policy) => Ok(Self { record, policy: Arc::new(policy) }),
            Err(error) => Err(crate::RegistryError::Policy { name: record.name, error: Box::new(error) }),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) certificates: BTreeMap<Fingerprint, Arc<CertificateRecord>>,
    pub(crate) things: BTreeMap<String, ThingEntry>,
    pub(crate) policies: BTreeMap<String, PolicyEntry>,
    pub(crate) users: BTreeMap<String, Arc<UserRecord>>,
    of_policy: HashMap<String, BTreeSet<Fingerprint>>,
    of_thing: HashMap<String, BTreeSet<Fingerprint>>,
    users_of_policy: HashMap<String, BTreeSet<String>>,
}

impl State {
    /// The certificates that the policy is attached to, in order.
    pub(crate) fn certificates_of_policy(&self, policy: &str) -> impl Iterator<Item = &Fingerprint> {
        self.of_policy.get(policy).into_iter().flatten()
    }

    /// The certificates that the thing is attached to, in order.
    pub(crate) fn certificates_of_thing(&self, thing: &str) -> impl Iterator<Item = &Fingerprint> {
        self.of_thing.get(thing).into_iter().flatten()
    }

    /// The users that the policy is attached to, in order.
    pub(crate) fn users_of_policy(&self, policy: &str) -> impl Iterator<Item = &String> {
        self.users_of_policy.get(policy).into_iter().flatten()
    }

    /// Takes over what an operation made of it.
    pub(crate) fn apply(&mut self, outcome: Outcome) {
        for (fingerprint, record) in outcome.certificates {
            self.put_certificate(fingerprint, record);
        }
        for (name, record) in outcome.users {
            self.put_user(&name, record);
        }
        for (name, thing) in outcome.things {
            match thing {
                Some(thing) => drop(self.things.insert(name, thing)),
                None => drop(self.things.remove(&name)),
            }
        }
        for (name, policy) in outcome.policies {
            match policy {
                Some(policy) => drop(self.policies.insert(name, policy)),
                None => drop(self.policies.remove(&name)),
            }
        }
    }

    pub(crate) fn put_certificate(&mut self, fingerprint: Fingerprint, record: Option<CertificateRecord>) {
        let record = record.map(Arc::new);
        let before = match &record {
            Some(record) => self.certificates.insert(fingerprint, Arc::clone(record)),
            None => self.certificates.remove(&fingerprint),
        };
        if let Some(before) = before {
            before.policies.iter().for_each(|name| unlink(&mut self.of_policy, name, &fingerprint));
            before.things.iter().for_each(|name| unlink(&mut self.of_thing, name, &fingerprint));
        }
        if let Some(record) = record {
            record.policies.iter().for_each(|name| link(&mut self.of_policy, name, fingerprint));
            record.things.iter().for_each(|name| link(&mut self.of_thing, name, fingerprint));
        }
    }

    pub(crate) fn put_user(&mut self, name: &str, record: Option<UserRecord>) {
        let (name, record) = (name.to_owned(), record.map(Arc::new));
        let before = match &record {
            Some(record) => self.users.insert(name.clone(), Arc::clone(record)),
            None => self.users.remove(&name),
        };
        if let Some(before) = before {
            before.policies.iter().for_each(|policy| unlink(&mut self.users_of_policy, policy, &name));
        }
        if let Some(record) = record {
            record.policies.iter().for_each(|policy| link(&mut self.users_of_policy, policy, name.clone()));
        }
    }
}

fn link<K: Ord>(index: &mut HashMap<String, BTreeSet<K>>, name: &str, holder: K) {
    match index.get_mut(name) {
        Some(holders) => drop(holders.insert(holder)),
        None => drop(index.insert(name.to_owned(), BTreeSet::from([holder]))),
    }
}

fn unlink<K: Ord>(index: &mut HashMap<String, BTreeSet<K>>, name: &str, holder: &K) {
    if let Some(holders) = index.get_mut(name) {
        holders.remove(holder);
        if holders.is_empty() {
            index.remove(name);
        }
    }
}
