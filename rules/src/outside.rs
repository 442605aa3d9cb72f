//! What statements may ask of the world outside the message: questions, answers, and what there is to be asked.
//!
//! A question either is answered at once, or the statement stops with [`crate::Outcome::Ask`]; the host finds the answer, puts it
//! into [`Answers`] and evaluates again. Must not know how anything is answered.

mod answers;
mod question;
mod service;
#[cfg(test)]
mod tests;

pub use answers::Answers;
pub(crate) use question::SECRET_TYPES;
pub use question::{Key, Question, RegistryRequest, function_name};
pub use service::{Capabilities, Service};

use bytes::Bytes;

/// What a question led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A JSON text, which is the value of the call.
    Json(Bytes),
    /// There is no such thing: the call is Undefined.
    Nothing,
    /// The question could not be answered, and why: the call is Undefined.
    Failed(String),
}

/// Whatever answers questions at once.
pub trait Outside: Sync {
    /// The answer; `None` when it takes time. The statement then stops until the answer is among the message's [`Answers`].
    fn answer(&self, question: &Question) -> Option<Answer>;
}

/// Nobody to ask: every call is Undefined.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Outside for Nobody {
    fn answer(&self, _: &Question) -> Option<Answer> {
        Some(Answer::Failed("there is nobody to ask".to_owned()))
    }
}
