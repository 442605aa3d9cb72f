//! Calls that ask the world outside: an answer that is there is a value, one that isn't stops the evaluation.

use std::cell::RefCell;

use crate::evaluate::{Evaluation, Limit, Scope};
use crate::json::Tape;
use crate::misfit::MisfitKind;
use crate::outside::{Answer, Question, Service};
use crate::plan::Plan;
use crate::statement::Fault;
use crate::value::Value;

/// A call of a service, its role left out.
#[derive(Debug)]
pub(crate) struct AskPlan {
    pub(crate) service: Service,
    pub(crate) arguments: Vec<Plan>,
}

/// What an evaluation has asked so far.
#[derive(Default)]
pub(crate) struct Asked {
    questions: RefCell<Vec<Question>>,
    /// Why the last question could not be answered, for whoever looks for places.
    failure: RefCell<Option<String>>,
}

impl Asked {
    /// Notes a question; how many different ones there are now.
    fn note(&self, question: &Question) -> usize {
        let mut questions = self.questions.borrow_mut();
        if !questions.contains(question) {
            questions.push(question.clone());
        }
        questions.len()
    }

    /// The evaluation stopped at the last question.
    pub(crate) fn unanswered(&self) -> Fault {
        let questions = self.questions.borrow();
        let last = questions.last().expect("an evaluation stops at a question that was noted");
        Fault::Unanswered(Box::new(last.clone()))
    }

    /// Why the last question could not be answered, told once.
    pub(crate) fn take_failure(&self) -> Option<String> {
        self.failure.borrow_mut().take()
    }
}

impl<'v> Evaluation<'v> {
    pub(crate) fn ask(&self, plan: &'v AskPlan, scope: Scope<'_, 'v>) -> Value<'v> {
        let arguments: Vec<Value<'v>> =
            plan.arguments.iter().map(|argument| self.value(argument, scope)).collect();
        if self.has_stopped() {
            return Value::Undefined;
        }
        let Some(question) = Question::of(plan.service, &arguments) else {
            if arguments.iter().all(Value::is_there) {
                self.misfit(MisfitKind::Function);
            }
            return Value::Undefined;
        };
        if question.bytes() > self.options.output_bytes_max {
            return self.stop(Limit::Bytes);
        }
        if self.asked.note(&question) > self.options.questions_max {
            return self.stop(Limit::Questions);
        }
        let message = self.message;
        let answer = match message.answers {
            Some(answers) => answers.answer(&question, message.outside),
            None => message.outside.answer(&question),
        };
        match answer {
            Some(Answer::Json(text)) => match Tape::read(&text) {
                Some(tape) => Value::copied_from(tape.root(&text)),
                None => self.failed("its answer is no JSON".to_owned()),
            },
            Some(Answer::Nothing) => Value::Undefined,
            Some(Answer::Failed(reason)) => self.failed(reason),
            None => self.stop(Limit::Unanswered),
        }
    }

    fn failed(&self, reason: String) -> Value<'v> {
        self.misfit(MisfitKind::Function);
        *self.asked.failure.borrow_mut() = Some(reason);
        Value::Undefined
    }
}
