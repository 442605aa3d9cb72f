//! Answers that a message already has. They stay as they are as long as the message is looked at, so that evaluating again gives the same.

use std::cell::RefCell;

use super::{Answer, Outside, Question};

/// The most answers that are kept for one message.
const ANSWERS_MAX: usize = 256;

/// The answers of one message, whichever rule asked.
#[derive(Debug, Default)]
pub struct Answers {
    given: RefCell<Vec<(Question, Answer)>>,
}

impl Answers {
    /// Adds an answer. The first one to a question counts.
    pub fn add(&self, question: Question, answer: Answer) {
        if self.find(&question).is_none() {
            self.given.borrow_mut().push((question, answer));
        }
    }

    /// The answer to a question, if it was given.
    pub fn find(&self, question: &Question) -> Option<Answer> {
        let given = self.given.borrow();
        given.iter().find(|(asked, _)| asked == question).map(|(_, answer)| answer.clone())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.given.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer that is there, or that is given at once. What is given at once is kept too: it may change while the message waits.
    pub(crate) fn answer(&self, question: &Question, outside: &dyn Outside) -> Option<Answer> {
        if let Some(known) = self.find(question) {
            return Some(known);
        }
        let answer = outside.answer(question)?;
        if self.len() < ANSWERS_MAX {
            self.given.borrow_mut().push((question.clone(), answer.clone()));
        }
        Some(answer)
    }
}
