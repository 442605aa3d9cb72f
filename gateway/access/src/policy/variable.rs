//! Policy variables and condition keys, and the facts of a connection they stand for.

use super::PolicyProblem;
use crate::certificate::{ATTRIBUTE_VALUES_MAX, ATTRIBUTES};
use crate::nearest::nearest;
use crate::{AlternativeName, Certificate, NameAttribute, Thing};
use std::borrow::Cow;
use std::net::IpAddr;

/// The longest value that is substituted, in characters, as in AWS IoT.
const VALUE_CHARACTERS_MAX: usize = 1_024;

/// What a connection is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) user: Option<&'a str>,
    pub(crate) thing: Option<&'a Thing>,
    pub(crate) client_id: &'a str,
    pub(crate) source_ip: IpAddr,
}

/// A policy variable or condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    ClientId,
    SourceIp,
    UserName,
    CertificateId,
    CertificateSerialNumber,
    ThingName,
    ThingTypeName,
    ThingAttribute(String),
    ThingIsAttached,
    ConnectAttributes,
    LastWillTopic,
    Name(Holder, NameAttribute, Pick),
    AlternativeName(Holder, AlternativeKind, Pick),
}

/// Whose name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Subject,
    Issuer,
}

/// Which of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    At(usize),
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlternativeKind {
    Dns,
    Email,
    Uri,
    Ip,
}

const SINGLE: [(&str, Variable); 10] = [
    ("iot:ClientId", Variable::ClientId),
    ("aws:SourceIp", Variable::SourceIp),
    ("aws:username", Variable::UserName),
    ("iot:CertificateId", Variable::CertificateId),
    ("iot:Certificate.SerialNumber", Variable::CertificateSerialNumber),
    ("iot:Connection.Thing.ThingName", Variable::ThingName),
    ("iot:Connection.Thing.ThingTypeName", Variable::ThingTypeName),
    ("iot:Connection.Thing.IsAttached", Variable::ThingIsAttached),
    ("iot:ConnectAttributes", Variable::ConnectAttributes),
    ("iot:LastWillTopic", Variable::LastWillTopic),
];

const ALTERNATIVES: [(&str, AlternativeKind); 4] = [
    ("DNSName", AlternativeKind::Dns),
    ("RFC822Name", AlternativeKind::Email),
    ("UniformResourceIdentifier", AlternativeKind::Uri),
    ("IPAddress", AlternativeKind::Ip),
];

impl Variable {
    /// Reads a name like `iot:Certificate.Subject.Country.1`.
    pub(crate) fn parse(name: &str, what: &'static str) -> Result<Self, PolicyProblem> {
        if let Some((_, variable)) = SINGLE.iter().find(|(known, _)| *known == name) {
            return Ok(variable.clone());
        }
        let attribute =
            name.strip_prefix("iot:Connection.Thing.Attributes[").and_then(|rest| rest.strip_suffix(']'));
        if let Some(attribute) = attribute
            && !attribute.is_empty()
        {
            return Ok(Self::ThingAttribute(attribute.to_owned()));
        }
        certificate_field(name).ok_or_else(|| unknown(name, what))
    }

    /// Whether one value can stand in a text for it.
    pub(crate) fn is_substitutable(&self) -> bool {
        !matches!(
            self,
            Self::ThingIsAttached
                | Self::ConnectAttributes
                | Self::LastWillTopic
                | Self::Name(_, _, Pick::List)
                | Self::AlternativeName(_, _, Pick::List)
        )
    }
}

fn certificate_field(name: &str) -> Option<Variable> {
    let field = name.strip_prefix("iot:Certificate.")?;
    let (holder, field) = match field.split_once('.')? {
        ("Subject", field) => (Holder::Subject, field),
        ("Issuer", field) => (Holder::Issuer, field),
        _ => return None,
    };
    let (alternative, field) = match field.strip_prefix("AlternativeName.") {
        Some(field) => (true, field),
        None => (false, field),
    };
    let (field, pick) = match field.split_once('.') {
        None => (field, Pick::At(0)),
        Some((field, "List")) => (field, Pick::List),
        Some((field, index)) => {
            (field, Pick::At(index.parse().ok().filter(|index| *index < ATTRIBUTE_VALUES_MAX)?))
        }
    };
    if alternative {
        let (_, kind) = ALTERNATIVES.iter().find(|(known, _)| *known == field)?;
        return Some(Variable::AlternativeName(holder, *kind, pick));
    }
    let (attribute, ..) = ATTRIBUTES.iter().find(|(_, known, _)| *known == field)?;
    Some(Variable::Name(holder, *attribute, pick))
}

