//! What is declared, whether the gateway runs or not: asked and changed over the control socket of a running gateway, and in its data directory
//! otherwise.

use super::control_client::Control;
use crate::settings::Settings;
use crate::store;
use access::{Certificate, Fingerprint};
use anyhow::Context;
use hyper::Method;
use registry::{
    CertificateRecord, CertificateStatus, Operation, PolicyRecord, Registry, ThingRecord, UserSummary,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Things, certificates, users and policies of one gateway.
pub(crate) enum Declared {
    /// Of a gateway that runs.
    Running(Control),
    /// Of one that does not.
    Stopped(Arc<Registry>),
}

impl Declared {
    /// Those of the gateway with these settings.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        let control = Control::new(settings);
        if control.is_running() {
            return Ok(Self::Running(control));
        }
        let state = store::open_state(settings)?;
        Ok(Self::Stopped(Registry::open(&state, registry::Settings::default())?))
    }

    /// Makes all the changes, or none.
    pub(crate) fn apply(&self, operations: &[Operation]) -> anyhow::Result<()> {
        match self {
            Self::Running(control) => {
                let body = serde_json::to_value(operations)?;
                control.ask::<serde_json::Value>(Method::POST, "/registry", Some(&body)).map(drop)
            }
            Self::Stopped(registry) => Ok(registry.apply(operations.iter().cloned())?),
        }
    }

    /// All things.
    pub(crate) fn things(&self) -> anyhow::Result<Vec<ThingRecord>> {
        match self {
            Self::Running(control) => control.get("/things"),
            Self::Stopped(registry) => Ok(registry.list_things(None, usize::MAX).items),
        }
    }

    /// All certificates.
    pub(crate) fn certificates(&self) -> anyhow::Result<Vec<CertificateRecord>> {
        match self {
            Self::Running(control) => control.get("/certificates"),
            Self::Stopped(registry) => {
                let page = registry.list_certificates(None, usize::MAX);
                Ok(page.items.into_iter().map(Arc::unwrap_or_clone).collect())
            }
        }
    }

    /// All users.
    pub(crate) fn users(&self) -> anyhow::Result<Vec<UserSummary>> {
        match self {
            Self::Running(control) => control.get("/users"),
            Self::Stopped(registry) => Ok(registry.list_users(None, usize::MAX).items),
        }
    }

    /// All policies.
    pub(crate) fn policies(&self) -> anyhow::Result<Vec<PolicyRecord>> {
        match self {
            Self::Running(control) => control.get("/policies"),
            Self::Stopped(registry) => Ok(registry.list_policies(None, usize::MAX).items),
        }
    }
}

/// A certificate to register as active, with a thing and a policy to attach.
#[derive(Debug)]
pub(crate) struct Registration {
    /// DER.
    pub(crate) certificate: Vec<u8>,
    /// The thing; created if it does not exist.
    pub(crate) thing: Option<String>,
    /// The policy; it must exist.
    pub(crate) policy: Option<String>,
}

/// Registers certificates, all or none; those that are registered already are left as they are.
pub(crate) fn register(settings: &Settings, registrations: Vec<Registration>) -> anyhow::Result<()> {
    let declared = Declared::open(settings)?;
    let mut things: BTreeSet<String> = declared.things()?.into_iter().map(|thing| thing.name).collect();
    let known: BTreeSet<Fingerprint> =
        declared.certificates()?.into_iter().map(|certificate| certificate.fingerprint).collect();
    let mut operations = Vec::new();
    for registration in registrations {
        let certificate =
            Certificate::from_der(&registration.certificate).context("the certificate can't be read")?;
        if known.contains(&certificate.fingerprint) {
            continue;
        }
        if let Some(name) = registration.thing.as_ref().filter(|name| things.insert((*name).clone())) {
            let (name, attributes) = (name.clone(), BTreeMap::new());
            operations.push(Operation::CreateThing { name, thing_type: None, attributes });
        }
        let mut record = CertificateRecord::new(&certificate, CertificateStatus::Active, now_ms());
        record.things.extend(registration.thing);
        record.policies.extend(registration.policy);
        operations.push(Operation::RegisterCertificate(record));
    }
    declared.apply(&operations)
}

/// Sets certificates to `REVOKED`; those that are not registered are passed over.
pub(crate) fn revoke(settings: &Settings, fingerprints: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let declared = Declared::open(settings)?;
    let known: BTreeSet<Fingerprint> =
        declared.certificates()?.into_iter().map(|certificate| certificate.fingerprint).collect();
    let status = CertificateStatus::Revoked;
    let mut operations = Vec::new();
    for fingerprint in fingerprints {
        let certificate: Fingerprint = fingerprint.parse()?;
        if known.contains(&certificate) {
            operations.push(Operation::UpdateCertificateStatus { certificate, status });
        }
    }
    declared.apply(&operations)
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
