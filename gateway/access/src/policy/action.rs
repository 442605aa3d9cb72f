//! Actions.

use super::PolicyProblem;
use super::pattern::Pattern;
use super::resource::ResourceKind;
use crate::nearest::nearest;
use std::fmt;

/// The actions that MQTT asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// `iot:Connect`, on `client/{client id}`.
    Connect,
    /// `iot:Publish`, on `topic/{topic}`.
    Publish,
    /// `iot:RetainPublish`, on `topic/{topic}`, beside `iot:Publish`.
    RetainPublish,
    /// `iot:Receive`, on `topic/{topic}`, at every delivery.
    Receive,
    /// `iot:Subscribe`, on `topicfilter/{filter}`.
    Subscribe,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Connect, Self::Publish, Self::RetainPublish, Self::Receive, Self::Subscribe];

    /// The name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "iot:Connect",
            Self::Publish => "iot:Publish",
            Self::RetainPublish => "iot:RetainPublish",
            Self::Receive => "iot:Receive",
            Self::Subscribe => "iot:Subscribe",
        }
    }

    /// The kind of resource it is checked against.
    pub(crate) const fn resource_kind(self) -> ResourceKind {
        match self {
            Self::Connect => ResourceKind::Client,
            Self::Publish | Self::RetainPublish | Self::Receive => ResourceKind::Topic,
            Self::Subscribe => ResourceKind::TopicFilter,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Legal in a policy, but asked about by no part of MQTT: the rest of the AWS IoT data plane and what devices meet of
/// its control plane.
const INERT: [&str; 26] = [
    "iot:AssumeRoleWithCertificate",
    "iot:CreateCertificateFromCsr",
    "iot:CreateKeysAndCertificate",
    "iot:DeleteConnection",
    "iot:DeleteThingShadow",
    "iot:DescribeCertificate",
    "iot:DescribeEndpoint",
    "iot:DescribeJobExecution",
    "iot:DescribeThing",
    "iot:GetConnection",
    "iot:GetPendingJobExecutions",
    "iot:GetRetainedMessage",
    "iot:GetThingShadow",
    "iot:ListNamedShadowsForThing",
    "iot:ListRetainedMessages",
    "iot:ListSubscriptions",
    "iot:RegisterThing",
    "iot:SendDirectMessage",
    "iot:StartNextPendingJobExecution",
    "iot:UpdateJobExecution",
    "iot:UpdateThingShadow",
    "iotjobsdata:DescribeJobExecution",
    "iotjobsdata:GetPendingJobExecutions",
    "iotjobsdata:StartNextPendingJobExecution",
    "iotjobsdata:UpdateJobExecution",
    "greengrass:Discover",
];

/// A set of MQTT actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet(u8);

impl ActionSet {
    pub(crate) fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The MQTT actions that a word of a policy names; empty when it names only others. Case does not matter.
    pub(crate) fn parse(word: &str) -> Result<Self, PolicyProblem> {
        let pattern = Pattern::of_wildcards(&word.to_ascii_lowercase());
        let named = |name: &str| pattern.matches(&name.to_ascii_lowercase());
        let set = Action::ALL.iter().filter(|action| named(action.name()));
        let set = Self(set.fold(0, |bits, action| bits | 1 << *action as u8));
        if !set.is_empty() || INERT.iter().any(|name| named(name)) {
            return Ok(set);
        }
        let known = Action::ALL.iter().map(|action| action.name()).chain(INERT);
        Err(PolicyProblem::Unknown {
            what: "action",
            word: word.to_owned(),
            nearest: nearest(word, known).map(str::to_owned),
        })
    }
}
