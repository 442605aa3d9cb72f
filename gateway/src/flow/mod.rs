//! READ FIRST: the path of one message, one verb for each step, one file for each verb.
//!
//! | # | Step | File | What it hands on |
//! | --- | --- | --- | --- |
//! | 1 | accept, TLS | [`accept`] | a connection with a certificate that was verified |
//! | | where HTTP comes first | [`http`] | the same, out of a WebSocket; or a publish by request, which goes on with step 3 |
//! | 2 | who is it, MQTT session | [`connect`], [`authenticate`], [`serve`] | a publish with its topic resolved |
//! | 3 | may it | [`authorise`] | `Permitted<Publish>`, which only the crate `access` can make |
//! | 4 | rule SQL | [`evaluate`] | events with their routes |
//! | 5 | durable write | [`commit`] | the order in which acknowledgements are released |
//! | 6 | MQTT subscribers | [`fan_out`] | copies in the outboxes of sessions; the PUBACK |
//! | 7 | targets | [`deliver`] | delivered, retried, or a dead letter |
//!
//! What a windowed statement makes of a message is one more event, for a lane of the gateway's own; what its windows make when they close
//! ([`windows`]) joins at step 5.
//!
//! Messages of the gateway itself ([`announce`]), of rules ([`republish`]) and of clients that are gone ([`wills`]) join at step 4 and step 3.
//!
//! Steps 2 to 6 run on the connection's own task: a slow step slows this device alone, and work is parallel by connection. Step 7 runs
//! on a lane for each target, from the journal.

pub(crate) mod accept;
pub(crate) mod announce;
pub(crate) mod archive;
mod authenticate;
mod authorise;
mod candour;
mod commit;
mod connect;
pub(crate) mod deliver;
mod evaluate;
mod fan_out;
mod fit;
mod held;
mod http;
#[cfg(test)]
mod idle;
pub(crate) mod outside;
mod patience;
mod rate;
pub(crate) mod republish;
mod serve;
mod turn;
pub(crate) mod wills;
pub(crate) mod windows;

pub(crate) use evaluate::Seen;
