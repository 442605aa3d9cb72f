//! From what was written to what it means: paths, references between keys, values that can't be.

use super::error::{Origin, SettingsError, nearest};
use super::raw::{Delivery, Listener, ListenerLimits, Raw, RegisterUnknown, TargetDelivery};
use super::{Settings, secret};
use access::scram::{ITERATIONS_MAX, ITERATIONS_MIN};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Checks `raw` as a whole. `directory` is what relative paths start from.
pub(crate) fn check(
    mut raw: Raw,
    overridden_by: Vec<String>,
    directory: &Path,
) -> Result<Settings, SettingsError> {
    make_absolute(&mut raw, directory);
    listener(&raw)?;
    api(&raw)?;
    numbers(&raw)?;
    listener_limits(&raw.listener)?;
    targets(&raw)?;
    let access_keys = raw.api.access_key.iter().map(secret::read).collect::<Result<_, _>>()?;
    Ok(Settings { raw, access_keys, overridden_by })
}

fn refuse<T>(message: impl Into<String>) -> Result<T, SettingsError> {
    Err(SettingsError { origin: Origin::Together, message: message.into() })
}

fn make_absolute(raw: &mut Raw, directory: &Path) {
    let base = std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf());
    let absolute = |path: &mut PathBuf| {
        if !path.as_os_str().is_empty() && path.is_relative() {
            *path = base.join(&*path);
        }
    };
    absolute(&mut raw.data_directory);
    absolute(&mut raw.tls.certificate);
    absolute(&mut raw.tls.key);
    raw.tls.authorities.iter_mut().for_each(absolute);
    raw.tls.revocation_lists.iter_mut().for_each(absolute);
    raw.rules.definitions.iter_mut().for_each(absolute);
    raw.rules.descriptors.iter_mut().for_each(absolute);
    raw.access.policies.iter_mut().for_each(absolute);
    raw.function.iter_mut().filter_map(|function| function.directory.as_mut()).for_each(absolute);
    raw.function.iter_mut().filter_map(|function| function.wasm.as_mut()).for_each(absolute);
    raw.api.access_key.iter_mut().filter_map(|key| key.secret_file.as_mut()).for_each(absolute);
}

fn listener(raw: &Raw) -> Result<(), SettingsError> {
    let tls = &raw.tls;
    if tls.certificate.as_os_str().is_empty() || tls.key.as_os_str().is_empty() || tls.authorities.is_empty()
    {
        return refuse(
            "`tls.certificate`, `tls.key` and `tls.authorities` must be set; `iot-gateway certs --help` shows how to make them",
        );
    }
    let iterations = raw.access.password_iterations;
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return refuse(format!(
            "`access.password_iterations` is {iterations}; it must be {ITERATIONS_MIN} to {ITERATIONS_MAX}"
        ));
    }
    origins(&raw.listener.origins)?;
    if raw.access.register_unknown == RegisterUnknown::FromTrustedAuthority
        && raw.access.default_policy.is_none()
    {
        return refuse(
            "`access.register_unknown = \"from_trusted_authority\"` needs `access.default_policy`, the policy such a certificate gets",
        );
    }
    Ok(())
}

/// An origin is what a browser sends: a scheme and an authority, no path.
fn origins(origins: &[String]) -> Result<(), SettingsError> {
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if authority.is_none_or(|authority| authority.is_empty() || authority.contains('/')) {
            return refuse(format!(
                "`listener.origins` has `{origin}`; an origin is written like `https://console.example.com`, without a path, or is `*`"
            ));
        }
    }
    Ok(())
}

fn api(raw: &Raw) -> Result<(), SettingsError> {
    let loopback = raw.api.address.ip().is_loopback();
    if raw.api.unsigned_on_loopback && !loopback {
        return refuse(format!(
            "`api.unsigned_on_loopback` is set but `api.address` is `{}`, which others can reach; use a loopback address or access keys",
            raw.api.address
        ));
    }
    if !loopback && raw.api.access_key.is_empty() {
        return refuse(format!(
            "`api.address` is `{}`, which others can reach: add an `[[api.access_key]]`",
            raw.api.address
        ));
    }
    if raw.account_id.len() != 12 || !raw.account_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse(format!("`account_id` is `{}`: twelve digits are needed", raw.account_id));
    }
    Ok(())
}

