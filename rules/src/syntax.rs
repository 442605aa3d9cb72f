//! From text to tree and back: lexer, parser, the tree they make, and its printer.
//!
//! Knows the grammar; must not know which functions exist or what anything evaluates to.

mod foreign;
mod grouping;
mod lexer;
mod parser;
mod print;
mod recovery;
mod same;
mod select;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use parser::Parser;
#[cfg(test)]
pub(crate) use recovery::parse_statement;
pub(crate) use recovery::{Parsing, read_statement};
pub(crate) use same::is_same;
pub(crate) use tree::{
    Assignment, Body, CastTarget, Expression, Form, Grouping, Item, Name, Operator, Query, Select,
};

/// The deepest nesting of parentheses, calls, literals and subqueries.
pub const NESTING_MAX: usize = 64;

/// The most operators or member accesses in one chain, such as `a OR b OR …`.
pub const CHAIN_MAX: usize = 250;

/// The longest statement or template, in bytes; AWS's limit for a whole rule document.
pub const SQL_BYTES_MAX: usize = 256 * 1024;
