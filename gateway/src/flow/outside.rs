//! What rules ask the world outside the message: the registry, at once, and local functions, which take time.
//!
//! Others are refused when a rule is created ([`registry::definitions::DeclaredTargets::capabilities`]). Must not know which message waits, nor how.

mod functions;
mod things;

pub(crate) use functions::Functions;
pub(super) use functions::call;

use crate::gateway::Gateway;
use rules::outside::{Answer, Outside, Question};

/// Who answers the questions of one message.
pub(crate) struct Desk<'g> {
    gateway: &'g Gateway,
    /// Whether what takes time may be asked; if not, why not.
    refusal: Option<&'static str>,
}

impl<'g> Desk<'g> {
    pub(crate) fn new(gateway: &'g Gateway, refusal: Option<&'static str>) -> Self {
        Self { gateway, refusal }
    }
}

impl Outside for Desk<'_> {
    fn answer(&self, question: &Question) -> Option<Answer> {
        match (question, self.refusal) {
            (Question::Registry { request, thing }, _) => {
                Some(things::describe(self.gateway, *request, thing))
            }
            (Question::Lambda { .. }, None) => None,
            (Question::Lambda { .. }, Some(refusal)) => Some(Answer::Failed(refusal.to_string())),
            _ => Some(Answer::Failed("the gateway does not serve this".to_string())),
        }
    }
}