fn numbers(raw: &Raw) -> Result<(), SettingsError> {
    let mqtt = &raw.mqtt;
    let keep_alive_has_no_max = mqtt.keep_alive_secs_max == 0;
    let keep_alive_secs_min = if keep_alive_has_no_max { 0 } else { mqtt.keep_alive_secs_min };
    let least = [
        ("listener.handshake_secs_max", raw.listener.handshake_secs_max, 1),
        ("listener.connect_secs_max", raw.listener.connect_secs_max, 1),
        ("mqtt.payload_bytes_max", mqtt.payload_bytes_max as u64, 1),
        ("mqtt.client_id_bytes_max", mqtt.client_id_bytes_max as u64, 23),
        ("mqtt.topic_bytes_max", mqtt.topic_bytes_max as u64, 1),
        ("mqtt.topic_levels_max", mqtt.topic_levels_max as u64, 1),
        ("mqtt.keep_alive_secs_max", u64::from(mqtt.keep_alive_secs_max), u64::from(keep_alive_secs_min)),
        ("mqtt.receive_maximum", u64::from(mqtt.receive_maximum), 1),
        ("mqtt.in_flight_messages_per_client_max", u64::from(mqtt.in_flight_messages_per_client_max), 1),
        ("mqtt.queued_messages_per_client_max", mqtt.queued_messages_per_client_max as u64, 1),
        ("mqtt.queued_bytes_per_client_max", mqtt.queued_bytes_per_client_max as u64, 1),
        ("mqtt.queued_bytes_max", mqtt.queued_bytes_max as u64, mqtt.queued_bytes_per_client_max as u64),
        ("mqtt.filters_per_subscribe_max", mqtt.filters_per_subscribe_max as u64, 1),
        ("mqtt.subscriptions_per_client_max", mqtt.subscriptions_per_client_max as u64, 1),
        ("mqtt.sessions_max", mqtt.sessions_max as u64, 1),
        ("journal.segment_bytes", raw.journal.segment_bytes, 65_536),
        ("journal.queue_bytes_max", raw.journal.queue_bytes_max as u64, 65_536),
        ("delivery.attempts_max", u64::from(raw.delivery.attempts_max), 1),
        ("delivery.waiting_events_max", raw.delivery.waiting_events_max, 1),
        ("delivery.backoff_first_ms", raw.delivery.backoff_first_ms, 1),
        (
            "delivery.pinned_bytes_max",
            raw.delivery.pinned_bytes_max.unwrap_or(u64::MAX),
            raw.journal.segment_bytes,
        ),
        (
            "delivery.aside_bytes_max",
            raw.delivery.aside_bytes_max.unwrap_or(u64::MAX),
            raw.journal.segment_bytes,
        ),
        ("delivery.backoff_max_ms", raw.delivery.backoff_max_ms, raw.delivery.backoff_first_ms),
        ("dead_letters.letters_max", raw.dead_letters.letters_max, 1),
        ("dead_letters.bytes_max", raw.dead_letters.bytes_max, 1),
    ];
    for (key, value, at_least) in least {
        if value < at_least {
            return refuse(format!("`{key}` is {value}; it must be at least {at_least}"));
        }
    }
    if mqtt.payload_bytes_max > 268_435_000 {
        return refuse(format!(
            "`mqtt.payload_bytes_max` is {}; MQTT carries at most 268435000",
            mqtt.payload_bytes_max
        ));
    }
    if (raw.journal.segment_bytes as usize) < mqtt.payload_bytes_max.saturating_mul(4) {
        return refuse(format!(
            "`journal.segment_bytes` is {}; with `mqtt.payload_bytes_max` = {} it must be at least four times that",
            raw.journal.segment_bytes, mqtt.payload_bytes_max
        ));
    }
    Ok(())
}

/// With none of these a listener would let nobody in.
fn listener_limits(listener: &Listener) -> Result<(), SettingsError> {
    let all = ListenerLimits {
        handshakes_max: Some(listener.handshakes_max),
        connections_max: Some(listener.connections_max),
        connections_per_address_max: listener.connections_per_address_max,
        ..ListenerLimits::default()
    };
    let tables = [
        ("listener", &all),
        ("listener.tls", &listener.tls),
        ("listener.https", &listener.https),
        ("listener.plain", &listener.plain),
        ("listener.plain_websocket", &listener.plain_websocket),
    ];
    for (table, limits) in tables {
        let least_one = [
            ("handshakes_max", limits.handshakes_max),
            ("connections_max", limits.connections_max),
            ("connections_per_address_max", limits.connections_per_address_max),
        ];
        if let Some((key, _)) = least_one.iter().find(|(_, value)| *value == Some(0)) {
            return refuse(format!("`{table}.{key}` is 0; it must be at least 1"));
        }
    }
    Ok(())
}

