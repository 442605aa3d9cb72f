//! One handshake, from a TCP connection to an `Accepted` or a reason.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::listener::Shared;
use crate::slots::Slot;
use crate::stream::Transport;
use crate::verifier::SHOWN;
use crate::{Accepted, Refused, Stream, TlsVersion, words};

/// Greets a peer in whatever way the listener's settings ask for.
pub(crate) async fn greet(
    shared: &Shared,
    socket: TcpStream,
    peer: SocketAddr,
    slot: Slot,
) -> Result<Accepted, Refused> {
    // The peer may be gone already; then the listener's own address is as good.
    let local = socket.local_addr().unwrap_or(shared.local);
    // Small packets must not wait for each other. It can only fail if the peer is gone, which shows at the first read.
    let _ = socket.set_nodelay(true);
    let Some(current) = &shared.current else {
        return Ok(plain(socket, peer, local, slot));
    };
    let begun_with = current.load_full();
    let (outcome, shown) = SHOWN
        .scope(RefCell::default(), async {
            let handshake = TlsAcceptor::from(Arc::clone(&begun_with.config)).accept(socket);
            let outcome = tokio::time::timeout(shared.settings.limits.handshake_time_max, handshake).await;
            (outcome, SHOWN.with(RefCell::take))
        })
        .await;
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(words::explain_io(&error, &shown)),
        Err(_) => return Err(words::explain_timeout(shared.settings.limits.handshake_time_max, &shown)),
    };
    let accepted = describe(stream, peer, local, slot);
    // rustls does not ask the verifier on resumption, and the files may have changed during the handshake.
    let trust = Arc::clone(&current.load().trust);
    if accepted.resumed || !Arc::ptr_eq(&trust, &begun_with.trust) {
        trust.check(&accepted.certificates)?;
    }
    Ok(accepted)
}

fn plain(socket: TcpStream, peer: SocketAddr, local: SocketAddr, slot: Slot) -> Accepted {
    Accepted {
        stream: Stream::new(Transport::Plain(socket), slot),
        peer,
        local,
        certificates: Vec::new(),
        resumed: false,
        alpn: None,
        server_name: None,
        version: None,
    }
}

fn describe(stream: TlsStream<TcpStream>, peer: SocketAddr, local: SocketAddr, slot: Slot) -> Accepted {
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    let certificates = certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let alpn = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::V1_3),
        Some(_) => Some(TlsVersion::V1_2),
        None => None,
    };
    Accepted {
        peer,
        local,
        certificates,
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        alpn,
        server_name: connection.server_name().map(str::to_owned),
        version,
        stream: Stream::new(Transport::Tls(Box::new(stream)), slot),
    }
}
