//! What an expression can be: the types of AWS IoT SQL, Undefined among them.
//!
//! Arrays and objects of the payload stay where they are until somebody looks inside. Knows JSON nodes; must not know
//! expressions or messages.

mod compare;
mod convert;
mod write;

use std::borrow::Cow;
use std::rc::Rc;

use crate::json::{DEPTH_MAX, Kind, Node, Scalar};
use crate::number::Number;

pub(crate) use write::{write_json, write_node, write_text};

/// A value during evaluation; `'v` is the life of the message and the statement.
#[derive(Debug, Clone, Default)]
pub enum Value<'v> {
    /// Nothing there, or an operation that has no result. Not the same as [`Value::Null`].
    #[default]
    Undefined,
    /// JSON's null.
    Null,
    /// A Boolean.
    Boolean(bool),
    /// An Int or a Decimal.
    Number(Number),
    /// A number of the payload with more digits or a larger exponent than a [`Number`] keeps, as it was written: it is
    /// rounded when something is computed with it, and handed on unchanged when not.
    LongNumber(&'v str),
    /// A String.
    String(Cow<'v, str>),
    /// An Array.
    Array(Array<'v>),
    /// An Object.
    Object(Object<'v>),
}

/// The elements of an Array.
#[derive(Debug, Clone)]
pub struct Array<'v>(ArrayForm<'v>);

#[derive(Debug, Clone)]
enum ArrayForm<'v> {
    Read(Node<'v>),
    Built(Rc<Vec<Value<'v>>>, Extent),
}

/// The members of an Object.
#[derive(Debug, Clone)]
pub struct Object<'v>(ObjectForm<'v>);

#[derive(Debug, Clone)]
enum ObjectForm<'v> {
    Read(Node<'v>),
    Built(Rc<Vec<(Cow<'v, str>, Value<'v>)>>, Extent),
}

/// How large an array or object is that was built, known without looking inside: its parts may be shared, so that it
/// takes far less memory than time to walk.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// About how many bytes of JSON it is.
    weight: u32,
    /// How deep it is nested.
    depth: u32,
}

impl Extent {
    /// Of nothing but the brackets.
    const EMPTY: Self = Self { weight: 2, depth: 1 };

    /// With one more part, and so many bytes beside it.
    fn with(self, part: &Value<'_>, beside: usize) -> Self {
        let added = u32::try_from(part.weight().saturating_add(beside)).unwrap_or(u32::MAX);
        Self {
            weight: self.weight.saturating_add(added),
            depth: self.depth.max(part.depth().saturating_add(1)),
        }
    }
}

impl<'v> Value<'v> {
    /// The value at a node of a JSON text.
    pub(crate) fn from_node(node: Node<'v>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::False => Self::Boolean(false),
            Kind::True => Self::Boolean(true),
            Kind::Number => Self::from_number(node.raw()),
            Kind::Plain | Kind::Escaped => Self::String(node.string()),
            Kind::Array => Self::Array(Array(ArrayForm::Read(node))),
            Kind::Object => Self::Object(Object(ObjectForm::Read(node))),
        }
    }

    fn from_number(raw: &'v str) -> Self {
        match Number::read(raw) {
            Some(reading) if reading.exact => Self::Number(reading.number),
            _ => Self::LongNumber(raw),
        }
    }

    /// The value of a scalar without escapes; Undefined for other kinds.
    pub(crate) fn from_scalar(scalar: Scalar<'v>) -> Self {
        match scalar.kind {
            Kind::Null => Self::Null,
            Kind::False => Self::Boolean(false),
            Kind::True => Self::Boolean(true),
            Kind::Number => Self::from_number(scalar.raw),
            Kind::Plain => Self::string(scalar.raw),
            Kind::Escaped | Kind::Array | Kind::Object => Self::Undefined,
        }
    }

    /// The value at a node, copied so that it outlives the text it was read from.
    pub(crate) fn copied_from(node: Node<'_>) -> Self {
        // Recursion is bounded by the nesting a document may have.
        match Value::from_node(node) {
            Value::Undefined => Self::Undefined,
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Number(value) => Self::Number(value),
            Value::LongNumber(text) => Number::parse_json(text).map_or(Self::Undefined, Self::Number),
            Value::String(text) => Self::string(text.into_owned()),
            Value::Array(_) => Self::array(node.elements().map(Self::copied_from).collect()),
            Value::Object(_) => Self::object(
                node.members()
                    .map(|(key, value)| (Cow::Owned(key.string().into_owned()), Self::copied_from(value)))
                    .collect(),
            ),
        }
    }

    /// A String.
    pub fn string(text: impl Into<Cow<'v, str>>) -> Self {
        Self::String(text.into())
    }

    /// An Array of these elements; Undefined ones are left out, as JSON can't hold them.
    pub fn array(mut elements: Vec<Self>) -> Self {
        elements.retain(|element| !element.is_undefined());
        let extent = elements.iter().fold(Extent::EMPTY, |extent, element| extent.with(element, 1));
        Self::Array(Array(ArrayForm::Built(Rc::new(elements), extent)))
    }

    /// An Object of these members: Undefined ones are left out, of repeated names the last counts.
    pub fn object(members: Vec<(Cow<'v, str>, Self)>) -> Self {
        let mut object = Builder::default();
        for (name, value) in members {
            object.set(name, value);
        }
        object.finish()
    }

    /// Whether this is Undefined.
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// Whether there is something to work with: neither Undefined nor Null, which is how a sender says that it has no value.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Self::Undefined | Self::Null)
    }

    /// About how many bytes of JSON this is, known without looking inside: what it costs to walk, copy or write it.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Undefined | Self::Null | Self::Boolean(_) | Self::Number(_) => 4,
            Self::LongNumber(text) => text.len(),
            Self::String(text) => text.len(),
            Self::Array(Array(ArrayForm::Read(node))) | Self::Object(Object(ObjectForm::Read(node))) => {
                node.bytes_len()
            }
            Self::Array(Array(ArrayForm::Built(_, extent)))
            | Self::Object(Object(ObjectForm::Built(_, extent))) => extent.weight as usize,
        }
    }

    /// How deep arrays and objects are nested at most, known without looking inside.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::Array(Array(ArrayForm::Read(_))) | Self::Object(Object(ObjectForm::Read(_))) => {
                DEPTH_MAX as u32
            }
            Self::Array(Array(ArrayForm::Built(_, extent)))
            | Self::Object(Object(ObjectForm::Built(_, extent))) => extent.depth,
            _ => 0,
        }
    }

    /// The member called `name` if this is an Object that has it, else Undefined.
    pub fn member(&self, name: &str) -> Self {
        match self {
            Self::Object(object) => object.get(name),
            _ => Self::Undefined,
        }
    }

    /// The name of the type, as AWS's documentation writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined => "Undefined",
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean",
            Self::Number(number) if number.is_whole() => "Int",
            Self::Number(_) | Self::LongNumber(_) => "Decimal",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Object(_) => "Object",
        }
    }
}

