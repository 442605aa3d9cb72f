//! Making, finding, purging, tagging and deleting queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use targets::queue::Queue;

use super::{attributes, faults};
use crate::aws::{Call, Fault, Nothing};

/// Most queues in one answer.
const LIST_MAX: usize = 1_000;

impl Call {
    /// The URL of a queue, as this client reaches it.
    pub(super) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.base_url, self.aws.settings.account_id)
    }

    /// The ARN of a queue.
    pub(super) fn queue_arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.aws.settings.region, self.aws.settings.account_id)
    }

    /// The queue that a URL names; a bare name does too. The host is not looked at: a client may have reached us under
    /// another one.
    pub(super) fn queue(&self, url: Option<&str>) -> Result<Arc<Queue>, Fault> {
        let url = url.filter(|url| !url.is_empty()).ok_or_else(|| faults::missing("QueueUrl"))?;
        let mut parts = url.trim_end_matches('/').rsplit('/');
        let name = parts.next().unwrap_or_default();
        if parts.next().is_some_and(|account| account != self.aws.settings.account_id) {
            return Err(faults::fault(
                "QueueDoesNotExist",
                format!("`{url}` is not the URL of a queue here"),
            ));
        }
        self.aws.queues.get(name).map_err(|error| faults::of(&error))
    }

    /// The name of the queue of an ARN.
    pub(super) fn name_in_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let name = arn.rsplit(':').next()?;
        (arn == self.queue_arn(name)).then_some(name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByUrl {
    queue_url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Url {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    queue_name: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    /// The one member that the protocol writes in lower case.
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

pub(super) async fn create(call: Call, request: Create) -> Result<Url, Fault> {
    let name = request.queue_name.ok_or_else(|| faults::missing("QueueName"))?;
    let changes = attributes::Changes::read(&call, &request.attributes)?;
    let shape = move |attributes: &mut _| changes.apply(attributes);
    let made = call.aws.queues.create(&name, shape, request.tags).await;
    let queue = made.map_err(|error| faults::of(&error))?;
    Ok(Url { queue_url: call.queue_url(queue.name()) })
}

pub(super) async fn delete(call: Call, request: ByUrl) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    call.aws.queues.delete(queue.name()).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

pub(super) async fn purge(call: Call, request: ByUrl) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    call.aws.queues.purge(queue.name()).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

pub(super) async fn url(call: Call, request: ByName) -> Result<Url, Fault> {
    let name = request.queue_name.ok_or_else(|| faults::missing("QueueName"))?;
    if request.owner.is_some_and(|owner| owner != call.aws.settings.account_id) {
        return Err(faults::fault("QueueDoesNotExist", "queues of other accounts are not here"));
    }
    let queue = call.aws.queues.get(&name).map_err(|error| faults::of(&error))?;
    Ok(Url { queue_url: call.queue_url(queue.name()) })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    queue_name_prefix: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn list(call: Call, request: List) -> Result<Listed, Fault> {
    let queues = call.aws.queues.list(&request.queue_name_prefix);
    let (queue_urls, next_token) = page(&call, &queues, request.max_results, request.next_token.as_deref())?;
    Ok(Listed { queue_urls, next_token })
}

/// One page of URLs in order of name; the token is the last name of the page before.
fn page(
    call: &Call,
    queues: &[Arc<Queue>],
    results_max: Option<usize>,
    after: Option<&str>,
) -> Result<(Vec<String>, Option<String>), Fault> {
    if results_max.is_some_and(|results_max| !(1..=LIST_MAX).contains(&results_max)) {
        return Err(faults::invalid_value(format!("`MaxResults` must be from 1 to {LIST_MAX}")));
    }
    let results_max = results_max.unwrap_or(LIST_MAX);
    let rest: Vec<_> = queues.iter().filter(|queue| after.is_none_or(|after| queue.name() > after)).collect();
    let urls = rest.iter().take(results_max).map(|queue| call.queue_url(queue.name())).collect();
    let next = (rest.len() > results_max).then(|| rest[results_max - 1].name().to_owned());
    Ok((urls, next))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSources {
    queue_url: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Sources {
    /// The protocol writes this one in lower case.
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn dead_letter_sources(call: Call, request: ListSources) -> Result<Sources, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let sources = call.aws.queues.sources_of(queue.name());
    let (queue_urls, next_token) = page(&call, &sources, request.max_results, request.next_token.as_deref())?;
    Ok(Sources { queue_urls, next_token })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    queue_url: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// Most tags of a queue, as with SQS.
const TAGS_MAX: usize = 50;

pub(super) async fn tag(call: Call, request: Tag) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let mut all = call.aws.queues.tags(queue.name()).map_err(|error| faults::of(&error))?;
    all.extend(request.tags.clone());
    if all.len() > TAGS_MAX {
        return Err(faults::invalid_value(format!("a queue has at most {TAGS_MAX} tags")));
    }
    let change = move |tags: &mut BTreeMap<String, String>| tags.extend(request.tags);
    call.aws.queues.change_tags(queue.name(), change).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

pub(super) async fn untag(call: Call, request: Tag) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let change = move |tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !request.tag_keys.contains(key));
    };
    call.aws.queues.change_tags(queue.name(), change).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tags {
    tags: BTreeMap<String, String>,
}

pub(super) async fn list_tags(call: Call, request: ByUrl) -> Result<Tags, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let tags = call.aws.queues.tags(queue.name()).map_err(|error| faults::of(&error))?;
    Ok(Tags { tags })
}
