//! The HTTP target: every event is posted to a URL.
//!
//! A 2xx answer means that the event is delivered. 408, 429, 5xx and a connection that fails are tried again, later if
//! the answer's `Retry-After` says so; any other answer is a refusal. Redirects are not followed, since the events are
//! for the host that the operator named and nobody else.
//!
//! An event goes out as a CloudEvent: in binary mode, with its attributes in `ce-*` headers and its data as the body, or
//! in structured mode when the route says `format = "cloudevents"`. `Idempotency-Key` is the event's id either way.
//!
//! | Read | for |
//! | --- | --- |
//! | [`config`] | the settings and what is wrong with them |
//! | [`request`] | one event as headers and a body |
//! | [`deliver`] | sending it, and what an answer means |
//! | [`trust`] | which authorities are trusted over https |
//!
//! Must not know: the bus's retries and dead letters, and who configured the target.

mod config;
mod deliver;
mod request;
mod retry_after;
mod trust;

#[cfg(test)]
mod tests;

pub use config::{HttpError, Settings};
pub use deliver::Http;

/// The kind of target, as in `http/orders`.
pub const KIND: &str = "http";
