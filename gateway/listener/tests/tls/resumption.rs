//! Resumed sessions are checked like full ones.

use std::sync::Arc;

use certs::Reason as Why;
use listener::{Listener, Reason, TlsVersion};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plant::{
    BOTH_VERSIONS, Plant, TLS_12, TLS_13, connect, dial, localhost, refusal, until, until_refused, within,
};

#[tokio::test]
async fn a_resumed_session_has_its_certificate_and_says_that_it_is_resumed() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = plant.listen();
    for version in BOTH_VERSIONS {
        let client = plant.client(Some(&device), version);
        let (_first, first) = connect(&mut listener, &client).await;
        assert!(!first.resumed);
        for _ in 0..3 {
            let (stream, resumed) = connect(&mut listener, &client).await;
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
            assert!(resumed.resumed);
            assert_eq!(resumed.certificates, std::slice::from_ref(&device.certificate));
            assert_eq!(resumed.version, first.version);
        }
    }
    assert_eq!((listener.stats().accepted, listener.stats().resumed), (8, 6));
}

#[tokio::test]
async fn tls_1_2_without_tickets_resumes_from_the_store() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = plant.listen();
    let mut client = plant.client(Some(&device), TLS_12);
    Arc::get_mut(&mut client).unwrap().resumption = rustls::client::Resumption::in_memory_sessions(8)
        .tls12_resumption(rustls::client::Tls12Resumption::SessionIdOnly);
    let (_first, first) = connect(&mut listener, &client).await;
    let (_second, second) = connect(&mut listener, &client).await;
    assert_eq!((first.resumed, second.resumed), (false, true));
    assert_eq!((second.version, second.certificates.len()), (Some(TlsVersion::V1_2), 1));
}

#[tokio::test]
async fn resumption_can_be_switched_off() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = Listener::bind(plant.settings_with(|tls| tls.resumption = false)).unwrap();
    for version in BOTH_VERSIONS {
        let client = plant.client(Some(&device), version);
        for _ in 0..2 {
            assert!(!connect(&mut listener, &client).await.1.resumed);
        }
    }
}

#[tokio::test]
async fn a_ticket_from_before_the_revocation_is_worthless() {
    for version in BOTH_VERSIONS {
        let mut plant = Plant::new();
        let (revoked, other) = (plant.device("sensor-1"), plant.device("sensor-2"));
        let mut listener = plant.listen();
        let (revoked, other) = (plant.client(Some(&revoked), version), plant.client(Some(&other), version));
        connect(&mut listener, &revoked).await;
        connect(&mut listener, &other).await;
        assert!(connect(&mut listener, &revoked).await.1.resumed, "the ticket must be good before");

        plant.authority.revoke("sensor-1", Why::KeyCompromise).unwrap();
        assert!(listener.reload().unwrap().trust_changed);
        let heard = refusal(listener.local_address(), &revoked).await;
        assert!(heard.contains("CertificateRevoked"), "{heard}");
        until_refused(&listener, Reason::Revoked, 1).await;
        assert!(!connect(&mut listener, &other).await.1.resumed);
        assert!(connect(&mut listener, &other).await.1.resumed);
    }
}

#[tokio::test]
async fn a_ticket_of_an_authority_that_is_no_longer_trusted_is_worthless() {
    for version in BOTH_VERSIONS {
        let mut plant = Plant::new();
        let device = plant.device("sensor-1");
        let bundle = plant.directory.path().join("bundle.pem");
        std::fs::copy(plant.authority.certificate_file(), &bundle).unwrap();
        let settings = plant.settings_with(|tls| {
            tls.authorities = vec![bundle.clone()];
            tls.revocation_lists.clear();
        });
        let mut listener = Listener::bind(settings).unwrap();
        let client = plant.client(Some(&device), version);
        connect(&mut listener, &client).await;
        assert!(connect(&mut listener, &client).await.1.resumed, "the ticket must be good before");

        std::fs::copy(Plant::new().authority.certificate_file(), &bundle).unwrap();
        listener.reload().unwrap();
        refusal(listener.local_address(), &client).await;
        until_refused(&listener, Reason::UnknownAuthority, 1).await;
    }
}

