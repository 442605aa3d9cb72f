//! The client id of a CONNECT, from as few bytes as possible.

/// The bytes do not begin with a CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAConnect;

/// The client id [MQTT-3.1.3-1], once enough bytes are there.
pub(super) fn client_id(bytes: &[u8]) -> Result<Option<&str>, NotAConnect> {
    let mut rest = Rest(bytes);
    match parse(&mut rest) {
        Some(Ok(name)) => std::str::from_utf8(name).map(Some).map_err(|_| NotAConnect),
        Some(Err(error)) => Err(error),
        None => Ok(None),
    }
}

/// `None` when bytes are missing.
fn parse<'a>(rest: &mut Rest<'a>) -> Option<Result<&'a [u8], NotAConnect>> {
    if rest.take(1)?[0] != 0x10 {
        return Some(Err(NotAConnect));
    }
    if let Err(error) = rest.number()? {
        return Some(Err(error));
    }
    if rest.prefixed()? != b"MQTT" {
        return Some(Err(NotAConnect));
    }
    let level = rest.take(1)?[0];
    // Connect flags and keep-alive.
    rest.take(3)?;
    if level == 5 {
        match rest.number()? {
            Ok(properties) => rest.take(properties)?,
            Err(error) => return Some(Err(error)),
        };
    }
    rest.prefixed().map(Ok)
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    /// A variable byte integer.
    fn number(&mut self) -> Option<Result<usize, NotAConnect>> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(Ok(value));
            }
        }
        Some(Err(NotAConnect))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use rumqttc::mqttbytes::v4::Connect;

    use super::*;

    #[test]
    fn a_client_id_is_known_when_it_is_complete() {
        let mut bytes = BytesMut::new();
        Connect::new("device-00007").write(&mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert_eq!(client_id(&bytes[..end]), Ok(None), "{end} bytes");
        }
        assert_eq!(client_id(&bytes), Ok(Some("device-00007")));
    }

    #[test]
    fn mqtt_5_has_properties_first() {
        let packet = b"\x10\x14\x00\x04MQTT\x05\x02\x00\x1E\x03\x21\x00\x0A\x00\x04kiln";
        assert_eq!(client_id(packet), Ok(Some("kiln")));
    }

    #[test]
    fn what_is_not_a_connect_is_refused() {
        assert_eq!(client_id(b"GET / HTTP/1.1"), Err(NotAConnect));
        assert_eq!(client_id(b"\x10\xFF\xFF\xFF\xFF\x01"), Err(NotAConnect));
        assert_eq!(client_id(b"\x10\x10\x00\x04HTTP"), Err(NotAConnect));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64), connect: bool) {
            if connect && !bytes.is_empty() {
                bytes[0] = 0x10;
            }
            let _ = client_id(&bytes);
        }
    }
}
