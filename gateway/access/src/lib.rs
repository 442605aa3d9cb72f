//! From certificate to principal, from policy to permit.
//!
//! A device proves with TLS that it holds a certificate. This crate reads the certificate ([`Certificate`]), compiles
//! policies written in the policy language of AWS IoT ([`Policy`]), joins both for one connection ([`Identity`]) and
//! decides each connect, publish, subscribe and delivery ([`Permissions`]). What was decided in favour is carried by
//! [`Permitted`], which nothing outside this crate can make, so a publish cannot reach the rules unauthorised.
//!
//! A client may also prove that it knows a user's password ([`scram`]); the user's policies are bound in the same way.
//!
//! It must not know sockets, files, clocks or where policies and certificates are kept: every fact is an argument.
//!
//! # Where the language is stricter than AWS IoT
//!
//! - An unknown action, resource kind, condition operator, condition key or policy variable is refused when the policy
//!   is read, with its place and the nearest valid name. Ignored, it would be a hole or a riddle.
//! - `NotAction`, `NotResource`, `Principal` and `NotPrincipal` are refused: the AWS IoT guide does not describe the
//!   first two, and a policy here is attached to its principal.
//! - The value of a policy variable is substituted only if it is free of `+ # * ? / $` and control characters, not
//!   empty and at most 1,024 characters long. Otherwise an Allow that uses it matches nothing, and a Deny that uses it
//!   matches as if `*` stood there. So no client id and no certificate can widen a policy. See [`Permissions`].

mod certificate;
mod denied;
mod identity;
mod nearest;
mod permissions;
mod permitted;
mod policy;
mod principal;
pub mod scram;

pub use certificate::{
    AlternativeName, CERTIFICATE_BYTES_MAX, Certificate, CertificateError, DistinguishedName, Fingerprint,
    FingerprintError, NameAttribute,
};
pub use denied::{Cause, Denied};
pub use identity::Identity;
pub use permissions::{Decision, Permissions};
pub use permitted::{Permitted, Publication};
pub use policy::{Action, Effect, Policy, PolicyError, PolicyLimits, PolicyProblem};
pub use principal::{ConnectAttributes, Principal, Thing, User};