impl<'v> Array<'v> {
    /// The elements in order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Value<'v>> + '_> {
        match &self.0 {
            ArrayForm::Read(node) => Box::new(node.elements().map(Value::from_node)),
            ArrayForm::Built(elements, _) => Box::new(elements.iter().cloned()),
        }
    }

    /// Whether the evaluation made it, rather than the payload.
    pub(crate) fn is_built(&self) -> bool {
        matches!(self.0, ArrayForm::Built(..))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            ArrayForm::Read(node) => node.elements().count(),
            ArrayForm::Built(elements, _) => elements.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index` from 0, or Undefined.
    pub fn get(&self, index: usize) -> Value<'v> {
        match &self.0 {
            ArrayForm::Read(node) => node.elements().nth(index).map_or(Value::Undefined, Value::from_node),
            ArrayForm::Built(elements, _) => elements.get(index).cloned().unwrap_or_default(),
        }
    }
}

impl<'v> Object<'v> {
    /// Whether the evaluation made it, rather than the payload.
    pub(crate) fn is_built(&self) -> bool {
        matches!(self.0, ObjectForm::Built(..))
    }

    /// The member called `name`, or Undefined.
    pub fn get(&self, name: &str) -> Value<'v> {
        match &self.0 {
            ObjectForm::Read(node) => node.member(name).map_or(Value::Undefined, Value::from_node),
            ObjectForm::Built(members, _) => members
                .iter()
                .find(|(key, _)| key == name)
                .map_or(Value::Undefined, |(_, value)| value.clone()),
        }
    }

    /// The members, each name once, in the order in which the names first came.
    pub fn members(&self) -> Vec<(Cow<'v, str>, Value<'v>)> {
        match &self.0 {
            ObjectForm::Built(members, _) => members.as_ref().clone(),
            ObjectForm::Read(node) => {
                let mut object = Builder::default();
                for (key, value) in node.members() {
                    object.set(key.string(), Value::from_node(value));
                }
                object.members
            }
        }
    }
}

/// An Object in the making.
#[derive(Default)]
pub(crate) struct Builder<'v> {
    members: Vec<(Cow<'v, str>, Value<'v>)>,
    /// Where each name stands, kept only when there are too many members for a search.
    places: std::collections::HashMap<String, usize>,
}

/// Up to this many members a search beats hashing.
const SEARCHED_MEMBERS_MAX: usize = 24;

impl<'v> Builder<'v> {
    /// Starts from the members of an object.
    pub(crate) fn from_object(object: &Object<'v>) -> Self {
        Self { members: object.members(), ..Self::default() }
    }

    /// Sets a member, replacing one of that name; Undefined changes nothing.
    pub(crate) fn set(&mut self, name: Cow<'v, str>, value: Value<'v>) {
        if value.is_undefined() {
            return;
        }
        match self.place(&name) {
            Some(place) => self.members[place].1 = value,
            None => {
                if self.members.len() >= SEARCHED_MEMBERS_MAX {
                    self.places.insert(name.clone().into_owned(), self.members.len());
                }
                self.members.push((name, value));
            }
        }
    }

    /// The member called `name` as it is now, or Undefined.
    pub(crate) fn get(&mut self, name: &str) -> Value<'v> {
        self.place(name).map_or(Value::Undefined, |place| self.members[place].1.clone())
    }

    fn place(&mut self, name: &str) -> Option<usize> {
        if self.members.len() <= SEARCHED_MEMBERS_MAX {
            return self.members.iter().position(|(key, _)| key == name);
        }
        if self.places.len() < self.members.len() {
            self.places =
                self.members.iter().enumerate().map(|(at, (key, _))| (key.to_string(), at)).collect();
        }
        self.places.get(name).copied()
    }

    pub(crate) fn finish(self) -> Value<'v> {
        let extent = self
            .members
            .iter()
            .fold(Extent::EMPTY, |extent, (name, value)| extent.with(value, name.len() + 4));
        Value::Object(Object(ObjectForm::Built(Rc::new(self.members), extent)))
    }
}
