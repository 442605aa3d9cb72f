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
//! A handshake holds one of `Limits::handshakes_max` places. Who finds none waits, as a bare socket, with others of its
//! address; addresses take turns and leave places to each other, so that a flood from one does not keep others out, and
//! of too many that wait the newest of the greediest address is closed. A handshake that takes longer than
//! `Limits::handshake_time_max`, silent or slow, is cut; its time begins with its place. Finished connections wait in a
//! bounded channel. More than `Limits::connections_per_sec_max` wait in the kernel's queue.

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
mod waiting_room;
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
