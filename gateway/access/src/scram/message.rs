//! The client's two messages, read strictly by the grammar of RFC 5802, section 7. Any bytes may come in.

use super::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The longest message that is read, in bytes. Real ones have about a hundred.
pub const MESSAGE_BYTES_MAX: usize = 1_024;

/// `n,,n=user,r=nonce`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// The user, its escapes undone.
    user: String,
    pub(super) nonce: String,
    /// What channel binding and authorisation identity were, as sent: the last message repeats it.
    pub(super) header: String,
    /// The rest, as sent: a part of what is signed.
    pub(super) bare: String,
}

/// `c=biws,r=nonce,p=proof`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// The header of the first message, as it comes back.
    pub(super) header: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: [u8; 32],
    /// Everything before the proof: a part of what is signed.
    pub(super) without_proof: &'a str,
}

impl ClientFirst {
    /// Reads the first message of the client.
    ///
    /// # Errors
    /// When it is malformed, or asks for what is not offered.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text = text(bytes)?;
        let (flag, rest) = text.split_once(',').ok_or(Fault::Malformed("it has no header"))?;
        match flag {
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(Fault::ChannelBinding),
            _ => return Err(Fault::Malformed("it does not begin with `n`, `y` or `p=`")),
        }
        let (identity, bare) = rest.split_once(',').ok_or(Fault::Malformed("its header does not end"))?;
        let identity = match identity.strip_prefix("a=") {
            Some(identity) => Some(name(identity)?),
            None if identity.is_empty() => None,
            None => return Err(Fault::Malformed("its header has something else than an identity")),
        };
        if bare.starts_with("m=") {
            return Err(Fault::Extension);
        }
        let mut attributes = bare.split(',');
        let user = name(value(attributes.next(), "n=", "it has no user name")?)?;
        let nonce = nonce(value(attributes.next(), "r=", "it has no nonce")?)?.to_owned();
        extensions(attributes)?;
        if identity.is_some_and(|identity| identity != user) {
            return Err(Fault::OtherIdentity);
        }
        let header = text[..text.len() - bare.len()].to_owned();
        Ok(Self { user, nonce, header, bare: bare.to_owned() })
    }

    /// Who the client says it is; nothing is proved yet.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let text = text(bytes)?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or(Fault::Malformed("it does not end with a proof"))?;
        let mut attributes = without_proof.split(',');
        let header = value(attributes.next(), "c=", "it does not repeat the header")?;
        let header = BASE64.decode(header).map_err(|_| Fault::Malformed("the header is not base64"))?;
        let nonce = nonce(value(attributes.next(), "r=", "it has no nonce")?)?;
        extensions(attributes)?;
        let proof = BASE64.decode(proof).ok().and_then(|proof| proof.try_into().ok());
        let proof = proof.ok_or(Fault::Malformed("the proof is not 32 bytes in base64"))?;
        Ok(Self { header, nonce, proof, without_proof })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    std::str::from_utf8(bytes).map_err(|_| Fault::Malformed("it is not UTF-8"))
}

fn value<'a>(attribute: Option<&'a str>, key: &str, missing: &'static str) -> Result<&'a str, Fault> {
    attribute.and_then(|attribute| attribute.strip_prefix(key)).ok_or(Fault::Malformed(missing))
}

/// `saslname`, and ASCII without control characters: of such names SASLprep makes the same.
fn name(escaped: &str) -> Result<String, Fault> {
    let mut name = String::with_capacity(escaped.len());
    let mut parts = escaped.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (rest, character) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (rest, ','),
            (_, Some(rest)) => (rest, '='),
            _ => return Err(Fault::Malformed("a name has `=` that is not `=2C` or `=3D`")),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.is_empty() || !name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Fault::Malformed("a name is empty or not printable ASCII"));
    }
    Ok(name)
}

/// Printable ASCII; a comma can't be in it.
fn nonce(text: &str) -> Result<&str, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::Malformed("a nonce is empty or not printable"));
    }
    Ok(text)
}

/// Optional extensions are passed over; they are signed all the same.
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let is_attribute = |attribute: &str| {
        let mut characters = attribute.chars();
        characters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
            && characters.next() == Some('=')
            && characters.next().is_some()
            && !attribute.contains('\0')
    };
    if attributes.all(is_attribute) { Ok(()) } else { Err(Fault::Malformed("an extension is malformed")) }
}
