//! Step 2, a part of it: is the client the user that it says to be? SCRAM-SHA-256 in AUTH packets, before the CONNACK and again at any time
//! after it (section 4.12), and the user name and password of a CONNECT.
//!
//! | Certificate | Authentication Method | User name or password | The client is |
//! | --- | --- | --- | --- |
//! | shown | none | any, passed over | its certificate |
//! | shown | SCRAM-SHA-256 | passed over | its certificate, and the user must be proved and active as well |
//! | none | SCRAM-SHA-256 | passed over | the user |
//! | none | none | given | the user; on a plain listener with `plain_policy`, as long as there are no users, anybody |
//! | none | none | none | on a plain listener with `plain_policy` anybody, elsewhere refused |

use super::candour::Candour;
use super::connect::Refusal;
use crate::client::Client;
use crate::connection::{Carrier, Event, Transport};
use crate::gateway::Gateway;
use crate::metrics::ByLabel;
use access::User;
use access::scram::{self, ClientFirst, Exchange, Fault, Nonce};
use bytes::Bytes;
use mqtt::{Auth, Connect, Packet, Property, ReasonCode, Text, Version};
use registry::UserRefused;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A user that a client proved to be.
pub(super) struct Proved {
    pub(super) user: Arc<User>,
    /// What the CONNACK carries besides.
    pub(super) properties: Vec<Property>,
}

/// What a connection is known by before its CONNECT.
#[derive(Clone, Copy)]
pub(super) struct Newcomer {
    pub(super) address: IpAddr,
    pub(super) has_certificate: bool,
    /// Whether a client without certificate and without user is served.
    pub(super) anybody_may: bool,
    pub(super) candour: Candour,
    pub(super) deadline: tokio::time::Instant,
}

/// Finds out which user the client is, if it says to be one, or has to be.
pub(super) async fn authenticate(
    gateway: &Arc<Gateway>,
    transport: &mut Transport<Carrier>,
    connect: &Connect,
    newcomer: Newcomer,
) -> Result<Option<Proved>, Refusal> {
    if let Some(method) = connect.properties.authentication_method() {
        let exchange = exchange(gateway, transport, connect, &method, newcomer);
        let proved = tokio::time::timeout_at(newcomer.deadline, exchange).await;
        let late = |_| {
            let refusal = Refusal::new(ReasonCode::NotAuthorized, "silent", "authentication took too long");
            refusal.to(newcomer.candour)
        };
        return proved.map_err(late)?.map(Some);
    }
    if newcomer.has_certificate {
        return Ok(None);
    }
    let is_named = connect.username.is_some() || connect.password.is_some();
    if newcomer.anybody_may && (!is_named || gateway.registry.user_count() == 0) {
        return Ok(None);
    }
    let proved = if is_named {
        let proved = check_password(gateway, connect, newcomer).await;
        count(&gateway.counters.password_authentications, &proved);
        proved
    } else {
        Err(Failure::Missing)
    };
    let proved = proved.map(|user| Some(Proved { user, properties: Vec::new() }));
    proved.map_err(|failure| failure.refusal(ReasonCode::BadUserNameOrPassword).to(newcomer.candour))
}

/// Why a client is not the user it says to be.
#[derive(Debug)]
enum Failure {
    /// It says to be nobody, and that is not enough here.
    Missing,
    Scram(Fault),
    User(UserRefused),
    WrongPassword,
    /// Too many failures before this.
    Guessing,
    /// Too many checks under way.
    Busy,
    /// Another user than the connection began with.
    OtherUser,
    /// The challenge waited too long for its answer.
    Late,
    /// The answer is larger than the client takes.
    TooLarge,
}

