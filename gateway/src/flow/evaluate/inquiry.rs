//! A message some of whose rules wait for answers: asks, and evaluates those rules again.
//!
//! The rules stay those that were in force when the message came. What is equal is asked once, whichever rules ask.

use super::describe::{Held, Surroundings, describe};
use super::draws::Draws;
use super::report::Sent;
use super::{Evaluated, consider};
use crate::client::Client;
use crate::flow::outside::{self, Desk};
use crate::gateway::Gateway;
use bus::Record;
use mqtt::Publish;
use rules::definition::Definition;
use rules::outside::{Answer, Answers, Question};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// The most questions that are asked for one message, by all its rules.
const QUESTIONS_MAX: usize = 64;

/// A rule that waits.
pub(super) struct OpenRule {
    pub(super) rule: Arc<Definition>,
    /// Its number among those that see the message.
    pub(super) number: u64,
    pub(super) question: Question,
}

/// A message that waits for answers.
pub(crate) struct Inquiry {
    /// With the events of the rules that have had their say.
    record: Record,
    open: Vec<OpenRule>,
    draws: Draws,
    answers: Answers,
    asked: usize,
    under_way: JoinSet<(Question, Answer)>,
    /// Why nothing more is asked, if so.
    refusal: Option<&'static str>,
    /// One of the places of those that wait.
    _place: Option<OwnedSemaphorePermit>,
}

impl Inquiry {
    pub(super) fn begin(
        gateway: &Gateway,
        record: Record,
        open: Vec<OpenRule>,
        draws: Draws,
        answers: Answers,
    ) -> Self {
        let place = Arc::clone(&gateway.functions.places).try_acquire_owned().ok();
        let refusal = place.is_none().then_some("too many messages wait for functions");
        let under_way = JoinSet::new();
        Self { record, open, draws, answers, asked: 0, under_way, refusal, _place: place }
    }

    /// Asks what is open, and evaluates again as long as that leads on without waiting.
    pub(super) fn go_on(
        mut self,
        gateway: &Gateway,
        client: Option<&Client>,
        publish: &Publish,
    ) -> Evaluated {
        while !self.open.is_empty() {
            if self.refusal.is_none() && self.asked >= QUESTIONS_MAX {
                self.refusal = Some("too much was asked for one message");
            }
            if self.refusal.is_none() {
                self.ask(gateway);
                return Err(Box::new(self));
            }
            self.look_again(gateway, client, publish);
        }
        Ok(self.record)
    }

    fn ask(&mut self, gateway: &Gateway) {
        let mut questions: Vec<&Question> = Vec::new();
        for open in &self.open {
            if questions.len() < QUESTIONS_MAX && !questions.contains(&&open.question) {
                questions.push(&open.question);
            }
        }
        self.asked += questions.len();
        for question in questions {
            self.under_way.spawn(outside::call(gateway, question.clone()));
        }
    }

    /// Waits for the answers. Safe to cancel. What was asked is not asked again after that.
    pub(in crate::flow) async fn answered(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            // A call that panicked has no answer; the question is answered as failed below.
            if let Ok((question, answer)) = ended {
                self.answers.add(question, answer);
            }
        }
        for open in &self.open {
            if self.answers.find(&open.question).is_none() {
                let failed = Answer::Failed("too much was asked for one message".to_string());
                self.answers.add(open.question.clone(), failed);
            }
        }
    }

    /// Gives up waiting: what has no answer yet is taken as failed, and nothing more is asked.
    pub(in crate::flow) fn give_up(&mut self, reason: &'static str) {
        self.under_way.abort_all();
        self.refusal = Some(reason);
    }

    /// Evaluates with the answers that are there.
    pub(in crate::flow) fn with_answers(
        mut self,
        gateway: &Gateway,
        client: Option<&Client>,
        publish: &Publish,
    ) -> Evaluated {
        self.look_again(gateway, client, publish);
        self.go_on(gateway, client, publish)
    }

    fn look_again(&mut self, gateway: &Gateway, client: Option<&Client>, publish: &Publish) {
        let held = Held::of(&publish.properties, self.record.base);
        let desk = Desk::new(gateway, self.refusal);
        let surroundings = Surroundings { draws: &self.draws, desk: &desk, answers: &self.answers };
        let now_ms = self.record.accepted_at_ms;
        let message = describe(gateway, client, publish, &held, now_ms, &surroundings);
        let sent = Sent { client, topic: &publish.topic, message: &message };
        for OpenRule { rule, number, question } in std::mem::take(&mut self.open) {
            let answer = self.answers.find(&question).or_else(|| message.outside.answer(&question));
            if let Some(Answer::Failed(reason)) = answer {
                report_failed(gateway, &rule, &question, &reason, &publish.topic);
            }
            self.draws.begin(number);
            if let Some(question) = consider(gateway, &sent, &rule, &mut self.record) {
                self.open.push(OpenRule { rule, number, question });
            }
        }
    }
}

/// Counts a call without an answer for its rule, and says so in the log as often as the log bears.
fn report_failed(gateway: &Gateway, rule: &Definition, question: &Question, reason: &str, topic: &str) {
    gateway.counters.rule_calls_failed.increment(&rule.name);
    let Some(left_out) = gateway.counters.rule_lines.admit(&rule.name) else { return };
    tracing::warn!(
        rule = rule.name,
        call = question.to_string(),
        topic,
        reason,
        left_out,
        "a call of a rule failed, its value is Undefined"
    );
}
