use super::*;
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// The example of RFC 7677, section 3.
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn pencil() -> Credential {
    let salt = decode(SALT).try_into().expect("16 bytes");
    Credential::derive("pencil", salt, 4096).expect("a legal password")
}

fn begin(first: &str) -> (Exchange, String) {
    let first = ClientFirst::parse(first.as_bytes()).expect("well-formed");
    Exchange::begin(&first, pencil(), &Nonce::literal(SERVER_NONCE))
}

/// What a client answers, made by the letter of RFC 5802.
fn client_final(first: &str, challenge: &str, password: &str) -> String {
    let hmac = |key: &[u8], text: &[u8]| {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("any key");
        mac.update(text);
        <[u8; 32]>::from(mac.finalize().into_bytes())
    };
    let attribute =
        |key: &str| challenge.split(',').find_map(|part| part.strip_prefix(key)).expect("in the challenge");
    let iterations = attribute("i=").parse().expect("a number");
    let salted =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &decode(attribute("s=")), iterations);
    let client_key = hmac(&salted, b"Client Key");
    let bare_at = first.match_indices(',').nth(1).expect("two commas").0 + 1;
    let without_proof = format!("c={},r={}", encode(&first[..bare_at]), attribute("r="));
    let message = format!("{},{challenge},{without_proof}", &first[bare_at..]);
    let signature = hmac(&Sha256::digest(client_key), message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(left, right)| left ^ right).collect();
    format!("{without_proof},p={}", encode(proof))
}

#[test]
fn the_example_of_rfc_7677() {
    let (exchange, challenge) = begin(CLIENT_FIRST);
    assert_eq!(challenge, SERVER_FIRST);
    assert_eq!(exchange.finish(CLIENT_FINAL.as_bytes()).as_deref(), Ok(SERVER_FINAL));
    assert_eq!(client_final(CLIENT_FIRST, SERVER_FIRST, "pencil"), CLIENT_FINAL, "the client of these tests");
}

#[test]
fn a_wrong_password_fails_at_the_end_alone() {
    let (exchange, challenge) = begin(CLIENT_FIRST);
    let last = client_final(CLIENT_FIRST, &challenge, "pencils");
    assert_eq!(exchange.finish(last.as_bytes()), Err(Fault::WrongProof));
}

#[test]
fn a_decoy_answers_as_a_user_does_and_takes_no_password() {
    let decoy = |secret: u8, user| Credential::decoy(&[secret; 32], user, 4096);
    assert_eq!(decoy(1, "ada"), decoy(1, "ada"), "the same at every attempt");
    assert_ne!(decoy(1, "ada").salt(), decoy(1, "bob").salt());
    assert_ne!(decoy(1, "ada").salt(), decoy(2, "ada").salt(), "the same name elsewhere says nothing");
    let first = ClientFirst::parse(CLIENT_FIRST.as_bytes()).unwrap();
    let (exchange, challenge) = Exchange::begin(&first, decoy(1, "user"), &Nonce::new([7; NONCE_BYTES]));
    let shape = |challenge: &str| {
        challenge.split(',').map(|part| part.split('=').next().map(str::len)).collect::<Vec<_>>()
    };
    assert_eq!(shape(&challenge), shape(SERVER_FIRST));
    let last = client_final(CLIENT_FIRST, &challenge, "pencil");
    assert_eq!(exchange.finish(last.as_bytes()), Err(Fault::WrongProof));
    assert!(!decoy(1, "user").is_password(b"pencil"));
}

#[test]
fn a_password_is_checked_by_itself_too() {
    assert!(pencil().is_password(b"pencil"));
    assert!(!pencil().is_password(b"pencil "));
    assert!(!pencil().is_password(b""));
    assert!(!pencil().is_password(&[0xff; 70_000]));
}

#[test]
fn what_clients_may_say_first() {
    for (first, user) in [
        ("n,,n=user,r=abc", "user"),
        ("y,,n=user,r=abc", "user"),
        ("n,a=user,n=user,r=abc", "user"),
        ("n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc", "a,b=c"),
        ("n,,n=user,r=abc,x=an extension,y=z=,w=ü", "user"),
    ] {
        let parsed = ClientFirst::parse(first.as_bytes());
        assert_eq!(parsed.as_ref().map(ClientFirst::user), Ok(user), "{first}");
        let (exchange, challenge) = begin(first);
        let last = client_final(first, &challenge, "pencil");
        assert!(exchange.finish(last.as_bytes()).is_ok(), "{first}");
    }
}

