//! Everything that changes the registry. Adding a kind of change is a variant here and an arm in `draft`.

use crate::{CertificateRecord, CertificateStatus, UserRecord, UserStatus};
use access::Fingerprint;
use access::scram::Credential;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One change; [`Registry::apply`](crate::Registry::apply) does any number of them as one. Named as in the AWS IoT API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Registers a certificate. Fails if it is registered.
    RegisterCertificate(CertificateRecord),
    /// Sets the status; anything but `ACTIVE` cuts its connections.
    UpdateCertificateStatus {
        /// The certificate.
        certificate: Fingerprint,
        /// Its new status.
        status: CertificateStatus,
    },
    /// Forgets a certificate that is not active.
    DeleteCertificate {
        /// The certificate.
        certificate: Fingerprint,
    },
    /// Creates a thing.
    CreateThing {
        /// Its name.
        name: String,
        /// Its type.
        thing_type: Option<String>,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
    /// Replaces type and attributes of a thing.
    UpdateThing {
        /// Its name.
        name: String,
        /// Its new type.
        thing_type: Option<String>,
        /// Its new attributes.
        attributes: BTreeMap<String, String>,
        /// Fails if the thing has another version by now.
        expected_version: Option<u64>,
    },
    /// Deletes a thing that is attached to no certificate.
    DeleteThing {
        /// Its name.
        name: String,
    },
    /// Creates a policy.
    CreatePolicy {
        /// Its name.
        name: String,
        /// Its document, JSON.
        document: String,
    },
    /// Gives an existing policy a new document, in force at once.
    UpdatePolicy {
        /// Its name.
        name: String,
        /// Its new document, JSON.
        document: String,
    },
    /// Deletes a policy that is attached to no certificate and no user.
    DeletePolicy {
        /// Its name.
        name: String,
    },
    /// Attaches a policy to a certificate; nothing happens if it is.
    AttachPolicy {
        /// The policy.
        policy: String,
        /// The certificate.
        certificate: Fingerprint,
    },
    /// Detaches a policy from a certificate; nothing happens if it is not attached.
    DetachPolicy {
        /// The policy.
        policy: String,
        /// The certificate.
        certificate: Fingerprint,
    },
    /// Attaches a thing to a certificate; nothing happens if it is.
    AttachThingPrincipal {
        /// The thing.
        thing: String,
        /// The certificate.
        certificate: Fingerprint,
    },
    /// Detaches a thing from a certificate; nothing happens if it is not attached.
    DetachThingPrincipal {
        /// The thing.
        thing: String,
        /// The certificate.
        certificate: Fingerprint,
    },
    /// Creates a user. Fails if there is one of that name.
    CreateUser(UserRecord),
    /// Sets the status; anything but `ACTIVE` cuts the user's connections.
    UpdateUserStatus {
        /// The user.
        user: String,
        /// Its new status.
        status: UserStatus,
    },
    /// Gives a user another password; connections made with the one before are cut.
    UpdateUserCredential {
        /// The user.
        user: String,
        /// What is kept of the password.
        credential: Credential,
        /// Now, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Deletes a user; its connections are cut.
    DeleteUser {
        /// The user.
        user: String,
    },
    /// Attaches a policy to a user; nothing happens if it is.
    AttachUserPolicy {
        /// The policy.
        policy: String,
        /// The user.
        user: String,
    },
    /// Detaches a policy from a user; nothing happens if it is not attached.
    DetachUserPolicy {
        /// The policy.
        policy: String,
        /// The user.
        user: String,
    },
}
