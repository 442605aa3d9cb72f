//! Step 2, its beginning: who is it, may it connect, and which session does it get.

use super::authenticate::{Newcomer, Proved, authenticate};
use super::candour::Candour;
use super::turn::Turn;
use super::{fan_out, wills};
use crate::client::Client;
use crate::connection::{Arrived, Bell, Carrier, Transport};
use crate::connections::Open;
use crate::gateway::Gateway;
use crate::lifecycle::{self, DisconnectReason};
use crate::metrics::increment;
use crate::settings::Compatibility;
use access::{Certificate, ConnectAttributes, Principal};
use broker::{Connected, Parting, Wake};
use mqtt::{
    ConnAck, Connect, DecodeError, Fault, Packet, Properties, PropertiesBuilder, Property, ReasonCode, Text,
    Version,
};
use registry::UserRefused;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the refusal may take to reach a peer.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(2);

/// What AWS IoT Core answers where MQTT 3.1.1 has return code 5; no packet of the standard has code 7.
const CONNACK_NOT_AUTHORIZED_AWS: [u8; 4] = [0x20, 2, 0, 7];

/// A client that was let in.
pub(super) struct LetIn {
    pub(super) transport: Transport<Carrier>,
    pub(super) client: Client,
    pub(super) open: Arc<Open>,
    pub(super) bell: Arc<Bell>,
    pub(super) turn: Turn,
    pub(super) candour: Candour,
    pub(super) keep_alive_secs: u16,
}

/// Why a CONNECT is refused.
pub(super) struct Refusal {
    pub(super) code: ReasonCode,
    /// For metrics.
    label: &'static str,
    /// For the log.
    pub(super) explanation: String,
    /// For the client, where MQTT 5 can carry it; empty when the code says it all.
    told: String,
    /// The version to answer in; without one the connection is closed without an answer.
    version: Option<Version>,
    /// How much the client is told, once that is known.
    candour: Option<Candour>,
}

impl Refusal {
    pub(super) fn new(code: ReasonCode, label: &'static str, explanation: &(impl ToString + ?Sized)) -> Self {
        Self {
            code,
            label,
            explanation: explanation.to_string(),
            told: String::new(),
            version: None,
            candour: None,
        }
    }

    /// MQTT 3.1.1 has a return code for a version that is not served, but none for another protocol `[MQTT-3.1.4-1]`.
    pub(super) fn malformed(error: &DecodeError) -> Self {
        let is_another_protocol = error.fault() == Fault::ProtocolName;
        let version = error.version().filter(|version| *version == Version::V5 || !is_another_protocol);
        Self { version, ..Self::new(error.reason_code(), "malformed", error) }
    }

    /// The same, to be answered.
    pub(super) fn to(self, candour: Candour) -> Self {
        Self { version: Some(candour.version()), candour: Some(candour), ..self }
    }

    /// The CONNACK that says so. There is none when nobody knows in which version, nor in MQTT 3.1.1 when none of its return codes says it
    /// `[MQTT-3.2.2-6]`.
    fn connack(self) -> Option<(ConnAck, Version)> {
        let version = self.version?;
        let (reason, told) = match self.candour {
            Some(candour) => candour.reveal(self.code, &self.told),
            None => (self.code, self.told.as_str()),
        };
        let told = Text::try_from(told).ok().filter(|told| version == Version::V5 && !told.is_empty());
        if version == Version::V3_1_1 {
            reason.connect_return_code()?;
        }
        let properties = told.map_or_else(Properties::default, |told| {
            PropertiesBuilder::new().with(Property::ReasonString(told)).build()
        });
        Some((ConnAck { session_present: false, reason, properties }, version))
    }
}

