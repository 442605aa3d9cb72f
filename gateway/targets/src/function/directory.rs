//! The functions of a gateway by name, as the API finds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::invoke::Function;
use super::queued::Queued;

/// One function, and its queued invocations.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The function.
    pub function: Arc<Function>,
    /// What is to be called later.
    pub queued: Arc<Queued>,
}

/// Every function. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    declared: Arc<BTreeMap<String, Declared>>,
}

impl Functions {
    /// A directory of these.
    #[must_use]
    pub fn new(declared: impl IntoIterator<Item = Declared>) -> Self {
        let named =
            declared.into_iter().map(|declared| (declared.function.settings().name.clone(), declared));
        Self { declared: Arc::new(named.collect()) }
    }

    /// The function of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Declared> {
        self.declared.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Declared> {
        self.declared.values()
    }
}
