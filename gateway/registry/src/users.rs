//! Users: what operations make of them, and from a proved password to a principal.

use crate::draft::{Draft, at_most};
use crate::record::{UserRecord, UserStatus, UserSummary};
use crate::{Operation, Page, Registry, RegistryError, name};
use access::scram::Credential;
use access::{Certificate, Policy, Principal, User};
use std::ops::Bound;
use std::sync::Arc;

/// Why a user does not connect, for the log: the client is told no more than that it did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRefused {
    /// Nobody has the name.
    #[error("there is no user `{0}`; `users add` makes one")]
    Unknown(String),
    /// Put aside.
    #[error("user `{0}` is INACTIVE; `users enable` lets it in")]
    NotActive(String),
    /// The password was changed since it was proved.
    #[error("user `{0}` has another password by now")]
    PasswordChanged(String),
}

impl UserRefused {
    /// The reason as the value of a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_user",
            Self::NotActive(_) => "inactive_user",
            Self::PasswordChanged(_) => "password_changed",
        }
    }
}

/// Somebody who says to be a user: what a proof of the password is to be checked against, and whether it will count.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// That of the user, or a decoy.
    pub credential: Credential,
    /// Whether the user may connect once the password is proved. To be looked at after that and not before, or the time it takes tells
    /// who exists.
    pub standing: Result<Arc<User>, UserRefused>,
}

impl Registry {
    /// Whom a client says it is. From memory alone, and the same for names that exist and names that do not.
    pub fn candidate(&self, name: &str) -> Candidate {
        let decoy = Credential::decoy(&self.decoy_secret, name, self.settings.password_iterations);
        let record = self.state.read().users.get(name).cloned();
        match record {
            None => Candidate { credential: decoy, standing: Err(UserRefused::Unknown(name.to_owned())) },
            Some(record) => Candidate { credential: record.credential.clone(), standing: standing(&record) },
        }
    }

    /// Who a client without a certificate is that proved to be this user: it has no thing, and the user's policies.
    ///
    /// # Errors
    /// When the user is gone, inactive, or has another password than the one that was proved.
    pub fn authenticate_user(&self, user: &Arc<User>) -> Result<Principal, UserRefused> {
        let policies = self.check_user(user)?;
        let (certificate, user) = (Arc::new(Certificate::absent()), Some(Arc::clone(user)));
        Ok(Principal { certificate, user, things: Arc::from([]), policies })
    }

    /// Whether the user still is as it was when its password was proved; its policies.
    ///
    /// # Errors
    /// As [`authenticate_user`](Self::authenticate_user).
    pub fn check_user(&self, user: &Arc<User>) -> Result<Arc<[Arc<Policy>]>, UserRefused> {
        let state = self.state.read();
        let record = state.users.get(&user.name).ok_or_else(|| UserRefused::Unknown(user.name.clone()))?;
        if *standing(record)? != **user {
            return Err(UserRefused::PasswordChanged(user.name.clone()));
        }
        let policies = record.policies.iter().filter_map(|name| state.policies.get(name));
        Ok(policies.map(|entry| Arc::clone(&entry.policy)).collect())
    }

    /// A user as it may be shown.
    pub fn user(&self, name: &str) -> Option<UserSummary> {
        self.state.read().users.get(name).map(|record| UserSummary::from(&**record))
    }

    /// A page of at most `length` users, after the name a previous page ended with.
    pub fn list_users(&self, after: Option<&str>, length: usize) -> Page<UserSummary> {
        let state = self.state.read();
        let rows =
            state.users.range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Page::take(rows.map(|(name, record)| (name.clone(), UserSummary::from(&**record))), length)
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.state.read().users.len()
    }
}

fn standing(record: &UserRecord) -> Result<Arc<User>, UserRefused> {
    match record.status {
        UserStatus::Active => {
            Ok(Arc::new(User { name: record.name.clone(), salt: *record.credential.salt() }))
        }
        UserStatus::Inactive => Err(UserRefused::NotActive(record.name.clone())),
    }
}

impl Draft<'_> {
    /// One of the operations on users.
    pub(crate) fn apply_to_user(&mut self, operation: Operation) -> Result<(), RegistryError> {
        match operation {
            Operation::CreateUser(record) => self.create_user(record),
            Operation::UpdateUserStatus { user, status } => {
                self.edit_user(&user, |record| record.status = status)
            }
            Operation::UpdateUserCredential { user, credential, at_ms } => self.edit_user(&user, |record| {
                record.credential = credential;
                record.password_set_at_ms = at_ms;
            }),
            Operation::DeleteUser { user } => {
                self.find_user(&user)?;
                self.affect_user(&user);
                self.outcome.users.insert(user, None);
                Ok(())
            }
            Operation::AttachUserPolicy { policy, user } => {
                self.policy(&policy)?;
                self.edit_user(&user, |record| {
                    record.policies.insert(policy);
                })
            }
            Operation::DetachUserPolicy { policy, user } => self.edit_user(&user, |record| {
                record.policies.remove(&policy);
            }),
            // The others have no user.
            _ => Ok(()),
        }
    }

    fn find_user(&self, name: &str) -> Result<&UserRecord, RegistryError> {
        let drafted = self.outcome.users.get(name);
        let stored = || self.state.users.get(name).map(|record| &**record);
        drafted.map_or_else(stored, Option::as_ref).ok_or_else(|| RegistryError::NotFound {
            what: "user",
            name: name.to_owned(),
            nearest: name::nearest(name, self.state.users.keys().map(String::as_str)),
        })
    }

    fn create_user(&mut self, record: UserRecord) -> Result<(), RegistryError> {
        name::USER.check(&record.name)?;
        if self.find_user(&record.name).is_ok() {
            return Err(RegistryError::AlreadyExists { what: "user", name: record.name });
        }
        record.policies.iter().try_for_each(|policy| self.policy(policy).map(drop))?;
        self.check_policies_of(&record)?;
        self.outcome.users.insert(record.name.clone(), Some(UserRecord { version: 1, ..record }));
        Ok(())
    }

    fn edit_user(&mut self, name: &str, edit: impl FnOnce(&mut UserRecord)) -> Result<(), RegistryError> {
        let before = self.find_user(name)?;
        let mut record = before.clone();
        edit(&mut record);
        if record == *before {
            return Ok(());
        }
        self.check_policies_of(&record)?;
        record.version += 1;
        self.outcome.users.insert(name.to_owned(), Some(record));
        self.affect_user(name);
        Ok(())
    }

    fn check_policies_of(&self, record: &UserRecord) -> Result<(), RegistryError> {
        let maximum = self.limits.policies_per_user_max;
        at_most("policies of one user", record.policies.len(), maximum, "policies_per_user_max")
    }

    /// A user that has the policy once the draft takes effect, if there is one.
    pub(crate) fn user_with_policy(&self, policy: &str) -> Option<String> {
        let mut stored = self.state.users_of_policy(policy);
        let stored = stored.find(|user| !self.outcome.users.contains_key(*user)).cloned();
        let has_it = |record: &Option<UserRecord>| {
            record.as_ref().is_some_and(|record| record.policies.contains(policy))
        };
        let mut drafted = self.outcome.users.iter();
        stored.or_else(|| drafted.find(|(_, record)| has_it(record)).map(|(user, _)| user.clone()))
    }

    /// Notes a user whose connections have to be asked about; one just created has none.
    pub(crate) fn affect_user(&mut self, name: &str) {
        if self.state.users.contains_key(name) {
            self.outcome.affected_users.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
