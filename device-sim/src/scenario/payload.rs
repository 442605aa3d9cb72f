//! What a message says: its format, and how each of its values changes over time.

use std::sync::Arc;
use std::time::Duration;

use super::{MessageTemplate, Route, Template};

/// What the messages of a publication say. Proof that a message is one of ours is added when it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// How it is written.
    pub format: Format,
    /// Raw: the exact size. Else: padded up to this size, and longer if it has to be.
    pub bytes: Option<usize>,
    /// What stands in it.
    pub body: Body,
}

impl Default for Payload {
    /// A reading of a machine: a temperature that is above 80 once in ten times, a humidity, and its line.
    fn default() -> Self {
        let around = |name: &str, mean, deviation, max| Field {
            name: name.into(),
            signal: Signal::Around { mean, deviation, memory: 0.9, min: 0.0, max, decimals: 1 },
        };
        let line = Template::parse("{line}").expect("the placeholder exists");
        let body = Body::Values(vec![
            around("temperature", 72.0, 6.24, 200.0),
            around("humidity", 45.0, 8.0, 100.0),
            Field { name: "line".into(), signal: Signal::Text(line) },
        ]);
        Self { format: Format::Json, bytes: None, body }
    }
}

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// A CBOR map with the same names.
    Cbor,
    /// Bytes.
    Raw,
}

/// What stands in a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Members of a JSON object or a CBOR map. None at all is right, too.
    Values(Vec<Field>),
    /// Text.
    Template(MessageTemplate),
    /// Bytes, the same in each message.
    Bytes(Box<[u8]>),
}

/// A member of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub signal: Signal,
}

/// A value that changes from message to message.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Null.
    Null,
    /// Always the same.
    Boolean(bool),
    /// Always the same.
    Integer(i64),
    /// Always the same.
    Number(f64),
    /// The same for each message of a device.
    Text(Template),
    /// One of several members.
    Map(Vec<Field>),
    /// One of several elements.
    List(Vec<Signal>),
    /// Random steps, reflected at its bounds.
    Walk {
        /// Where it begins.
        from: f64,
        /// The longest step up or down.
        step: f64,
        /// Its lower bound.
        min: f64,
        /// Its upper bound.
        max: f64,
        /// Digits after the point.
        decimals: u8,
    },
    /// Random around a mean, to which it is drawn back: normally distributed in the long run.
    Around {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
        /// How much of a value's distance from the mean stays in the next one, 0 to 1 (excluded).
        memory: f64,
        /// Its lower bound.
        min: f64,
        /// Its upper bound.
        max: f64,
        /// Digits after the point.
        decimals: u8,
    },
    /// A sine over the time of the run, with noise.
    Sine {
        /// Its middle.
        mean: f64,
        /// How far it goes up and down.
        amplitude: f64,
        /// How long until it begins anew.
        period: Duration,
        /// Where in the period it begins, 0 to 1; `None`: elsewhere for each device.
        phase: Option<f64>,
        /// Standard deviation of what is added at random.
        noise: f64,
        /// Digits after the point.
        decimals: u8,
    },
    /// Evenly spread between bounds.
    Uniform {
        /// The lower bound.
        min: f64,
        /// The upper bound.
        max: f64,
        /// Digits after the point.
        decimals: u8,
    },
    /// Grows with each message.
    Counter {
        /// The first value.
        from: f64,
        /// The smallest and the largest step.
        step: [f64; 2],
        /// Digits after the point.
        decimals: u8,
    },
    /// True so often.
    Chance(f64),
    /// One of some texts, each for a while.
    States {
        /// The texts; never empty.
        states: Vec<Arc<str>>,
        /// The shortest and the longest stay, in seconds.
        dwell_secs: [f64; 2],
        /// In this order, or at random (but never the same again).
        in_order: bool,
    },
    /// A map of `lat`, `lon`, `speed_kmh` and `heading`, along a route and back.
    Gps {
        /// The route.
        route: Arc<Route>,
        /// How fast, give or take a tenth from device to device.
        speed_kmh: f64,
        /// How far a position is off at random, in metres (standard deviation).
        noise_metres: f64,
    },
    /// An invented text.
    Fake {
        /// What it looks like.
        fake: Fake,
        /// How often it changes.
        per: Period,
    },
    /// The next row of a table with each message, from its beginning again after its end.
    Csv {
        /// The table.
        table: Arc<Table>,
        /// A column, or `None` for a map of all of them.
        column: Option<usize>,
        /// Each device begins at a row of its own, chosen by the seed; else at the first.
        spread: bool,
    },
}

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// -90 to 90.
    pub latitude: f64,
    /// -180 to 180.
    pub longitude: f64,
}

/// How often an invented text changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Never, for a device.
    Device,
    /// With each message.
    Message,
}

/// What an invented text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fake {
    /// `SN-8F3A-40C1-77`.
    SerialNumber,
    /// `2.14.3`.
    FirmwareVersion,
    /// A maker of machines that does not exist.
    Manufacturer,
    /// `KX-410`.
    Model,
    /// `02:1b:…`, locally administered.
    MacAddress,
    /// An address reserved for documentation.
    Ipv4,
    /// A random UUID.
    Uuid,
    /// First and last name.
    PersonName,
    /// A city.
    City,
    /// Two letters.
    CountryCode,
    /// `B-KX 4127`.
    LicencePlate,
    /// Seventeen characters, with a right check digit.
    VehicleIdentification,
    /// One word.
    Word,
    /// Some words.
    Sentence,
}

impl Fake {
    /// All of them, by the name that a scenario gives them.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("serial_number", Self::SerialNumber),
        ("firmware_version", Self::FirmwareVersion),
        ("manufacturer", Self::Manufacturer),
        ("model", Self::Model),
        ("mac_address", Self::MacAddress),
        ("ipv4", Self::Ipv4),
        ("uuid", Self::Uuid),
        ("person_name", Self::PersonName),
        ("city", Self::City),
        ("country_code", Self::CountryCode),
        ("licence_plate", Self::LicencePlate),
        ("vehicle_identification", Self::VehicleIdentification),
        ("word", Self::Word),
        ("sentence", Self::Sentence),
    ];
}

/// Rows to be replayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<Arc<str>>,
    /// Rows, never empty; each has a constant for each column.
    pub rows: Vec<Vec<Signal>>,
}
