//! Sockets, TLS, handshake limits and certificate reload.
//!
//! The first step of a message's path: it turns a TCP connection into a `Stream` of bytes with a peer whose
//! certificate chain was verified. It must not know what the bytes mean (MQTT, HTTP), nor who a certificate belongs to.
//!
//! # What is checked here, and what is not
//!
//! Checked on every connection, resumed ones too: the chain ends at a trusted authority, every certificate in it is
//! within its validity, and none is on a revocation list. rustls does not ask the verifier when a session is resumed.
//! Therefore a ticket dies when an authority or a revocation list changes, the validity is checked again on each
//! resumption, and a handshake during which the files changed is checked against the new ones before it counts.
//!
//! Not checked here: whether the certificate is registered and active, and what it may do. The owner of the listener
//! does that for each `Accepted`, whether `resumed` or not. Nor are connections cut that were accepted before a
//! revocation list changed: the owner waits on `Handle::trust_changes` and asks `Handle::check` about each.
//!
//! # Limits
//!
//! A handshake holds one of `Limits::handshakes_max` places; while none is free nothing is taken from the kernel's
//! queue, so a flood waits there and costs no memory here. A handshake that takes longer than
//! `Limits::handshake_time_max`, silent or slow, is cut. Finished connections wait in a bounded channel.

mod accept_loop;
mod accepted;
mod bind;
mod current;
mod failure;
mod files;
mod handshake;
mod identity;
mod listener;
mod load_error;
mod refusal_log;
mod settings;
mod slots;
mod stats;
mod stream;
mod trust;
mod verifier;
mod watch;
mod words;

pub use accepted::{Accepted, TlsVersion};
pub use bind::BindError;
pub use current::{Reloaded, check_files};
pub use failure::{Presented, Reason, Refused};
pub use listener::{Closed, Handle, Listener};
pub use load_error::LoadError;
pub use settings::{ClientCertificate, Limits, Security, Settings, Tls, Versions};
pub use stats::Stats;
pub use stream::Stream;
