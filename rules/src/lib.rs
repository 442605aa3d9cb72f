//! The SQL of rules: pure, without input or output, without a clock of its own.

pub mod cases;
mod check;
pub mod definition;
mod diagnostic;
mod evaluate;
mod explain;
mod filter;
pub mod functions;
mod index;
mod json;
mod message;
mod number;
mod output;
mod plan;
mod statement;
mod syntax;
mod template;
mod value;

pub use check::VARIABLES_MAX;
pub use diagnostic::{Diagnostic, Position, Span, SqlErrors};
pub use explain::{Explanation, Part};
pub use filter::{BasicIngest, FILTER_BYTES_MAX, FilterError, TopicFilter, basic_ingest};
pub use index::Index;
pub use json::DEPTH_MAX;
pub use message::{Message, Payload, PublishProperties, Randomness};
pub use number::Number;
pub use statement::{CompileOptions, Fault, Outcome, Output, SqlVersion, Statement};
pub use syntax::{CHAIN_MAX, NESTING_MAX, SQL_BYTES_MAX};
pub use template::Template;
pub use value::{Array, Object, Value};
