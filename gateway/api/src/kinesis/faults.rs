//! Kinesis's names for what a stream refuses.

use targets::stream::StreamError;

use crate::aws::Fault;

/// An argument that makes no sense.
pub(super) fn argument(message: impl Into<String>) -> Fault {
    Fault::sender("InvalidArgumentException", message)
}

pub(super) fn missing(parameter: &str) -> Fault {
    Fault::sender("ValidationException", format!("the request must contain the parameter `{parameter}`"))
}

/// What a stream refuses, as Kinesis would say it.
pub(super) fn of(error: &StreamError) -> Fault {
    let message = error.to_string();
    match error {
        StreamError::Unknown { .. } | StreamError::UnknownShard { .. } => {
            Fault::sender("ResourceNotFoundException", message)
        }
        StreamError::Exists { .. } => Fault::sender("ResourceInUseException", message),
        StreamError::Declared { .. } => Fault::sender("AccessDeniedException", message),
        StreamError::TooMany { .. } => Fault::sender("LimitExceededException", message),
        StreamError::Name { .. } => Fault::sender("ValidationException", message),
        StreamError::Attribute { .. } | StreamError::Argument { .. } => argument(message),
        StreamError::ExpiredIterator { .. } => Fault::sender("ExpiredIteratorException", message),
        // SDKs know this one as a reason to slow down and try again.
        StreamError::NotTaken(error) if error.is_temporary() => {
            Fault::sender("ProvisionedThroughputExceededException", message)
        }
        StreamError::NotTaken(_) => argument(message),
        StreamError::DamagedDefinition { .. }
        | StreamError::NotAttached(_)
        | StreamError::State(_)
        | StreamError::NotRead(_) => Fault::internal(message),
    }
}
