//! Hashes: lower-case hexadecimal of the text's UTF-8 bytes.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::ArgumentKind::Text;
use super::{Argument, Call, Evaluate, Example, Function, example, one};
use crate::statement::SqlVersion::V2015;
use crate::value::Value;

const ARGUMENTS: &[Argument] = &[one("text", Text)];

const fn hash(name: &'static str, examples: &'static [Example], evaluate: Evaluate) -> Function {
    let description = "The hash of the text in hexadecimal.";
    Function { name, arguments: ARGUMENTS, since: V2015, description, examples, evaluate }
}

pub(super) const FUNCTIONS: &[Function] = &[
    hash(
        "md2",
        &[example("md2('hello')", "\"a9046c73e00331af68917d3804f70655\""), example("md2(none)", "Undefined")],
        digest::<md2::Md2>,
    ),
    hash(
        "md5",
        &[example("md5('hello')", "\"5d41402abc4b2a76b9719d911017c592\""), example("md5(none)", "Undefined")],
        digest::<Md5>,
    ),
    hash(
        "sha1",
        &[
            example("sha1('hello')", "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\""),
            example("length(sha1(7))", "40"),
        ],
        digest::<Sha1>,
    ),
    hash(
        "sha224",
        &[
            example("sha224('')", "\"d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f\""),
            example("length(sha224(7))", "56"),
        ],
        digest::<Sha224>,
    ),
    hash(
        "sha256",
        &[
            example(
                "sha256('hello')",
                "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"",
            ),
            example("sha256(missing)", "Undefined"),
        ],
        digest::<Sha256>,
    ),
    hash(
        "sha384",
        &[example("length(sha384('hello'))", "96"), example("sha384(none)", "Undefined")],
        digest::<Sha384>,
    ),
    hash(
        "sha512",
        &[example("length(sha512('hello'))", "128"), example("sha512('7') = sha512(7)", "true")],
        digest::<Sha512>,
    ),
];

fn digest<'v, D: Digest>(call: &Call<'_, 'v>) -> Value<'v> {
    call.text(0).map_or(Value::Undefined, |text| Value::string(hex::encode(D::digest(text.as_bytes()))))
}
