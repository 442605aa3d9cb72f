//! What asks the world outside: shadows, the registry, tables, functions, models, secrets.
//!
//! What the calls must look like, and what is refused, is in `check/outside.rs`; asking is in `ask.rs`.

use super::ArgumentKind::{Any, Mode, Role, Text};
use super::{Argument, Function, example, one, optional};
use crate::statement::SqlVersion::{V2015, V2016};
use crate::value::Value;

const ROLE: Argument = optional("role", Role);

/// What the examples get for answers: `fixtures` as cases have them.
pub const EXAMPLE_FIXTURES: &str = r#"{
  "shadows": {"kiln7": {"": {"state": {"reported": {"door": "open"}}}, "limits": {"state": {"desired": {"max": 90}}}}},
  "registry": {"kiln7": {"DescribeThing": {"thingName": "kiln7", "attributes": {"hall": "east"}, "version": 3}, "ListThingGroupsForThing": {"thingGroups": []}}},
  "tables": {"sites": {"east": {"id": "east", "city": "Oslo"}}},
  "functions": [{"name": "grade", "argument": {"temperature": 81.3}, "answer": {"grade": "hot"}}, {"name": "limit", "answer": 90}],
  "models": {"wear": {"predictedValue": 0.25}},
  "secrets": {"plant/hook": {"SecretString": "{\"user\":\"p1\"}"}}
}"#;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "aws_lambda",
        arguments: &[one("function", Text), one("argument", Any)],
        since: V2015,
        description: "What a function answers to the argument, a JSON value: the function is given by its ARN or its name. \
            Undefined when it fails or takes longer than 2,000 ms.",
        examples: &[
            example("aws_lambda('grade', {'temperature': temperature}).grade", "\"hot\""),
            example(
                "temperature > aws_lambda('arn:aws:lambda:us-east-1:000000000000:function:limit', *)",
                "false",
            ),
        ],
        evaluate: |_| Value::Undefined,
    },
    Function {
        name: "get_thing_shadow",
        arguments: &[one("thing", Text), optional("shadow", Text), ROLE],
        since: V2016,
        description: "The document of a thing's shadow; of two arguments the second is the role. A role is accepted and not looked at.",
        examples: &[
            example("get_thing_shadow('kiln7').state.reported.door", "\"open\""),
            example(
                "get_thing_shadow('kiln7', 'arn:aws:iam::000000000000:role/rules').state.reported.door",
                "\"open\"",
            ),
            example("get_thing_shadow('kiln7', 'limits', 'role').state.desired.max", "90"),
        ],
        evaluate: |_| Value::Undefined,
    },
    Function {
        name: "get_registry_data",
        arguments: &[one("operation", Mode), one("thing", Text), ROLE],
        since: V2015,
        description: "What the registry knows of a thing: `DescribeThing` or `ListThingGroupsForThing`; Undefined for an unknown thing. \
            Once in a statement. A role is accepted and not looked at.",
        examples: &[
            example("get_registry_data('DescribeThing', clientid()).attributes.hall", "\"east\""),
            example("get_registry_data('ListThingGroupsForThing', 'kiln7', 'role')", "{\"thingGroups\":[]}"),
            example("get_registry_data('DescribeThing', 'kiln8')", "Undefined"),
        ],
        evaluate: |_| Value::Undefined,
    },
    Function {
        name: "get_dynamodb",
        arguments: &[
            one("table", Text),
            one("partition_key", Text),
            one("partition_value", Any),
            optional("sort_key", Text),
            optional("sort_value", Any),
            ROLE,
        ],
        since: V2016,
        description: "An item of a table, found by its keys. Once in a statement. A role is accepted and not looked at.",
        examples: &[
            example("get_dynamodb('sites', 'id', get(tags, 1)).city", "\"Oslo\""),
            example("get_dynamodb('sites', 'id', 'west', 'role')", "Undefined"),
        ],
        evaluate: |_| Value::Undefined,
    },
    Function {
        name: "machinelearning_predict",
        arguments: &[one("model", Text), ROLE, one("record", Any)],
        since: V2015,
        description: "What a model predicts for a record. A role is accepted and not looked at.",
        examples: &[
            example("machinelearning_predict('wear', 'role', *).predictedValue", "0.25"),
            example("machinelearning_predict('noise', 'role', *)", "Undefined"),
        ],
        evaluate: |_| Value::Undefined,
    },
    Function {
        name: "get_secret",
        arguments: &[one("secret", Text), one("type", Mode), optional("key", Text), ROLE],
        since: V2015,
        description: "A secret: `SecretString`, or `SecretBinary` in base64; of a secret that is a JSON object, one key. Of three arguments \
            the third is the role, which is accepted and not looked at.",
        examples: &[
            example("get_secret('plant/hook', 'SecretString', 'user', 'role')", "\"p1\""),
            example("get_secret('plant/none', 'SecretString', 'role')", "Undefined"),
        ],
        evaluate: |_| Value::Undefined,
    },
];
