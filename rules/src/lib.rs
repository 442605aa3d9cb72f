//! The SQL of rules (the dialect of AWS IoT): pure, without input or output, without a clock of its own.
//!
//! ```text
//! text ─ syntax ─► tree ─ check ─► plan ─┐
//!                                        ├─ evaluate, output ─► what the actions get
//! payload ─ json ─► tape ─ value ────────┘
//! ```
//!
//! A [`definition::Definition`] is a rule as its author wrote it, with a compiled [`Statement`]; a [`RuleSet`] finds
//! the rules that a message concerns; a [`Message`] is read once for all of them. What AWS leaves open is decided in `DIALECT.md`;
//! windows over time, which AWS doesn't have, are in [`window`] and `WINDOWS.md`.
//!
//! ```
//! use rules::{CompileOptions, Message, Outcome, Statement};
//!
//! let sql = "SELECT deviceId, topic(2) AS line FROM 'plant/+/telemetry' WHERE temperature > 80";
//! let statement = Statement::compile(sql, CompileOptions::default())?;
//! let randomness = || [0u8; 16];
//! let message = Message::new("plant/a/telemetry", br#"{"deviceId":"k7","temperature":81.3}"#, 0, &randomness);
//! let Ok(Outcome::Match(output)) = statement.evaluate(&message) else { panic!("81.3 is above 80") };
//! assert_eq!(output.bytes(), br#"{"deviceId":"k7","line":"a"}"#);
//! # Ok::<(), rules::SqlErrors>(())
//! ```

mod ask;
pub mod cases;
mod cbor;
mod check;
mod decode;
pub mod definition;
mod diagnostic;
mod equality;
mod evaluate;
mod explain;
mod filter;
pub mod functions;
mod glance;
mod index;
mod json;
mod message;
mod misfit;
mod number;
mod output;
pub mod outside;
mod plan;
mod protobuf;
mod rule_set;
mod statement;
mod syntax;
mod template;
mod value;
pub mod window;

pub use check::VARIABLES_MAX;
pub use diagnostic::{Diagnostic, Position, Span, SqlErrors};
pub use explain::{Explanation, Named, Part, Shown, TopicVerdict, WindowBounds};
pub use filter::{BasicIngest, FILTER_BYTES_MAX, FilterError, TopicFilter, basic_ingest};
pub use index::Index;
pub use json::DEPTH_MAX;
pub use message::{Message, Payload, PublishProperties, Randomness};
pub use misfit::{Misfit, MisfitKind, MisfitKinds};
pub use number::Number;
pub use outside::Capabilities;
pub use protobuf::{DESCRIPTOR_BYTES_MAX, DescriptorError, Descriptors};
pub use rule_set::RuleSet;
pub use statement::{CompileOptions, Fault, Outcome, Output, Run, SqlVersion, Statement};
pub use syntax::{CHAIN_MAX, NESTING_MAX, SQL_BYTES_MAX};
pub use template::Template;
pub use value::{Array, Object, Value};
