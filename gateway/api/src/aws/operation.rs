//! An operation: a name, and what answers it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aws, Fault};
use crate::signature::Caller;

/// One request, read and believed.
pub(crate) struct Call {
    pub(crate) aws: Arc<Aws>,
    pub(crate) caller: Caller,
    /// How the client reaches us, as `http://127.0.0.1:8080`.
    pub(crate) base_url: String,
}

/// An answer on its way: the body, or why not.
pub(crate) type Answering = BoxFuture<'static, Result<Vec<u8>, Fault>>;

/// A line in a protocol's list of operations.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Call, Bytes) -> Answering,
}

/// The answer of an operation that has nothing to say.
#[derive(Serialize)]
pub(crate) struct Nothing {}

/// Makes a list of operations: each name with the function that takes a [`Call`] and its request.
macro_rules! operations {
    ($($name:literal => $answer:path,)*) => {
        &[$($crate::aws::Operation {
            name: $name,
            run: |call, body| Box::pin(async move {
                $crate::aws::Operation::write(&$answer(call, $crate::aws::Operation::read(&body)?).await?)
            }),
        },)*]
    };
}
pub(crate) use operations;

impl Operation {
    /// Reads a request. An empty body is an empty request.
    pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
        let body = if body.is_empty() { b"{}" } else { body };
        serde_json::from_slice(body).map_err(|error| {
            Fault::sender("SerializationException", format!("the request can't be read: {error}"))
        })
    }

    /// Writes an answer.
    pub(crate) fn write<T: Serialize>(answer: &T) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(answer)
            .map_err(|error| Fault::internal(format!("the answer can't be written: {error}")))
    }
}
