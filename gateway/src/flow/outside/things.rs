//! What the registry says of a thing, in the form of AWS IoT's operations.

use crate::gateway::Gateway;
use rules::outside::{Answer, RegistryRequest};
use serde_json::json;

pub(super) fn describe(gateway: &Gateway, request: RegistryRequest, name: &str) -> Answer {
    let Some(thing) = gateway.registry.thing(name) else { return Answer::Nothing };
    let raw = &gateway.settings.raw;
    let answer = match request {
        RegistryRequest::DescribeThing => {
            let mut answer = json!({
                "thingName": thing.name,
                "thingArn": format!("arn:aws:iot:{}:{}:thing/{}", raw.region, raw.account_id, thing.name),
                "defaultClientId": thing.name,
                "attributes": thing.attributes,
                "version": thing.version,
            });
            if let Some(thing_type) = thing.thing_type {
                answer["thingTypeName"] = thing_type.into();
            }
            answer
        }
        // The registry has no groups: a thing is in none.
        RegistryRequest::ListThingGroupsForThing => json!({ "thingGroups": [] }),
    };
    Answer::Json(answer.to_string().into())
}