/// Reads the CONNECT and answers it. `None` when the client was refused or went away; that is logged and counted here.
pub(super) async fn connect(gateway: &Arc<Gateway>, arrived: Arrived) -> Option<LetIn> {
    let Arrived { carrier, peer, certificates, trust_generation, is_tls } = arrived;
    let mut transport = Transport::new(carrier, gateway.packet_bytes_max(), Arc::clone(&gateway.traffic));
    let deadline = Instant::now() + Duration::from_secs(gateway.settings.raw.listener.connect_secs_max);
    let mut packet = match tokio::time::timeout_at(deadline, first_packet(&mut transport)).await {
        Ok(Ok(packet)) => packet,
        Ok(Err(refusal)) => {
            refuse(gateway, transport, peer, None, refusal).await;
            return None;
        }
        Err(_) => {
            let refusal = Refusal::new(ReasonCode::UnspecifiedError, "silent", "sent no CONNECT in time");
            refuse(gateway, transport, peer, None, refusal).await;
            return None;
        }
    };
    if let Some(bytes) = packet.properties.packet_bytes_max() {
        transport.set_peer_packet_bytes_max(bytes as usize);
    }
    let candour = Candour::of(gateway, &packet);
    let assigned = assign_client_id(&mut packet).map(Property::AssignedClientIdentifier);
    let anybody_may = !is_tls && gateway.settings.raw.listener.plain_policy.is_some();
    let has_certificate = !certificates.is_empty();
    let newcomer = Newcomer { address: peer.ip(), has_certificate, anybody_may, candour, deadline };
    let admitted = match identify(gateway, &mut transport, &packet, &certificates, newcomer).await {
        Ok((principal, more)) => still_trusted(gateway, &certificates, trust_generation)
            .and_then(|()| let_in(gateway, &packet, &principal, certificates, peer))
            .map(|admitted| (admitted, assigned.into_iter().chain(more).collect()))
            .map_err(|refusal| refusal.to(candour)),
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok((admitted, more)) => welcome(gateway, transport, candour, admitted, trust_generation, more).await,
        Err(refusal) => {
            refuse(gateway, transport, peer, Some(&packet.client_id), refusal).await;
            None
        }
    }
}

