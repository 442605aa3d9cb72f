//! From a line of a case to the bytes of a packet. It writes what it is told, right or wrong.

use crate::properties::{Form, by_word};
use anyhow::{Context, bail};

/// The bytes that a line stands for.
///
/// # Errors
/// When the line is none of the language.
pub(crate) fn bytes(line: &str, version: u8) -> anyhow::Result<Vec<u8>> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "HEX" => return raw(rest, version),
        "FRAME" => {
            let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            return Ok(frame(raw(first, version)?[0], &raw(rest, version)?));
        }
        _ => {}
    }
    let words = Words::new(rest, version)?;
    Ok(match name {
        "CONNECT" => connect(&words)?,
        "PUBLISH" => publish(&words)?,
        "PUBACK" => acknowledgement(0x40, &words)?,
        "PUBREC" => acknowledgement(0x50, &words)?,
        "PUBREL" => acknowledgement(0x62, &words)?,
        "PUBCOMP" => acknowledgement(0x70, &words)?,
        "SUBSCRIBE" => subscribe(&words)?,
        "UNSUBSCRIBE" => unsubscribe(&words)?,
        "PINGREQ" => vec![0xC0, 0],
        "DISCONNECT" => with_reason(0xE0, &words)?,
        "AUTH" => with_reason(0xF0, &words)?,
        other => bail!("`{other}` is no packet that a case can send"),
    })
}

/// `text`, `key=value` and `0x..` words of a line.
struct Words {
    version: u8,
    plain: Vec<String>,
    /// `key=value`, in order.
    pairs: Vec<(String, String)>,
}

impl Words {
    fn new(rest: &str, version: u8) -> anyhow::Result<Self> {
        let (mut plain, mut pairs) = (Vec::new(), Vec::new());
        for word in rest.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => pairs.push((key.to_owned(), unescape(value)?)),
                None => plain.push(unescape(word)?),
            }
        }
        Ok(Self { version, plain, pairs })
    }

    fn has(&self, flag: &str) -> bool {
        self.plain.iter().any(|word| word == flag)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    fn number<T: TryFrom<u32>>(&self, key: &str, default: T) -> anyhow::Result<T> {
        self.value(key).map_or(Ok(default), |value| short(value))
    }

    fn at(&self, index: usize) -> anyhow::Result<&str> {
        self.plain.get(index).map(String::as_str).with_context(|| format!("word {index} is missing"))
    }

    fn reason(&self) -> anyhow::Result<Option<u8>> {
        let code = self.plain.iter().find_map(|word| word.strip_prefix("0x"));
        code.map(|code| u8::from_str_radix(code, 16).context("a reason is two hexadecimal digits"))
            .transpose()
    }

    /// The properties among the pairs whose key starts with `prefix`, with their length before them; nothing in MQTT 3.1.1.
    fn properties(&self, prefix: &str, taken: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut all = Vec::new();
        for (key, value) in &self.pairs {
            let Some(word) = key.strip_prefix(prefix) else { continue };
            if taken.contains(&key.as_str()) {
                continue;
            }
            let property = by_word(word).with_context(|| format!("`{key}` is no property"))?;
            all.push(property.number);
            match property.form {
                Form::Byte => all.push(short(value)?),
                Form::TwoByte => all.extend(short::<u16>(value)?.to_be_bytes()),
                Form::FourByte => all.extend(short::<u32>(value)?.to_be_bytes()),
                Form::Variable => all.extend(variable(short::<u32>(value)? as usize)),
                Form::Text | Form::Binary => all.extend(text(value)),
                Form::Pair => {
                    let (name, value) = value.split_once(':').context("a pair is name:value")?;
                    all.extend([text(name), text(value)].concat());
                }
            }
        }
        if self.version != 5 {
            return Ok(Vec::new());
        }
        Ok([variable(all.len()), all].concat())
    }
}

fn short<T: TryFrom<u32>>(value: &str) -> anyhow::Result<T> {
    let number: u32 = value.parse().with_context(|| format!("`{value}` is no number"))?;
    T::try_from(number).ok().with_context(|| format!("`{value}` is too large"))
}

/// Fields of a CONNECT that are written as `key=value` and are no properties.
const CONNECT_FIELDS: &[&str] =
    &["id", "keep", "level", "name", "flags", "username", "password", "will", "will_qos"];

fn connect(words: &Words) -> anyhow::Result<Vec<u8>> {
    let will =
        words.value("will").map(|will| will.split_once(':').context("will=topic:payload")).transpose()?;
    let qos: u8 = words.number("will_qos", 0)?;
    let mut flags = u8::from(words.has("clean")) << 1 | u8::from(will.is_some()) << 2 | qos << 3;
    flags |= u8::from(words.has("will_retain")) << 5;
    flags |= u8::from(words.value("password").is_some()) << 6;
    flags |= u8::from(words.value("username").is_some()) << 7;
    if let Some(written) = words.value("flags") {
        flags = u8::from_str_radix(written, 16).context("flags are two hexadecimal digits")?;
    }
    let mut body = text(words.value("name").unwrap_or("MQTT"));
    body.extend([words.number("level", words.version)?, flags]);
    body.extend(words.number("keep", 60_u16)?.to_be_bytes());
    let of_will: Vec<&str> =
        words.pairs.iter().map(|(key, _)| key.as_str()).filter(|key| key.starts_with("will")).collect();
    body.extend(words.properties("", &[CONNECT_FIELDS, &of_will].concat())?);
    body.extend(text(words.value("id").unwrap_or_default()));
    if let Some((topic, payload)) = will {
        body.extend(words.properties("will_", CONNECT_FIELDS)?);
        body.extend([text(topic), text(payload)].concat());
    }
    for field in ["username", "password"] {
        body.extend(words.value(field).map(text).unwrap_or_default());
    }
    Ok(frame(0x10, &body))
}

