//! Who can be asked, and which of them a gateway has: what it has not is refused when a rule is created.

use std::sync::Arc;

use crate::protobuf::Descriptors;

/// A service that a function of the SQL asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Device shadows: `get_thing_shadow`.
    Shadow,
    /// The registry of things: `get_registry_data`.
    Registry,
    /// Tables of a database: `get_dynamodb`.
    Table,
    /// Functions: `aws_lambda`.
    Lambda,
    /// Models of Amazon Machine Learning: `machinelearning_predict`.
    Model,
    /// Secrets: `get_secret`.
    Secret,
}

/// What is particular about a service.
struct Entry {
    service: Service,
    /// The function that asks it.
    function: &'static str,
    /// Where the role stands that AWS lets the call run as, by the number of arguments; no other number is allowed.
    forms: &'static [(usize, Option<usize>)],
    /// Whether a statement may call it only once.
    once: bool,
    /// What there is not, where it is not offered.
    missing: &'static str,
    /// What to do instead.
    instead: &'static str,
}

/// Every service. One line each here, and the function in `functions/outside.rs`.
const SERVICES: &[Entry] = &[
    Entry {
        service: Service::Shadow,
        function: "get_thing_shadow",
        forms: &[(1, None), (2, Some(1)), (3, Some(2))],
        once: false,
        missing: "this gateway has no device shadows",
        instead: "let the device send the value with its messages, or look it up in a local function: `aws_lambda('name', {…})`",
    },
    Entry {
        service: Service::Registry,
        function: "get_registry_data",
        forms: &[(2, None), (3, Some(2))],
        once: true,
        missing: "there is no registry of things here",
        instead: "run it on a gateway, or give the answer among the fixtures of the case",
    },
    Entry {
        service: Service::Table,
        function: "get_dynamodb",
        forms: &[(3, None), (4, Some(3)), (5, None), (6, Some(5))],
        once: true,
        missing: "this gateway reaches no DynamoDB",
        instead: "look the item up in a local function: `aws_lambda('name', {…})`",
    },
    Entry {
        service: Service::Lambda,
        function: "aws_lambda",
        forms: &[(2, None)],
        once: false,
        missing: "there are no functions here",
        instead: "run it on a gateway that declares the function, or give the answer among the fixtures of the case",
    },
    Entry {
        service: Service::Model,
        function: "machinelearning_predict",
        forms: &[(2, None), (3, Some(1))],
        once: false,
        missing: "Amazon Machine Learning is a legacy service and not served here",
        instead: "run the model in a local function: `aws_lambda('name', {…})`",
    },
    Entry {
        service: Service::Secret,
        function: "get_secret",
        forms: &[(2, None), (3, Some(2)), (4, Some(3))],
        once: false,
        missing: "this gateway hands no secrets to rules",
        instead: "give the secret to the target that needs it, in the settings",
    },
];

impl Service {
    /// The service that the function of this name asks.
    pub(crate) fn of_function(name: &str) -> Option<Self> {
        SERVICES.iter().find(|entry| entry.function == name).map(|entry| entry.service)
    }

    fn entry(self) -> &'static Entry {
        SERVICES.iter().find(|entry| entry.service == self).expect("every service is in the list")
    }

    /// The function that asks it.
    pub fn function(self) -> &'static str {
        self.entry().function
    }

    /// Where the role stands in a call with so many arguments; nothing when there is no such call.
    pub(crate) fn role_place(self, arguments: usize) -> Option<Option<usize>> {
        self.entry().forms.iter().find(|(count, _)| *count == arguments).map(|(_, place)| *place)
    }

    pub(crate) fn is_once(self) -> bool {
        self.entry().once
    }

    /// What there is not, where it is not offered, and what to do instead.
    pub(crate) fn absence(self) -> (&'static str, &'static str) {
        (self.entry().missing, self.entry().instead)
    }
}

/// The services that there are, told when a statement is compiled. The standard is: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    services: Vec<Service>,
    functions: Option<Arc<[String]>>,
    descriptors: Option<Arc<Descriptors>>,
}

impl Capabilities {
    /// Nobody can be asked.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everybody can be asked, functions of any name.
    pub fn all() -> Self {
        Self {
            services: SERVICES.iter().map(|entry| entry.service).collect(),
            functions: None,
            descriptors: None,
        }
    }

    /// The same and this service.
    #[must_use]
    pub fn with(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// The same and the functions of these names: another name is refused where the statement says it.
    #[must_use]
    pub fn with_functions(self, names: impl IntoIterator<Item = String>) -> Self {
        let functions = Some(names.into_iter().collect());
        Self { functions, ..self.with(Service::Lambda) }
    }

    /// The same and these descriptor files, for `decode` with the scheme `proto`.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Arc<Descriptors>) -> Self {
        Self { descriptors: Some(descriptors), ..self }
    }

    /// The descriptor files, where there are some.
    pub fn descriptors(&self) -> Option<&Descriptors> {
        self.descriptors.as_deref()
    }

    /// Whether the service can be asked.
    pub fn offers(&self, service: Service) -> bool {
        self.services.contains(&service)
    }

    /// The names of the functions, where they are known.
    pub fn functions(&self) -> Option<&[String]> {
        self.functions.as_deref()
    }
}
