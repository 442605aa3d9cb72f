//! Blocks of Internet addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block such as `10.0.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network {
    /// The leading bits, the others zero.
    pub(crate) bits: u128,
    pub(crate) length: u8,
    pub(crate) is_v6: bool,
}

impl Network {
    /// Reads `address/length`; bits behind the length don't count.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((address, length)) = text.split_once('/') else {
            return Err("`/` and the number of leading bits are missing".to_owned());
        };
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
        let (width, family) = if address.is_ipv6() { (128, "IPv6") } else { (32, "IPv4") };
        let is_plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        match length.parse::<u8>() {
            Ok(length) if is_plain && length <= width => Ok(Self::around(address, length)),
            _ => Err(format!("an {family} block has 0 to {width} leading bits, not `{length}`")),
        }
    }

    /// The block of this length that holds an address.
    pub(crate) fn around(address: IpAddr, length: u8) -> Self {
        let (bits, width, is_v6) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32, false),
            IpAddr::V6(address) => (address.to_bits(), 128, true),
        };
        let free = width - u32::from(length);
        let bits = bits.checked_shr(free).and_then(|bits| bits.checked_shl(free)).unwrap_or(0);
        Self { bits, length, is_v6 }
    }

    /// The address that a text is, in full.
    pub(crate) fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6 && Self::around(address, self.length) == *self
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.bits) {
            Ok(bits) if !self.is_v6 => write!(formatter, "{}/{}", Ipv4Addr::from_bits(bits), self.length),
            _ => write!(formatter, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length),
        }
    }
}
