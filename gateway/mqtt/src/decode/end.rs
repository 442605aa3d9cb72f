//! DISCONNECT and AUTH (sections 3.14 and 3.15).

use super::acknowledge::reason_and_properties;
use super::reader::Reader;
use crate::error::Failure;
use crate::properties::catalogue::{Place, id};
use crate::{Auth, Disconnect, Fault, Packet, PacketType, Properties, ReasonCode, Version};

pub(super) fn disconnect(mut reader: Reader) -> Result<Packet, Failure> {
    let (reason, properties) = match reader.version {
        Version::V3_1_1 => (ReasonCode::Success, Properties::default()),
        Version::V5 => reason_and_properties(&mut reader, PacketType::Disconnect)?,
    };
    reader.finish()?;
    Ok(Packet::Disconnect(Disconnect { reason, properties }))
}

/// An empty AUTH means success without properties (section 3.15.2.1); any other must name its method (section 3.15.2.2.2).
pub(super) fn auth(mut reader: Reader) -> Result<Packet, Failure> {
    if reader.is_at_end() {
        return Ok(Packet::Auth(Auth { reason: ReasonCode::Success, properties: Properties::default() }));
    }
    let reason = reader.reason(PacketType::Auth)?;
    let properties = reader.properties(Place::Packet(PacketType::Auth))?;
    if properties.present() & 1 << id::AUTHENTICATION_METHOD == 0 {
        return Err(Fault::AuthMethodMissing.into());
    }
    reader.finish()?;
    Ok(Packet::Auth(Auth { reason, properties }))
}
