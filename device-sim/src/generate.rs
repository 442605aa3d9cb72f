//! Makes payloads: values that change over time, written as JSON, CBOR or bytes, with the proof in them.
//!
//! Pure and repeatable: the seed, the device and its moments decide every byte. It knows no connection.

mod encode;
mod fake;
mod signal;
mod text;

use std::sync::Arc;
use std::time::Duration;

use encode::{Cbor, Encoder, Json};
use signal::State;

use crate::random::{Purpose, Random};
use crate::scenario::{Body, Field, Format, Identity, Publication, Signal, Timing};
use crate::truth::Proof;
use crate::truth::proof::{self, Origin, RAW_HEADER_BYTES};

/// One device's payloads of one publication.
#[derive(Clone, Debug)]
pub struct Generator {
    publication: Arc<Publication>,
    random: Random,
    /// Of each signal, in the order in which they are written.
    states: Box<[State]>,
}

impl Generator {
    /// The payloads of the device with this number, counted through all fleets.
    pub fn new(publication: &Arc<Publication>, seed: u64, device: u32, identity: &Identity<'_>) -> Self {
        let mut random = Random::of_device(seed, device, publication.number, Purpose::Values);
        let mut states = Vec::new();
        for field in fields(&publication.payload.body) {
            State::begin(&field.signal, identity, &mut random, &mut states);
        }
        Self { publication: Arc::clone(publication), random, states: states.into() }
    }

    /// Appends the payload of the message that is due `at` this time of the run to `out`. A message of a trace says
    /// what its row says, if that says anything.
    pub fn next(
        &mut self,
        at: Duration,
        row: Option<u32>,
        origin: &Origin<'_>,
        proof: &Proof,
        out: &mut Vec<u8>,
    ) {
        let publication = Arc::clone(&self.publication);
        let payload = &publication.payload;
        let from = out.len();
        let of_row = match &publication.timing {
            Timing::Trace(trace) => row.and_then(|row| trace.row(row)).and_then(|row| row.body.as_deref()),
            _ => None,
        };
        let bytes = payload.bytes.unwrap_or(0);
        match (of_row.unwrap_or(&payload.body), payload.format) {
            (Body::Template(template), _) => {
                self.render(template, at, origin, proof, bytes, out);
            }
            (Body::Bytes(content), _) => bytes_with_proof(content, bytes, from, proof, out),
            (Body::Values(_), Format::Raw) => bytes_with_proof(&[], bytes, from, proof, out),
            (Body::Values(fields), Format::Json) => {
                self.write(fields, of_row.is_some(), at, &mut Json(out));
                proof::seal_json(out, from, bytes, origin, proof)
                    .expect("what was written is an object, and its names were checked");
            }
            (Body::Values(fields), Format::Cbor) => {
                self.write(fields, of_row.is_some(), at, &mut Cbor(out));
                proof::seal_cbor(out, from, bytes, origin, proof)
                    .expect("what was written is a map, and its names were checked");
            }
        }
    }

    fn write(&mut self, fields: &[Field], constant: bool, at: Duration, encoder: &mut impl Encoder) {
        // A row of a trace has only constants, which have no state.
        let states: &mut [State] = if constant { &mut [] } else { &mut self.states };
        let mut states = states.iter_mut();
        signal::write_map(fields, at, &mut self.random, &mut states, encoder);
    }
}

fn fields(body: &Body) -> &[Field] {
    match body {
        Body::Values(fields) => fields,
        Body::Template(template) => template.fields(),
        Body::Bytes(_) => &[],
    }
}

/// A header, then what there is to say, then zeros up to the size.
fn bytes_with_proof(content: &[u8], bytes: usize, from: usize, proof: &Proof, out: &mut Vec<u8>) {
    out.resize(from + RAW_HEADER_BYTES, 0);
    out.extend_from_slice(content);
    if out.len() - from < bytes {
        out.resize(from + bytes, 0);
    }
    proof::seal_raw(out, from, proof).expect("there is room for the header");
}

/// Whether a signal is the same in every message of every device.
pub(crate) fn is_constant(signal: &Signal) -> bool {
    match signal {
        Signal::Null | Signal::Boolean(_) | Signal::Integer(_) | Signal::Number(_) => true,
        Signal::Text(template) => template.as_constant().is_some(),
        Signal::List(elements) => elements.iter().all(is_constant),
        Signal::Map(fields) => fields.iter().all(|field| is_constant(&field.signal)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
