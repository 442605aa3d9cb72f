//! Who is connected: a certificate or a user, the things and policies attached to it, and what its CONNECT asked for.

use crate::{Certificate, Policy, scram};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A thing as policy variables see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thing {
    /// `${iot:Connection.Thing.ThingName}`.
    pub name: String,
    /// `${iot:Connection.Thing.ThingTypeName}`.
    pub thing_type: Option<String>,
    /// `${iot:Connection.Thing.Attributes[name]}`.
    pub attributes: BTreeMap<String, String>,
}

/// A user whose password a client proved to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `${aws:username}`.
    pub name: String,
    /// The salt of the password that was proved. Every new password has another one, so it tells whether the password is still that.
    pub salt: [u8; scram::SALT_BYTES],
}

/// Whoever is at the other end of a connection, with what is attached to it. Cloning is cheap.
///
/// A certificate's policies are those that count; a user's count on a connection without certificate. On one with a certificate the
/// user is a second factor, which allows nothing by itself.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The certificate; [`Certificate::absent`] on a connection without.
    pub certificate: Arc<Certificate>,
    /// The user, if the client authenticated as one.
    pub user: Option<Arc<User>>,
    /// The things attached to the certificate.
    pub things: Arc<[Arc<Thing>]>,
    /// The policies that decide: those of the certificate, or without one those of the user.
    pub policies: Arc<[Arc<Policy>]>,
}

impl Principal {
    /// The thing that the thing variables of a connection with this client id stand for.
    ///
    /// As in AWS IoT: the thing whose name equals the client id, and only if it is attached to the certificate. A
    /// device that connects under another client id has no thing, so a policy that uses thing variables allows it
    /// nothing. A publish by HTTPS request has no client id; it speaks for the thing of its certificate if there is
    /// exactly one, like a thing that AWS IoT calls exclusive.
    pub fn connected_thing(&self, client_id: &str) -> Option<&Arc<Thing>> {
        if let ("", [only]) = (client_id, &*self.things) {
            return Some(only);
        }
        self.things.iter().find(|thing| thing.name == client_id)
    }
}

/// What a CONNECT asks for beyond the connection; the condition key `iot:ConnectAttributes`.
///
/// A statement on `iot:Connect` without a condition allows every attribute; one with
/// `"ForAllValues:StringEquals": {"iot:ConnectAttributes": [...]}` allows those listed and none besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectAttributes<'a> {
    /// The session is to outlive the connection: Clean Session 0 in MQTT 3.1.1, Session Expiry Interval above 0 in
    /// MQTT 5. The attribute `PersistentConnect`.
    pub persistent: bool,
    /// The will's topic and whether it is to be retained. The attribute `LastWill`, and the key `iot:LastWillTopic`.
    pub will: Option<(&'a str, bool)>,
}

impl<'a> ConnectAttributes<'a> {
    /// What the packet asks for.
    pub fn of(connect: &'a mqtt::Connect, session_expiry_secs: u32) -> Self {
        let persistent = match connect.version {
            mqtt::Version::V3_1_1 => !connect.clean_start,
            mqtt::Version::V5 => session_expiry_secs > 0,
        };
        Self { persistent, will: connect.will.as_ref().map(|will| (will.topic.as_str(), will.retain)) }
    }
}
