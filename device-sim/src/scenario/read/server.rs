//! `[server]`.

use super::section::{Section, Span};
use crate::scenario::{Address, Certificates, Handshake, Network, Protocol, Server, Sources, Transport};

/// Transports by name.
pub(super) const TRANSPORTS: &[(&str, Transport)] = &[
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("websocket", Transport::WebSocket),
    ("websocket_tls", Transport::WebSocketTls),
];
/// Protocols by name.
pub(super) const PROTOCOLS: &[(&str, Protocol)] = &[("3.1.1", Protocol::V311), ("5", Protocol::V5)];
const HANDSHAKES: &[(&str, Handshake)] = &[("resumed", Handshake::Resumed), ("full", Handshake::Full)];
const SOURCES_MAX: usize = 1024;

/// What fleets do that do not say otherwise.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    pub(super) transport: Transport,
    pub(super) protocol: Protocol,
}

pub(super) fn read(scenario: &Section<'_, '_>) -> (Server, Defaults) {
    let Some(section) = scenario.section("server", "`[server]`") else {
        return (Server::default(), Defaults { transport: Transport::Tcp, protocol: Protocol::V311 });
    };
    let transport = section.choice("transport", TRANSPORTS).unwrap_or(Transport::Tcp);
    let protocol = section.choice("protocol", PROTOCOLS).unwrap_or(Protocol::V311);
    let default_port = if transport.is_encrypted() { 8883 } else { 1883 };
    let default = Address { host: "localhost".to_owned(), port: default_port };
    let address = address(&section).unwrap_or(default);
    let server = Server {
        server_name: section
            .text("server_name")
            .map_or_else(|| address.host.clone(), |(name, _)| name.to_owned()),
        address,
        authority: section.path("authority"),
        handshake: section.choice("handshake", HANDSHAKES).unwrap_or(Handshake::Resumed),
        source_addresses: sources(&section),
        certificates: certificates(&section),
        websocket_path: websocket_path(&section),
    };
    section.finish();
    (server, Defaults { transport, protocol })
}

fn address(section: &Section<'_, '_>) -> Option<Address> {
    let (text, span) = section.text("address")?;
    let address = Address::parse(text);
    if address.is_none() {
        let message =
            format!("`address` is `{text}`, which is not HOST:PORT; write for example `localhost:8883`");
        section.reader.refuse(span, message);
    }
    address
}

fn websocket_path(section: &Section<'_, '_>) -> String {
    let Some((path, span)) = section.text("websocket_path") else { return "/mqtt".to_owned() };
    if !path.starts_with('/') || path.contains(|character: char| !character.is_ascii_graphic()) {
        section
            .reader
            .refuse(span, "`websocket_path` begins with `/` and has no spaces; write for example `/mqtt`");
    }
    path.to_owned()
}

fn sources(section: &Section<'_, '_>) -> Sources {
    let texts = section.texts("source_addresses").unwrap_or_default();
    if let Some((_, span)) = texts.get(SOURCES_MAX) {
        section.reader.refuse(span.clone(), format!("there are more than {SOURCES_MAX} `source_addresses`"));
    }
    let network = |(text, span): &(&str, Span)| {
        let network = Network::parse(text);
        if network.is_none() {
            let message = format!("`{text}` is no address and no network; write for example `127.0.1.0/28`");
            section.reader.refuse(span.clone(), message);
        }
        network
    };
    Sources::new(texts.iter().filter_map(network).collect())
}

fn certificates(section: &Section<'_, '_>) -> Certificates {
    let Some(inner) = section.section("certificates", "`certificates`") else { return Certificates::None };
    let example = "certificates = { folder = \"pki/devices\" }";
    let certificates = match inner.one_of(&["folder", "authority", "made"], example) {
        Some("folder") => inner.path("folder").map(Certificates::Folder),
        Some("made") => inner.path("made").map(Certificates::Made),
        Some(_) => {
            let key = inner.path("key");
            if !inner.has("key") {
                inner.missing("key", "certificates = { authority = \"ca.crt\", key = \"ca.key\" }");
            }
            inner
                .path("authority")
                .zip(key)
                .map(|(certificate, key)| Certificates::Authority { certificate, key })
        }
        None => None,
    };
    inner.finish();
    certificates.unwrap_or(Certificates::None)
}
