//! Windows over time: rows leave on a lane of the gateway's own, and what closed windows make comes back as events.

use super::deliver::limits;
use super::evaluate::WindowedRules;
use crate::gateway::Gateway;
use anyhow::Context;
use journal::state::StateStore;
use rules::definition::Definition;
use std::sync::Arc;
use windows::Windows;

/// Takes up the windows of the last run, and begins to fold rows. To be done once targets are declared and before the first publish.
///
/// # Errors
/// What was kept can't be read.
pub(crate) async fn open(gateway: &Arc<Gateway>, state: &StateStore) -> anyhow::Result<()> {
    let windows = tokio::task::block_in_place(|| take_up(gateway, state)).context("windows of rules")?;
    let windows = Arc::new(windows);
    windows.serve(&gateway.bus, limits(&gateway.settings.raw)).await.context("windows of rules")?;
    let weak = Arc::downgrade(&windows);
    gateway.definitions.before_each_change(move |rules| {
        let definitions = rules.iter().cloned().collect();
        if weak.upgrade().is_some_and(|windows| !windows.in_force(definitions)) {
            tracing::error!(
                "the windows of changed rules could not be written down before their first message"
            );
        }
    });
    let is_first = gateway.windows.set(windows).is_ok();
    debug_assert!(is_first, "they are taken up once");
    Ok(())
}

fn take_up(gateway: &Arc<Gateway>, state: &StateStore) -> Result<Windows, windows::RestoreError> {
    let rules = Arc::new(WindowedRules { gateway: Arc::clone(gateway) });
    let in_force: Vec<Arc<Definition>> = gateway.definitions.active().iter().cloned().collect();
    Windows::open(state, &gateway.bus, rules, &in_force, gateway.clock.clone())
}

/// Sends on what windows make, until the gateway has ended.
pub(crate) async fn emit(gateway: Arc<Gateway>) {
    if let Some(windows) = gateway.windows.get() {
        windows.emit(gateway.bus.clone(), gateway.ended.clone()).await;
    }
}

/// Ends the folding. The lanes are drained before. Blocks.
pub(crate) fn close(gateway: &Gateway) {
    if let Some(windows) = gateway.windows.get() {
        windows.close();
    }
}
