//! An action with its templates filled for one message, for those who want to see it before it happens.

use super::{Action, ActionFault, FORMATS, Format};
use crate::message::Message;
use crate::misfit::MisfitKinds;
use crate::template::Template;

/// A setting of an action and what it is for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// As it is called in the definition.
    pub name: String,
    /// The value, or why there is none.
    pub value: Result<String, ActionFault>,
    /// The text it was filled from, where that holds an expression.
    pub template: Option<String>,
}

impl Action {
    /// Every setting of the action for `message`, the target first.
    pub fn filled(&self, message: &Message<'_>) -> Vec<Filled> {
        let mut misfits = MisfitKinds::default();
        let settings = self.templates().map(|(name, template)| Filled {
            name: name.to_owned(),
            value: self.value(name, template, message, &mut misfits).map(Option::unwrap_or_default),
            template: template.as_constant().is_none().then(|| template.source().to_owned()),
        });
        let mut filled: Vec<Filled> = settings.collect();
        if self.format != Format::default() {
            let format = FORMATS.iter().find(|(_, format)| *format == self.format);
            filled.extend(format.map(|(name, _)| Filled {
                name: "format".to_owned(),
                value: Ok((*name).to_owned()),
                template: None,
            }));
        }
        filled
    }

    /// Every template of the action, by the name of its setting, the target first.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &Template)> {
        let target = std::iter::once((self.target_setting(), &self.target));
        let key = self.partition_key.iter().map(|template| ("partition_key", template));
        let parameters = self.parameters.iter().map(|parameter| (parameter.name.as_str(), &parameter.value));
        target.chain(key).chain(parameters)
    }
}
