//! SQS's names for what a queue refuses.

use axum::http::StatusCode;
use targets::queue::{AttributeError, MoveFault, ParameterFault, QueueError};

use crate::aws::Fault;

/// The names that the query protocol had, where they differ.
const QUERY_CODES: &[(&str, &str)] = &[
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

/// A fault of the caller under SQS's name for it.
pub(super) fn fault(code: &'static str, message: impl Into<String>) -> Fault {
    let query_code = QUERY_CODES.iter().find(|(json, _)| *json == code).map(|(_, query)| *query);
    Fault { query_code, ..Fault::sender(code, message) }
}

pub(super) fn invalid_value(message: impl Into<String>) -> Fault {
    fault("InvalidParameterValue", message)
}

pub(super) fn unsupported(message: impl Into<String>) -> Fault {
    fault("UnsupportedOperation", message)
}

pub(super) fn missing(parameter: &str) -> Fault {
    fault("MissingParameter", format!("the request must contain the parameter `{parameter}`"))
}

/// What a queue refuses, as SQS would say it.
pub(super) fn of(error: &QueueError) -> Fault {
    let message = error.to_string();
    match error {
        QueueError::Unknown { .. } => fault("QueueDoesNotExist", message),
        QueueError::Exists { .. } => fault("QueueNameExists", message),
        QueueError::Name { .. } | QueueError::FifoName { .. } | QueueError::DeadLetterQueue { .. } => {
            invalid_value(message)
        }
        QueueError::Attribute(AttributeError::FifoEnding) => invalid_value(message),
        QueueError::Parameter(ParameterFault::Missing { .. }) => fault("MissingParameter", message),
        QueueError::Parameter(_) => invalid_value(message),
        QueueError::Declared { .. } => unsupported(message),
        QueueError::Move(MoveFault::NoDestination { .. } | MoveFault::Unknown) => {
            fault("ResourceNotFoundException", message)
        }
        QueueError::Move(MoveFault::Rate | MoveFault::SameQueue | MoveFault::OtherType) => {
            invalid_value(message)
        }
        QueueError::Move(_) => unsupported(message),
        QueueError::Attribute(AttributeError::FifoOnly { .. }) => fault("InvalidAttributeName", message),
        QueueError::Attribute(_) => fault("InvalidAttributeValue", message),
        QueueError::Handle { .. } => {
            Fault { status: StatusCode::NOT_FOUND, ..fault("ReceiptHandleIsInvalid", message) }
        }
        QueueError::NotInFlight => fault("MessageNotInflight", message),
        QueueError::VisibilityTooLong | QueueError::TooLarge { .. } => invalid_value(message),
        QueueError::OverLimit { .. } | QueueError::TooMany { .. } => {
            Fault { status: StatusCode::FORBIDDEN, ..fault("OverLimit", message) }
        }
        QueueError::TooManyWaiting { .. } => {
            Fault { code: "RequestThrottled", ..Fault::unavailable(message) }
        }
        QueueError::NotTaken(error) if error.is_temporary() => Fault::unavailable(message),
        QueueError::NotWritten(_) => Fault::unavailable(message),
        QueueError::NotTaken(_)
        | QueueError::DamagedDefinition { .. }
        | QueueError::Thread(_)
        | QueueError::NotAttached(_)
        | QueueError::State(_)
        | QueueError::NotRead(_) => Fault::internal(message),
    }
}