/// What one target says of its delivery.
fn delivery(kind: &str, name: &str, own: &TargetDelivery, general: &Delivery) -> Result<(), SettingsError> {
    let of = |value: Option<usize>| value.map(|value| value as u64);
    let backoff_first_ms = own.backoff_first_ms.unwrap_or(general.backoff_first_ms);
    let says_one = own.backoff_first_ms.is_some() || own.backoff_max_ms.is_some();
    let backoff_max_ms = says_one.then_some(own.backoff_max_ms.unwrap_or(general.backoff_max_ms));
    let bounds = [
        ("attempts_max", own.attempts_max.map(u64::from), 1, u64::MAX),
        ("backoff_first_ms", own.backoff_first_ms, 1, u64::MAX),
        ("backoff_max_ms", backoff_max_ms, backoff_first_ms, u64::MAX),
        ("waiting_events_max", own.waiting_events_max, 1, u64::MAX),
        ("batch_events_max", of(own.batch_events_max), 1, 10_000),
        ("batch_bytes_max", of(own.batch_bytes_max), 1, u64::MAX),
        ("batch_wait_ms", own.batch_wait_ms, 0, 300_000),
        ("concurrency", of(own.concurrency), 1, 10_000),
    ];
    for (key, value, least, most) in bounds {
        let Some(value) = value else { continue };
        if value < least {
            return refuse(format!(
                "{kind} `{name}`: `delivery.{key}` is {value}; it must be at least {least}"
            ));
        }
        if value > most {
            return refuse(format!(
                "{kind} `{name}`: `delivery.{key}` is {value}; it must be at most {most}"
            ));
        }
    }
    if kind == "http" && own.batch_events_max.is_some_and(|events| events > 1) {
        return refuse(format!(
            "http `{name}`: `delivery.batch_events_max` is above 1, but each request carries one event; raise `concurrency` instead"
        ));
    }
    Ok(())
}

fn targets(raw: &Raw) -> Result<(), SettingsError> {
    let queues: Vec<&str> = raw.queue.iter().map(|queue| queue.name.as_str()).collect();
    unique("queue", 80, queues.iter().copied())?;
    unique("stream", 128, raw.stream.iter().map(|stream| stream.name.as_str()))?;
    unique("function", 64, raw.function.iter().map(|function| function.name.as_str()))?;
    unique("http", 128, raw.http.iter().map(|http| http.name.as_str()))?;
    for http in &raw.http {
        delivery("http", &http.name, &http.delivery, &raw.delivery)?;
    }
    archives(raw)?;
    dead_letters(raw)?;
    for queue in &raw.queue {
        fifo(queue)?;
        dead_letter_queue(queue, &queues)?;
    }
    for function in &raw.function {
        delivery("function", &function.name, &function.delivery, &raw.delivery)?;
        function_code(function)?;
        event_invoke(function, raw)?;
    }
    Ok(())
}

