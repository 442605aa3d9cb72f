//! The set against the plainest matcher there is: pattern and event as trees, compared member by member.

#![allow(clippy::unwrap_used, reason = "what is generated has the shape it has")]

use patterns::{Pattern, PatternSet, explain};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Whether an event, or an element of one of its arrays, holds all that an object of a pattern asks for.
fn holds(pattern: &Map<String, Value>, object: &Map<String, Value>, path: &[&str], event: &Value) -> bool {
    pattern.iter().all(|(name, wanted)| {
        if name == "$or" {
            let choices = wanted.as_array().unwrap();
            return choices.iter().any(|choice| holds(choice.as_object().unwrap(), object, path, event));
        }
        let path = [path, &[name.as_str()]].concat();
        let found = elements(object.get(name));
        match wanted {
            Value::Object(wanted) => {
                let mut objects = found.iter().filter_map(|value| value.as_object()).collect::<Vec<_>>();
                // What asks for absence alone is content without any object.
                let empty = Map::new();
                objects.push(&empty);
                objects.iter().any(|object| holds(wanted, object, &path, event))
            }
            Value::Array(filters) => filters.iter().any(|filter| match filter.get("exists") {
                Some(Value::Bool(false)) => !leaf_exists(event, &path),
                _ => found.iter().any(|value| !value.is_object() && passes(filter, value)),
            }),
            _ => unreachable!("patterns are objects and lists"),
        }
    })
}

/// A value, or the elements of an array, however nested.
fn elements(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().flat_map(|value| elements(Some(value))).collect(),
        Some(value) => vec![value],
    }
}

fn leaf_exists(value: &Value, path: &[&str]) -> bool {
    elements(Some(value)).into_iter().any(|value| match path {
        [] => !value.is_object(),
        [name, rest @ ..] => value.get(name).is_some_and(|value| leaf_exists(value, rest)),
    })
}

fn passes(filter: &Value, value: &Value) -> bool {
    let Value::Object(filter) = filter else { return same(filter, value) };
    let (name, wanted) = filter.iter().next().unwrap();
    let text = value.as_str();
    match name.as_str() {
        "exists" => true,
        "prefix" => text.is_some_and(|text| match wanted.get("equals-ignore-case") {
            Some(wanted) => text.to_lowercase().starts_with(&wanted.as_str().unwrap().to_lowercase()),
            None => text.starts_with(wanted.as_str().unwrap()),
        }),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted.as_str().unwrap())),
        "equals-ignore-case" => {
            text.is_some_and(|text| text.to_lowercase() == wanted.as_str().unwrap().to_lowercase())
        }
        "wildcard" => text.is_some_and(|text| glob(wanted.as_str().unwrap().as_bytes(), text.as_bytes())),
        "numeric" => value.as_f64().is_some_and(|value| compares(wanted.as_array().unwrap(), value)),
        "anything-but" => match wanted {
            Value::Object(turned) => {
                let (name, texts) = turned.iter().next().unwrap();
                !elements(Some(texts)).into_iter().any(|text| passes(&json!({ name: text }), value))
            }
            wanted => !elements(Some(wanted)).into_iter().any(|wanted| same(wanted, value)),
        },
        _ => unreachable!("no such filter is generated"),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn compares(bounds: &[Value], value: f64) -> bool {
    bounds.chunks(2).all(|bound| {
        let limit = bound[1].as_f64().unwrap();
        match bound[0].as_str().unwrap() {
            "=" => value == limit,
            "<" => value < limit,
            "<=" => value <= limit,
            ">" => value > limit,
            _ => value >= limit,
        }
    })
}

fn glob(wildcard: &[u8], text: &[u8]) -> bool {
    match (wildcard, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        ([first, rest @ ..], [character, text @ ..]) => first == character && glob(rest, text),
        _ => false,
    }
}

