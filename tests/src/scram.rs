//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), and the AUTH packets that carry it.

use crate::packet::{Packet, frame, kind, properties, text};
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The name of the method.
pub const SCRAM: &str = "SCRAM-SHA-256";

/// Somebody who knows a password, and makes one exchange after the other.
#[derive(Debug, Clone)]
pub struct Scram {
    user: String,
    password: String,
    bare: String,
}

impl Scram {
    /// Begins with a nonce that nobody had.
    pub fn new(user: &str, password: &str) -> Self {
        let nonce = BASE64.encode(rand::random::<[u8; 12]>());
        Self { user: user.to_string(), password: password.to_string(), bare: format!("n={user},r={nonce}") }
    }

    /// The first message.
    pub fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.bare).into_bytes()
    }

    /// The answer to the server's first message, and what the server has to say then.
    ///
    /// # Errors
    /// When the challenge is none.
    pub fn last(&self, challenge: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let challenge = std::str::from_utf8(challenge)?;
        let field = |key: &str| {
            let found = challenge.split(',').find_map(|part| part.strip_prefix(key));
            found.with_context(|| format!("no `{key}` in the challenge of {}: {challenge}", self.user))
        };
        let (nonce, salt, iterations) = (field("r=")?, BASE64.decode(field("s=")?)?, field("i=")?.parse()?);
        let own = self.bare.split_once(",r=").context("a nonce")?.1;
        anyhow::ensure!(
            nonce.len() > own.len() && nonce.starts_with(own),
            "the nonce is not ours: {challenge}"
        );
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(self.password.as_bytes(), &salt, iterations);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(left, right)| left ^ right).collect();
        let server = hmac(&hmac(&salted, b"Server Key"), signed.as_bytes());
        let last = format!("{without_proof},p={}", BASE64.encode(proof));
        Ok((last.into_bytes(), format!("v={}", BASE64.encode(server)).into_bytes()))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The properties Authentication Method and, if there is any, Authentication Data.
pub fn authentication(method: &str, data: Option<&[u8]>) -> Vec<u8> {
    let data = data.map_or_else(Vec::new, |data| [vec![0x16], text(data)].concat());
    [vec![0x15], text(method), data].concat()
}

/// An AUTH packet.
pub fn auth(reason: u8, method: &str, data: Option<&[u8]>) -> Vec<u8> {
    let body = [vec![reason], properties(5, &authentication(method, data))].concat();
    frame(kind::AUTH << 4, &body)
}

/// Authentication Method and Data of a CONNACK or an AUTH of MQTT 5.
pub fn said(packet: &Packet) -> (Option<String>, Option<Vec<u8>>) {
    let (mut method, mut data) = (None, None);
    for (id, value) in packet.properties_of_mqtt_5() {
        match id {
            0x15 => method = Some(String::from_utf8_lossy(&value).into_owned()),
            0x16 => data = Some(value),
            _ => {}
        }
    }
    (method, data)
}
