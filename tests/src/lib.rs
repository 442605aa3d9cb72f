//! The gateway as its users see it: real processes, real clients, real faults.
//!
//! A test makes a [`Site`] (a folder with an authority, certificates, policies, rules and settings), starts a [`Gateway`] on it, and
//! talks to it as a device ([`Client`]) or as a consumer ([`Consumer`]). The client writes and reads packets by itself: using the gateway's own
//! codec here would hide its mistakes. Nothing sleeps and hopes: everything waits for a condition, with a bound.

mod browser;
mod client;
mod consumer;
pub mod durable;
mod fleet;
mod follow;
mod gateway;
mod javascript;
mod log;
mod paced;
mod packet;
mod percentiles;
mod python;
mod scenario;
pub mod scram;
mod script;
mod site;
mod tls;
pub mod wait;
mod web;

pub use browser::{Page, browse, photograph};
pub use client::{Client, Connect, Gone, Will};
pub use consumer::{Consumer, Event, Metrics};
pub use fleet::{Fleet, Summary};
pub use follow::{Read, follow, latest};
pub use gateway::{Gateway, binary, run_command};
pub use javascript::run as run_javascript;
pub use log::{Line, Log};
pub use paced::{Pace, publish_paced};
pub use packet::{Packet, Publish, kind};
pub use percentiles::Percentiles;
pub use python::{Python, python};
pub use scenario::{Phase, play};
pub use script::Script;
pub use site::{ALLOW_ALL, OWN_TOPICS, Site, TELEMETRY_STREAM, free_port, workspace};
pub use tls::{TlsOptions, trust};
pub use web::{Response, UPGRADE, Web, base64};