fn publish(words: &Words) -> anyhow::Result<Vec<u8>> {
    let qos: u8 = words.number("qos", 0)?;
    let first = 0x30 | u8::from(words.has("dup")) << 3 | qos << 1 | u8::from(words.has("retain"));
    let mut body = text(dash(words.at(0)?));
    if words.value("id").is_some() {
        body.extend(words.number("id", 0_u16)?.to_be_bytes());
    }
    body.extend(words.properties("", &["qos", "id", "bytes"])?);
    match words.number("bytes", 0_usize)? {
        0 => body.extend(dash(words.at(1)?).bytes()),
        length => body.extend(std::iter::repeat_n(b'x', length)),
    }
    Ok(frame(first, &body))
}

/// `-` stands for nothing.
fn dash(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

fn packet_id(words: &Words) -> anyhow::Result<Vec<u8>> {
    Ok(short::<u16>(words.at(0)?)?.to_be_bytes().to_vec())
}

/// A reason and properties are left out where they say nothing, as the standard lets a sender.
fn tail(words: &Words) -> anyhow::Result<Vec<u8>> {
    let mut tail = Vec::new();
    let reason = words.reason()?;
    if words.version == 5 && (reason.is_some() || !words.pairs.is_empty()) {
        tail.push(reason.unwrap_or(0));
        if !words.pairs.is_empty() {
            tail.extend(words.properties("", &[])?);
        }
    }
    Ok(tail)
}

fn acknowledgement(first: u8, words: &Words) -> anyhow::Result<Vec<u8>> {
    Ok(frame(first, &[packet_id(words)?, tail(words)?].concat()))
}

fn with_reason(first: u8, words: &Words) -> anyhow::Result<Vec<u8>> {
    Ok(frame(first, &tail(words)?))
}

fn subscribe(words: &Words) -> anyhow::Result<Vec<u8>> {
    let mut body = [packet_id(words)?, words.properties("", &[])?].concat();
    for word in &words.plain[1..] {
        let (filter, options) = word.rsplit_once(':').context("a filter is filter:options")?;
        let mut bits = 0;
        for option in options.split(',') {
            bits |= match option {
                "nolocal" => 0x04,
                "rap" => 0x08,
                "rh1" => 0x10,
                "rh2" => 0x20,
                "rh3" => 0x30,
                number => short::<u8>(number)?,
            };
        }
        body.extend(text(filter));
        body.push(bits);
    }
    Ok(frame(0x82, &body))
}

fn unsubscribe(words: &Words) -> anyhow::Result<Vec<u8>> {
    let mut body = [packet_id(words)?, words.properties("", &[])?].concat();
    words.plain[1..].iter().for_each(|filter| body.extend(text(filter)));
    Ok(frame(0xA2, &body))
}

/// Bytes written one by one: hexadecimal digits, `'text'`, `s'text'` and `s(hex)` with their length before them, `{n}x61` for a byte
/// n times, and `[ … ]` for properties with their length before them (nothing in MQTT 3.1.1).
fn raw(line: &str, version: u8) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let mut outside: Option<Vec<u8>> = None;
    for word in line.split_whitespace() {
        match word {
            "[" => outside = Some(std::mem::take(&mut whole)),
            "]" => {
                let inside = std::mem::replace(&mut whole, outside.take().context("`]` without `[`")?);
                if version == 5 {
                    whole.extend([variable(inside.len()), inside].concat());
                }
            }
            _ => whole.extend(raw_word(word)?),
        }
    }
    Ok(whole)
}

fn raw_word(word: &str) -> anyhow::Result<Vec<u8>> {
    let quoted = |word: &str| word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')).map(unescape);
    if let Some(plain) = quoted(word) {
        return Ok(plain?.into_bytes());
    }
    if let Some(found) = word.strip_prefix('s').and_then(quoted) {
        return Ok(text(&found?));
    }
    if let Some(inside) = word.strip_prefix("s(").and_then(|word| word.strip_suffix(')')) {
        let bytes = hexadecimal(inside)?;
        return Ok([length(bytes.len()), bytes].concat());
    }
    if let Some((count, bytes)) = word.split_once('x') {
        return Ok(hexadecimal(bytes)?.repeat(short(count)?));
    }
    hexadecimal(word)
}

fn hexadecimal(digits: &str) -> anyhow::Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).context("digits"));
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).with_context(|| format!("`{digits}` is not hexadecimal")))
        .collect()
}

/// `\u{feff}` is a character that could not be seen otherwise.
fn unescape(word: &str) -> anyhow::Result<String> {
    let mut parts = word.split("\\u{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('}').context("an escape ends with `}`")?;
        let number = u32::from_str_radix(digits, 16).context("an escape is hexadecimal")?;
        whole.push(char::from_u32(number).context("an escape is a character")?);
        whole.push_str(rest);
    }
    Ok(whole)
}

fn length(bytes: usize) -> Vec<u8> {
    u16::try_from(bytes).expect("a text of a case is short").to_be_bytes().to_vec()
}

fn text(text: &str) -> Vec<u8> {
    [length(text.len()), text.as_bytes().to_vec()].concat()
}

fn variable(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number % 128) as u8;
        number /= 128;
        bytes.push(if number > 0 { byte | 128 } else { byte });
        if number == 0 {
            return bytes;
        }
    }
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [vec![first], variable(body.len()), body.to_vec()].concat()
}
