//! Step 3: may this client publish to this topic?

use crate::client::Client;
use crate::gateway::Gateway;
use access::{Denied, Permitted};
use mqtt::Publish;

/// Asks the policies. A denial is logged and counted here; the caller answers the client.
pub(super) fn authorise(
    gateway: &Gateway,
    client: &Client,
    publish: Publish,
) -> Result<Permitted<Publish>, Denied> {
    client.identity().authorise_publish(publish).inspect_err(|denied| {
        gateway.counters.publishes_denied.increment(denied.label());
        let Some(left_out) = gateway.counters.refusal_lines.admit() else { return };
        tracing::warn!(
            client_id = client.client_id(),
            thing = client.thing_name().as_deref(),
            certificate = client.fingerprint(),
            resource = denied.resource(),
            reason = %denied,
            left_out,
            "publish denied"
        );
    })
}
