//! The rows on disk. Knows tables, keys and bytes, and not what they mean.

use crate::record::{self, CertificateRecord, Installation, PolicyRecord, ThingRecord, UserRecord};
use crate::{RegistryError, draft::Outcome};
use journal::state::{Batch, StateError, StateStore, Table};
use serde::de::DeserializeOwned;

const CERTIFICATES: &str = "registry-certificates";
const THINGS: &str = "registry-things";
const POLICIES: &str = "registry-policies";
const USERS: &str = "registry-users";
const INSTALLATION: &str = "registry-installation";
/// The one row of that table.
const INSTALLATION_KEY: &[u8] = b"installation";

/// The registry's tables.
pub(crate) struct Store {
    state: StateStore,
    certificates: Table,
    things: Table,
    policies: Table,
    users: Table,
    installation: Table,
}

/// Every row.
pub(crate) struct Rows {
    pub(crate) certificates: Vec<CertificateRecord>,
    pub(crate) things: Vec<ThingRecord>,
    pub(crate) policies: Vec<PolicyRecord>,
    pub(crate) users: Vec<UserRecord>,
}

impl Store {
    pub(crate) fn open(state: &StateStore) -> Result<Self, RegistryError> {
        Ok(Self {
            state: state.clone(),
            certificates: state.table(CERTIFICATES).map_err(failed)?,
            things: state.table(THINGS).map_err(failed)?,
            policies: state.table(POLICIES).map_err(failed)?,
            users: state.table(USERS).map_err(failed)?,
            installation: state.table(INSTALLATION).map_err(failed)?,
        })
    }

    /// Reads everything.
    pub(crate) fn rows(&self) -> Result<Rows, RegistryError> {
        Ok(Rows {
            certificates: read(CERTIFICATES, &self.certificates)?,
            things: read(THINGS, &self.things)?,
            policies: read(POLICIES, &self.policies)?,
            users: read(USERS, &self.users)?,
        })
    }

    /// What this installation alone knows; made with these random bytes if it is not there yet.
    pub(crate) fn installation(&self, random: [u8; 32]) -> Result<Installation, RegistryError> {
        if let Some(row) = self.installation.get(INSTALLATION_KEY).map_err(failed)? {
            return record::decode(&row).map_err(|reason| corrupt(INSTALLATION, INSTALLATION_KEY, reason));
        }
        let installation = Installation { decoy_secret: random };
        let mut batch = self.state.batch();
        put(&mut batch, &self.installation, INSTALLATION_KEY, Some(record::encode(&installation)))?;
        batch.commit_durable().map_err(failed)?;
        Ok(installation)
    }

    /// Makes the outcome durable, all of it or nothing.
    pub(crate) fn write(&self, outcome: &Outcome) -> Result<(), RegistryError> {
        let mut batch = self.state.batch();
        for (fingerprint, record) in &outcome.certificates {
            put(&mut batch, &self.certificates, fingerprint.as_bytes(), record.as_ref().map(record::encode))?;
        }
        for (name, thing) in &outcome.things {
            put(
                &mut batch,
                &self.things,
                name.as_bytes(),
                thing.as_ref().map(|thing| record::encode(&thing.record)),
            )?;
        }
        for (name, policy) in &outcome.policies {
            put(
                &mut batch,
                &self.policies,
                name.as_bytes(),
                policy.as_ref().map(|policy| record::encode(&policy.record)),
            )?;
        }
        for (name, user) in &outcome.users {
            put(&mut batch, &self.users, name.as_bytes(), user.as_ref().map(record::encode))?;
        }
        batch.commit_durable().map_err(failed)
    }
}

fn put(batch: &mut Batch, table: &Table, key: &[u8], value: Option<Vec<u8>>) -> Result<(), RegistryError> {
    match value {
        Some(value) => batch.insert(table, key, value).map_err(failed),
        None => batch.remove(table, key).map_err(failed),
    }
}

fn read<T: DeserializeOwned>(name: &'static str, table: &Table) -> Result<Vec<T>, RegistryError> {
    let row = |row: Result<(_, _), StateError>| {
        let (key, value): (journal::state::Slice, journal::state::Slice) = row.map_err(failed)?;
        record::decode(&value).map_err(|reason| corrupt(name, &key, reason))
    };
    table.iter().map(row).collect()
}

fn corrupt(table: &'static str, key: &[u8], reason: String) -> RegistryError {
    let key = match std::str::from_utf8(key) {
        Ok(name) if table != CERTIFICATES => name.to_owned(),
        _ => hex::encode(key),
    };
    RegistryError::Corrupt { table, key, reason }
}

fn failed(error: StateError) -> RegistryError {
    RegistryError::Store(Box::new(error))
}