fn event_invoke(function: &super::raw::Function, raw: &Raw) -> Result<(), SettingsError> {
    let settings = &function.event_invoke;
    if settings.age_secs_max == 0 {
        return refuse(format!(
            "function `{}`: `event_invoke.age_secs_max` is 0; it must be at least 1",
            function.name
        ));
    }
    let queues = raw.queue.iter().map(|queue| format!("queue/{}", queue.name));
    let streams = raw.stream.iter().map(|stream| format!("stream/{}", stream.name));
    let functions = raw.function.iter().map(|function| format!("function/{}", function.name));
    let known: Vec<String> = queues.chain(streams).chain(functions).collect();
    for (key, named) in [("on_success", &settings.on_success), ("on_failure", &settings.on_failure)] {
        let Some(named) = named.as_ref().filter(|named| !known.contains(named)) else { continue };
        let hint = nearest(named, known.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return refuse(format!(
            "function `{}`: `event_invoke.{key}` names `{named}`, which is no queue, stream or function here{hint}",
            function.name
        ));
    }
    Ok(())
}

/// Each archive is a journal with files and threads of its own.
fn archives(raw: &Raw) -> Result<(), SettingsError> {
    const ARCHIVES_MAX: usize = 32;
    const DISK_BYTES_MIN: u64 = 4 * 65_536;
    unique("archive", 64, raw.archive.iter().map(|archive| archive.name.as_str()))?;
    if raw.archive.len() > ARCHIVES_MAX {
        return refuse(format!("{} archives are declared; {ARCHIVES_MAX} are possible", raw.archive.len()));
    }
    for archive in &raw.archive {
        if archive.disk_bytes_max < DISK_BYTES_MIN {
            return refuse(format!(
                "archive `{}`: `disk_bytes_max` is {}; it must be at least {DISK_BYTES_MIN}",
                archive.name, archive.disk_bytes_max
            ));
        }
    }
    Ok(())
}

/// Bounds of single targets name targets that are pushed to; others have no dead letters.
fn dead_letters(raw: &Raw) -> Result<(), SettingsError> {
    let functions = raw.function.iter().map(|function| format!("function/{}", function.name));
    let http = raw.http.iter().map(|http| format!("http/{}", http.name));
    let archives = raw.archive.iter().map(|archive| format!("archive/{}", archive.name));
    let own = ["republish/broker", "window/rules"].map(str::to_owned);
    let known: Vec<String> = functions.chain(http).chain(archives).chain(own).collect();
    for (name, bounds) in &raw.dead_letters.target {
        if !known.contains(name) {
            let hint = nearest(name, known.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return refuse(format!(
                "`dead_letters.target` names `{name}`, which is no target that has dead letters{hint}"
            ));
        }
        for (key, value) in [("letters_max", bounds.letters_max), ("bytes_max", bounds.bytes_max)] {
            if value == Some(0) {
                return refuse(format!("`dead_letters.target.\"{name}\".{key}` is 0; it must be at least 1"));
            }
        }
    }
    Ok(())
}

fn function_code(function: &super::raw::Function) -> Result<(), SettingsError> {
    let name = &function.name;
    match &function.wasm {
        None if function.command.is_empty() => refuse(format!(
            "function `{name}`: `command` is empty; it names the program and its arguments, or `wasm` a WebAssembly file"
        )),
        None if function.fuel_max.is_some() => refuse(format!(
            "function `{name}`: `fuel_max` is for `wasm`; what a program computes is bounded by `timeout_secs`"
        )),
        None => Ok(()),
        Some(_) if !function.command.is_empty() => refuse(format!(
            "function `{name}`: it has both `command` and `wasm`; a function is either a program or a WebAssembly file"
        )),
        Some(_) if !function.handler.is_empty() || function.directory.is_some() => refuse(format!(
            "function `{name}`: `handler` and `directory` are for `command`; a WebAssembly file exports `handle` and sees no files"
        )),
        Some(file) if file.as_os_str().is_empty() => {
            refuse(format!("function `{name}`: `wasm` is empty; it names a WebAssembly file"))
        }
        Some(_) => Ok(()),
    }
}

/// A FIFO queue is one by its name and by its settings, and has some settings of its own.
fn fifo(queue: &super::raw::Queue) -> Result<(), SettingsError> {
    let (name, ends_in_fifo) = (&queue.name, queue.name.ends_with(".fifo"));
    if queue.fifo != ends_in_fifo {
        return refuse(match queue.fifo {
            true => format!("queue `{name}`: with `fifo = true` its name ends in `.fifo`"),
            false => format!("queue `{name}`: a name that ends in `.fifo` needs `fifo = true`"),
        });
    }
    let is_default = queue.deduplication_scope == targets::queue::DeduplicationScope::default();
    let of_fifo_queues = [
        ("content_based_deduplication", queue.content_based_deduplication),
        ("deduplication_scope", !is_default),
    ];
    match of_fifo_queues.iter().find(|(_, is_set)| *is_set && !queue.fifo) {
        Some((key, _)) => refuse(format!("queue `{name}`: `{key}` is for FIFO queues only")),
        None => Ok(()),
    }
}

fn dead_letter_queue(queue: &super::raw::Queue, queues: &[&str]) -> Result<(), SettingsError> {
    match (&queue.dead_letter_queue, queue.receives_max) {
        (None, None) => Ok(()),
        (Some(_), None) | (None, Some(_)) => refuse(format!(
            "queue `{}`: `receives_max` and `dead_letter_queue` belong together; one of them is missing",
            queue.name
        )),
        (Some(name), Some(_)) if *name == queue.name => {
            refuse(format!("queue `{name}`: it can't be its own `dead_letter_queue`"))
        }
        (Some(name), Some(_)) if !queues.contains(&name.as_str()) => {
            let hint = nearest(name, queues.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            refuse(format!(
                "queue `{}`: `dead_letter_queue` names the unknown queue `{name}`{hint}",
                queue.name
            ))
        }
        (Some(name), Some(_)) if name.ends_with(".fifo") != queue.fifo => refuse(format!(
            "queue `{}`: its `dead_letter_queue` must be of the same type, FIFO or not; `{name}` is not",
            queue.name
        )),
        (Some(_), Some(_)) => Ok(()),
    }
}

/// Names of one kind differ, and are made of what AWS allows.
fn unique<'a>(
    kind: &str,
    length_max: usize,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), SettingsError> {
    let mut seen = BTreeSet::new();
    for name in names {
        // The ending of a FIFO queue stands beside what names are made of.
        let stem = if kind == "queue" { name.strip_suffix(".fifo").unwrap_or(name) } else { name };
        let legal = !stem.is_empty()
            && name.len() <= length_max
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !legal {
            return refuse(format!(
                "{kind} `{name}`: a name is 1 to {length_max} letters, digits, `-` and `_`"
            ));
        }
        if !seen.insert(name) {
            return refuse(format!("{kind} `{name}` is declared twice"));
        }
    }
    Ok(())
}
