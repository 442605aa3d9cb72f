//! Where devices connect, from which addresses, and with which certificates.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The server under test, and how it is reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// The name that its certificate must carry, and that a WebSocket asks for.
    pub server_name: String,
    /// Certificate (PEM) of the authority that signed the server's; `None` only if no fleet uses TLS, or if the
    /// certificates are made here with their authority.
    pub authority: Option<PathBuf>,
    /// What happens on a reconnect over TLS.
    pub handshake: Handshake,
    /// Local addresses to connect from, in turn; empty for the system's choice.
    pub source_addresses: Sources,
    /// The devices' certificates.
    pub certificates: Certificates,
    /// Path of the HTTP request that opens a WebSocket, with its leading slash.
    pub websocket_path: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            address: Address { host: "localhost".to_owned(), port: 1883 },
            server_name: "localhost".to_owned(),
            authority: None,
            handshake: Handshake::Resumed,
            source_addresses: Sources::default(),
            certificates: Certificates::None,
            websocket_path: "/mqtt".to_owned(),
        }
    }
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host name, IPv4 address, or IPv6 address without brackets.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
}

impl Address {
    /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = |host: &str| !host.is_empty() && !host.contains([':', '[', ']', ' ', '/']);
        let host = match bare {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(|_| address)?,
            None => Some(host).filter(|host| is_name(host))?,
        };
        (port != 0).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// What happens on a reconnect over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// The session is resumed when the server allows it.
    Resumed,
    /// Every handshake is a full one.
    Full,
}

/// Where the devices' certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Devices have none: plain TCP, or TLS where only the server shows a certificate.
    None,
    /// Pairs `NAME.crt` and `NAME.key` in a folder, taken in the order of their names; a device is called as its pair.
    Folder(PathBuf),
    /// One for each device, signed as it is needed by an authority that exists.
    Authority {
        /// The authority's certificate, PEM.
        certificate: PathBuf,
        /// Its private key, PEM.
        key: PathBuf,
    },
    /// The authority is made, too; its certificate is written into this directory, for the server to trust.
    Made(PathBuf),
}

/// Local addresses to connect from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    networks: Vec<Network>,
}

impl Sources {
    /// Addresses of these networks, in turn.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    /// The address that the device with this number connects from; `None` for the system's choice.
    pub fn of_device(&self, device: u32) -> Option<IpAddr> {
        let total: u64 = self.networks.iter().map(|network| network.count).sum();
        let mut place = u64::from(device).checked_rem(total)?;
        for network in &self.networks {
            if place < network.count {
                return Some(network.nth(place));
            }
            place -= network.count;
        }
        None
    }
}

/// Neighbouring addresses: a single one, or `ADDRESS/BITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    count: u64,
}

impl Network {
    /// Reads `127.0.1.7` or `127.0.1.0/28`. A network may not have more than 2^32 addresses.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::checked_sub(width, bits.unwrap_or(width)).filter(|bits| *bits <= 32)?;
        let first = match address {
            IpAddr::V4(address) => {
                let masked = u64::from(u32::from(address)) >> host_bits << host_bits;
                IpAddr::V4(Ipv4Addr::from(u32::try_from(masked).ok()?))
            }
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> host_bits << host_bits)),
        };
        Some(Self { first, count: 1 << host_bits })
    }

    fn nth(self, place: u64) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                IpAddr::V4(Ipv4Addr::from(u32::from(first).wrapping_add(u32::try_from(place).unwrap_or(0))))
            }
            IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from(u128::from(first).wrapping_add(place.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (text, shown) in [
            ("localhost:1883", Some("localhost:1883")),
            ("[::1]:8883", Some("[::1]:8883")),
            ("127.0.0.1:1", Some("127.0.0.1:1")),
            ("::1:8883", None),
            ("localhost", None),
            ("localhost:0", None),
            ("localhost:70000", None),
            (":1883", None),
            ("[localhost]:1883", None),
            ("", None),
        ] {
            let address = Address::parse(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn sources_are_taken_in_turn() {
        let networks = ["127.0.1.0/31", "127.0.2.9", "fd00::fffe/127"];
        let sources = Sources::new(networks.iter().map(|text| Network::parse(text).unwrap()).collect());
        let taken: Vec<String> =
            (0..6).map(|device| sources.of_device(device).unwrap().to_string()).collect();
        assert_eq!(taken, ["127.0.1.0", "127.0.1.1", "127.0.2.9", "fd00::fffe", "fd00::ffff", "127.0.1.0"]);
        assert_eq!(Sources::default().of_device(3), None);
        for wrong in ["127.0.0.1/33", "127.0.0.1/-1", "localhost", "::/64", "127.0.0.1/", ""] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
        assert!(Network::parse("0.0.0.0/0").is_some());
    }

    proptest! {
        #[test]
        fn no_text_breaks_them(text in ".{0,40}", device: u32) {
            let _ = Address::parse(&text);
            if let Some(network) = Network::parse(&text) {
                prop_assert!(Sources::new(vec![network]).of_device(device).is_some());
            }
        }
    }
}
