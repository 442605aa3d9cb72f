//! From the bytes of a packet that the gateway sent to a line. Strict: what the standard forbids a server to send is an error, whatever the
//! case is about, so every case also proves that flags, lengths, properties and reason codes are legal.

use crate::properties::{Form, by_number};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Reason codes that a server may send, by packet type (section 2.4 of MQTT 5); of DISCONNECT, those that are not a client's alone.
fn reasons(kind: u8) -> &'static [u8] {
    match kind {
        2 => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
            0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        4 | 5 => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        6 | 7 => &[0, 0x92],
        9 => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        11 => &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        14 => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
            0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        _ => &[0, 0x18],
    }
}

/// The line that a packet reads as.
///
/// # Errors
/// When no server may send it.
pub(crate) fn line(packet: &[u8], version: u8) -> anyhow::Result<String> {
    let (kind, flags) = (packet[0] >> 4, packet[0] & 15);
    let (_, used) = variable(&packet[1..])?.context("the packet has its length")?;
    let mut body = Body { rest: &packet[1 + used..], version, kind };
    let expected_flags = if kind == 6 { 2 } else { 0 };
    ensure!(kind == 3 || flags == expected_flags, "flags {flags:#x} of packet type {kind}");
    let mut line = match kind {
        2 => connack(&mut body)?,
        3 => return publish(flags, body),
        4..=7 => acknowledgement(&mut body)?,
        9 | 11 => codes(&mut body)?,
        13 => "PINGRESP".to_owned(),
        14 | 15 if version == 5 => with_reason(&mut body)?,
        _ => bail!("no server sends packet type {kind}"),
    };
    ensure!(body.rest.is_empty(), "{} bytes after the end of `{line}`", body.rest.len());
    line.truncate(line.trim_end().len());
    Ok(line)
}

/// A variable byte integer and its length, if it is there whole.
///
/// # Errors
/// When it has more bytes than it needs, or than it may have `[MQTT-1.5.5-1]`.
pub(crate) fn variable(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            ensure!(index == 0 || *byte != 0, "a variable byte integer has a byte too many");
            return Ok(Some((value, index + 1)));
        }
    }
    ensure!(bytes.len() < 4, "a variable byte integer has more than four bytes");
    Ok(None)
}

struct Body<'a> {
    rest: &'a [u8],
    version: u8,
    kind: u8,
}

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        ensure!(self.rest.len() >= count, "the packet ends inside a field");
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> anyhow::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> anyhow::Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn long(&mut self) -> anyhow::Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn variable(&mut self) -> anyhow::Result<usize> {
        let (value, used) = variable(self.rest)?.context("the packet ends inside a length")?;
        self.take(used)?;
        Ok(value)
    }

    fn binary(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> anyhow::Result<String> {
        let text = std::str::from_utf8(self.binary()?).context("a text is UTF-8")?;
        ensure!(!text.contains('\0'), "a text contains U+0000");
        Ok(escape(text))
    }

    fn packet_id(&mut self) -> anyhow::Result<u16> {
        let id = self.short()?;
        ensure!(id != 0, "packet identifier 0");
        Ok(id)
    }

    fn reason(&mut self) -> anyhow::Result<String> {
        let code = self.byte()?;
        let legal = reasons(self.kind).contains(&code);
        ensure!(legal, "reason {code:#04x} is not one of packet type {}", self.kind);
        Ok(if code == 0 { String::new() } else { format!(" 0x{code:02x}") })
    }

    /// The properties as words, in the order sent.
    fn properties(&mut self) -> anyhow::Result<String> {
        let mut words = String::new();
        if self.version != 5 {
            return Ok(words);
        }
        let length = self.variable()?;
        let mut inside = Body { rest: self.take(length)?, ..*self };
        let mut seen = BTreeSet::new();
        while !inside.rest.is_empty() {
            let number = u8::try_from(inside.variable()?)?;
            let property = by_number(number).with_context(|| format!("no property {number:#04x}"))?;
            let word = property.word;
            ensure!(property.from_server.contains(&self.kind), "`{word}` in packet type {}", self.kind);
            ensure!(seen.insert(word) || matches!(word, "user" | "sub"), "`{word}` twice");
            let value = inside.value(property.form)?;
            write!(words, " {word}={value}")?;
        }
        Ok(words)
    }

    fn value(&mut self, form: Form) -> anyhow::Result<String> {
        Ok(match form {
            Form::Byte => {
                let flag = self.byte()?;
                ensure!(flag < 2, "a property of one byte is {flag}");
                flag.to_string()
            }
            Form::TwoByte => self.short()?.to_string(),
            Form::FourByte => self.long()?.to_string(),
            Form::Variable => self.variable()?.to_string(),
            Form::Text => self.text()?,
            Form::Binary => escape(&String::from_utf8_lossy(self.binary()?)),
            Form::Pair => format!("{}:{}", self.text()?, self.text()?),
        })
    }
}

