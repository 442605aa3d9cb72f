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
    // Small packets must not wait for each other. It can only fail if the peer is gone, which shows at the first read.
    let _ = socket.set_nodelay(true);
    let Some(current) = &shared.current else {
        return Ok(plain(shared, socket, peer, slot));
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
    // Read before the trust: should it change right after, the older number makes others check once more.
    let trust_generation = shared.trust_generation();
    let accepted = Accepted { trust_generation, ..describe(shared, stream, peer, slot) };
    // rustls does not ask the verifier on resumption, and the files may have changed during the handshake.
    let trust = Arc::clone(&current.load().trust);
    if !Arc::ptr_eq(&trust, &begun_with.trust) {
        trust.check(&accepted.certificates)?;
    } else if accepted.resumed {
        trust.check_resumed(&accepted.certificates)?;
    }
    Ok(accepted)
}

/// The peer may be gone already; then the listener's own address is as good.
fn local_address(shared: &Shared, socket: &TcpStream) -> SocketAddr {
    socket.local_addr().unwrap_or(shared.local)
}

fn plain(shared: &Shared, socket: TcpStream, peer: SocketAddr, slot: Slot) -> Accepted {
    Accepted {
        local: local_address(shared, &socket),
        stream: Stream::new(Transport::Plain(socket), slot),
        peer,
        certificates: Vec::new(),
        resumed: false,
        alpn: None,
        server_name: None,
        version: None,
        trust_generation: 0,
    }
}

fn describe(shared: &Shared, stream: TlsStream<TcpStream>, peer: SocketAddr, slot: Slot) -> Accepted {
    let (socket, connection) = stream.get_ref();
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
        local: local_address(shared, socket),
        certificates,
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        alpn,
        server_name: connection.server_name().map(str::to_owned),
        version,
        trust_generation: 0,
        stream: Stream::new(Transport::Tls(Box::new(stream)), slot),
    }
}
