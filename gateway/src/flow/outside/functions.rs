//! Local functions as rules call them with `aws_lambda`.

use crate::gateway::Gateway;
use bytes::Bytes;
use rules::Payload;
use rules::outside::{Answer, Question};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use targets::function::{Function, InvokeError};
use tokio::sync::Semaphore;

/// How long a function may take for a rule, its start included; AWS gives it as long.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(2_000);
/// The largest answer that a rule gets.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Messages of the whole gateway that may wait for functions. Beyond that calls fail at once: a function that is down must hold neither
/// the memory of a whole fleet's messages nor the fleet.
const MESSAGES_MAX: usize = 1_024;
/// Of those, how many publishes by HTTP request: they have places of their own, which one slow function must not take from all.
const HTTP_MESSAGES_MAX: usize = 128;

/// The functions of the settings, by name, and the places of messages that wait for them.
pub(crate) struct Functions {
    declared: OnceLock<HashMap<String, Arc<Function>>>,
    pub(in crate::flow) places: Arc<Semaphore>,
    pub(in crate::flow) http_places: Arc<Semaphore>,
}

impl Default for Functions {
    fn default() -> Self {
        Self {
            declared: OnceLock::new(),
            places: Arc::new(Semaphore::new(MESSAGES_MAX)),
            http_places: Arc::new(Semaphore::new(HTTP_MESSAGES_MAX)),
        }
    }
}

impl Functions {
    /// Says which functions there are; once, before the first publish.
    pub(in crate::flow) fn declare(&self, functions: HashMap<String, Arc<Function>>) {
        // A second time would be a defect without consequence: the functions are those of the settings.
        let _ = self.declared.set(functions);
    }

    /// Messages that wait for functions.
    pub(crate) fn waiting(&self) -> u64 {
        MESSAGES_MAX.saturating_sub(self.places.available_permits()) as u64
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Function>> {
        let declared = self.declared.get().into_iter().flat_map(HashMap::values);
        let mut all: Vec<_> = declared.cloned().collect();
        all.sort_by(|left, right| left.settings().name.cmp(&right.settings().name));
        all
    }

    fn get(&self, name: &str) -> Option<Arc<Function>> {
        self.declared.get()?.get(name).cloned()
    }
}

/// Asks a function. Done in [`ANSWER_TIME_MAX`]; may be dropped at any time.
pub(in crate::flow) fn call(
    gateway: &Gateway,
    question: Question,
) -> impl Future<Output = (Question, Answer)> + Send + use<> {
    let found = match &question {
        Question::Lambda { function, argument } => {
            gateway.functions.get(function).map(|found| (found, argument.clone()))
        }
        _ => None,
    };
    async move {
        let answer = match found {
            Some((function, argument)) => answer(&function, argument).await,
            None => Answer::Failed("there is no such function".to_string()),
        };
        (question, answer)
    }
}

async fn answer(function: &Arc<Function>, argument: Bytes) -> Answer {
    match function.invoke_within(argument, ANSWER_TIME_MAX).await {
        Err(error) => Answer::Failed(told(&error)),
        Ok(response) => match (response.error, response.payload) {
            (Some(error), _) => Answer::Failed(format!("the handler failed: {error}")),
            (None, payload) if payload.len() > ANSWER_BYTES_MAX => {
                let bytes = payload.len();
                Answer::Failed(format!("the answer has {bytes} bytes, the limit is {ANSWER_BYTES_MAX}"))
            }
            (None, payload) if !Payload::new(&payload).is_json() => {
                Answer::Failed("the answer is no JSON".to_string())
            }
            (None, payload) => Answer::Json(payload),
        },
    }
}

fn told(error: &InvokeError) -> String {
    format!("{error} ({})", error.code())
}
