//! How a value goes on from message to message.

use std::slice::IterMut;
use std::sync::Arc;
use std::time::Duration;

use super::encode::Encoder;
use super::{fake, is_constant};
use crate::random::Random;
use crate::scenario::{Fake, Field, Identity, Period, Point, Route, Signal, Table};

/// How often a value moves on between two messages. A state with a short dwell time in a device that rarely publishes
/// would otherwise be followed through thousands of changes that nobody sees.
const CHANGES_MAX: usize = 100;

/// What a device remembers of a signal; nothing of those that are not listed.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Walk, around (in deviations from the mean), counter (`None` before the first), sine (its phase).
    Value(f64),
    /// Which state, and until when, in seconds of the run.
    Dwell { state: u32, until_secs: f64 },
    /// How far along the route it begins, in metres, and how fast it is, in metres a second.
    Drive { begin_metres: f64, metres_per_second: f64 },
    /// The next row.
    Row(u32),
    /// The device's own.
    Text(Box<str>),
}

type States<'a> = IterMut<'a, State>;

impl State {
    /// Adds the states with which a signal begins, in the order in which it is written.
    pub(super) fn begin(
        signal: &Signal,
        identity: &Identity<'_>,
        random: &mut Random,
        states: &mut Vec<Self>,
    ) {
        if is_constant(signal) {
            return;
        }
        let state = match signal {
            Signal::Text(template) => Self::Text(template.render(identity).into()),
            Signal::Map(fields) => {
                fields.iter().for_each(|field| Self::begin(&field.signal, identity, random, states));
                return;
            }
            Signal::List(elements) => {
                elements.iter().for_each(|element| Self::begin(element, identity, random, states));
                return;
            }
            Signal::Walk { from, .. } | Signal::Counter { from, .. } => Self::Value(*from),
            Signal::Around { .. } => Self::Value(random.bell()),
            Signal::Sine { phase, .. } => Self::Value(phase.unwrap_or_else(|| random.fraction())),
            Signal::States { states, dwell_secs, .. } => {
                // As if the device had been running for a while.
                let state = place(random, states.len());
                Self::Dwell { state, until_secs: dwell(random, dwell_secs) * random.fraction() }
            }
            Signal::Gps { route, speed_kmh, .. } => Self::Drive {
                begin_metres: route.metres() * 2.0 * random.fraction(),
                metres_per_second: speed_kmh / 3.6 * (0.9 + 0.2 * random.fraction()),
            },
            Signal::Fake { fake, per: Period::Device } => {
                let mut text = String::new();
                fake::write(*fake, random, &mut text);
                Self::Text(text.into())
            }
            Signal::Csv { table, spread, .. } => {
                Self::Row(if *spread { place(random, table.rows.len()) } else { 0 })
            }
            // They remember nothing, or were handled as constants.
            Signal::Fake { per: Period::Message, .. }
            | Signal::Uniform { .. }
            | Signal::Chance(_)
            | Signal::Null
            | Signal::Boolean(_)
            | Signal::Integer(_)
            | Signal::Number(_) => return,
        };
        states.push(state);
    }
}

/// A place in something of this length.
fn place(random: &mut Random, length: usize) -> u32 {
    (random.fraction() * length as f64) as u32
}

fn between(random: &mut Random, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * random.fraction()
}

fn dwell(random: &mut Random, secs: &[f64; 2]) -> f64 {
    between(random, *secs)
}

/// A map's members, each with its next value.
pub(super) fn write_map(
    fields: &[Field],
    at: Duration,
    random: &mut Random,
    states: &mut States<'_>,
    encoder: &mut impl Encoder,
) {
    encoder.map(fields.len());
    for (number, field) in fields.iter().enumerate() {
        encoder.name(number == 0, &field.name);
        write(&field.signal, at, random, states, encoder);
    }
    encoder.end_map();
}

/// A signal's next value.
pub(super) fn write(
    signal: &Signal,
    at: Duration,
    random: &mut Random,
    states: &mut States<'_>,
    encoder: &mut impl Encoder,
) {
    match signal {
        Signal::Map(fields) => write_map(fields, at, random, states, encoder),
        Signal::List(elements) => {
            encoder.list(elements.len());
            for (number, element) in elements.iter().enumerate() {
                encoder.element(number == 0);
                write(element, at, random, states, encoder);
            }
            encoder.end_list();
        }
        constant if is_constant(constant) => write_constant(constant, encoder),
        Signal::Uniform { min, max, decimals } => {
            decimal(between(random, [*min, *max]), *decimals, encoder);
        }
        Signal::Chance(chance) => encoder.boolean(random.fraction() < *chance),
        Signal::Fake { fake, per: Period::Message } => write_fake(*fake, random, encoder),
        _ => {
            let state = states.next().expect("every signal that remembers something was given a state");
            write_stateful(signal, state, at, random, encoder);
        }
    }
}

fn write_constant(signal: &Signal, encoder: &mut impl Encoder) {
    match signal {
        Signal::Boolean(value) => encoder.boolean(*value),
        Signal::Integer(value) => encoder.integer(*value),
        Signal::Number(value) => encoder.number(*value),
        Signal::Text(template) => encoder.text(template.as_constant().unwrap_or_default()),
        _ => encoder.null(),
    }
}

