//! Arithmetic beyond the operators. What AWS computes in double precision stands in the second list.

use super::ArgumentKind::{Any, Number as Num};
use super::{Argument, Call, Evaluate, Example, Function, example, one};
use crate::number::{DIGITS_MAX, Number};
use crate::statement::SqlVersion::V2015;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "abs",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "The magnitude.",
        examples: &[
            example("abs(-12)", "12"),
            example("abs('-3.25')", "3.25"),
            example("abs(on)", "Undefined"),
        ],
        evaluate: |call| exactly(call, |number| Some(number.abs())),
    },
    Function {
        name: "ceil",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "The smallest whole number that is not below.",
        examples: &[example("ceil(1.01)", "2"), example("ceil(-1.01)", "-1")],
        evaluate: |call| exactly(call, |number| Some(number.ceiling())),
    },
    Function {
        name: "floor",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "The largest whole number that is not above.",
        examples: &[example("floor(temperature)", "81"), example("floor('-1.5')", "-2")],
        evaluate: |call| exactly(call, |number| Some(number.floor())),
    },
    Function {
        name: "round",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "The nearest whole number; halves go away from zero.",
        examples: &[
            example("round(1.5)", "2"),
            example("round(-1.5)", "-2"),
            example("round(temperature)", "81"),
        ],
        evaluate: |call| exactly(call, |number| Some(number.round())),
    },
    Function {
        name: "trunc",
        arguments: &[one("number", Num), one("places", Num)],
        since: V2015,
        description: "The number without the decimal places beyond `places` (0 to 34), trailing zeros removed.",
        examples: &[
            example("trunc(2.319, 2)", "2.31"),
            example("trunc(2.9, -1)", "2"),
            example("trunc(2.50, 4)", "2.5"),
        ],
        evaluate: truncate,
    },
    Function {
        name: "sign",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "-1, 0 or 1.",
        examples: &[example("sign(-7)", "-1"), example("sign('2.5')", "1"), example("sign(0)", "0")],
        evaluate: |call| {
            exactly(call, |number| {
                Some(Number::from(i64::from(!number.is_zero()) - 2 * i64::from(number.is_negative())))
            })
        },
    },
    Function {
        name: "mod",
        arguments: &[one("dividend", Num), one("divisor", Num)],
        since: V2015,
        description: "What remains of a division, with the sign of the dividend: the operator `%`.",
        examples: &[
            example("mod(8, 3)", "2"),
            example("mod(-8, 3)", "-2"),
            example("mod(8, 0)", "Undefined"),
        ],
        evaluate: remainder,
    },
    Function {
        name: "remainder",
        arguments: &[one("dividend", Num), one("divisor", Num)],
        since: V2015,
        description: "The same as `mod`.",
        examples: &[example("remainder(8, 3)", "2"), example("remainder(7.5, 2)", "1.5")],
        evaluate: remainder,
    },
    Function {
        name: "bitand",
        arguments: &[one("a", Num), one("b", Num)],
        since: V2015,
        description: "The bits both have; decimals are floored first.",
        examples: &[example("bitand(13, 5)", "5"), example("bitand(13.9, 5)", "5")],
        evaluate: |call| bits(call, |a, b| a & b),
    },
    Function {
        name: "bitor",
        arguments: &[one("a", Num), one("b", Num)],
        since: V2015,
        description: "The bits either has; decimals are floored first.",
        examples: &[example("bitor(12, 3)", "15"), example("bitor('8', 5)", "13")],
        evaluate: |call| bits(call, |a, b| a | b),
    },
    Function {
        name: "bitxor",
        arguments: &[one("a", Num), one("b", Num)],
        since: V2015,
        description: "The bits exactly one has; decimals are floored first.",
        examples: &[example("bitxor(13, 5)", "8"), example("bitxor(1, 1)", "0")],
        evaluate: |call| bits(call, |a, b| a ^ b),
    },
    Function {
        name: "bitnot",
        arguments: &[one("number", Num)],
        since: V2015,
        description: "All bits turned over (two's complement); decimals are floored first.",
        examples: &[example("bitnot(13)", "-14"), example("bitnot(-1)", "0")],
        evaluate: |call| match call.argument(0).to_number().and_then(|number| number.floor().to_i64()) {
            Some(bits) => Value::Number(Number::from(!bits)),
            None => Value::Undefined,
        },
    },
    Function {
        name: "rand",
        arguments: &[],
        since: V2015,
        description: "A random number from 0 up to but not including 1.",
        examples: &[example("rand() >= 0", "true"), example("rand() < 1", "true")],
        evaluate: random,
    },
    Function {
        name: "nanvl",
        arguments: &[one("value", Any), one("otherwise", Any)],
        since: V2015,
        description: "The value, or `otherwise` when it is Undefined, Null or not a number.",
        examples: &[example("nanvl(missing, 3)", "3"), example("nanvl(8, 3)", "8")],
        evaluate: |call| match call.argument(0) {
            Value::Undefined | Value::Null => call.argument(1).clone(),
            value => value.clone(),
        },
    },
];

const DOUBLE_ARGUMENTS: &[Argument] = &[one("number", Num)];

const fn double(
    name: &'static str,
    description: &'static str,
    examples: &'static [Example],
    evaluate: Evaluate,
) -> Function {
    Function { name, arguments: DOUBLE_ARGUMENTS, since: V2015, description, examples, evaluate }
}

