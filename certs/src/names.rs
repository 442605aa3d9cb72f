//! Which names may stand in a certificate. A device's name becomes a file name, a client id and a part of topics, so
//! it may hold nothing that means something in one of these.

use std::net::IpAddr;

use rcgen::SanType;

use crate::{DEVICE_NAME_CHARACTERS_MAX, Error};

/// Separators of paths and topics, wildcards of topics and policies, and the mark of a policy variable.
const DEVICE_NAME_FORBIDDEN: &[char] = &['/', '\\', '+', '#', '*', '?', '$'];

/// A file name has at most 255 bytes on common file systems; the suffix of a temporary file must fit too.
const DEVICE_NAME_BYTES_MAX: usize = 200;

/// Checks that a device name can be a file name, a client id and a level of a topic.
///
/// # Errors
/// `Error::DeviceName` says what is wrong with it.
pub fn check_device_name(name: &str) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::DeviceName { name: name.to_owned(), reason });
    if let Err(reason) = check_subject(name) {
        return refuse(reason);
    }
    if let Some(found) = name.chars().find(|character| DEVICE_NAME_FORBIDDEN.contains(character)) {
        return refuse(format!(
            "holds `{found}`, which means something in a path, a topic or a policy; letters, digits, `-`, `_`, `:` and `.` are safe"
        ));
    }
    if name.contains("..") {
        return refuse("holds `..`, which means something in a path".to_owned());
    }
    if name.starts_with(['.', '-']) {
        return refuse("begins with `.` or `-`; begin it with a letter or a digit".to_owned());
    }
    if name.len() > DEVICE_NAME_BYTES_MAX {
        return refuse(format!("has {} bytes, at most {DEVICE_NAME_BYTES_MAX} are allowed", name.len()));
    }
    Ok(())
}

/// Checks that an organization can stand in a certificate's subject.
///
/// # Errors
/// `Error::Subject` says what is wrong with it.
pub fn check_organization(organization: &str) -> Result<(), Error> {
    check_subject(organization).map_err(|reason| Error::Subject {
        field: "organization",
        value: organization.to_owned(),
        reason,
    })
}

/// What every part of a subject must hold to; the limit is ub-common-name of RFC 5280.
pub(crate) fn check_subject(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    if value.trim() != value {
        return Err("begins or ends with a space".to_owned());
    }
    let characters = value.chars().count();
    if characters > DEVICE_NAME_CHARACTERS_MAX {
        return Err(format!("has {characters} characters, X.509 allows {DEVICE_NAME_CHARACTERS_MAX}"));
    }
    Ok(())
}

/// Reads a server name: an IP address, or a DNS name whose first label may be `*`.
pub(crate) fn server_name(name: &str) -> Result<SanType, Error> {
    let refuse = |reason| Error::ServerName { name: name.to_owned(), reason };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    if name.len() > 253 {
        return Err(refuse("has more than 253 bytes"));
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if !labels.split('.').all(is_label) {
        return Err(refuse("is neither an IP address nor a DNS name (letters, digits, `-`, `_` and `.`)"));
    }
    let name = name.try_into().map_err(|_| refuse("is not ASCII"))?;
    Ok(SanType::DnsName(name))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