fn write_fake(fake: Fake, random: &mut Random, encoder: &mut impl Encoder) {
    let mut text = String::new();
    fake::write(fake, random, &mut text);
    encoder.text(&text);
}

fn write_stateful(
    signal: &Signal,
    state: &mut State,
    at: Duration,
    random: &mut Random,
    encoder: &mut impl Encoder,
) {
    match (signal, state) {
        (Signal::Walk { step, min, max, decimals, .. }, State::Value(value)) => {
            decimal(*value, *decimals, encoder);
            *value = reflect(*value + between(random, [-step, *step]), *min, *max);
        }
        (Signal::Around { mean, deviation, memory, min, max, decimals }, State::Value(value)) => {
            // Keeps the deviation at one whatever the memory.
            *value = *value * memory + random.bell() * (1.0 - memory * memory).sqrt();
            decimal((mean + deviation * *value).clamp(*min, *max), *decimals, encoder);
        }
        (Signal::Sine { mean, amplitude, period, noise, decimals, .. }, State::Value(phase)) => {
            let turns = at.as_secs_f64() / period.as_secs_f64() + *phase;
            let noise = if *noise > 0.0 { random.bell() * noise } else { 0.0 };
            decimal(mean + amplitude * (turns * std::f64::consts::TAU).sin() + noise, *decimals, encoder);
        }
        (Signal::Counter { step, decimals, .. }, State::Value(value)) => {
            decimal(*value, *decimals, encoder);
            *value += between(random, *step);
        }
        (Signal::States { states, dwell_secs, in_order }, State::Dwell { state, until_secs }) => {
            let known = Dwelling { states, dwell_secs, in_order: *in_order };
            known.go_on(state, until_secs, at.as_secs_f64(), random);
            encoder.text(&states[*state as usize]);
        }
        (Signal::Gps { route, noise_metres, .. }, State::Drive { begin_metres, metres_per_second }) => {
            let metres = *begin_metres + *metres_per_second * at.as_secs_f64();
            write_position(route, metres, *metres_per_second, *noise_metres, random, encoder);
        }
        (Signal::Csv { table, column, .. }, State::Row(row)) => write_row(table, *column, row, encoder),
        (_, State::Text(text)) => encoder.text(text),
        // A state is made for its signal and stays with it.
        (_, _) => encoder.null(),
    }
}

/// A number with so many digits after the point.
fn decimal(value: f64, decimals: u8, encoder: &mut impl Encoder) {
    encoder.decimal((value * 10_f64.powi(decimals.into())).round() as i64, decimals);
}

fn reflect(value: f64, min: f64, max: f64) -> f64 {
    let inside = if value > max {
        max - (value - max)
    } else if value < min {
        min + (min - value)
    } else {
        value
    };
    // A step may be longer than the whole range.
    inside.clamp(min, max)
}

/// Texts of which each stays for a while.
struct Dwelling<'a> {
    states: &'a [Arc<str>],
    dwell_secs: &'a [f64; 2],
    in_order: bool,
}

impl Dwelling<'_> {
    fn go_on(&self, state: &mut u32, until_secs: &mut f64, now_secs: f64, random: &mut Random) {
        for _ in 0..CHANGES_MAX {
            if now_secs < *until_secs {
                return;
            }
            let count = self.states.len();
            // Another one than it is, if there is another one.
            let ahead = if self.in_order { 1 } else { place(random, count.saturating_sub(1).max(1)) + 1 };
            *state = (*state + ahead) % u32::try_from(count).unwrap_or(1);
            *until_secs += dwell(random, self.dwell_secs);
        }
        *until_secs = now_secs + dwell(random, self.dwell_secs);
    }
}

fn write_position(
    route: &Route,
    metres: f64,
    metres_per_second: f64,
    noise_metres: f64,
    random: &mut Random,
    encoder: &mut impl Encoder,
) {
    let (Point { latitude, longitude }, heading) = route.at(metres);
    let (north, east) = (random.bell() * noise_metres, random.bell() * noise_metres);
    let per_degree = Route::METRES_PER_DEGREE;
    let latitude = (latitude + north / per_degree).clamp(-90.0, 90.0);
    // Near a pole a metre is many degrees; the bound keeps the number finite.
    let per_degree_east = per_degree * latitude.to_radians().cos().max(0.01);
    let longitude = (longitude + east / per_degree_east).clamp(-180.0, 180.0);
    encoder.map(4);
    for (number, (name, value, decimals)) in [
        ("lat", latitude, 6),
        ("lon", longitude, 6),
        ("speed_kmh", metres_per_second * 3.6, 1),
        ("heading", heading, 0),
    ]
    .into_iter()
    .enumerate()
    {
        encoder.name(number == 0, name);
        decimal(value, decimals, encoder);
    }
    encoder.end_map();
}

fn write_row(table: &Table, column: Option<usize>, next: &mut u32, encoder: &mut impl Encoder) {
    let row = &table.rows[*next as usize % table.rows.len()];
    *next = (*next + 1) % u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
    match column {
        Some(column) => write_constant(&row[column], encoder),
        None => {
            encoder.map(row.len());
            for (number, (name, value)) in table.columns.iter().zip(row).enumerate() {
                encoder.name(number == 0, name);
                write_constant(value, encoder);
            }
            encoder.end_map();
        }
    }
}
