//! What a call asks, made from its arguments.

use std::fmt;

use bytes::Bytes;

use super::Service;
use crate::value::{Value, write_json};

/// What a statement asks of the world outside. Equal questions have equal answers within one message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// `get_thing_shadow`: the document of a shadow.
    Shadow {
        /// The thing.
        thing: String,
        /// The shadow's name; `None` for the classic one.
        shadow: Option<String>,
    },
    /// `get_registry_data`: what the registry says of a thing.
    Registry {
        /// What is asked.
        request: RegistryRequest,
        /// The thing.
        thing: String,
    },
    /// `get_dynamodb`: an item of a table.
    Table {
        /// The table.
        table: String,
        /// The partition key.
        partition: Key,
        /// The sort key, where the table has one.
        sort: Option<Key>,
    },
    /// `aws_lambda`: what a function answers.
    Lambda {
        /// The function's name, without what an ARN has around it.
        function: String,
        /// Its argument, a JSON text.
        argument: Bytes,
    },
    /// `machinelearning_predict`: what a model predicts.
    Model {
        /// The model.
        model: String,
        /// The record, a JSON text.
        record: Bytes,
    },
    /// `get_secret`: a secret.
    Secret {
        /// Its name or ARN.
        id: String,
        /// Whether its bytes are asked for, in base64, instead of its text.
        binary: bool,
        /// The key in a secret that is a JSON object.
        key: Option<String>,
    },
}

/// What is asked of the registry: the operations of AWS IoT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistryRequest {
    /// The thing with its attributes.
    DescribeThing,
    /// The groups it is in.
    ListThingGroupsForThing,
}

impl RegistryRequest {
    /// Every request.
    pub const ALL: [Self; 2] = [Self::DescribeThing, Self::ListThingGroupsForThing];

    /// The name of the operation.
    pub fn name(self) -> &'static str {
        match self {
            Self::DescribeThing => "DescribeThing",
            Self::ListThingGroupsForThing => "ListThingGroupsForThing",
        }
    }

    /// The request with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|request| request.name() == name)
    }
}

/// What `get_secret` may be asked for.
pub(crate) const SECRET_TYPES: [&str; 2] = ["SecretString", "SecretBinary"];

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The attribute's name.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

/// The name of a function in `arn:aws:lambda:{region}:{account}:function:{name}[:{qualifier}]`, or the name alone. `None` for what is
/// neither.
pub fn function_name(text: &str) -> Option<&str> {
    let name = match text.strip_prefix("arn:") {
        None => text,
        Some(rest) => {
            let mut parts = rest.split(':');
            let (_, service) = (parts.next()?, parts.next()?);
            let (_, _, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            // A qualifier may follow.
            if service != "lambda" || kind != "function" || parts.count() > 1 {
                return None;
            }
            name
        }
    };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=64).contains(&name.len()) && name.bytes().all(is_legal)).then_some(name)
}

impl Question {
    /// What a call of the service's function asks, its role left out; nothing when the arguments make no question.
    pub(crate) fn of(service: Service, arguments: &[Value<'_>]) -> Option<Self> {
        let argument = |place: usize| arguments.get(place).unwrap_or(&Value::Undefined);
        Some(match service {
            Service::Shadow => {
                let name = arguments.get(1).map(text).map_or(Some(None), |name| name.map(Some))?;
                Self::Shadow { thing: text(argument(0))?, shadow: name.filter(|name| !name.is_empty()) }
            }
            Service::Registry => Self::Registry {
                request: RegistryRequest::parse(&text(argument(0))?)?,
                thing: text(argument(1))?,
            },
            Service::Table => {
                let key =
                    |place| Some(Key { name: text(argument(place))?, value: scalar(argument(place + 1))? });
                let sort = if arguments.len() > 3 { Some(key(3)?) } else { None };
                Self::Table { table: text(argument(0))?, partition: key(1)?, sort }
            }
            Service::Lambda => Self::Lambda {
                function: function_name(&text(argument(0))?)?.to_owned(),
                argument: json(argument(1))?,
            },
            Service::Model => Self::Model { model: text(argument(0))?, record: json(argument(1))? },
            Service::Secret => {
                let kind = text(argument(1))?;
                let place = SECRET_TYPES.iter().position(|known| *known == kind)?;
                let key = arguments.get(2).map(text).map_or(Some(None), |key| key.map(Some))?;
                Self::Secret { id: text(argument(0))?, binary: place == 1, key }
            }
        })
    }

    /// Who is asked.
    pub fn service(&self) -> Service {
        match self {
            Self::Shadow { .. } => Service::Shadow,
            Self::Registry { .. } => Service::Registry,
            Self::Table { .. } => Service::Table,
            Self::Lambda { .. } => Service::Lambda,
            Self::Model { .. } => Service::Model,
            Self::Secret { .. } => Service::Secret,
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let of_key = |key: &Key| key.name.len() + key.value.len();
        size_of::<Self>()
            + match self {
                Self::Shadow { thing, shadow } => thing.len() + shadow.as_ref().map_or(0, String::len),
                Self::Registry { thing, .. } => thing.len(),
                Self::Table { table, partition, sort } => {
                    table.len() + of_key(partition) + sort.as_ref().map_or(0, of_key)
                }
                Self::Lambda { function, argument } => function.len() + argument.len(),
                Self::Model { model, record } => model.len() + record.len(),
                Self::Secret { id, key, .. } => id.len() + key.as_ref().map_or(0, String::len),
            }
    }
}

/// Who is asked for what, without what the message said: that may be long, or secret. Names are escaped, as a message may have made them.
impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.service().function();
        match self {
            Self::Shadow { thing: name, .. }
            | Self::Table { table: name, .. }
            | Self::Lambda { function: name, .. }
            | Self::Model { model: name, .. }
            | Self::Secret { id: name, .. } => {
                write!(formatter, "{function}('{}', …)", name.escape_debug())
            }
            Self::Registry { request, thing } => {
                write!(formatter, "{function}('{}', '{}')", request.name(), thing.escape_debug())
            }
        }
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

/// A value that can be a key: a text or a number.
fn scalar(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) | Value::LongNumber(_) => {
            value.to_text().map(|text| text.into_owned())
        }
        _ => None,
    }
}

fn json(value: &Value<'_>) -> Option<Bytes> {
    let mut text = String::new();
    write_json(value, false, &mut text);
    (!text.is_empty()).then(|| text.into())
}
