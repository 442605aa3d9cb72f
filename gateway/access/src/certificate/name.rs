//! Distinguished names.

use super::ATTRIBUTE_VALUES_MAX;
use std::fmt::Write as _;
use x509_parser::x509::X509Name;

/// The attributes of a name that policies can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameAttribute {
    /// `CN`.
    CommonName,
    /// `C`.
    Country,
    /// `dnQualifier`.
    DistinguishedNameQualifier,
    /// `generationQualifier`.
    GenerationQualifier,
    /// `GN`.
    GivenName,
    /// `initials`.
    Initials,
    /// `O`.
    Organization,
    /// `OU`.
    OrganizationalUnit,
    /// `pseudonym`.
    Pseudonym,
    /// `serialNumber` of the subject, not that of the certificate.
    SerialNumber,
    /// `ST`.
    State,
    /// `SN`.
    Surname,
    /// `title`.
    Title,
}

/// Name in AWS IoT and object identifier of every attribute.
pub(crate) const ATTRIBUTES: [(NameAttribute, &str, &str); 13] = [
    (NameAttribute::CommonName, "CommonName", "2.5.4.3"),
    (NameAttribute::Country, "Country", "2.5.4.6"),
    (NameAttribute::DistinguishedNameQualifier, "DistinguishedNameQualifier", "2.5.4.46"),
    (NameAttribute::GenerationQualifier, "GenerationQualifier", "2.5.4.44"),
    (NameAttribute::GivenName, "GivenName", "2.5.4.42"),
    (NameAttribute::Initials, "Initials", "2.5.4.43"),
    (NameAttribute::Organization, "Organization", "2.5.4.10"),
    (NameAttribute::OrganizationalUnit, "OrganizationalUnit", "2.5.4.11"),
    (NameAttribute::Pseudonym, "Pseudonym", "2.5.4.65"),
    (NameAttribute::SerialNumber, "SerialNumber", "2.5.4.5"),
    (NameAttribute::State, "State", "2.5.4.8"),
    (NameAttribute::Surname, "Surname", "2.5.4.4"),
    (NameAttribute::Title, "Title", "2.5.4.12"),
];

/// The attributes of a subject or an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName {
    /// In the order of the certificate. A value that is not text keeps its place as `None`, so that it cannot make
    /// another value the first one.
    attributes: Vec<(NameAttribute, Option<String>)>,
    text: String,
}

impl DistinguishedName {
    /// A name with these attributes, in this order.
    pub fn new(attributes: impl IntoIterator<Item = (NameAttribute, String)>) -> Self {
        let attributes: Vec<_> = attributes.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let mut text = String::new();
        for (attribute, value) in &attributes {
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ =
                write!(text, "{separator}{attribute:?}={}", printable(value.as_deref().unwrap_or_default()));
        }
        Self { attributes, text }
    }

    pub(super) fn read(name: &X509Name<'_>) -> Self {
        let attributes = name
            .iter_attributes()
            .filter_map(|entry| {
                let identifier = entry.attr_type().to_id_string();
                let (attribute, ..) = ATTRIBUTES.iter().find(|(_, _, known)| *known == identifier)?;
                Some((*attribute, entry.as_str().ok().map(str::to_owned)))
            })
            .collect();
        Self { attributes, text: printable(&name.to_string()) }
    }

    /// Every value of the attribute that is text; at most five.
    pub fn values(&self, attribute: NameAttribute) -> impl Iterator<Item = &str> {
        self.places(attribute).flatten()
    }

    /// The value at this place among the values of the attribute, counted from 0.
    pub fn value(&self, attribute: NameAttribute, index: usize) -> Option<&str> {
        self.places(attribute).nth(index).flatten()
    }

    /// The first common name.
    pub fn common_name(&self) -> Option<&str> {
        self.value(NameAttribute::CommonName, 0)
    }

    /// The whole name for people to read, without control characters.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    fn places(&self, attribute: NameAttribute) -> impl Iterator<Item = Option<&str>> {
        let of_attribute = self.attributes.iter().filter(move |(name, _)| *name == attribute);
        of_attribute.take(ATTRIBUTE_VALUES_MAX).map(|(_, value)| value.as_deref())
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
