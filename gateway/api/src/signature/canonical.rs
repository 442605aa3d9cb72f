//! The canonical form of a request: the text that both sides sign.

use std::fmt::Write as _;

use axum::http::HeaderMap;
use axum::http::header::HOST;

use super::{Refusal, Request};

/// Headers that decide what a request does must be covered, or one that was overheard could be bent to do something
/// else within its quarter of an hour.
pub(super) fn check_signed_headers(headers: &HeaderMap, signed: &[&str]) -> Result<(), Refusal> {
    if !signed.is_sorted() {
        return Err(Refusal::incomplete("`SignedHeaders` must be sorted".to_owned()));
    }
    let needed = headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    for name in std::iter::once("host").chain(needed) {
        if !signed.contains(&name) {
            return Err(Refusal::incomplete(format!("`SignedHeaders` must cover `{name}`")));
        }
    }
    Ok(())
}

/// Builds the canonical request.
pub(super) fn request(request: Request<'_>, signed: &[&str], body_digest: &str) -> Result<String, Refusal> {
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        path(request.uri.path()),
        query(request.uri.query().unwrap_or_default()),
    );
    for name in signed {
        let _ = writeln!(text, "{name}:{}", header_value(request, name)?);
    }
    let _ = write!(text, "\n{}\n{body_digest}", signed.join(";"));
    Ok(text)
}

/// Values in order of arrival joined by commas, each trimmed and with inner runs of spaces made one.
fn header_value(request: Request<'_>, name: &str) -> Result<String, Refusal> {
    let mut values = Vec::new();
    for value in request.headers.get_all(name) {
        let value = String::from_utf8_lossy(value.as_bytes());
        values.push(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    }
    // Over HTTP/2 the host arrives as `:authority`, which is part of the address.
    if values.is_empty()
        && name == HOST.as_str()
        && let Some(authority) = request.uri.authority()
    {
        values.push(authority.to_string());
    }
    if values.is_empty() {
        return Err(Refusal::incomplete(format!("signed header `{name}` is not in the request")));
    }
    Ok(values.join(","))
}

/// Dot segments resolved, then every segment encoded once more: except for S3, the path that is signed is the
/// encoded form of the path that is sent.
fn path(raw: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            named => segments.push(named),
        }
    }
    let mut text = String::with_capacity(raw.len() + 1);
    for segment in &segments {
        text.push('/');
        encode(segment.as_bytes(), &mut text);
    }
    if segments.is_empty() || raw.ends_with('/') {
        text.push('/');
    }
    text
}

/// Parameters sorted by encoded name, then by encoded value.
fn query(raw: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recode(name), recode(value))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Whatever way a client encoded the text, the canonical form encodes all but the unreserved characters.
fn recode(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match after.get(..2).filter(|_| first == b'%').and_then(|digits| hex::decode(digits).ok()) {
            Some(byte) => {
                plain.extend(byte);
                rest = &after[2..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    let mut out = String::with_capacity(plain.len());
    encode(&plain, &mut out);
    out
}

fn encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
