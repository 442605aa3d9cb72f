//! The SQS JSON protocol, `AmazonSQS.*` in `application/x-amz-json-1.0`.

mod attributes;
mod faults;
mod messages;
mod moves;
mod queues;
mod refused;
mod values;
mod visibility;

#[cfg(test)]
mod tests;

use crate::aws::{Operation, operations};

/// Every operation of the protocol that is answered.
pub(crate) const OPERATIONS: &[Operation] = operations![
    "CreateQueue" => queues::create,
    "DeleteQueue" => queues::delete,
    "ListQueues" => queues::list,
    "GetQueueUrl" => queues::url,
    "PurgeQueue" => queues::purge,
    "GetQueueAttributes" => attributes::get,
    "SetQueueAttributes" => attributes::set,
    "ListDeadLetterSourceQueues" => queues::dead_letter_sources,
    "SendMessage" => messages::send,
    "SendMessageBatch" => messages::send_batch,
    "ReceiveMessage" => messages::receive,
    "DeleteMessage" => visibility::delete,
    "DeleteMessageBatch" => visibility::delete_batch,
    "ChangeMessageVisibility" => visibility::change,
    "ChangeMessageVisibilityBatch" => visibility::change_batch,
    "TagQueue" => queues::tag,
    "UntagQueue" => queues::untag,
    "ListQueueTags" => queues::list_tags,
    "AddPermission" => refused::permissions,
    "RemovePermission" => refused::permissions,
    "StartMessageMoveTask" => moves::start,
    "CancelMessageMoveTask" => moves::cancel,
    "ListMessageMoveTasks" => moves::list,
];
