//! What can be wrong with the bytes of a server.

/// The server's bytes are not MQTT as a client may receive it. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first byte is none that a server sends.
    #[error("the server sent `{0:#04x}` where a packet begins, which no packet to a client begins with")]
    FirstByte(u8),
    /// A length or number has more bytes than it needs, or more than four.
    #[error("the server sent a number in more bytes than it needs")]
    LongNumber,
    /// The packet is longer than the client takes.
    #[error(
        "the server sent a packet of `{bytes}` bytes, more than the `{bytes_max}` that this client takes"
    )]
    TooLong {
        /// How long it says it is, its first bytes included.
        bytes: u32,
        /// What is taken at most.
        bytes_max: u32,
    },
    /// A packet ends before its fields do.
    #[error("the server sent a {0} that ends in the middle of a field")]
    Short(&'static str),
    /// A packet goes on after its last field.
    #[error("the server sent a {0} with bytes after its last field")]
    Trailing(&'static str),
    /// Text that is not UTF-8, or has a null character.
    #[error("the server sent a {0} with text that is not UTF-8 or has a null character")]
    Text(&'static str),
    /// A packet id of zero.
    #[error("the server sent a {0} with the packet id `0`")]
    PacketId(&'static str),
    /// A field has a value that the standard does not know there.
    #[error("the server sent a {packet} with `{value:#04x}` as its {field}")]
    Value {
        /// The packet's name.
        packet: &'static str,
        /// The field's name.
        field: &'static str,
        /// What it says.
        value: u8,
    },
    /// A property that the packet cannot have, or has twice.
    #[error("the server sent a {packet} with property `{property:#04x}`, which it cannot have there")]
    Property {
        /// The packet's name.
        packet: &'static str,
        /// The property's number.
        property: u32,
    },
    /// A topic that messages cannot have.
    #[error("the server sent a PUBLISH with an empty topic, or one with wildcards")]
    Topic,
}