/// Characters that could not be told from others, or would end a word, are written by number.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        let visible = !character.is_whitespace() && !character.is_control() && character != '\u{FEFF}';
        match visible {
            true => escaped.push(character),
            false => write!(escaped, "\\u{{{:x}}}", u32::from(character)).expect("text grows"),
        }
    }
    escaped
}

fn connack(body: &mut Body<'_>) -> anyhow::Result<String> {
    let flags = body.byte()?;
    ensure!(flags < 2, "reserved connect acknowledge flags {flags:#04x}");
    let reason = if body.version == 5 {
        body.reason()?
    } else {
        let code = body.byte()?;
        ensure!(code < 6, "return code {code} is reserved");
        if code == 0 { String::new() } else { format!(" 0x{code:02x}") }
    };
    ensure!(flags == 0 || reason.is_empty(), "session present beside a refusal");
    let present = if flags == 1 { " present" } else { "" };
    Ok(format!("CONNACK{reason}{present}{}", body.properties()?))
}

fn publish(flags: u8, mut body: Body<'_>) -> anyhow::Result<String> {
    let (dup, qos, retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
    ensure!(qos < 3, "QoS 3");
    ensure!(!dup || qos > 0, "DUP at QoS 0");
    let topic = body.text()?;
    ensure!(!topic.contains(['+', '#']), "a wildcard in the topic name `{topic}`");
    let id = if qos > 0 { Some(body.packet_id()?) } else { None };
    let properties = body.properties()?;
    ensure!(!topic.is_empty() || properties.contains(" alias="), "neither topic nor alias");
    let payload = String::from_utf8_lossy(body.rest);
    let payload = match payload.len() {
        0 => "-".to_owned(),
        1..64 => escape(&payload),
        length => format!("bytes={length}"),
    };
    let mut line = format!("PUBLISH {} {payload}", if topic.is_empty() { "-" } else { &topic });
    if let Some(id) = id {
        write!(line, " qos={qos} id={id}")?;
    }
    for (flag, word) in [(dup, " dup"), (retain, " retain")] {
        line.push_str(if flag { word } else { "" });
    }
    Ok(line + &properties)
}

fn acknowledgement(body: &mut Body<'_>) -> anyhow::Result<String> {
    let name = ["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"][usize::from(body.kind - 4)];
    let id = body.packet_id()?;
    let mut line = format!("{name} {id}");
    if body.version == 5 && !body.rest.is_empty() {
        line += &body.reason()?;
        if !body.rest.is_empty() {
            line += &body.properties()?;
        }
    }
    Ok(line)
}

fn codes(body: &mut Body<'_>) -> anyhow::Result<String> {
    let name = if body.kind == 9 { "SUBACK" } else { "UNSUBACK" };
    let id = body.packet_id()?;
    let properties = body.properties()?;
    let mut line = format!("{name} {id}");
    while !body.rest.is_empty() {
        let code = body.byte()?;
        let legal = match body.version {
            5 => reasons(body.kind).contains(&code),
            _ => body.kind == 9 && matches!(code, 0 | 1 | 2 | 0x80),
        };
        ensure!(legal, "code {code:#04x} in {name}");
        write!(line, " 0x{code:02x}")?;
    }
    Ok(line + &properties)
}

fn with_reason(body: &mut Body<'_>) -> anyhow::Result<String> {
    let mut line = if body.kind == 14 { "DISCONNECT" } else { "AUTH" }.to_owned();
    if !body.rest.is_empty() {
        line += &body.reason()?;
    }
    if !body.rest.is_empty() {
        line += &body.properties()?;
    }
    Ok(line)
}
