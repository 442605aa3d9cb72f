use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto};
use prost_reflect::prost_types::{FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::*;
use crate::{Capabilities, CompileOptions, Message, Outcome, Statement};

fn field(
    name: &str,
    number: i32,
    kind: Type,
    type_name: Option<&str>,
    repeated: bool,
) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(if repeated { Label::Repeated } else { Label::Optional }.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(str::to_owned),
        ..Default::default()
    }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field: fields, ..Default::default() }
}

/// What `protoc` makes of a `plant/kiln.proto` with a reading, a tree and something that holds an `Any`.
pub(crate) fn descriptor_file() -> Vec<u8> {
    let reading = message(
        "Reading",
        vec![
            field("device_id", 1, Type::String, None, false),
            field("temperature", 2, Type::Double, None, false),
            field("count", 3, Type::Int64, None, false),
            field("raw", 4, Type::Bytes, None, false),
            field("state", 5, Type::Enum, Some(".plant.State"), false),
            field("history", 6, Type::Sint32, None, true),
            field("on", 7, Type::Bool, None, false),
        ],
    );
    let tree = message("Tree", vec![field("inner", 1, Type::Message, Some(".plant.Tree"), true)]);
    let envelope =
        message("Envelope", vec![field("content", 1, Type::Message, Some(".google.protobuf.Any"), false)]);
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..Default::default()
    };
    let state = EnumDescriptorProto {
        name: Some("State".to_owned()),
        value: vec![value("COLD", 0), value("HOT", 1)],
        ..Default::default()
    };
    let any = FileDescriptorProto {
        name: Some("google/protobuf/any.proto".to_owned()),
        package: Some("google.protobuf".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![message(
            "Any",
            vec![
                field("type_url", 1, Type::String, None, false),
                field("value", 2, Type::Bytes, None, false),
            ],
        )],
        ..Default::default()
    };
    let kiln = FileDescriptorProto {
        name: Some("plant/kiln.proto".to_owned()),
        package: Some("plant".to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: vec!["google/protobuf/any.proto".to_owned()],
        message_type: vec![reading, tree, envelope],
        enum_type: vec![state],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![any, kiln] }.encode_to_vec()
}

/// The descriptor file of the tests as `plant` / `kiln.desc`.
pub(crate) fn descriptors() -> Descriptors {
    let mut descriptors = Descriptors::new();
    descriptors.add("plant", "kiln.desc", &descriptor_file()).unwrap();
    descriptors
}

/// `Reading { device_id: "k7", temperature: 81.5, count: 9007199254740993, raw: ff, state: HOT, history: [1, -1] }`
pub(crate) const READING: &[u8] = &[
    0x0a, 2, b'k', b'7', 0x11, 0, 0, 0, 0, 0, 0x60, 0x54, 0x40, 0x18, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x10, 0x22, 1, 0xff, 0x28, 1, 0x32, 2, 2, 1,
];

fn json(name: &str, bytes: &[u8]) -> Option<String> {
    let found = descriptors().message("plant", "kiln.desc", "kiln", name).unwrap();
    found.json(bytes, 1000).map(|json| String::from_utf8(json).unwrap())
}

#[test]
fn messages_become_the_json_of_proto3() {
    assert_eq!(
        json("Reading", READING).unwrap(),
        r#"{"deviceId":"k7","temperature":81.5,"count":"9007199254740993","raw":"/w==","state":"HOT","history":[1,-1]}"#
    );
    assert_eq!(json("plant.Reading", b"").unwrap(), "{}");
    assert_eq!(json("Reading", &READING[..5]), None, "cut off");
    assert_eq!(json("Reading", &[0x28, 7]).unwrap(), r#"{"state":7}"#);
}

#[test]
fn depth_and_size_are_bounded() {
    let mut nested = Vec::new();
    for _ in 0..200 {
        let mut outer = vec![0x0a];
        prost_reflect::prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.extend(&nested);
        nested = outer;
    }
    assert_eq!(json("Tree", &nested), None);
    assert!(json("Tree", &[0x0a, 0].repeat(100)).is_some());
    assert_eq!(json("Tree", &[0x0a, 0].repeat(1000)), None, "more than 1000 bytes of JSON");
    assert_eq!(json("Tree", &[0x0a, 0].repeat(MESSAGE_BYTES_MAX)), None);
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    let descriptors = descriptors();
    let unknown = |key: &str, file: &str, message: &str| {
        let unknown = descriptors.message("plant", key, file, message).unwrap_err();
        format!("{}: {}; {}", unknown.which, unknown.message, unknown.hint.unwrap())
    };
    assert_eq!(
        unknown("kilm.desc", "kiln", "Reading"),
        "0: there is no descriptor file `plant/kilm.desc`; did you mean `plant/kiln.desc`?"
    );
    assert_eq!(
        unknown("kiln.desc", "oven", "Reading"),
        "1: descriptor file `plant/kiln.desc` has no `oven`; there is `google/protobuf/any`, `plant/kiln`"
    );
    assert_eq!(
        unknown("kiln.desc", "plant/kiln.proto", "Readin"),
        "2: `plant/kiln.proto` has no message `Readin`; there is `Reading`, `Tree`, `Envelope`"
    );
    assert!(unknown("kiln.desc", "kiln", "Envelope").contains("holds `google.protobuf.Any`"));
}

#[test]
fn what_is_no_descriptor_file_is_refused() {
    let mut descriptors = Descriptors::new();
    let error = descriptors.add("a", "b", b"syntax = \"proto3\";").unwrap_err();
    assert!(error.to_string().contains("--include_imports"), "{error}");
    let error = descriptors.add("a", "b", &vec![0; DESCRIPTOR_BYTES_MAX + 1]).unwrap_err();
    assert!(error.to_string().contains("the most is 4194304"), "{error}");
}

#[test]
fn a_statement_decodes_the_payload_and_fields_of_it() {
    let capabilities = Capabilities::none().with_descriptors(descriptors().into());
    let run = |sql: &str, payload: &[u8]| {
        let statement = Statement::compile_for(sql, CompileOptions::default(), &capabilities).unwrap();
        let randomness = || [7u8; 16];
        let message = Message::new("plant/k7", payload, 0, &randomness);
        match statement.evaluate(&message).unwrap() {
            Outcome::Match(output) => String::from_utf8(output.bytes().to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    };
    let sql = "SELECT VALUE decode(*, 'proto', 'plant', 'kiln.desc', 'kiln', 'Reading') FROM 'plant/+'";
    assert!(run(sql, READING).starts_with(r#"{"deviceId":"k7","temperature":81.5"#));
    assert_eq!(run(sql, b"\xff"), "null");
    let sql = "SET @r = decode(body, 'proto', 'plant', 'kiln.desc', 'kiln', 'Reading') \
               SELECT @r.state AS state, get(@r.history, 1) AS last FROM 'plant/+' WHERE @r.temperature > 80";
    let payload = format!(r#"{{"body":"{}"}}"#, crate::functions::base64_text(READING));
    assert_eq!(run(sql, payload.as_bytes()), r#"{"state":"HOT","last":-1}"#);
    assert_eq!(run(sql, br#"{"body":"@"}"#), "NoMatch");
    assert_eq!(run(sql, br#"{"body":5}"#), "NoMatch");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = json("Reading", &bytes);
        let _ = json("Tree", &bytes);
        let _ = Descriptors::new().add("a", "b", &bytes);
    }
}
