//! What arrived, read as far as it can be.

use serde::Deserialize;
use serde_json::Value;

use super::digest::{self, Digest, Parts};
use super::{raw, run_number};

/// The first byte of a JSON text that can be ours, after white space.
const JSON: [u8; 2] = *b"{\"";

/// A message of this run, or one that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which device made it.
    pub device: DeviceKey,
    /// Which of its messages it is.
    pub sequence: u64,
    /// When it was due, in microseconds since 1970, if that arrived.
    pub due_micros: Option<u64>,
    /// The id that a CloudEvent around it carries.
    pub event_id: Option<Box<str>>,
    /// What the checksum says.
    pub check: Check,
}

/// How a delivery names its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKey {
    /// By its client id.
    Name(Box<str>),
    /// By its index in the run.
    Index(u32),
}

/// What a checksum says about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It arrived as it was sent.
    Intact,
    /// It did not: somebody damaged it.
    Altered,
    /// Members are missing or new, so nobody can say.
    Unchecked,
}

/// Reads a delivery: a payload as it was sealed, what a rule made of it, or a CloudEvent around either. `None` when it
/// is no message of this run.
pub fn open(body: &[u8], run: &str) -> Option<Delivery> {
    if let Some((proof, intact)) = raw::open_raw(body) {
        let check = if intact { Check::Intact } else { Check::Altered };
        let ours = proof.run == run_number(run) || !intact;
        return ours.then_some(Delivery {
            device: DeviceKey::Index(proof.device),
            sequence: proof.sequence,
            due_micros: Some(proof.due_micros),
            event_id: None,
            check,
        });
    }
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if JSON.contains(first) {
        return open_tree(&serde_json::from_slice(body).ok()?, run);
    }
    open_cbor(body, run)
}

fn open_tree(value: &Value, run: &str) -> Option<Delivery> {
    let wrapped = value.get("specversion").and(value.get("data"));
    let map = wrapped.unwrap_or(value);
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    let members = Members {
        device: text("deviceId")?.into(),
        sequence: whole(map.get("sequence")?)?,
        due_micros: map.get("dueMicros").and_then(whole),
        run: text("run").map(Into::into),
        checksum: text(digest::CHECKSUM).map(Into::into),
    };
    let event_id = wrapped.and(value.get("id")).and_then(Value::as_str).map(Into::into);
    members.delivery(run, event_id, || Digest::deserialize(map).ok())
}

/// Nothing between the device and whoever reads CBOR rewrites it, so it is read strictly.
fn open_cbor(body: &[u8], run: &str) -> Option<Delivery> {
    let members: Members = ciborium::from_reader(body).ok()?;
    members.delivery(run, None, || ciborium::from_reader(body).ok())
}

/// The members of the proof.
#[derive(Deserialize)]
struct Members {
    #[serde(rename = "deviceId")]
    device: Box<str>,
    sequence: u64,
    #[serde(rename = "dueMicros")]
    due_micros: Option<u64>,
    run: Option<Box<str>>,
    checksum: Option<Box<str>>,
}

impl Members {
    fn delivery(
        self,
        run: &str,
        event_id: Option<Box<str>>,
        digest: impl FnOnce() -> Option<Digest>,
    ) -> Option<Delivery> {
        if self.run.as_deref().is_some_and(|other| other != run) {
            return None;
        }
        let check = self.check(digest);
        let Self { device, sequence, due_micros, .. } = self;
        Some(Delivery { device: DeviceKey::Name(device), sequence, due_micros, event_id, check })
    }

    fn check(&self, digest: impl FnOnce() -> Option<Digest>) -> Check {
        let Some(checksum) = self.checksum.as_deref() else { return Check::Unchecked };
        let Some(parts) = Parts::parse(checksum) else { return Check::Altered };
        let Some(run) = self.run.as_deref() else { return Check::Unchecked };
        if digest::identity(&self.device, run, self.sequence) != parts.identity {
            return Check::Altered;
        }
        match digest().map(|digest| digest.agrees(parts)) {
            Some(Some(true)) => Check::Intact,
            Some(Some(false)) => Check::Altered,
            Some(None) | None => Check::Unchecked,
        }
    }
}

/// A rule may have written 7 as 7.0.
fn whole(value: &Value) -> Option<u64> {
    let exact = |number: f64| number >= 0.0 && number.fract() == 0.0 && number < 9e15;
    value.as_u64().or_else(|| value.as_f64().filter(|number| exact(*number)).map(|number| number as u64))
}