/// Sends the client's first flight and waits for the answer, so that the handshake is under way with the files as
/// they are now.
async fn half_a_handshake(listener: &Listener, client: &Arc<ClientConfig>) -> (ClientConnection, TcpStream) {
    let mut connection = ClientConnection::new(Arc::clone(client), localhost()).unwrap();
    let mut socket = TcpStream::connect(listener.local_address()).await.unwrap();
    send(&mut connection, &mut socket).await;
    within(socket.readable()).await.unwrap();
    (connection, socket)
}

/// The rest of the handshake until the server hangs up, and whether the session was resumed.
async fn other_half(mut connection: ClientConnection, mut socket: TcpStream) -> bool {
    within(async {
        while connection.is_handshaking() {
            let mut bytes = [0; 4096];
            let count = socket.read(&mut bytes).await.unwrap();
            let mut arrived = &bytes[..count];
            while !arrived.is_empty() {
                connection.read_tls(&mut arrived).unwrap();
                connection.process_new_packets().unwrap();
            }
            send(&mut connection, &mut socket).await;
        }
        // The end may come as a reset; either way nothing is served.
        let _ = socket.read_to_end(&mut Vec::new()).await;
        connection.handshake_kind() == Some(HandshakeKind::Resumed)
    })
    .await
}

async fn send(connection: &mut ClientConnection, socket: &mut TcpStream) {
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight).unwrap();
    }
    socket.write_all(&flight).await.unwrap();
}

#[tokio::test]
async fn a_revocation_in_the_middle_of_a_handshake_counts() {
    for resumed in [true, false] {
        let mut plant = Plant::new();
        let device = plant.device("sensor-1");
        let mut listener = plant.listen();
        let client = plant.client(Some(&device), TLS_13);
        if resumed {
            connect(&mut listener, &client).await;
        }
        let accepted = listener.stats().accepted;
        let (connection, socket) = half_a_handshake(&listener, &client).await;
        plant.authority.revoke("sensor-1", Why::KeyCompromise).unwrap();
        listener.reload().unwrap();
        assert_eq!(other_half(connection, socket).await, resumed);
        until_refused(&listener, Reason::Revoked, 1).await;
        assert_eq!(listener.stats().accepted, accepted, "resumed: {resumed}");
    }
}

#[tokio::test]
async fn a_revocation_while_a_connection_waits_to_be_taken_counts() {
    let mut plant = Plant::new();
    let (stolen, other) = (plant.device("sensor-1"), plant.device("sensor-2"));
    let mut listener = plant.listen();
    let _stolen = within(dial(listener.local_address(), &plant.client(Some(&stolen), TLS_13))).await.unwrap();
    until(|| listener.stats().handshakes_open == 0 && listener.stats().connections_open == 1).await;
    plant.authority.revoke("sensor-1", Why::KeyCompromise).unwrap();
    listener.reload().unwrap();
    let (_device, accepted) = connect(&mut listener, &plant.client(Some(&other), TLS_13)).await;
    assert_eq!(accepted.certificates, std::slice::from_ref(&other.certificate));
    assert_eq!(accepted.trust_generation, *listener.handle().trust_changes().borrow());
    until_refused(&listener, Reason::Revoked, 1).await;
}

#[tokio::test]
async fn a_certificate_that_expires_ends_its_resumptions() {
    let mut plant = Plant::new();
    let now = time::OffsetDateTime::now_utc();
    let soon =
        certs::Validity::between(now - time::Duration::hours(1), now + time::Duration::seconds(1)).unwrap();
    let device = plant.authority.issue_device("sensor-1", None, soon).unwrap();
    let mut listener = plant.listen();
    let client = plant.client(Some(&device), TLS_13);
    connect(&mut listener, &client).await;
    // Nothing but time passes here, and the ticket stays good all the while.
    until(|| time::OffsetDateTime::now_utc() > soon.not_after() + time::Duration::SECOND).await;
    let (connection, socket) = half_a_handshake(&listener, &client).await;
    assert!(other_half(connection, socket).await, "a full handshake would prove nothing");
    until_refused(&listener, Reason::Expired, 1).await;
}
