//! Reaching into arrays and objects, and asking what is there.

use super::ArgumentKind::{Any, Array, Object, Scheme};
use super::{Call, Function, example, one};
use crate::statement::SqlVersion::{V2015, V2016};
use crate::value::{Builder, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "get",
        arguments: &[one("collection", Any), one("key", Any)],
        since: V2015,
        description: "The element of an Array or character of a String at an index from 0 (a Decimal is rounded, a String cut), or the member of an Object with that name; Undefined where there is none, and for other collections.",
        examples: &[
            example("get(tags, 1)", "\"east\""),
            example("get(tags, '0')", "\"hot\""),
            example("get(tags, 0.6)", "\"east\""),
            example("get(tags, '0.6')", "\"hot\""),
            example("get([{'b': 7}], 0).b", "7"),
            example("get(position, 'y')", "-2"),
            example("get('abc', 1)", "\"b\""),
            example("get(tags, 9)", "Undefined"),
            example("get(position, 0)", "Undefined"),
        ],
        evaluate: get,
    },
    Function {
        name: "isNull",
        arguments: &[one("value", Any)],
        since: V2015,
        description: "Whether the value is Null; Undefined is not.",
        examples: &[example("isNull(none)", "true"), example("isNull(missing)", "false")],
        evaluate: |call| Value::Boolean(matches!(call.argument(0), Value::Null)),
    },
    Function {
        name: "isUndefined",
        arguments: &[one("value", Any)],
        since: V2016,
        description: "Whether the value is Undefined; Null is not.",
        examples: &[example("isUndefined(missing)", "true"), example("isUndefined(none)", "false")],
        evaluate: |call| Value::Boolean(call.argument(0).is_undefined()),
    },
    Function {
        name: "get_or_default",
        arguments: &[one("value", Any), one("otherwise", Any)],
        since: V2015,
        description: "The value, or `otherwise` when it is Null or Undefined.",
        examples: &[
            example("get_or_default(missing, 'none')", "\"none\""),
            example("get_or_default(name, 0)", "\"Kiln 7\""),
        ],
        evaluate: |call| match call.argument(0) {
            Value::Undefined | Value::Null => call.argument(1).clone(),
            value => value.clone(),
        },
    },
    Function {
        name: "transform",
        arguments: &[one("mode", Scheme), one("object", Object), one("array", Array)],
        since: V2016,
        description: "With the mode `enrichArray`: every element of the array with the members of the object added. \
                      Undefined for other modes, and when the result is larger than 128 KiB.",
        examples: &[
            example(
                "transform('enrichArray', {'a': 1}, [{'p': 3}, {'q': 4}])",
                "[{\"p\":3,\"a\":1},{\"q\":4,\"a\":1}]",
            ),
            example("transform('zip', {'a': 1}, [{'p': 3}])", "Undefined"),
        ],
        evaluate: transform,
    },
];

/// `cast` is syntax, not a call: it stands in the reference page and nowhere else.
pub const CAST: Function = Function {
    name: "cast",
    arguments: &[one("value AS type", Any)],
    since: V2015,
    description: "The value as another type: `Int` and `Integer` (a Decimal is rounded down), `Double` and `Decimal`, `Boolean` and \
                  `Bool`, `String`, `Nvarchar`, `Text`, `Ntext` and `Varchar`. Beyond the conversions that happen by themselves, \
                  numbers become Booleans and Booleans numbers. Undefined for Null and Undefined, and where no conversion is \
                  defined. `Decimal`, `Boolean` and `Bool` since `2016-03-23`.",
    examples: &[
        example("cast(temperature AS Int)", "81"),
        example("cast('2.50' AS Decimal)", "2.5"),
        example("cast(on AS Int)", "1"),
        example("cast(0 AS Boolean)", "false"),
        example("cast(position AS String)", "\"{\\\"x\\\":1,\\\"y\\\":-2}\""),
        example("cast('hot' AS Int)", "Undefined"),
    ],
    evaluate: |_| Value::Undefined,
};

/// The largest result of `transform`, in bytes of JSON.
const TRANSFORM_BYTES_MAX: usize = 128 * 1024;

fn get<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let key = call.argument(1);
    let index = || usize::try_from(key.to_int()?).ok();
    match call.argument(0) {
        Value::Array(array) => index().map_or(Value::Undefined, |index| array.get(index)),
        Value::String(text) => match index().and_then(|index| text.chars().nth(index)) {
            Some(character) => Value::string(character.to_string()),
            None => Value::Undefined,
        },
        Value::Object(object) => match key {
            Value::String(name) => object.get(name),
            _ => Value::Undefined,
        },
        _ => Value::Undefined,
    }
}

fn transform<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let (Value::String(mode), Value::Object(object), Value::Array(array)) =
        (call.argument(0), call.argument(1), call.argument(2))
    else {
        return Value::Undefined;
    };
    if mode != "enrichArray" {
        return Value::Undefined;
    }
    let mut size = String::new();
    crate::value::write_json(call.argument(1), false, &mut size);
    let added_bytes = size.len();
    crate::value::write_json(call.argument(2), false, &mut size);
    if size.len().saturating_add(added_bytes.saturating_mul(array.len())) > TRANSFORM_BYTES_MAX {
        return Value::Undefined;
    }
    let added = object.members();
    let enriched = array.iter().map(|element| match &element {
        Value::Object(element) => {
            let mut builder = Builder::from_object(element);
            for (name, value) in &added {
                builder.set(name.clone(), value.clone());
            }
            builder.finish()
        }
        _ => element,
    });
    Value::array(enriched.collect())
}
