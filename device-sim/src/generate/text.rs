//! Payloads from a template of text.

use std::io::Write;
use std::time::Duration;

use super::encode::{Encoder, Json};
use super::{Generator, signal};
use crate::scenario::{MessagePart, MessageTemplate, ProofPart};
use crate::truth::Proof;
use crate::truth::proof::{self, CHECKSUM_CHARACTERS, Origin};

/// Where a text that is known only later belongs.
#[derive(Default)]
struct Places {
    checksums: Vec<usize>,
    padding: Option<usize>,
}

impl Generator {
    /// Fills in a template. What needs the rest of the text comes last: the padding, then the checksum.
    pub(super) fn render(
        &mut self,
        template: &MessageTemplate,
        at: Duration,
        origin: &Origin<'_>,
        proof: &Proof,
        bytes: usize,
        out: &mut Vec<u8>,
    ) {
        let from = out.len();
        let values = self.values(template, at);
        let mut places = Places::default();
        for part in template.parts() {
            match part {
                MessagePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                MessagePart::Field(number) => out.extend_from_slice(&values[*number]),
                MessagePart::Proof(part) => fill(*part, origin, proof, out, &mut places),
            }
        }
        if let Some(padding) = places.padding {
            let missing = bytes.saturating_sub(out.len() - from);
            out.splice(padding..padding, std::iter::repeat_n(b'x', missing));
            places.checksums.iter_mut().filter(|place| **place > padding).for_each(|place| *place += missing);
        }
        if !places.checksums.is_empty()
            && let Some(checksum) = proof::checksum_json(&out[from..], origin, proof)
        {
            for place in places.checksums {
                out[place..place + CHECKSUM_CHARACTERS].copy_from_slice(&checksum);
            }
        }
    }

    /// Every field's next value, as it stands in JSON; a text without its quotes, which the template has.
    fn values(&mut self, template: &MessageTemplate, at: Duration) -> Vec<Vec<u8>> {
        let mut states = self.states.iter_mut();
        let mut values = Vec::with_capacity(template.fields().len());
        for field in template.fields() {
            let mut value = Vec::new();
            signal::write(&field.signal, at, &mut self.random, &mut states, &mut Json(&mut value));
            values.push(unquoted(value));
        }
        values
    }
}

fn unquoted(mut json: Vec<u8>) -> Vec<u8> {
    if json.len() >= 2 && json[0] == b'"' {
        json.pop();
        json.remove(0);
    }
    json
}

fn fill(part: ProofPart, origin: &Origin<'_>, proof: &Proof, out: &mut Vec<u8>, places: &mut Places) {
    let text = |out: &mut Vec<u8>, text: &str| {
        let mut quoted = Vec::new();
        Json(&mut quoted).text(text);
        out.extend_from_slice(&unquoted(quoted));
    };
    let written = match part {
        ProofPart::Device => {
            text(out, origin.device_id);
            Ok(())
        }
        ProofPart::Run => {
            text(out, origin.run);
            Ok(())
        }
        ProofPart::Sequence => write!(out, "{}", proof.sequence),
        ProofPart::SentAtMs => write!(out, "{}", origin.sent_at_ms(proof)),
        ProofPart::DueMicros => write!(out, "{}", proof.due_micros),
        ProofPart::Checksum => {
            places.checksums.push(out.len());
            out.extend_from_slice(&[b'0'; CHECKSUM_CHARACTERS]);
            Ok(())
        }
        ProofPart::Padding => {
            places.padding = Some(out.len());
            Ok(())
        }
    };
    written.expect("a number can be written to memory");
}