/// Who the client is, by its certificate, its user or both, and what the CONNACK carries about it.
async fn identify(
    gateway: &Arc<Gateway>,
    transport: &mut Transport<Carrier>,
    packet: &Connect,
    certificates: &[CertificateDer<'static>],
    newcomer: Newcomer,
) -> Result<(Principal, Vec<Property>), Refusal> {
    let of_certificate = match certificates.first() {
        Some(der) => Some(admit(gateway, der).await.map_err(|refusal| refusal.to(newcomer.candour))?),
        None => None,
    };
    let (user, properties) = match authenticate(gateway, transport, packet, newcomer).await? {
        Some(Proved { user, properties }) => (Some(user), properties),
        None => (None, Vec::new()),
    };
    let principal = match (of_certificate, &user) {
        (Some(principal), user) => gateway.with_second_factor(principal, user.as_ref()).map_err(user_refused),
        (None, Some(user)) => gateway.registry.authenticate_user(user).map_err(user_refused),
        (None, None) => gateway.plain_principal().ok_or_else(no_certificate),
    };
    principal.map(|principal| (principal, properties)).map_err(|refusal| refusal.to(newcomer.candour))
}

/// The user was changed while it was authenticated.
#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
fn user_refused(refused: UserRefused) -> Refusal {
    Refusal::new(ReasonCode::NotAuthorized, refused.label(), &refused)
}

fn no_certificate() -> Refusal {
    Refusal::new(
        ReasonCode::NotAuthorized,
        "no_certificate",
        "no certificate, and no policy for such clients",
    )
}

async fn first_packet(transport: &mut Transport<Carrier>) -> Result<Box<Connect>, Refusal> {
    use crate::connection::Event;
    loop {
        match transport.next_packet(None) {
            Ok(Some(packet)) => return connect_of(packet),
            Err(error) => return Err(Refusal::malformed(&error)),
            Ok(None) => {}
        }
        match transport.next_event(true).await {
            Ok(Event::Closed) => {
                return Err(Refusal::new(ReasonCode::UnspecifiedError, "closed", "closed before CONNECT"));
            }
            Err(error) => return Err(Refusal::new(ReasonCode::UnspecifiedError, "closed", &error)),
            Ok(Event::Readable | Event::Flushed) => {}
        }
    }
}

/// The CONNECT that the first packet is `[MQTT-3.1.0-1]`.
fn connect_of(packet: Packet) -> Result<Box<Connect>, Refusal> {
    if let Packet::Connect(connect) = &packet {
        mqtt::check_from_client(&packet, connect.version).map_err(|error| Refusal::malformed(&error))?;
    }
    match packet {
        Packet::Connect(connect) => Ok(connect),
        _ => Err(Refusal::new(ReasonCode::ProtocolError, "protocol", "the first packet is not CONNECT")),
    }
}

/// Gives a client without an identifier one that is hard to guess `[MQTT-3.1.3-6]`. Done before authorisation, so that policies see it.
/// An MQTT 3.1.1 client that wants a session kept is left as it is: the broker refuses it `[MQTT-3.1.3-8]`.
fn assign_client_id(connect: &mut Connect) -> Option<Text> {
    let may_be_assigned = connect.version == Version::V5 || connect.clean_start;
    if !connect.client_id.is_empty() || !may_be_assigned {
        return None;
    }
    let assigned = Text::try_from(format!("auto-{}", uuid::Uuid::new_v4().simple())).ok()?;
    connect.client_id = assigned.clone();
    (connect.version == Version::V5).then_some(assigned)
}

/// Asks the listeners again when authorities or revocation lists changed since the handshake. Before the client gets a session: who is
/// not trusted any more must not end somebody else's.
fn still_trusted(
    gateway: &Gateway,
    certificates: &[CertificateDer<'static>],
    trust_generation: u64,
) -> Result<(), Refusal> {
    if certificates.is_empty() {
        return Ok(());
    }
    for listener in gateway.listeners.read().iter().filter(|listener| listener.is_tls()) {
        if *listener.trust_changes().borrow() != trust_generation {
            let checked = listener.check(certificates);
            checked.map_err(|refused| Refusal::new(ReasonCode::NotAuthorized, "not_trusted", &refused))?;
        }
    }
    Ok(())
}

/// A client that has its session.
struct Admitted {
    connected: Connected<Client>,
    client: Client,
    bell: Arc<Bell>,
    turn: Turn,
}

fn let_in(
    gateway: &Arc<Gateway>,
    connect: &Connect,
    principal: &Principal,
    certificates: Arc<[CertificateDer<'static>]>,
    peer: SocketAddr,
) -> Result<Admitted, Refusal> {
    let client = Client::new(principal, &connect.client_id, peer, certificates, lifecycle::arriving(gateway));
    let expiry_secs = connect.properties.session_expiry_secs().unwrap_or(0);
    client.identity().authorise_connect(ConnectAttributes::of(connect, expiry_secs)).map_err(|denied| {
        lifecycle::connect_failed(gateway, &client);
        Refusal {
            told: denied.reason_string(),
            ..Refusal::new(ReasonCode::NotAuthorized, denied.label(), &denied)
        }
    })?;
    if let Some(will) = &connect.will {
        let checked = gateway.check_publish(&will.topic, will.payload.len());
        let checked = checked.and_then(|()| gateway.check_properties(&will.properties));
        checked.map_err(|(code, label, text)| Refusal::new(code, label, &format!("will: {text}")))?;
    }
    // Only who may have this client id is counted: nobody else can keep its client out.
    if !connect.client_id.is_empty() && !gateway.connect_rate.admit(&connect.client_id, gateway.now_ms()) {
        let explanation = "connects more often than `mqtt.connects_per_client_per_sec_max` allows";
        return Err(Refusal::new(ReasonCode::ConnectionRateExceeded, "rate", explanation));
    }
    let bell = Arc::new(Bell::default());
    let wake: Arc<dyn Wake> = bell.clone();
    let connected =
        gateway.broker.connect(connect, client.clone(), wake, gateway.now_ms()).map_err(|refusal| {
            Refusal {
                told: refusal.sentence.to_string(),
                ..Refusal::new(refusal.reason, "broker", refusal.sentence)
            }
        })?;
    // Told here and not by the connection that lost its session, so that it comes before what is told of this one.
    if let Some(replaced) = &connected.taken_over_from {
        lifecycle::disconnected(gateway, replaced, DisconnectReason::DuplicateClientId);
    }
    let turn = Turn::new(client.clone(), connected.taken_over_from.clone(), &bell);
    Ok(Admitted { connected, client, bell, turn })
}

/// The principal of a certificate. rustls does not call the certificate verifier when a session is resumed, so the registry is asked here,
/// after every handshake, full or resumed.
async fn admit(gateway: &Arc<Gateway>, certificate: &CertificateDer<'static>) -> Result<Principal, Refusal> {
    let certificate = Certificate::from_der(certificate)
        .map_err(|error| Refusal::new(ReasonCode::NotAuthorized, "certificate_unreadable", &error))?;
    gateway
        .registry
        .admit(&Arc::new(certificate), gateway.now_ms())
        .await
        .map_err(|refused| Refusal::new(ReasonCode::NotAuthorized, refused.label(), &refused))
}

async fn welcome(
    gateway: &Arc<Gateway>,
    mut transport: Transport<Carrier>,
    candour: Candour,
    admitted: Admitted,
    trust_generation: u64,
    more: Vec<Property>,
) -> Option<LetIn> {
    let Admitted { connected, client, bell, mut turn } = admitted;
    let Connected { session, mut connack, keep_alive_secs, taken_over, will, changes, .. } = connected;
    connack.properties = connack.properties.iter().chain(more).collect();
    tracing::info!(
        client_id = client.client_id(),
        thing = client.thing_name().as_deref(),
        certificate = client.fingerprint(),
        user = client.user_name(),
        peer = client.source_ip(),
        session_present = connack.session_present,
        took_over = taken_over.is_some(),
        "connected"
    );
    increment(&gateway.counters.connects);
    if connected.displaced {
        increment(&gateway.counters.sessions_displaced);
        tracing::warn!(
            client_id = client.client_id(),
            "a session of this client id was somebody else's, it has ended"
        );
    }
    let persisted = gateway.persist(changes).await;
    if persisted.is_ok()
        && let Some(will) = will
    {
        // On a task of its own: it may have to wait for room, and the client must not.
        let tasks = gateway.connection_tasks.clone();
        let gateway = Arc::clone(gateway);
        tasks.spawn(async move { wills::publish(&gateway, will).await });
    }
    let refusal = match persisted {
        Err(error) => Some(Refusal::new(ReasonCode::ServerUnavailable, "store", &error)),
        Ok(()) if fan_out::encode_within(Packet::ConnAck(connack), candour.version(), &mut transport) => None,
        Ok(()) => {
            let explanation = "the client takes no packet as large as the answer to its CONNECT";
            Some(Refusal::new(ReasonCode::PacketTooLarge, "packet_size", explanation))
        }
    };
    if let Some(refusal) = refusal {
        turn.wait(&bell).await;
        let departed = gateway.broker.disconnected(&session, Parting::Refused, gateway.now_ms());
        // If it is the store that failed, it says itself what it can't take.
        let _ = gateway.persist(departed.changes).await;
        let refusal = refusal.to(candour);
        refuse(gateway, transport, client.peer(), Some(client.client_id()), refusal).await;
        return None;
    }
    lifecycle::connected(gateway, &client, &session);
    let open = gateway.connections.add(client.clone(), session);
    // What changed since the first look, changed before this connection could be told.
    open.recheck(gateway);
    for listener in gateway.listeners.read().iter() {
        if *listener.trust_changes().borrow() != trust_generation {
            open.check_trust(listener);
        }
    }
    Some(LetIn { transport, client, open, bell, turn, candour, keep_alive_secs })
}

async fn refuse(
    gateway: &Gateway,
    mut transport: Transport<Carrier>,
    peer: SocketAddr,
    client_id: Option<&str>,
    refusal: Refusal,
) {
    gateway.counters.connects_refused.increment(refusal.label);
    if let Some(left_out) = gateway.counters.refusal_lines.admit() {
        let (reason, code) = (refusal.explanation.as_str(), refusal.code.name());
        tracing::warn!(%peer, client_id, reason, code, left_out, "connection refused");
    }
    let is_aws = gateway.settings.raw.mqtt.compatibility == Compatibility::Aws;
    if is_aws && refusal.version == Some(Version::V3_1_1) && refusal.code == ReasonCode::NotAuthorized {
        transport.output().extend_from_slice(&CONNACK_NOT_AUTHORIZED_AWS);
    } else if let Some((connack, version)) = refusal.connack() {
        fan_out::encode_within(Packet::ConnAck(connack), version, &mut transport);
    }
    // A peer that does not read must not hold the task.
    let _ = tokio::time::timeout(REFUSAL_TIME_MAX, transport.close()).await;
}