impl Failure {
    fn label(&self) -> &'static str {
        match self {
            Self::Missing => "no_credentials",
            Self::Scram(fault) => fault.label(),
            Self::User(refused) => refused.label(),
            Self::WrongPassword => "wrong_password",
            Self::Guessing => "too_many_failures",
            Self::Busy => "busy",
            Self::OtherUser => "other_user",
            Self::Late => "late",
            Self::TooLarge => "too_large",
        }
    }

    fn explanation(&self) -> String {
        match self {
            Self::Missing => "no certificate, and no user name or authentication method".to_string(),
            Self::Scram(fault) => fault.to_string(),
            Self::User(refused) => refused.to_string(),
            Self::WrongPassword => "wrong password".to_string(),
            Self::Guessing => {
                "too many failures from this address; they are forgiven within a minute".to_string()
            }
            Self::Busy => "too many passwords to check at once".to_string(),
            Self::OtherUser => "another user than the one the connection began with".to_string(),
            Self::Late => "the answer to the challenge came too late".to_string(),
            Self::TooLarge => {
                "the next packet is larger than the maximum packet size of the client".to_string()
            }
        }
    }

    /// What the client is told: nothing from which it could learn who exists. `code` is for whatever is wrong with user or password.
    fn refusal(&self, code: ReasonCode) -> Refusal {
        let code = match self {
            Self::Missing => ReasonCode::NotAuthorized,
            Self::Guessing => ReasonCode::ConnectionRateExceeded,
            Self::Busy => ReasonCode::ServerBusy,
            Self::TooLarge => ReasonCode::PacketTooLarge,
            _ => code,
        };
        Refusal::new(code, self.label(), &self.explanation())
    }
}

fn count<T>(counter: &ByLabel, outcome: &Result<T, Failure>) {
    counter.increment(outcome.as_ref().err().map_or("success", Failure::label));
}

/// User name and password of a CONNECT. Hashing goes to the blocking pool, a few at a time.
async fn check_password(
    gateway: &Arc<Gateway>,
    connect: &Connect,
    newcomer: Newcomer,
) -> Result<Arc<User>, Failure> {
    let name = connect.username.as_ref().map(Text::as_str).unwrap_or_default();
    let password = connect.password.clone().unwrap_or_default();
    let attempts = &gateway.attempts;
    if !attempts.may_try(newcomer.address, name, Instant::now()) {
        return Err(Failure::Guessing);
    }
    let turn =
        tokio::time::timeout_at(newcomer.deadline, Arc::clone(&gateway.password_checks).acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(Failure::Busy) };
    // Only now, so that those who wait for a turn are no failures meanwhile.
    if !attempts.charge(newcomer.address, name, Instant::now()) {
        return Err(Failure::Guessing);
    }
    let candidate = gateway.registry.candidate(name);
    let credential = candidate.credential;
    // The turn goes along: it ends with the work, also when nobody waits for that any more.
    let checked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        credential.is_password(&password)
    });
    let Ok(is_right) = checked.await else { return Err(Failure::Busy) };
    let proved = match candidate.standing {
        Ok(_) if !is_right => Err(Failure::WrongPassword),
        standing => standing.map_err(Failure::User),
    };
    if proved.is_ok() {
        attempts.give_back(newcomer.address, name);
    }
    proved
}

/// The exchange between CONNECT and CONNACK: nothing but AUTH and DISCONNECT may come meanwhile `[MQTT-3.1.2-30]`.
async fn exchange(
    gateway: &Gateway,
    transport: &mut Transport<Carrier>,
    connect: &Connect,
    method: &Text,
    newcomer: Newcomer,
) -> Result<Proved, Refusal> {
    let Newcomer { address, candour, .. } = newcomer;
    if method.as_str() != scram::METHOD {
        let explanation = "the authentication method is not SCRAM-SHA-256, which is the one served";
        let refusal = Refusal::new(ReasonCode::BadAuthenticationMethod, "method", explanation);
        return Err(refusal.to(candour));
    }
    let mut authentication = Authentication::begin();
    let mut data = connect.properties.authentication_data();
    loop {
        let step = authentication.step(gateway, data, address);
        let step = step.and_then(|step| step.fit(transport.peer_packet_bytes_max()));
        if !matches!(step, Ok(Step::Challenge(_))) {
            count(&gateway.counters.scram_authentications, &step);
        }
        let step = step.map_err(|failure| failure.refusal(ReasonCode::NotAuthorized).to(candour))?;
        match step {
            Step::Challenge(challenge) => {
                super::fan_out::encode(&challenge, Version::V5, transport.output());
                let auth = next_auth(transport, candour).await?;
                check_auth(&auth, method).map_err(|refusal| refusal.to(candour))?;
                data = auth.properties.authentication_data();
            }
            Step::Proved(user, last) => {
                let properties = properties(last).into();
                return Ok(Proved { user, properties });
            }
        }
    }
}