pub(super) const DOUBLE_FUNCTIONS: &[Function] = &[
    double(
        "acos",
        "Arc cosine in radians.",
        &[example("acos(1)", "0"), example("acos(2)", "Undefined")],
        |call| doubly(call, f64::acos),
    ),
    double(
        "asin",
        "Arc sine in radians.",
        &[example("asin(0)", "0"), example("asin(2)", "Undefined")],
        |call| doubly(call, f64::asin),
    ),
    double(
        "atan",
        "Arc tangent in radians.",
        &[example("atan(0)", "0"), example("atan('x')", "Undefined")],
        |call| doubly(call, f64::atan),
    ),
    Function {
        name: "atan2",
        arguments: &[one("y", Num), one("x", Num)],
        since: V2015,
        description: "The angle of the point (x, y) in radians.",
        examples: &[example("atan2(0, 1)", "0"), example("trunc(atan2(1, 1), 4)", "0.7853")],
        evaluate: |call| doubly_two(call, f64::atan2),
    },
    double(
        "cos",
        "Cosine of an angle in radians.",
        &[example("cos(0)", "1"), example("cos(none)", "Undefined")],
        |call| doubly(call, f64::cos),
    ),
    double(
        "sin",
        "Sine of an angle in radians.",
        &[example("sin(0)", "0"), example("trunc(sin(1), 4)", "0.8414")],
        |call| doubly(call, f64::sin),
    ),
    double(
        "tan",
        "Tangent of an angle in radians.",
        &[example("tan(0)", "0"), example("trunc(tan(1), 4)", "1.5574")],
        |call| doubly(call, f64::tan),
    ),
    double(
        "cosh",
        "Hyperbolic cosine.",
        &[example("cosh(0)", "1"), example("cosh(9999)", "Undefined")],
        |call| doubly(call, f64::cosh),
    ),
    double(
        "sinh",
        "Hyperbolic sine.",
        &[example("sinh(0)", "0"), example("trunc(sinh(1), 4)", "1.1752")],
        |call| doubly(call, f64::sinh),
    ),
    double("tanh", "Hyperbolic tangent.", &[example("tanh(0)", "0"), example("tanh(1000)", "1")], |call| {
        doubly(call, f64::tanh)
    }),
    double(
        "exp",
        "e to the power of the number.",
        &[example("exp(0)", "1"), example("exp(9999)", "Undefined")],
        |call| doubly(call, f64::exp),
    ),
    double(
        "ln",
        "The natural logarithm.",
        &[example("ln(1)", "0"), example("ln(-1)", "Undefined")],
        |call| doubly(call, f64::ln),
    ),
    double(
        "log",
        "The logarithm to base 10.",
        &[example("log(100)", "2"), example("log(0)", "Undefined")],
        |call| doubly(call, f64::log10),
    ),
    double(
        "sqrt",
        "The square root.",
        &[example("sqrt(9)", "3"), example("sqrt(-9)", "Undefined")],
        |call| doubly(call, f64::sqrt),
    ),
    Function {
        name: "power",
        arguments: &[one("base", Num), one("exponent", Num)],
        since: V2015,
        description: "`base` to the power of `exponent`.",
        examples: &[example("power(2, 5)", "32"), example("power(4, 0.5)", "2")],
        evaluate: |call| doubly_two(call, f64::powf),
    },
];

fn number_or_undefined<'v>(number: Option<Number>) -> Value<'v> {
    number.map_or(Value::Undefined, Value::Number)
}

fn exactly<'v>(call: &Call<'_, 'v>, compute: impl Fn(Number) -> Option<Number>) -> Value<'v> {
    number_or_undefined(call.argument(0).to_number().and_then(compute))
}

fn doubly<'v>(call: &Call<'_, 'v>, compute: impl Fn(f64) -> f64) -> Value<'v> {
    exactly(call, |number| Number::from_f64(compute(number.to_f64())))
}

fn doubly_two<'v>(call: &Call<'_, 'v>, compute: impl Fn(f64, f64) -> f64) -> Value<'v> {
    match (call.argument(0).to_number(), call.argument(1).to_number()) {
        (Some(a), Some(b)) => number_or_undefined(Number::from_f64(compute(a.to_f64(), b.to_f64()))),
        _ => Value::Undefined,
    }
}

fn truncate<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let places = call.argument(1).to_index().map(|places| places.clamp(0, i64::from(DIGITS_MAX)));
    match places.and_then(|places| u32::try_from(places).ok()) {
        Some(places) => exactly(call, |number| Some(number.truncated(places).as_int_if_whole())),
        None => Value::Undefined,
    }
}

fn remainder<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    match call.argument(1).to_number() {
        Some(divisor) => exactly(call, |number| number.remainder(divisor)),
        None => Value::Undefined,
    }
}

fn bits<'v>(call: &Call<'_, 'v>, combine: impl Fn(i64, i64) -> i64) -> Value<'v> {
    let floored = |index: usize| call.argument(index).to_number()?.floor().to_i64();
    match (floored(0), floored(1)) {
        (Some(a), Some(b)) => Value::Number(Number::from(combine(a, b))),
        _ => Value::Undefined,
    }
}

/// The upper 53 bits of a random word, so that every result is a double below 1.
fn random<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let [a, b, c, d, e, f, g, h, ..] = call.message.randomness.bytes();
    let bits = u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 11;
    number_or_undefined(Number::from_f64(bits as f64 / (1u64 << 53) as f64))
}
