//! An action with its templates filled for one message, for those who want to see it before it happens.

use super::{Action, FORMATS, Format};
use crate::message::Message;
use crate::statement::Fault;
use crate::template::Template;

/// A setting of an action and what it is for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// As it is called in the definition.
    pub name: &'static str,
    /// The value, or why there is none.
    pub value: Result<String, Fault>,
    /// The text it was filled from, where that holds an expression.
    pub template: Option<String>,
}

impl Action {
    /// Every setting of the action for `message`, the target first.
    pub fn filled(&self, message: &Message<'_>) -> Vec<Filled> {
        let plain = |name, value: &str| Filled { name, value: Ok(value.to_owned()), template: None };
        let mut filled = vec![plain(self.kind.key(), &self.target)];
        filled.extend(self.templates().map(|(name, template)| Filled {
            name,
            value: template.render(message),
            template: template.as_constant().is_none().then(|| template.source().to_owned()),
        }));
        if self.format != Format::default() {
            let format = FORMATS.iter().find(|(_, format)| *format == self.format);
            filled.extend(format.map(|(name, _)| plain("format", name)));
        }
        filled
    }

    /// Every template of the action, by the name of its setting.
    pub fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        self.partition_key.iter().map(|template| ("partition_key", template))
    }
}