#[test]
fn what_clients_may_not_say_first() {
    let malformed = |first: &str| match ClientFirst::parse(first.as_bytes()) {
        Err(Fault::Malformed(why)) => why,
        other => panic!("{first}: {other:?}"),
    };
    assert_eq!(ClientFirst::parse(b"p=tls-exporter,,n=user,r=abc"), Err(Fault::ChannelBinding));
    assert_eq!(ClientFirst::parse(b"n,,m=1,n=user,r=abc"), Err(Fault::Extension));
    assert_eq!(ClientFirst::parse(b"n,a=other,n=user,r=abc"), Err(Fault::OtherIdentity));
    assert_eq!(ClientFirst::parse(&[b'n'; MESSAGE_BYTES_MAX + 1]), Err(Fault::TooLong));
    assert_eq!(malformed(""), "it has no header");
    assert_eq!(malformed("n,"), "its header does not end");
    assert_eq!(malformed("x,,n=user,r=abc"), "it does not begin with `n`, `y` or `p=`");
    assert_eq!(malformed("n,b=user,n=user,r=abc"), "its header has something else than an identity");
    assert_eq!(malformed("n,,r=abc,n=user"), "it has no user name");
    assert_eq!(malformed("n,,n=user"), "it has no nonce");
    assert_eq!(malformed("n,,n=,r=abc"), "a name is empty or not printable ASCII");
    assert_eq!(malformed("n,,n=ü,r=abc"), "a name is empty or not printable ASCII");
    assert_eq!(malformed("n,,n=a=2cb,r=abc"), "a name has `=` that is not `=2C` or `=3D`");
    assert_eq!(malformed("n,,n=user,r="), "a nonce is empty or not printable");
    assert_eq!(malformed("n,,n=user,r=a b"), "a nonce is empty or not printable");
    assert_eq!(malformed("n,,n=user,r=abc,1=x"), "an extension is malformed");
    assert_eq!(malformed("n,,n=user,r=abc,"), "an extension is malformed");
}

#[test]
fn what_clients_may_not_say_last() {
    let finish = |last: &str| begin(CLIENT_FIRST).0.finish(last.as_bytes());
    let nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert!(finish(&format!("c=biws,{nonce},{proof}")).is_ok());
    assert_eq!(finish(&format!("c=eSws,{nonce},{proof}")), Err(Fault::OtherExchange), "another header");
    assert_eq!(finish(&format!("c=biws,{nonce}0,{proof}")), Err(Fault::OtherExchange));
    assert_eq!(finish(&format!("c=biws,r=rOprNGfwEbeRWgbNEkqO,{proof}")), Err(Fault::OtherExchange));
    assert_eq!(
        finish(&format!("c=biws,{nonce},x=y,{proof}")),
        Err(Fault::WrongProof),
        "extensions are signed"
    );
    for malformed in [
        String::new(),
        format!("c=biws,{nonce}"),
        format!("{nonce},c=biws,{proof}"),
        format!("c=!,{nonce},{proof}"),
        format!("c=biws,{nonce},p=AAAA"),
        format!("c=biws,{nonce},{proof},x=y"),
    ] {
        assert!(matches!(finish(&malformed), Err(Fault::Malformed(_))), "{malformed}");
    }
}

#[test]
fn passwords_that_clients_might_prepare_differently_are_refused() {
    for password in ["", "pässword", "a\tb", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
        assert_eq!(Credential::derive(password, [0; SALT_BYTES], 4096), Err(PasswordError), "{password:?}");
    }
}

#[test]
fn a_stored_credential_is_read_again_and_a_damaged_one_is_not() {
    let text = serde_json::to_string(&pencil()).unwrap();
    assert_eq!(
        text,
        "\"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
         wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\""
    );
    assert_eq!(serde_json::from_str::<Credential>(&text).unwrap(), pencil());
    for (from, to) in
        [("256", "1"), ("4096", "1"), ("4096", "+4096"), ("4096", "9999999"), ("$WG5d", "$"), (":wf", "$wf")]
    {
        assert!(serde_json::from_str::<Credential>(&text.replace(from, to)).is_err(), "{from} {to}");
    }
}

#[test]
fn a_credential_does_not_print_its_keys() {
    assert_eq!(format!("{:?}", pencil()), "Credential { iterations: 4096, .. }");
}

/// Bytes that often come near to a message.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 17] = [
        b"n,,",
        b"y,a=",
        b"p=x,,",
        b"n=",
        b"r=",
        b",",
        b"=2C",
        b"=",
        b"c=biws",
        b",p=",
        b"user",
        b"\xff",
        b"x=y",
        b"m=",
        b"\0",
        b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"\xc3\xbc",
    ];
    let piece = prop::sample::select(&PIECES[..]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #[test]
    fn no_message_makes_it_panic_and_none_is_taken_without_proof(bytes in nearly_a_message()) {
        if let Ok(first) = ClientFirst::parse(&bytes) {
            prop_assert!(!first.user().is_empty() && first.user().len() <= bytes.len());
            prop_assert_eq!(format!("{}{}", first.header, first.bare).into_bytes(), bytes.clone());
        }
        let first = ClientFirst::parse(CLIENT_FIRST.as_bytes()).expect("well-formed");
        let decoy = Credential::decoy(&[1; 32], "user", 4096);
        prop_assert!(Exchange::begin(&first, decoy, &Nonce::literal("")).0.finish(&bytes).is_err());
    }

    #[test]
    fn no_text_makes_the_reader_of_credentials_panic(text in "\\PC{0,120}|SCRAM-SHA-256\\$[0-9]{0,12}:[A-Za-z=]{0,24}\\$[A-Za-z=]{0,44}:[A-Za-z=]{0,44}") {
        let _ = text.parse::<Credential>();
    }

    #[test]
    fn names_survive_their_escapes(user in "[ -~]{1,40}") {
        let escaped = user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n,,n={escaped},r=abc");
        let parsed = ClientFirst::parse(first.as_bytes()).expect("well-formed");
        prop_assert_eq!(parsed.user(), user);
    }
}
