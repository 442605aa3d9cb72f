//! The request of a client, and whether the answer agrees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::{ANSWER_BYTES_MAX, Failure};

/// What a server adds to the key before it hashes it [RFC 6455, 1.3].
const ADDITION: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Until it is sent.
    pub(super) request: Vec<u8>,
    /// What an answer must say to be one to this request.
    accept: String,
    /// As far as it has arrived.
    answer: Vec<u8>,
}

impl Asked {
    /// `key` tells this request from others; it is no secret.
    pub(super) fn new(host: &str, path: &str, key: [u8; 16]) -> Self {
        let key = STANDARD.encode(key);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        Self { request: request.into_bytes(), accept: accept(&key), answer: Vec::new() }
    }

    /// Takes the answer off the front of `input`; whether it is whole. It agrees then.
    pub(super) fn answered(&mut self, input: &mut &[u8]) -> Result<bool, Failure> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.answer.push(*byte);
            if self.answer.ends_with(b"\r\n\r\n") {
                let answer = String::from_utf8_lossy(&self.answer);
                return check(&answer, &self.accept).map(|()| true);
            }
            if self.answer.len() >= ANSWER_BYTES_MAX {
                return Err(Failure::WebSocket("the answer of the gateway is longer than 8 KiB"));
            }
        }
        Ok(false)
    }
}

fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(ADDITION).finalize())
}

/// Whether the server agrees to what was asked [RFC 6455, 4.1].
fn check(answer: &str, accept: &str) -> Result<(), Failure> {
    let mut lines = answer.split("\r\n");
    let mut status = lines.next().unwrap_or_default().split(' ');
    let version = status.next().unwrap_or_default();
    let status = status.next().and_then(|status| status.parse().ok());
    let status: u16 = status
        .filter(|_| version.starts_with("HTTP/1."))
        .ok_or(Failure::WebSocket("the gateway does not answer in HTTP"))?;
    if status != 101 {
        return Err(Failure::Refused(status));
    }
    let headers: Vec<(&str, &str)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
    let has = |name: &str, matches: &dyn Fn(&str) -> bool| {
        headers.iter().any(|(found, value)| found.eq_ignore_ascii_case(name) && matches(value))
    };
    let names = |word: &'static str| {
        move |value: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !has("upgrade", &names("websocket")) || !has("connection", &names("upgrade")) {
        return Err(Failure::WebSocket("the answer of the gateway does not say that it upgrades"));
    }
    if !has("sec-websocket-accept", &|value| value == accept) {
        return Err(Failure::WebSocket("the answer of the gateway is not one to this request"));
    }
    if !has("sec-websocket-protocol", &|value| value == "mqtt") {
        return Err(Failure::WebSocket("the gateway does not agree to the protocol `mqtt`"));
    }
    if has("sec-websocket-extensions", &|value| !value.is_empty()) {
        return Err(Failure::WebSocket("the gateway uses an extension that nobody asked for"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the answer in RFC 6455, section 1.3.
    #[test]
    fn the_example_of_the_standard_agrees() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_answer_agrees_or_says_why_not() {
        let good = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                    Sec-WebSocket-Accept: key\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
        assert!(check(good, "key").is_ok());
        for (from, to, reason) in [
            ("101 Switching Protocols", "404 Not Found", "the gateway refused WebSocket with status 404"),
            ("HTTP/1.1 101", "SSH-2.0", "WebSocket: the gateway does not answer in HTTP"),
            (
                "WebSocket\r\n",
                "h2c\r\n",
                "WebSocket: the answer of the gateway does not say that it upgrades",
            ),
            (": key", ": other", "WebSocket: the answer of the gateway is not one to this request"),
            (": mqtt", ": chat", "WebSocket: the gateway does not agree to the protocol `mqtt`"),
        ] {
            let answer = good.replacen(from, to, 1);
            assert_eq!(check(&answer, "key").unwrap_err().to_string(), reason, "{answer}");
        }
    }

    #[test]
    fn an_answer_without_end_is_not_collected_for_ever() {
        let mut asked = Asked::new("host", "/mqtt", [0; 16]);
        let endless = vec![b'x'; 1 << 20];
        assert!(asked.answered(&mut &endless[..]).is_err());
        assert!(asked.answer.len() <= ANSWER_BYTES_MAX);
    }

    #[test]
    fn what_comes_after_the_answer_is_left() {
        let mut asked = Asked::new("host", "/mqtt", [7; 16]);
        let accept = asked.accept.clone();
        let answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\nrest"
        );
        let (first, mut second) = answer.as_bytes().split_at(30);
        assert!(!asked.answered(&mut &*first).unwrap());
        assert!(asked.answered(&mut second).unwrap());
        assert_eq!(second, b"rest");
        assert!(
            String::from_utf8(asked.request).unwrap().starts_with("GET /mqtt HTTP/1.1\r\nHost: host\r\n")
        );
    }
}