/// A client that left is not answered.
async fn next_auth(transport: &mut Transport<Carrier>, candour: Candour) -> Result<Auth, Refusal> {
    let closed =
        |why: &dyn std::fmt::Display| Refusal::new(ReasonCode::UnspecifiedError, "closed", &why.to_string());
    loop {
        match transport.next_packet(Some(Version::V5)) {
            Ok(Some(Packet::Auth(auth))) => return Ok(auth),
            Ok(Some(Packet::Disconnect(_))) => {
                return Err(closed(&"it disconnected while it was authenticated"));
            }
            Ok(Some(_)) => {
                let explanation = "a packet other than AUTH and DISCONNECT before the CONNACK";
                return Err(protocol_error(explanation).to(candour));
            }
            Err(error) => return Err(Refusal::malformed(&error).to(candour)),
            Ok(None) => {}
        }
        match transport.next_event(true).await {
            Ok(Event::Closed) => return Err(closed(&"closed while it was authenticated")),
            Err(error) => return Err(closed(&error)),
            Ok(Event::Readable | Event::Flushed) => {}
        }
    }
}

/// An answer to a challenge says so, and names the method of the CONNECT `[MQTT-4.12.0-3]` `[MQTT-4.12.0-5]`.
fn check_auth(auth: &Auth, method: &Text) -> Result<(), Refusal> {
    if auth.reason != ReasonCode::ContinueAuthentication {
        return Err(protocol_error("AUTH with another reason code than continue authentication"));
    }
    if auth.properties.authentication_method().as_ref() != Some(method) {
        return Err(protocol_error("AUTH with another authentication method than CONNECT"));
    }
    Ok(())
}

fn protocol_error(explanation: &str) -> Refusal {
    Refusal::new(ReasonCode::ProtocolError, "protocol", explanation)
}

/// One exchange of SCRAM. It has at most three steps, so it needs no counting.
#[derive(Debug)]
pub(super) struct Authentication {
    began: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The client's first message may be in the packet that asks for the exchange; if not, it is asked for.
    Begun,
    /// It was asked for.
    Asked,
    /// The client's last message is awaited.
    Challenged(Box<Challenged>),
}

/// What was asked of a client, and what the right answer is worth.
#[derive(Debug)]
struct Challenged {
    exchange: Exchange,
    standing: Result<Arc<User>, UserRefused>,
    name: String,
}

/// What an AUTH packet, or the CONNECT, leads to.
#[derive(Debug)]
enum Step {
    /// Send this AUTH.
    Challenge(Packet),
    /// Done; the server's last message is for whatever packet says so.
    Proved(Arc<User>, String),
}

impl Step {
    /// What the client would not take is not sent `[MQTT-3.1.2-24]`.
    fn fit(self, bytes_max: usize) -> Result<Self, Failure> {
        match &self {
            Self::Challenge(packet) if mqtt::encoded_bytes(packet, Version::V5) > bytes_max => {
                Err(Failure::TooLarge)
            }
            _ => Ok(self),
        }
    }
}

impl Authentication {
    fn begin() -> Self {
        Self { began: Instant::now(), stage: Stage::Begun }
    }

