//! Durable sessions and retained messages: what a restart must find again.
//!
//! The bodies are in the journal. The state store holds what changes: sessions, their subscriptions, the state of their QoS 2 exchanges, and
//! which copies are owed to whom. One thread writes it, many changes with one fsync:
//!
//! - *Changes* come from the connections ([`broker::Change`]). Those that a later packet could contradict (a subscription that was granted, an
//!   identifier of QoS 2 that was taken) are on disk before the packet that promises them leaves. Those that only say that something is
//!   over may be lost in a crash: then a message is sent again, which QoS 1 allows and QoS 2 recognises.
//! - *Copies owed* come from the journal itself: the thread follows it from where it last committed, so a copy is owed exactly if its
//!   record is durable, whatever else was lost. The same holds for the identifier of a QoS 2 publish: its record names it.
//!
//! It must not know sockets.

mod copies;
mod feeds;
mod recover;
mod rows;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use copies::address;
pub(crate) use store::{SessionStore, StoreFailed};
