//! A client that may do everything. A file of its own, so that a bench or a test without the stage can include it.

use broker::Attachment;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Anyone;

impl Attachment for Anyone {
    fn may_receive(&self, _topic: &str) -> bool {
        true
    }

    fn owner(&self) -> Arc<str> {
        "anyone".into()
    }

    fn owns(&self, _: &str) -> bool {
        true
    }

    fn persisted(&self) -> Arc<str> {
        "anyone".into()
    }
}