fn unknown(name: &str, what: &'static str) -> PolicyProblem {
    let mut known: Vec<String> = SINGLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.push("iot:Connection.Thing.Attributes[name]".to_owned());
    for holder in ["Subject", "Issuer"] {
        known.extend(ATTRIBUTES.iter().map(|(_, name, _)| format!("iot:Certificate.{holder}.{name}")));
        known.extend(
            ALTERNATIVES.iter().map(|(name, _)| format!("iot:Certificate.{holder}.AlternativeName.{name}")),
        );
    }
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    PolicyProblem::Unknown { what, word: name.to_owned(), nearest }
}

impl Facts<'_> {
    /// Every value of the variable; none for those that only a CONNECT has.
    pub(crate) fn values(&self, variable: &Variable) -> Vec<Cow<'_, str>> {
        let thing = self.thing;
        match variable {
            Variable::ClientId => vec![self.client_id.into()],
            Variable::SourceIp => vec![self.source_ip.to_string().into()],
            Variable::UserName => self.user.map(Cow::from).into_iter().collect(),
            Variable::CertificateId => vec![self.certificate.fingerprint.to_string().into()],
            Variable::CertificateSerialNumber => vec![self.certificate.serial_number.as_str().into()],
            Variable::ThingName => thing.map(|thing| thing.name.as_str().into()).into_iter().collect(),
            Variable::ThingTypeName => {
                thing.and_then(|thing| thing.thing_type.as_deref()).map(Cow::from).into_iter().collect()
            }
            Variable::ThingAttribute(name) => {
                thing.and_then(|thing| thing.attributes.get(name)).map(Cow::from).into_iter().collect()
            }
            Variable::ThingIsAttached => vec![if thing.is_some() { "true" } else { "false" }.into()],
            Variable::ConnectAttributes | Variable::LastWillTopic => Vec::new(),
            Variable::Name(holder, attribute, pick) => {
                let name = match holder {
                    Holder::Subject => &self.certificate.subject,
                    Holder::Issuer => &self.certificate.issuer,
                };
                match pick {
                    Pick::At(index) => name.value(*attribute, *index).map(Cow::from).into_iter().collect(),
                    Pick::List => name.values(*attribute).map(Cow::from).collect(),
                }
            }
            Variable::AlternativeName(holder, kind, pick) => self.alternative_names(*holder, *kind, *pick),
        }
    }

    fn alternative_names(&self, holder: Holder, kind: AlternativeKind, pick: Pick) -> Vec<Cow<'_, str>> {
        let names = match holder {
            Holder::Subject => &self.certificate.subject_alternative_names,
            Holder::Issuer => &self.certificate.issuer_alternative_names,
        };
        let of_kind = names.iter().filter_map(|name| match (name, kind) {
            (AlternativeName::Dns(text), AlternativeKind::Dns)
            | (AlternativeName::Email(text), AlternativeKind::Email)
            | (AlternativeName::Uri(text), AlternativeKind::Uri) => Some(Cow::from(text)),
            (AlternativeName::Ip(address), AlternativeKind::Ip) => Some(address.to_string().into()),
            _ => None,
        });
        let of_kind = of_kind.take(ATTRIBUTE_VALUES_MAX);
        match pick {
            Pick::At(index) => of_kind.skip(index).take(1).collect(),
            Pick::List => of_kind.collect(),
        }
    }

    /// The value to put in place of the variable, or why there is none.
    ///
    /// The characters with a meaning in policies, topic filters or variables, and the topic separator, would make the
    /// substituted text match more than the policy's author saw; so a value that holds one is not substituted at all.
    pub(crate) fn substitute(&self, variable: &Variable) -> Result<String, &'static str> {
        let value = self.values(variable).into_iter().next().ok_or("has no value on this connection")?;
        if value.is_empty() {
            return Err("is empty on this connection");
        }
        if value.chars().any(|c| matches!(c, '+' | '#' | '*' | '?' | '/' | '$') || c.is_control()) {
            return Err(
                "has a value with one of `+ # * ? / $` or a control character, which is never substituted",
            );
        }
        if value.chars().nth(VALUE_CHARACTERS_MAX).is_some() {
            return Err("has a value of more than 1,024 characters, which is never substituted");
        }
        Ok(value.into_owned())
    }
}
