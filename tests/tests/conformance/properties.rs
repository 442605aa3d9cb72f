//! The properties of MQTT 5: the word that stands for each in a case, its number, its form, and the packets in which a server may send it.

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Byte,
    TwoByte,
    FourByte,
    Variable,
    Text,
    Binary,
    /// `name:value`
    Pair,
}

/// One property.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) word: &'static str,
    pub(crate) number: u8,
    pub(crate) form: Form,
    /// Types of the packets in which a server may send it.
    pub(crate) from_server: &'static [u8],
}

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;
const AUTH: u8 = 15;
const WITH_REASON: &[u8] = &[2, 4, 5, 6, 7, 9, 11, DISCONNECT, AUTH];
const WITH_USER: &[u8] = &[2, PUBLISH, 4, 5, 6, 7, 9, 11, DISCONNECT, AUTH];

const fn property(word: &'static str, number: u8, form: Form, from_server: &'static [u8]) -> Property {
    Property { word, number, form, from_server }
}

/// Every property of the standard.
pub(crate) const PROPERTIES: &[Property] = &[
    property("utf8", 0x01, Form::Byte, &[PUBLISH]),
    property("expiry", 0x02, Form::FourByte, &[PUBLISH]),
    property("type", 0x03, Form::Text, &[PUBLISH]),
    property("response", 0x08, Form::Text, &[PUBLISH]),
    property("correlation", 0x09, Form::Binary, &[PUBLISH]),
    property("sub", 0x0B, Form::Variable, &[PUBLISH]),
    property("session", 0x11, Form::FourByte, &[CONNACK]),
    property("assigned", 0x12, Form::Text, &[CONNACK]),
    property("server_keep", 0x13, Form::TwoByte, &[CONNACK]),
    property("method", 0x15, Form::Text, &[CONNACK, AUTH]),
    property("data", 0x16, Form::Binary, &[CONNACK, AUTH]),
    property("problem", 0x17, Form::Byte, &[]),
    property("delay", 0x18, Form::FourByte, &[]),
    property("ask_response", 0x19, Form::Byte, &[]),
    property("information", 0x1A, Form::Text, &[CONNACK]),
    property("server", 0x1C, Form::Text, &[CONNACK, DISCONNECT]),
    property("reason", 0x1F, Form::Text, WITH_REASON),
    property("receive", 0x21, Form::TwoByte, &[CONNACK]),
    property("aliases", 0x22, Form::TwoByte, &[CONNACK]),
    property("alias", 0x23, Form::TwoByte, &[PUBLISH]),
    property("qos_max", 0x24, Form::Byte, &[CONNACK]),
    property("retain_available", 0x25, Form::Byte, &[CONNACK]),
    property("user", 0x26, Form::Pair, WITH_USER),
    property("size", 0x27, Form::FourByte, &[CONNACK]),
    property("wildcards", 0x28, Form::Byte, &[CONNACK]),
    property("identifiers", 0x29, Form::Byte, &[CONNACK]),
    property("shared", 0x2A, Form::Byte, &[CONNACK]),
];

/// The property that a word stands for.
pub(crate) fn by_word(word: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.word == word)
}

/// The property with a number.
pub(crate) fn by_number(number: u8) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.number == number)
}
