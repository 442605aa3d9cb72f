//! Works out what operations make of the registry, without changing it: all of them succeed, or nothing happens.

use crate::limits::RegistryLimits;
use crate::name;
use crate::record::{CertificateRecord, CertificateStatus, PolicyRecord, ThingRecord, UserRecord};
use crate::state::{PolicyEntry, State, ThingEntry};
use crate::{Operation, RegistryError};
use access::Fingerprint;
use std::collections::{BTreeMap, BTreeSet};

/// The rows that change; `None` is a row that goes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) certificates: BTreeMap<Fingerprint, Option<CertificateRecord>>,
    pub(crate) things: BTreeMap<String, Option<ThingEntry>>,
    pub(crate) policies: BTreeMap<String, Option<PolicyEntry>>,
    pub(crate) users: BTreeMap<String, Option<UserRecord>>,
    /// The certificates that were registered before and may do something else now.
    pub(crate) affected: BTreeSet<Fingerprint>,
    /// The users, likewise.
    pub(crate) affected_users: BTreeSet<String>,
}

impl Outcome {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
            && self.things.is_empty()
            && self.policies.is_empty()
            && self.users.is_empty()
    }
}

pub(crate) struct Draft<'a> {
    pub(crate) state: &'a State,
    pub(crate) limits: &'a RegistryLimits,
    pub(crate) outcome: Outcome,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a State, limits: &'a RegistryLimits) -> Self {
        Self { state, limits, outcome: Outcome::default() }
    }

    pub(crate) fn into_outcome(self) -> Result<Outcome, RegistryError> {
        self.check_counts()?;
        Ok(self.outcome)
    }

    pub(crate) fn apply(&mut self, operation: Operation) -> Result<(), RegistryError> {
        match operation {
            Operation::RegisterCertificate(record) => self.register_certificate(record),
            Operation::UpdateCertificateStatus { certificate, status } => {
                self.edit_certificate(certificate, |record, _| {
                    record.status = status;
                    Ok(())
                })
            }
            Operation::DeleteCertificate { certificate } => self.delete_certificate(certificate),
            Operation::CreateThing { name, thing_type, attributes } => {
                self.create_thing(name, thing_type, attributes)
            }
            Operation::UpdateThing { name, thing_type, attributes, expected_version } => {
                self.update_thing(&name, thing_type, attributes, expected_version)
            }
            Operation::DeleteThing { name } => self.delete_thing(name),
            Operation::CreatePolicy { name, document } => self.create_policy(name, document),
            Operation::UpdatePolicy { name, document } => self.update_policy(&name, document),
            Operation::DeletePolicy { name } => self.delete_policy(name),
            Operation::AttachPolicy { policy, certificate } => {
                self.policy(&policy)?;
                self.edit_certificate(certificate, |record, limits| {
                    record.policies.insert(policy);
                    let maximum = limits.policies_per_certificate_max;
                    at_most(
                        "policies of one certificate",
                        record.policies.len(),
                        maximum,
                        "policies_per_certificate_max",
                    )
                })
            }
            Operation::DetachPolicy { policy, certificate } => {
                self.edit_certificate(certificate, |record, _| {
                    record.policies.remove(&policy);
                    Ok(())
                })
            }
            Operation::AttachThingPrincipal { thing, certificate } => {
                self.thing(&thing)?;
                self.edit_certificate(certificate, |record, limits| {
                    record.things.insert(thing);
                    let maximum = limits.things_per_certificate_max;
                    at_most(
                        "things of one certificate",
                        record.things.len(),
                        maximum,
                        "things_per_certificate_max",
                    )
                })
            }
            Operation::DetachThingPrincipal { thing, certificate } => {
                self.edit_certificate(certificate, |record, _| {
                    record.things.remove(&thing);
                    Ok(())
                })
            }
            of_user @ (Operation::CreateUser(_)
            | Operation::UpdateUserStatus { .. }
            | Operation::UpdateUserCredential { .. }
            | Operation::DeleteUser { .. }
            | Operation::AttachUserPolicy { .. }
            | Operation::DetachUserPolicy { .. }) => self.apply_to_user(of_user),
        }
    }

    fn certificate(&self, fingerprint: &Fingerprint) -> Result<&CertificateRecord, RegistryError> {
        let drafted = self.outcome.certificates.get(fingerprint);
        let stored = || self.state.certificates.get(fingerprint).map(|record| &**record);
        drafted.map_or_else(stored, Option::as_ref).ok_or_else(|| RegistryError::NotFound {
            what: "certificate",
            name: fingerprint.to_string(),
            nearest: None,
        })
    }

    fn thing(&self, name: &str) -> Result<&ThingEntry, RegistryError> {
        let drafted = self.outcome.things.get(name);
        let stored = || self.state.things.get(name);
        drafted.map_or_else(stored, Option::as_ref).ok_or_else(|| RegistryError::NotFound {
            what: "thing",
            name: name.to_owned(),
            nearest: None,
        })
    }

    pub(crate) fn policy(&self, name: &str) -> Result<&PolicyEntry, RegistryError> {
        let drafted = self.outcome.policies.get(name);
        let stored = || self.state.policies.get(name);
        drafted.map_or_else(stored, Option::as_ref).ok_or_else(|| RegistryError::NotFound {
            what: "policy",
            name: name.to_owned(),
            nearest: crate::name::nearest(name, self.state.policies.keys().map(String::as_str)),
        })
    }

    fn register_certificate(&mut self, record: CertificateRecord) -> Result<(), RegistryError> {
        let fingerprint = record.fingerprint;
        if self.certificate(&fingerprint).is_ok() {
            return Err(RegistryError::AlreadyExists { what: "certificate", name: fingerprint.to_string() });
        }
        record.policies.iter().try_for_each(|policy| self.policy(policy).map(drop))?;
        record.things.iter().try_for_each(|thing| self.thing(thing).map(drop))?;
        self.outcome.certificates.insert(fingerprint, Some(record));
        Ok(())
    }

    fn edit_certificate(
        &mut self,
        fingerprint: Fingerprint,
        edit: impl FnOnce(&mut CertificateRecord, &RegistryLimits) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let before = self.certificate(&fingerprint)?;
        let mut record = before.clone();
        edit(&mut record, self.limits)?;
        if record != *before {
            self.outcome.certificates.insert(fingerprint, Some(record));
            self.affect(fingerprint);
        }
        Ok(())
    }

    fn delete_certificate(&mut self, fingerprint: Fingerprint) -> Result<(), RegistryError> {
        if self.certificate(&fingerprint)?.status == CertificateStatus::Active {
            return Err(RegistryError::StillActive(fingerprint));
        }
        self.outcome.certificates.insert(fingerprint, None);
        self.affect(fingerprint);
        Ok(())
    }

    fn create_thing(
        &mut self,
        name: String,
        thing_type: Option<String>,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        name::THING.check(&name)?;
        self.check_thing(thing_type.as_deref(), &attributes)?;
        if self.thing(&name).is_ok() {
            return Err(RegistryError::AlreadyExists { what: "thing", name });
        }
        let record = ThingRecord { name: name.clone(), thing_type, attributes, version: 1 };
        self.outcome.things.insert(name, Some(ThingEntry::new(record)));
        Ok(())
    }

    fn update_thing(
        &mut self,
        name: &str,
        thing_type: Option<String>,
        attributes: BTreeMap<String, String>,
        expected_version: Option<u64>,
    ) -> Result<(), RegistryError> {
        self.check_thing(thing_type.as_deref(), &attributes)?;
        let version = self.thing(name)?.record.version;
        if let Some(expected) = expected_version.filter(|expected| *expected != version) {
            return Err(RegistryError::VersionConflict { name: name.to_owned(), version, expected });
        }
        let record = ThingRecord { name: name.to_owned(), thing_type, attributes, version: version + 1 };
        self.outcome.things.insert(name.to_owned(), Some(ThingEntry::new(record)));
        let attached: Vec<_> = self.state.certificates_of_thing(name).copied().collect();
        attached.into_iter().for_each(|fingerprint| self.affect(fingerprint));
        Ok(())
    }

    fn check_thing(
        &self,
        thing_type: Option<&str>,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        thing_type.map_or(Ok(()), |thing_type| name::THING_TYPE.check(thing_type))?;
        for (attribute, value) in attributes {
            name::ATTRIBUTE.check(attribute)?;
            name::ATTRIBUTE_VALUE.check(value)?;
        }
        let (maximum, setting) = match thing_type {
            Some(_) => (self.limits.attributes_with_type_max, "attributes_with_type_max"),
            None => (self.limits.attributes_without_type_max, "attributes_without_type_max"),
        };
        at_most("attributes of the thing", attributes.len(), maximum, setting)
    }

    fn delete_thing(&mut self, name: String) -> Result<(), RegistryError> {
        self.thing(&name)?;
        let attached =
            self.attached(self.state.certificates_of_thing(&name), |record| record.things.contains(&name));
        if let Some(fingerprint) = attached {
            return Err(RegistryError::InUse {
                what: "thing",
                name,
                attached: format!("certificate `{fingerprint}`"),
            });
        }
        self.outcome.things.insert(name, None);
        Ok(())
    }

    fn create_policy(&mut self, name: String, document: String) -> Result<(), RegistryError> {
        name::POLICY.check(&name)?;
        if self.policy(&name).is_ok() {
            return Err(RegistryError::AlreadyExists { what: "policy", name });
        }
        let record = PolicyRecord { name: name.clone(), document, version: 1 };
        let entry = PolicyEntry::compile(record, self.limits.policy_document_characters_max)?;
        self.outcome.policies.insert(name, Some(entry));
        Ok(())
    }

    fn update_policy(&mut self, name: &str, document: String) -> Result<(), RegistryError> {
        let version = self.policy(name)?.record.version + 1;
        let record = PolicyRecord { name: name.to_owned(), document, version };
        let entry = PolicyEntry::compile(record, self.limits.policy_document_characters_max)?;
        self.outcome.policies.insert(name.to_owned(), Some(entry));
        let attached: Vec<_> = self.state.certificates_of_policy(name).copied().collect();
        attached.into_iter().for_each(|fingerprint| self.affect(fingerprint));
        let users: Vec<_> = self.state.users_of_policy(name).cloned().collect();
        users.iter().for_each(|user| self.affect_user(user));
        Ok(())
    }

    fn delete_policy(&mut self, name: String) -> Result<(), RegistryError> {
        self.policy(&name)?;
        let attached =
            self.attached(self.state.certificates_of_policy(&name), |record| record.policies.contains(&name));
        let certificate = attached.map(|fingerprint| format!("certificate `{fingerprint}`"));
        let user = || self.user_with_policy(&name).map(|user| format!("user `{user}`"));
        if let Some(attached) = certificate.or_else(user) {
            return Err(RegistryError::InUse { what: "policy", name, attached });
        }
        self.outcome.policies.insert(name, None);
        Ok(())
    }

    /// A certificate that is attached once the draft takes effect, if there is one.
    fn attached<'b>(
        &self,
        mut stored: impl Iterator<Item = &'b Fingerprint>,
        holds: impl Fn(&CertificateRecord) -> bool,
    ) -> Option<Fingerprint> {
        let stored =
            stored.find(|fingerprint| !self.outcome.certificates.contains_key(*fingerprint)).copied();
        let mut drafted = self.outcome.certificates.iter();
        stored.or_else(|| {
            drafted
                .find(|(_, record)| record.as_ref().is_some_and(&holds))
                .map(|(fingerprint, _)| *fingerprint)
        })
    }

    /// Notes a certificate whose connections have to be asked about; one just registered has none.
    fn affect(&mut self, fingerprint: Fingerprint) {
        if self.state.certificates.contains_key(&fingerprint) {
            self.outcome.affected.insert(fingerprint);
        }
    }

    fn check_counts(&self) -> Result<(), RegistryError> {
        let Outcome { certificates, things, policies, users, .. } = &self.outcome;
        at_most("users", count_after(&self.state.users, users), self.limits.users_max, "users_max")?;
        let certificates = count_after(&self.state.certificates, certificates);
        at_most("certificates", certificates, self.limits.certificates_max, "certificates_max")?;
        let things = count_after(&self.state.things, things);
        at_most("things", things, self.limits.things_max, "things_max")?;
        at_most(
            "policies",
            count_after(&self.state.policies, policies),
            self.limits.policies_max,
            "policies_max",
        )
    }
}

/// How many rows there are once the changed ones are written; no matter when nothing is added.
fn count_after<K: Ord, S, D>(stored: &BTreeMap<K, S>, drafted: &BTreeMap<K, Option<D>>) -> usize {
    let (mut added, mut removed) = (0, 0);
    for (key, row) in drafted {
        match (row, stored.contains_key(key)) {
            (Some(_), false) => added += 1,
            (None, true) => removed += 1,
            _ => {}
        }
    }
    // A limit that was lowered must not stand in the way of changes and deletions.
    if added == 0 { 0 } else { stored.len() + added - removed }
}

pub(crate) fn at_most(
    what: &'static str,
    count: usize,
    maximum: usize,
    setting: &'static str,
) -> Result<(), RegistryError> {
    if count > maximum { Err(RegistryError::Limit { what, count, maximum, setting }) } else { Ok(()) }
}