fn short_text() -> impl Strategy<Value = String> {
    "[abA]{0,3}"
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => short_text().prop_map(Value::from),
        3 => (-3_i32..4).prop_map(Value::from),
        1 => (-3_i32..4).prop_map(|half| json!(f64::from(half) / 2.0)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    let text = || short_text().prop_map(Value::from);
    let some_text = || "[abA]{1,3}";
    let wildcard = || {
        "[abA]{0,2}(\\*[abA]{1,2}){0,2}\\*?[abA]{0,1}".prop_filter("one star", |text| !text.contains("**"))
    };
    let above = prop_oneof![Just(">"), Just(">=")];
    let below = prop_oneof![Just("<"), Just("<=")];
    prop_oneof![
        6 => scalar(),
        1 => text().prop_map(|text| json!({ "prefix": text })),
        1 => text().prop_map(|text| json!({ "prefix": { "equals-ignore-case": text } })),
        1 => text().prop_map(|text| json!({ "suffix": text })),
        1 => text().prop_map(|text| json!({ "equals-ignore-case": text })),
        2 => wildcard().prop_map(|text| json!({ "wildcard": text })),
        1 => prop::collection::vec(short_text(), 1..3).prop_map(|texts| json!({ "anything-but": texts })),
        1 => prop::collection::vec(-3_i32..4, 1..3).prop_map(|numbers| json!({ "anything-but": numbers })),
        1 => some_text().prop_map(|text| json!({ "anything-but": { "prefix": text } })),
        1 => prop::collection::vec(wildcard(), 1..3).prop_map(|texts| json!({ "anything-but": { "wildcard": texts } })),
        1 => any::<bool>().prop_map(|exists| json!({ "exists": exists })),
        1 => (-3_i32..4).prop_map(|number| json!({ "numeric": ["=", number] })),
        1 => (above, -3_i32..2, below, 1_i32..4).prop_map(|(above, low, below, more)| json!({ "numeric": [above, low, below, low + more] })),
    ]
}

fn fields(names: &'static [&'static str], depth: u32) -> BoxedStrategy<Value> {
    let filters = prop::collection::vec(filter(), 1..3).prop_map(Value::from);
    let content = match depth {
        0 => filters.boxed(),
        _ => prop_oneof![2 => filters, 1 => pattern(depth - 1)].boxed(),
    };
    prop::collection::btree_map(prop::sample::select(names), content, 1..3)
        .prop_map(|members| {
            members
                .into_iter()
                .map(|(name, content)| (name.to_owned(), content))
                .collect::<Map<_, _>>()
                .into()
        })
        .boxed()
}

fn pattern(depth: u32) -> BoxedStrategy<Value> {
    let plain = fields(&["a", "b"], depth);
    let choices = prop::collection::vec(fields(&["c", "d"], depth), 2..4);
    (plain, prop::option::weighted(0.3, choices))
        .prop_map(|(mut plain, choices)| {
            if let Some(choices) = choices {
                plain["$or"] = choices.into();
            }
            plain
        })
        .boxed()
}

fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abcd]", inner, 0..5)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    });
    prop::collection::btree_map("[abcd]", value, 0..5)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_set_finds_what_the_naive_matcher_finds(patterns in prop::collection::vec(pattern(2), 1..6), events in prop::collection::vec(event(), 1..4), removed in 0..6_usize) {
        let mut set = PatternSet::new();
        for (number, pattern) in patterns.iter().enumerate() {
            set.add(number, &Pattern::parse(&pattern.to_string()).unwrap()).unwrap();
        }
        set.remove(&removed);
        for event in &events {
            let found: Vec<usize> = set.matches(&event.to_string()).unwrap().into_iter().copied().collect();
            let expected: Vec<usize> = (0..patterns.len())
                .filter(|number| *number != removed && holds(patterns[*number].as_object().unwrap(), event.as_object().unwrap(), &[], event))
                .collect();
            prop_assert_eq!(found, expected, "{:?} and {}", patterns.iter().map(Value::to_string).collect::<Vec<_>>(), event);
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_match(pattern in pattern(2), event in event()) {
        let explanation = explain(&Pattern::parse(&pattern.to_string()).unwrap(), &event.to_string()).unwrap();
        let expected = holds(pattern.as_object().unwrap(), event.as_object().unwrap(), &[], &event);
        prop_assert_eq!(explanation.matches, expected);
        let all_hold = explanation.fields.iter().all(|field| field.verdict == patterns::Verdict::Holds);
        prop_assert_eq!(all_hold, expected, "{}", explanation);
    }

    #[test]
    fn any_text_is_answered(pattern in "[\\[\\]{}\":,a$or*\\\\prefix0-9]{0,40}", event in "[\\[\\]{}\":,a0-9]{0,30}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let mut set = PatternSet::new();
            set.add((), &pattern).unwrap();
            let _ = set.matches(&event);
        }
    }
}
