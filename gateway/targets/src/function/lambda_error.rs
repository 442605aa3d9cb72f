//! Errors in the words in which Lambda tells callers of them.

use serde_json::{Value, json};

use super::error::InvokeError;

/// The code of an instance that was stopped for want of memory, which Lambda has a word for.
const OUT_OF_MEMORY: &str = "FUNCTION_OUT_OF_MEMORY";

impl InvokeError {
    /// The payload that a caller gets beside `X-Amz-Function-Error`.
    #[must_use]
    pub fn as_lambda(&self, request_id: &str) -> Value {
        let message = match self {
            Self::TimedOut { limit } => format!("Task timed out after {:.2} seconds", limit.as_secs_f64()),
            other => other.to_string(),
        };
        let message = format!("RequestId: {request_id} Error: {message}");
        json!({ "errorType": self.lambda_type(), "errorMessage": message })
    }

    fn lambda_type(&self) -> &str {
        match self {
            Self::Init(error) => &error.error_type,
            Self::TimedOut { .. } | Self::NotInTime { .. } | Self::InitTimedOut { .. } => "Sandbox.Timedout",
            Self::NotStarted { .. } => "Runtime.InvalidEntrypoint",
            Self::ResponseTooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::NotAnswered => "Runtime.InvalidStateTransition",
            Self::Stopped { code, .. } if *code == OUT_OF_MEMORY => "Runtime.OutOfMemory",
            _ => "Runtime.ExitError",
        }
    }

    /// True when the code was run, or at least started, and failed: the answer of `Invoke` is a function error then, and otherwise a
    /// refusal.
    #[must_use]
    pub fn is_of_function(&self) -> bool {
        !matches!(
            self,
            Self::PayloadTooLarge { .. } | Self::Throttled { .. } | Self::Busy { .. } | Self::Closed
        )
    }
}