    fn step(&mut self, gateway: &Gateway, data: Option<Bytes>, address: IpAddr) -> Result<Step, Failure> {
        match std::mem::replace(&mut self.stage, Stage::Asked) {
            Stage::Begun if data.is_none() => {
                Ok(Step::Challenge(auth(ReasonCode::ContinueAuthentication, None)))
            }
            Stage::Begun | Stage::Asked => {
                let first = ClientFirst::parse(&data.unwrap_or_default()).map_err(Failure::Scram)?;
                if !gateway.attempts.may_try(address, first.user(), Instant::now()) {
                    return Err(Failure::Guessing);
                }
                let candidate = gateway.registry.candidate(first.user());
                let nonce = Nonce::new(rand::random());
                let (exchange, challenge) = Exchange::begin(&first, candidate.credential, &nonce);
                let name = first.user().to_owned();
                self.stage =
                    Stage::Challenged(Box::new(Challenged { exchange, standing: candidate.standing, name }));
                Ok(Step::Challenge(auth(ReasonCode::ContinueAuthentication, Some(challenge))))
            }
            Stage::Challenged(challenged) => {
                let Challenged { exchange, standing, name } = *challenged;
                // Looked at when it began, but many may have begun at once.
                if !gateway.attempts.charge(address, &name, Instant::now()) {
                    return Err(Failure::Guessing);
                }
                let proved = match (exchange.finish(&data.unwrap_or_default()), standing) {
                    // The proof of nobody is wrong in any case; the log is to say why.
                    (Err(Fault::WrongProof) | Ok(_), Err(refused)) => Err(Failure::User(refused)),
                    (Err(fault), _) => Err(Failure::Scram(fault)),
                    (Ok(last), Ok(user)) => Ok(Step::Proved(user, last)),
                };
                if proved.is_ok() {
                    gateway.attempts.give_back(address, &name);
                }
                proved
            }
        }
    }
}

/// An AUTH of the gateway. It has no reason string, so there is none to be left out for a client that wants none `[MQTT-3.1.2-29]`.
fn auth(reason: ReasonCode, data: Option<String>) -> Packet {
    let [method, data] = match data {
        Some(data) => properties(data).map(Some),
        None => [Some(method()), None],
    };
    Packet::Auth(Auth { reason, properties: [method, data].into_iter().flatten().collect() })
}

fn properties(data: String) -> [Property; 2] {
    [method(), Property::AuthenticationData(Bytes::from(data))]
}

fn method() -> Property {
    Property::AuthenticationMethod(
        Text::try_from(scram::METHOD).expect("the name of the method is short ASCII"),
    )
}

/// An AUTH after the CONNACK, with the method of the CONNECT: begins an exchange anew or goes on with the one under way. Gives the answer;
/// everything else on the connection goes on meanwhile.
///
/// The user must be the one the connection began with: what it may do was decided for that one.
pub(super) fn again(
    gateway: &Gateway,
    client: &Client,
    bytes_max: usize,
    under_way: &mut Option<Box<Authentication>>,
    packet: &Auth,
) -> Result<Packet, Refusal> {
    let mut authentication = match (packet.reason, under_way.take()) {
        (ReasonCode::ReAuthenticate, None) => Box::new(Authentication::begin()),
        (ReasonCode::ContinueAuthentication, Some(authentication)) => authentication,
        (ReasonCode::ReAuthenticate, Some(_)) => {
            return Err(protocol_error("re-authentication while one is under way"));
        }
        _ => return Err(protocol_error("AUTH that neither begins an authentication nor goes on with one")),
    };
    let time_max = Duration::from_secs(gateway.settings.raw.listener.connect_secs_max);
    let step = if authentication.began.elapsed() > time_max {
        Err(Failure::Late)
    } else {
        let step = authentication.step(gateway, packet.properties.authentication_data(), client.peer().ip());
        step.and_then(|step| step.fit(bytes_max))
    };
    let answer = match step {
        Ok(Step::Challenge(challenge)) => {
            *under_way = Some(authentication);
            return Ok(challenge);
        }
        Ok(Step::Proved(user, _)) if client.user_name() != Some(&user.name) => Err(Failure::OtherUser),
        Ok(Step::Proved(_, last)) => Ok(auth(ReasonCode::Success, Some(last))),
        Err(failure) => Err(failure),
    };
    count(&gateway.counters.scram_reauthentications, &answer);
    answer.map_err(|failure| failure.refusal(ReasonCode::NotAuthorized))
}
