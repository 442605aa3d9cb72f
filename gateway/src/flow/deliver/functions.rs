//! Functions: made from the settings, with one lane for events of rules and one for queued invocations.

use super::{declare, delivery, limits, own_delivery, within};
use crate::gateway::Gateway;
use crate::settings::{Function as Declaration, Raw};
use bus::TargetName;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use targets::function::{self, Declared, Function, Functions, Queued, QueuedSettings, queued};
use targets::wasm;

/// Makes every function and declares its lanes.
///
/// # Errors
/// The first that can't be made, and why.
pub(super) async fn open(gateway: &Gateway) -> anyhow::Result<Functions> {
    let raw = &gateway.settings.raw;
    let (mut called_by_rules, mut directory) = (HashMap::new(), Vec::new());
    for declaration in &raw.function {
        let function = made(raw, declaration)?;
        let own = own_delivery(&declaration.delivery, declaration.attempts_max, declaration.age_secs_max);
        let serving = within(function.delivery_settings(delivery(raw, &own)), &own);
        let target = Arc::clone(&function);
        declare(gateway, function::KIND, &declaration.name, target, serving).await?;

        let settings = queued_settings(raw, declaration)?;
        let queued = Queued::new(Arc::clone(&function), settings, &gateway.bus, gateway.clock.clone())?;
        let serving = queued.delivery_settings();
        declare(gateway, queued::KIND, &declaration.name, Arc::clone(&queued) as _, serving).await?;
        called_by_rules.insert(declaration.name.clone(), Arc::clone(&function));
        directory.push(Declared { function, queued });
    }
    // Rules call the same functions, and share their instances.
    gateway.functions.declare(called_by_rules);
    let functions = Functions::new(directory);
    functions.all().for_each(|declared| declared.function.warm_up());
    Ok(functions)
}

/// A function is a program, or a file of WebAssembly: the check of the settings saw exactly one of both.
fn made(raw: &Raw, declared: &Declaration) -> anyhow::Result<Arc<Function>> {
    let settings = settings(raw, declared);
    Ok(match &declared.wasm {
        None => Function::new(settings)?,
        Some(file) => {
            let fuel_max = declared.fuel_max.unwrap_or(wasm::FUEL_STANDARD);
            wasm::function(settings, wasm::Settings { file: file.clone(), fuel_max })?
        }
    })
}

fn settings(raw: &Raw, declared: &Declaration) -> function::Settings {
    let batch_window_ms = declared.delivery.batch_wait_ms.unwrap_or(declared.batch_window_ms);
    function::Settings {
        directory: declared.directory.clone(),
        handler: declared.handler.clone(),
        environment: declared.environment.clone(),
        timeout: Duration::from_secs(declared.timeout_secs),
        concurrency: declared.delivery.concurrency.unwrap_or(declared.concurrency),
        provisioned: declared.provisioned,
        memory_mib: declared.memory_mib,
        batch_size: declared.delivery.batch_events_max.unwrap_or(declared.batch_size),
        batch_window: Duration::from_millis(batch_window_ms),
        log_directory: Some(raw.data_directory.join("functions")),
        log_bytes_max: declared.log_bytes_max,
        region: raw.region.clone(),
        account_id: raw.account_id.clone(),
        ..function::Settings::new(&declared.name, declared.command.clone())
    }
}

fn queued_settings(raw: &Raw, declared: &Declaration) -> anyhow::Result<QueuedSettings> {
    let settings = &declared.event_invoke;
    let destination = |named: &Option<String>| named.as_deref().map(destination).transpose();
    Ok(QueuedSettings {
        retries_max: settings.retries_max,
        retry_first: Duration::from_secs(settings.retry_first_secs),
        retry_next: Duration::from_secs(settings.retry_next_secs),
        age_max: Duration::from_secs(settings.age_secs_max),
        on_success: destination(&settings.on_success)?,
        on_failure: destination(&settings.on_failure)?,
        limits: limits(raw),
    })
}

/// The lane of a destination: a function is called through its queue.
fn destination(named: &str) -> anyhow::Result<TargetName> {
    Ok(match named.split_once('/') {
        Some((function::KIND, name)) => TargetName::new(queued::KIND, name)?,
        _ => TargetName::parse(named)?,
    })
}
