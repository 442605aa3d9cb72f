//! Users: SCRAM-SHA-256 in AUTH packets (section 4.12 of MQTT 5), user names and passwords, and what they are worth beside a certificate.

use anyhow::Context;
use end_to_end::scram::{SCRAM, Scram, auth, authentication, said};
use end_to_end::{Client, Connect, Gateway, Gone, Packet, Site, Web, kind, run_command, trust};

const V3: u8 = 4;
const V5: u8 = 5;

const SUCCESS: u8 = 0x00;
const CONTINUE: u8 = 0x18;
const AGAIN: u8 = 0x19;
const PROTOCOL_ERROR: u8 = 0x82;
const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;
const BAD_METHOD: u8 = 0x8C;
const PACKET_TOO_LARGE: u8 = 0x95;
const RATE_EXCEEDED: u8 = 0x9F;

const PASSWORD: &str = "correct horse battery staple";

/// A user may do everything under its own name, and read `shared`.
const OWN: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Effect": "Allow", "Action": "iot:Connect", "Resource": "client/${aws:username}*" },
  { "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "topic/users/${aws:username}/*" },
  { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": "topicfilter/users/${aws:username}/*" } ] }"#;

/// A gateway with the user `ada`, where a client needs a certificate or a user.
struct Ground {
    site: Site,
    gateway: Gateway,
}

impl Ground {
    fn new(more: &str) -> anyhow::Result<Self> {
        let site = Site::new(&format!(
            "[access]\npolicies = \"policies\"\npassword_iterations = 4096\n\
             [listener]\nclient_certificate = \"optional\"\nconnect_secs_max = 30\n{more}"
        ))?;
        site.change_settings("plain_policy = \"anyone\"\n", "")?;
        site.write_policy("own", OWN)?;
        site.write("password", &format!("{PASSWORD}\n"))?;
        let gateway = Gateway::start(&site)?;
        let ground = Self { site, gateway };
        let password = ground.site.path("password").display().to_string();
        ground.users(&["add", "ada", "--policy", "own", "--password-file", &password])?;
        Ok(ground)
    }

    fn users(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let settings = self.site.settings_file().display().to_string();
        run_command(&[&["users", "--config", &settings], arguments].concat())
    }

    fn plain(&self) -> anyhow::Result<Client> {
        Ok(Client::plain(self.site.plain_address)?)
    }

    /// Connects as a user, with a message of the server's last step checked.
    fn connect_as(&self, user: &str, password: &str, client_id: &str) -> anyhow::Result<(Client, Packet)> {
        let mut client = self.plain()?;
        let answer = exchange(&mut client, &Scram::new(user, password), client_id, &[])?;
        Ok((client, answer))
    }

    fn ada(&self) -> anyhow::Result<Client> {
        let (client, connack) = self.connect_as("ada", PASSWORD, "ada-1")?;
        anyhow::ensure!(connack.reason() == SUCCESS, "{connack:?}");
        Ok(client)
    }
}

fn connect_with(method: &str, data: Option<&[u8]>, more: &[u8]) -> Connect {
    let properties = [&authentication(method, data)[..], more].concat();
    Connect { properties, ..Connect::clean(V5, "ada-1") }
}

/// CONNECT to CONNACK; a success proves the server as well.
fn exchange(client: &mut Client, scram: &Scram, client_id: &str, more: &[u8]) -> anyhow::Result<Packet> {
    let connect =
        Connect { client_id: client_id.to_string(), ..connect_with(SCRAM, Some(&scram.first()), more) };
    client.version = V5;
    client.send(&connect.bytes())?;
    let answer = client.read()?;
    if answer.kind != kind::AUTH {
        return Ok(answer);
    }
    let expected = answer_challenge(client, scram, &answer)?;
    let connack = client.read()?;
    anyhow::ensure!(connack.kind == kind::CONNACK, "{connack:?}");
    if connack.reason() == SUCCESS {
        anyhow::ensure!(said(&connack) == (Some(SCRAM.to_string()), Some(expected)), "{connack:?}");
    }
    Ok(connack)
}

/// Answers an AUTH that goes on; gives what the server has to say then.
fn answer_challenge(client: &mut Client, scram: &Scram, challenge: &Packet) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!((challenge.kind, challenge.reason()) == (kind::AUTH, CONTINUE), "{challenge:?}");
    let (method, data) = said(challenge);
    anyhow::ensure!(method.as_deref() == Some(SCRAM), "{challenge:?}");
    let (last, expected) = scram.last(&data.context("a challenge has data")?)?;
    client.send(&auth(CONTINUE, SCRAM, Some(&last)))?;
    Ok(expected)
}

/// Type and reason of what comes before the end of the connection.
fn end(client: &mut Client) -> anyhow::Result<Vec<(u8, u8)>> {
    Ok(client.wait_for_the_end()?.iter().map(|packet| (packet.kind, packet.reason())).collect())
}

/// A whole authentication anew; the last AUTH or DISCONNECT.
fn authenticate_again(client: &mut Client, scram: &Scram) -> anyhow::Result<Packet> {
    client.send(&auth(AGAIN, SCRAM, Some(&scram.first())))?;
    let challenge = client.expect(kind::AUTH)?;
    let expected = answer_challenge(client, scram, &challenge)?;
    let last = client.read()?;
    if last.kind == kind::AUTH {
        anyhow::ensure!(said(&last) == (Some(SCRAM.to_string()), Some(expected)), "{last:?}");
    }
    Ok(last)
}

/// [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5]
#[test]
fn a_client_that_proves_its_password_is_let_in_and_learns_that_the_server_knows_it() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let mut ada = ground.ada()?;
    assert_eq!(ada.subscribe("users/ada/#", 1)?, 1);
    assert_eq!(ada.publish("users/ada/data", "x")?, SUCCESS);
    assert_eq!(ada.receive()?.topic, "users/ada/data");
    assert_eq!(ada.publish("users/bob/data", "x")?, NOT_AUTHORIZED);
    let (_, connack) = ground.connect_as("ada", PASSWORD, "bob-1")?;
    assert_eq!(connack.reason(), NOT_AUTHORIZED, "the policy ties the client id to the user");
    // The same over TLS without a certificate of its own.
    let mut client = Client::tls(ground.site.tls_address, &trust(&ground.site.path("pki/authority.crt"))?)?;
    assert_eq!(exchange(&mut client, &Scram::new("ada", PASSWORD), "ada-2", &[])?.reason(), SUCCESS);
    Ok(())
}

/// [MQTT-4.12.0-2]: a client that names the method alone is asked to begin.
#[test]
fn a_client_may_keep_its_first_message_until_it_is_asked() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let (mut client, scram) = (ground.plain()?, Scram::new("ada", PASSWORD));
    client.version = V5;
    client.send(&connect_with(SCRAM, None, &[]).bytes())?;
    let asked = client.read()?;
    assert_eq!(
        (asked.kind, asked.reason(), said(&asked)),
        (kind::AUTH, CONTINUE, (Some(SCRAM.to_string()), None))
    );
    client.send(&auth(CONTINUE, SCRAM, Some(&scram.first())))?;
    let challenge = client.read()?;
    answer_challenge(&mut client, &scram, &challenge)?;
    assert_eq!(client.read()?.reason(), SUCCESS);
    Ok(())
}

/// [MQTT-4.12.0-4]: who is not let in learns neither which names exist nor why it failed; the log knows.
#[test]
fn a_wrong_password_and_a_name_that_nobody_has_fail_alike_and_at_the_end() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    ground.users(&["add", "eve", "--policy", "own"])?;
    ground.users(&["disable", "eve"])?;
    let mut refusals = Vec::new();
    for user in ["ada", "nobody", "eve"] {
        let (mut client, connack) = ground.connect_as(user, "guess", "x")?;
        assert_eq!(connack.reason(), NOT_AUTHORIZED);
        assert_eq!(end(&mut client)?, []);
        refusals.push(connack);
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    for reason in ["wrong password", "there is no user `nobody`", "user `eve` is INACTIVE"] {
        ground.gateway.log.wait_for("connection refused", |line| line.field("reason").contains(reason))?;
    }
    let metrics = ground.gateway.consumer.metrics()?;
    let count =
        |outcome: &str| metrics.sum("iot_gateway_authentications_total", &format!("outcome=\"{outcome}\""));
    assert_eq!((count("wrong_password"), count("unknown_user"), count("inactive_user")), (1.0, 1.0, 1.0));
    Ok(())
}

/// Who is not the user does not use up what the user's client identifier may connect.
#[test]
fn failing_under_a_client_identifier_keeps_its_client_out_no_longer() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\nconnects_per_client_per_sec_max = 1\n")?;
    let (_stranger, connack) = ground.connect_as("ada", "guess", "ada")?;
    assert_eq!(connack.reason(), NOT_AUTHORIZED);
    let (_ada, connack) = ground.connect_as("ada", PASSWORD, "ada")?;
    assert_eq!(connack.reason(), SUCCESS);
    Ok(())
}

/// [MQTT-4.12.0-1]
#[test]
fn a_method_that_is_not_served_is_refused() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    for method in ["SCRAM-SHA-1", "scram-sha-256", "SCRAM-SHA-256-PLUS", "GS2-KRB5", ""] {
        let mut client = ground.plain()?;
        let answer = client.connect(&connect_with(method, Some(b"n,,n=ada,r=abc"), &[]))?;
        assert_eq!((answer.reason(), said(&answer)), (BAD_METHOD, (None, None)), "{method}");
        assert_eq!(end(&mut client)?, []);
    }
    Ok(())
}

/// [MQTT-4.12.0-4]: what is no SCRAM, or asks for what is not offered.
#[test]
fn data_that_is_no_first_message_is_refused() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let long = [b"n,,n=ada,r=".as_slice(), &[b'x'; 2000]].concat();
    for data in [&b""[..], b"\xff\x00", b"p=tls-exporter,,n=ada,r=abc", b"n,a=bob,n=ada,r=abc", &long] {
        let mut client = ground.plain()?;
        let answer = client.connect(&connect_with(SCRAM, Some(data), &[]))?;
        assert_eq!(answer.reason(), NOT_AUTHORIZED, "{data:?}");
        assert_eq!(end(&mut client)?, []);
    }
    Ok(())
}

/// [MQTT-3.1.2-30] [MQTT-4.12.0-3] [MQTT-4.12.0-5]: between CONNECT and CONNACK.
#[test]
fn nothing_but_the_next_step_may_come_during_the_exchange() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let scram = Scram::new("ada", PASSWORD);
    let cases: [(&str, Vec<u8>); 8] = [
        ("PINGREQ", vec![0xC0, 0]),
        ("PUBLISH", vec![0x30, 4, 0, 1, b'a', 0]),
        ("SUBSCRIBE", vec![0x82, 7, 0, 1, 0, 0, 1, b'a', 0]),
        ("CONNECT", connect_with(SCRAM, Some(&scram.first()), &[]).bytes()),
        ("AUTH that begins anew", auth(AGAIN, SCRAM, Some(&scram.first()))),
        ("AUTH that says success", auth(SUCCESS, SCRAM, None)),
        ("AUTH with another method", auth(CONTINUE, "SCRAM-SHA-1", Some(b"c=biws,r=x,p=x"))),
        ("AUTH without a method", vec![0xF0, 2, CONTINUE, 0]),
    ];
    for (what, bytes) in cases {
        let mut client = ground.plain()?;
        client.version = V5;
        client.send(&connect_with(SCRAM, Some(&scram.first()), &[]).bytes())?;
        assert_eq!(client.read()?.kind, kind::AUTH);
        client.send(&bytes)?;
        assert_eq!(end(&mut client)?, [(kind::CONNACK, PROTOCOL_ERROR)], "{what}");
    }
    Ok(())
}

/// [MQTT-3.1.2-30]: DISCONNECT may come too, and nothing answers it.
#[test]
fn a_client_may_leave_during_the_exchange() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let mut client = ground.plain()?;
    client.version = V5;
    client.send(&connect_with(SCRAM, Some(&Scram::new("ada", PASSWORD).first()), &[]).bytes())?;
    assert_eq!(client.read()?.kind, kind::AUTH);
    client.send(&[0xE0, 0])?;
    assert_eq!(end(&mut client)?, []);
    Ok(())
}

/// [MQTT-4.12.0-6] [MQTT-4.12.0-7] [MQTT-3.1.0-1], and section 3.1.2.11.10
#[test]
fn without_a_method_there_is_no_auth() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let mut client = ground.plain()?;
    let connack = client.connect(&Connect::clean(V5, "ada-1").named("ada", PASSWORD))?;
    assert_eq!((connack.reason(), said(&connack)), (SUCCESS, (None, None)));
    client.send(&auth(AGAIN, SCRAM, Some(&Scram::new("ada", PASSWORD).first())))?;
    assert_eq!(end(&mut client)?, [(kind::DISCONNECT, PROTOCOL_ERROR)]);
    let mut client = ground.plain()?;
    let data_alone = Connect { properties: vec![0x16, 0, 1, b'x'], ..Connect::clean(V5, "ada-1") };
    assert_eq!(client.connect(&data_alone)?.reason(), PROTOCOL_ERROR);
    let mut client = ground.plain()?;
    client.send(&auth(CONTINUE, SCRAM, Some(b"n,,n=ada,r=abc")))?;
    assert_eq!(end(&mut client)?, [], "AUTH before CONNECT");
    Ok(())
}

/// [MQTT-4.12.1-1]: packets go on flowing meanwhile.
#[test]
fn a_client_may_authenticate_again_while_messages_flow() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let mut ada = ground.ada()?;
    assert_eq!(ada.subscribe("users/ada/#", 1)?, 1);
    let scram = Scram::new("ada", PASSWORD);
    ada.send(&auth(AGAIN, SCRAM, Some(&scram.first())))?;
    let challenge = ada.expect(kind::AUTH)?;
    assert_eq!(ada.publish("users/ada/data", "between")?, SUCCESS);
    assert_eq!(ada.receive()?.payload, b"between");
    let expected = answer_challenge(&mut ada, &scram, &challenge)?;
    let done = ada.expect(kind::AUTH)?;
    assert_eq!((done.reason(), said(&done)), (SUCCESS, (Some(SCRAM.to_string()), Some(expected))));
    for _ in 0..3 {
        assert_eq!(authenticate_again(&mut ada, &Scram::new("ada", PASSWORD))?.reason(), SUCCESS);
    }
    assert_eq!(ada.publish("users/ada/data", "after")?, SUCCESS);
    Ok(())
}

/// [MQTT-4.12.1-2]
#[test]
fn a_client_that_fails_to_authenticate_again_is_disconnected() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let password = ground.site.path("password").display().to_string();
    ground.users(&["add", "bob", "--policy", "own", "--password-file", &password])?;
    for (what, scram) in [
        ("a wrong password", Scram::new("ada", "guess")),
        ("another user, with the right password", Scram::new("bob", PASSWORD)),
        ("a user that nobody is", Scram::new("nobody", PASSWORD)),
    ] {
        let mut ada = ground.ada()?;
        let last = authenticate_again(&mut ada, &scram)?;
        assert_eq!((last.kind, last.reason()), (kind::DISCONNECT, NOT_AUTHORIZED), "{what}");
        assert_eq!(end(&mut ada)?, []);
    }
    Ok(())
}

/// [MQTT-4.12.1-1]
#[test]
fn an_auth_out_of_turn_is_a_protocol_error() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let first = Scram::new("ada", PASSWORD).first();
    let begin = auth(AGAIN, SCRAM, Some(&first));
    let cases: [(&str, Vec<u8>); 5] = [
        ("another method", auth(AGAIN, "SCRAM-SHA-1", Some(&first))),
        ("a continuation of nothing", auth(CONTINUE, SCRAM, Some(&first))),
        ("a success", auth(SUCCESS, SCRAM, None)),
        ("two at once", [begin.clone(), begin].concat()),
        ("no method", vec![0xF0, 0]),
    ];
    for (what, bytes) in cases {
        let mut ada = ground.ada()?;
        ada.send(&bytes)?;
        assert_eq!(end(&mut ada)?.pop(), Some((kind::DISCONNECT, PROTOCOL_ERROR)), "{what}");
    }
    Ok(())
}

#[test]
fn what_changes_about_a_user_acts_on_its_connections_at_once() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let cut = Some((kind::DISCONNECT, NOT_AUTHORIZED));
    let mut ada = ground.ada()?;
    ground.users(&["detach", "ada", "own"])?;
    assert_eq!(ada.publish("users/ada/data", "x")?, NOT_AUTHORIZED);
    ground.users(&["attach", "ada", "own"])?;
    assert_eq!(ada.publish("users/ada/data", "x")?, SUCCESS);
    ground.users(&["disable", "ada"])?;
    assert_eq!(end(&mut ada)?.pop(), cut);
    ground.users(&["enable", "ada"])?;
    let mut ada = ground.ada()?;
    let printed = ground.users(&["set-password", "ada"])?;
    assert_eq!(end(&mut ada)?.pop(), cut);
    let password = printed.trim().strip_prefix("password: ").context("a password was made and is printed")?;
    assert_eq!(ground.connect_as("ada", PASSWORD, "ada-1")?.1.reason(), NOT_AUTHORIZED);
    let (mut ada, connack) = ground.connect_as("ada", password, "ada-1")?;
    assert_eq!(connack.reason(), SUCCESS);
    ground.users(&["delete", "ada"])?;
    assert_eq!(end(&mut ada)?.pop(), cut);
    assert!(!ground.gateway.log.text().contains(password), "no password in the log");
    Ok(())
}

#[test]
fn users_survive_a_kill_and_are_shown_without_their_keys() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    ground.gateway.kill_and_start_again()?;
    ground.ada()?;
    let shown = ground.users(&["show", "ada"])?;
    assert!(shown.contains("\"iterations\": 4096") && !shown.contains("SCRAM"), "{shown}");
    assert!(ground.users(&["list"])?.contains("ada"));
    let failed = ground.users(&["enable", "adda"]).expect_err("there is none").to_string();
    assert!(failed.contains("there is no user `adda`; did you mean `ada`?"), "{failed}");
    Ok(())
}

#[test]
fn a_user_name_and_a_password_let_in_what_has_no_certificate() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let answer = |connect: &Connect| -> anyhow::Result<u8> { Ok(ground.plain()?.connect(connect)?.reason()) };
    let v3 = |name: &str, password: &str| Connect::clean(V3, "ada-1").named(name, password);
    let v5 = |name: &str, password: &str| Connect::clean(V5, "ada-1").named(name, password);
    assert_eq!(answer(&v3("ada", PASSWORD))?, 0);
    assert_eq!(answer(&v5("ada", PASSWORD))?, SUCCESS);
    for (name, password) in [("ada", "guess"), ("nobody", PASSWORD), ("ada", ""), ("", PASSWORD)] {
        assert_eq!(answer(&v3(name, password))?, 4, "{name} {password}");
        assert_eq!(answer(&v5(name, password))?, BAD_USER_NAME_OR_PASSWORD, "{name} {password}");
    }
    let name_alone =
        |version| Connect { password: None, ..Connect::clean(version, "ada-1").named("ada", "") };
    assert_eq!((answer(&name_alone(V3))?, answer(&name_alone(V5))?), (4, BAD_USER_NAME_OR_PASSWORD));
    assert_eq!(answer(&Connect::clean(V3, "ada-1"))?, 5);
    assert_eq!(answer(&Connect::clean(V5, "ada-1"))?, NOT_AUTHORIZED);
    assert!(!ground.gateway.log.text().contains(PASSWORD), "no password in the log");
    Ok(())
}

#[test]
fn a_user_is_a_second_factor_beside_a_certificate_and_adds_nothing_to_it() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    ground.site.register(&["kiln-1"])?;
    let options = ground.site.device("kiln-1")?;
    let open = || Client::tls(ground.site.tls_address, &options);
    let mut kiln = open()?;
    assert_eq!(exchange(&mut kiln, &Scram::new("ada", PASSWORD), "kiln-1", &[])?.reason(), SUCCESS);
    assert_eq!(kiln.publish("plant/kiln-1/telemetry", "x")?, SUCCESS);
    assert_eq!(kiln.publish("users/ada/data", "x")?, NOT_AUTHORIZED);
    assert_eq!(exchange(&mut open()?, &Scram::new("ada", "guess"), "kiln-1", &[])?.reason(), NOT_AUTHORIZED);
    // Without a method the certificate is enough, and a user name is passed over, as in AWS IoT.
    let mut named = open()?;
    assert_eq!(named.connect(&Connect::clean(V5, "kiln-1").named("ada", "guess"))?.reason(), SUCCESS);
    let mut kiln = open()?;
    assert_eq!(exchange(&mut kiln, &Scram::new("ada", PASSWORD), "kiln-1", &[])?.reason(), SUCCESS);
    ground.users(&["disable", "ada"])?;
    assert_eq!(end(&mut kiln)?.pop(), Some((kind::DISCONNECT, NOT_AUTHORIZED)));
    Ok(())
}

#[test]
fn where_anybody_may_connect_a_name_is_checked_once_there_are_users() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let gateway = Gateway::start(&site)?;
    let answer = |connect: &Connect| -> Result<u8, Gone> {
        let mut client =
            Client::plain(site.plain_address).map_err(|error| Gone::Closed(error.to_string()))?;
        client.connect(connect).map(|connack| connack.reason())
    };
    assert_eq!(answer(&Connect::clean(V5, "x").named("ada", "guess"))?, SUCCESS);
    let settings = site.settings_file().display().to_string();
    run_command(&["users", "--config", &settings, "add", "ada", "--policy", "anyone"])?;
    assert_eq!(answer(&Connect::clean(V5, "x").named("ada", "guess"))?, BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(answer(&Connect::clean(V5, "x"))?, SUCCESS, "anybody still may");
    drop(gateway);
    Ok(())
}

/// What anybody may do on a listener without TLS is no business of those with it.
#[test]
fn without_certificate_and_user_the_policy_for_anybody_does_not_count_over_tls() -> anyhow::Result<()> {
    let site = Site::new("[listener]\nclient_certificate = \"optional\"\n")?;
    let _gateway = Gateway::start(&site)?;
    let options = trust(&site.path("pki/authority.crt"))?;
    let nobody = Connect::clean(V5, "x");
    assert_eq!(Client::plain(site.plain_address)?.connect(&nobody)?.reason(), SUCCESS);
    assert_eq!(Client::tls(site.tls_address, &options)?.connect(&nobody)?.reason(), NOT_AUTHORIZED);
    let named = nobody.clone().named("ada", "guess");
    let refused = Client::tls(site.tls_address, &options)?.connect(&named)?.reason();
    assert_eq!(refused, BAD_USER_NAME_OR_PASSWORD);
    let mut websocket = Client::websocket(site.https_address, Some(&options))?;
    assert_eq!(websocket.connect(&nobody)?.reason(), NOT_AUTHORIZED);
    let mut web = Web::tls(site.https_address, &options)?;
    assert_eq!(web.request("POST /topics/a?qos=1", "Host: localhost\r\n", b"{}")?.status, 403);
    Ok(())
}

#[test]
fn who_guesses_too_often_is_refused_for_a_while_and_nobody_else() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    for _ in 0..10 {
        assert_eq!(ground.connect_as("ada", "guess", "ada-1")?.1.reason(), NOT_AUTHORIZED);
    }
    assert_eq!(ground.connect_as("ada", PASSWORD, "ada-1")?.1.reason(), RATE_EXCEEDED);
    let named = Connect::clean(V5, "ada-1").named("ada", PASSWORD);
    assert_eq!(ground.plain()?.connect(&named)?.reason(), RATE_EXCEEDED);
    let password = ground.site.path("password").display().to_string();
    ground.users(&["add", "bob", "--policy", "own", "--password-file", &password])?;
    assert_eq!(ground.connect_as("bob", PASSWORD, "bob-1")?.1.reason(), SUCCESS);
    Ok(())
}

#[test]
fn an_exchange_that_stands_still_is_ended() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    drop(ground.gateway);
    ground.site.change_settings("connect_secs_max = 30", "connect_secs_max = 1")?;
    let _gateway = Gateway::start(&ground.site)?;
    let mut client = Client::plain(ground.site.plain_address)?;
    client.version = V5;
    client.send(&connect_with(SCRAM, Some(&Scram::new("ada", PASSWORD).first()), &[]).bytes())?;
    assert_eq!(end(&mut client)?, [(kind::AUTH, CONTINUE), (kind::CONNACK, NOT_AUTHORIZED)]);
    Ok(())
}

/// [MQTT-3.1.2-24]
#[test]
fn an_auth_that_the_client_would_not_take_is_not_sent() -> anyhow::Result<()> {
    let ground = Ground::new("")?;
    let size = |bytes: u8| [0x27, 0, 0, 0, bytes];
    let mut client = ground.plain()?;
    let refused = exchange(&mut client, &Scram::new("ada", PASSWORD), "ada-1", &size(60))?;
    assert_eq!((refused.kind, refused.reason()), (kind::CONNACK, PACKET_TOO_LARGE));
    let (mut client, scram) = (ground.plain()?, Scram::new("ada", PASSWORD));
    assert_eq!(exchange(&mut client, &scram, "ada-1", &size(150))?.reason(), SUCCESS);
    Ok(())
}

#[test]
fn rules_and_lifecycle_events_name_the_user() -> anyhow::Result<()> {
    let mut ground = Ground::new("[[queue]]\nname = \"q\"\n")?;
    let rule = |name: &str, sql: &str| ground.site.write_rule(name, sql, "queue = \"q\"");
    rule("who", "SELECT principal() AS who FROM 'users/+/data'")?;
    rule("presence", "SELECT principalIdentifier AS who FROM '$aws/events/presence/connected/+'")?;
    ground.gateway.kill_and_start_again()?;
    let mut ada = ground.ada()?;
    assert_eq!(ada.publish("users/ada/data", "{}")?, SUCCESS);
    for event in ground.gateway.consumer.take_until("q", 2)? {
        assert_eq!(event.data["who"], "ada", "{event:?}");
    }
    Ok(())
}
