//! `[[fleet]]`.

use std::sync::Arc;
use std::time::Duration;

use super::publication;
use super::section::{Section, Span};
use super::server::{Defaults, PROTOCOLS, TRANSPORTS};
use crate::scenario::{
    Answer, Certificates, ClientId, Fleet, Placeholder, Protocol, Qos, Server, Subscription, Template, Will,
};

/// Devices of all fleets together.
const DEVICES_MAX: u64 = 1_000_000;
const FLEETS_MAX: usize = 256;
const SUBSCRIPTIONS_MAX: usize = 64;
const INFLIGHT_MAX: u64 = 1024;
const WAITING_MAX: u64 = 1_000_000;

pub(super) fn read_all(scenario: &Section<'_, '_>, server: &Server, defaults: Defaults) -> Vec<Fleet> {
    let sections = scenario.sections("fleet", "a fleet", FLEETS_MAX);
    if sections.is_empty() && !scenario.has("fleet") {
        scenario.missing("fleet", "[[fleet]]");
    }
    let mut fleets: Vec<Fleet> = Vec::with_capacity(sections.len());
    let mut devices = 0;
    for section in sections {
        let mut fleet = read(&section, server, defaults);
        fleet.first_device = devices;
        devices = devices.saturating_add(fleet.devices);
        if u64::from(devices) > DEVICES_MAX {
            section
                .reader
                .refuse(section.span.clone(), format!("the fleets have more than {DEVICES_MAX} devices"));
        }
        if fleets.iter().any(|other| other.name == fleet.name) {
            let message =
                format!("there are two fleets called `{}`; give each a `name` of its own", fleet.name);
            section.reader.refuse(section.span.clone(), message);
        }
        section.finish();
        fleets.push(fleet);
    }
    fleets
}

fn read(section: &Section<'_, '_>, server: &Server, defaults: Defaults) -> Fleet {
    let transport = section.choice("transport", TRANSPORTS).unwrap_or(defaults.transport);
    let protocol = section.choice("protocol", PROTOCOLS).unwrap_or(defaults.protocol);
    let made = matches!(server.certificates, Certificates::Made(_));
    if transport.is_encrypted() && server.authority.is_none() && !made {
        let message = "TLS needs the `authority` that signed the server's certificate; \
                       write for example `authority = \"pki/authority.crt\"` below `[server]`";
        section.reader.refuse(section.span.clone(), message);
    }
    let plain = Fleet::default();
    let whole = |key, low, high| section.whole(key, low..=high).map(|(number, _)| number);
    let devices = whole("devices", 1, DEVICES_MAX).and_then(|count| u32::try_from(count).ok()).unwrap_or(10);
    let from_folder = transport.is_encrypted() && matches!(server.certificates, Certificates::Folder(_));
    Fleet {
        name: section.text("name").map_or(plain.name, |(name, _)| name.into()),
        devices,
        first_device: 0,
        transport,
        protocol,
        client_id: client_id(section, devices, from_folder),
        connect_per_second: section
            .number("connect_per_second", 0.001..=1_000_000.0)
            .map_or(plain.connect_per_second, |(rate, _)| rate),
        connect_at: section.secs("connect_at_secs").unwrap_or_default(),
        keep_alive_secs: whole("keep_alive_secs", 0, 65_535).map_or(plain.keep_alive_secs, narrow),
        clean_session: section.boolean("clean_session").unwrap_or(plain.clean_session),
        session_expiry_secs: whole("session_expiry_secs", 0, u32::MAX.into())
            .map_or(plain.session_expiry_secs, |secs| u32::try_from(secs).unwrap_or(u32::MAX)),
        inflight_max: whole("inflight_max", 1, INFLIGHT_MAX).map_or(plain.inflight_max, narrow),
        waiting_messages_max: whole("waiting_messages_max", 1, WAITING_MAX)
            .map_or(plain.waiting_messages_max, |count| usize::try_from(count).unwrap_or(usize::MAX)),
        user_name: section.template("user_name").map(|(name, _)| name),
        password_environment: password_environment(section),
        will: will(section),
        subscriptions: subscriptions(section),
        answer: answer(section, protocol),
        publications: publication::read_all(section).into_iter().map(Arc::new).collect(),
    }
}

/// Of a number that was checked to fit.
fn narrow(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn client_id(section: &Section<'_, '_>, devices: u32, from_folder: bool) -> ClientId {
    let given = section.template("client_id");
    if let Some((template, span)) = &given {
        if devices > 1 && !template.uses(Placeholder::Index) {
            let message = "`client_id` is the same for all devices; put `{index}` into it";
            section.reader.refuse(span.clone(), message);
        }
        if template.uses(Placeholder::Device) {
            section
                .reader
                .refuse(span.clone(), "`client_id` cannot have `{device}`, which is the client id itself");
        }
    }
    match given {
        Some((template, _)) => ClientId::Template(template),
        None if from_folder => ClientId::Certificate,
        None => ClientId::Template(Template::parse("{fleet}-{index:05}").expect("the placeholders exist")),
    }
}

fn password_environment(section: &Section<'_, '_>) -> Option<String> {
    let (name, span) = section.text("password_environment")?;
    if !section.has("user_name") {
        section.reader.refuse(span, "a password needs a `user_name`");
    }
    Some(name.to_owned())
}

pub(super) fn qos(section: &Section<'_, '_>) -> Option<Qos> {
    section.whole("qos", 0..=2).and_then(|(number, _)| Qos::from_number(number))
}

fn will(section: &Section<'_, '_>) -> Option<Will> {
    let inner = section.section("will", "a will")?;
    let topic = topic(&inner, "topic");
    if !inner.has("topic") {
        inner.missing("topic", "topic = \"plant/{device}/gone\"");
    }
    let will = Will {
        topic: topic.unwrap_or_else(|| Template::constant("")),
        payload: inner.template("payload").map_or_else(|| Template::constant(""), |(payload, _)| payload),
        qos: qos(&inner).unwrap_or(Qos::AtMostOnce),
        retain: inner.boolean("retain").unwrap_or(false),
        delay_secs: inner
            .whole("delay_secs", 0..=u32::MAX.into())
            .map_or(0, |(secs, _)| u32::try_from(secs).unwrap_or(u32::MAX)),
    };
    inner.finish();
    Some(will)
}

/// A topic that can be published to.
pub(super) fn topic(section: &Section<'_, '_>, key: &'static str) -> Option<Template> {
    let (template, span) = section.template(key)?;
    if section.text(key).is_some_and(|(text, _)| text.contains(['+', '#', '\0'])) {
        section.reader.refuse(span, "nothing can be published to a topic with `+` or `#`");
    }
    Some(template)
}

/// A topic filter.
fn filter(section: &Section<'_, '_>) -> Option<Template> {
    let (template, span) = section.template("filter")?;
    check_filter(section, section.text("filter").map_or("", |(text, _)| text), span);
    Some(template)
}

/// Complains about a filter that no server accepts.
pub(super) fn check_filter(section: &Section<'_, '_>, text: &str, span: Span) {
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        let mixed = level.contains(['+', '#', '\0']) && level.len() > 1;
        if mixed || (level == "#" && levels.peek().is_some()) {
            let message = format!(
                "`{text}` is no topic filter: `+` and `#` stand for whole levels, and nothing follows `#`"
            );
            section.reader.refuse(span, message);
            return;
        }
    }
}

fn subscriptions(section: &Section<'_, '_>) -> Vec<Subscription> {
    let mut subscriptions = Vec::new();
    for inner in section.sections("subscribe", "a subscription", SUBSCRIPTIONS_MAX) {
        let qos = qos(&inner).unwrap_or(Qos::AtLeastOnce);
        match filter(&inner) {
            Some(filter) => subscriptions.push(Subscription { filter, qos }),
            None if !inner.has("filter") => inner.missing("filter", "filter = \"cmd/{device}/#\""),
            None => {}
        }
        inner.finish();
    }
    subscriptions
}

fn answer(section: &Section<'_, '_>, protocol: Protocol) -> Option<Answer> {
    let inner = section.section("answer", "an answer")?;
    let filter = filter(&inner);
    if !inner.has("filter") {
        inner.missing("filter", "filter = \"cmd/{device}/request\"");
    }
    if !inner.has("topic") && protocol == Protocol::V311 {
        inner.missing("topic", "topic = \"cmd/{device}/response\"");
    }
    let answer = Answer {
        filter: filter.unwrap_or_else(|| Template::constant("")),
        topic: topic(&inner, "topic"),
        payload: inner.template("payload").map_or_else(|| Template::constant(""), |(payload, _)| payload),
        qos: qos(&inner).unwrap_or(Qos::AtLeastOnce),
        after: inner
            .whole("after_ms", 0..=86_400_000)
            .map_or(Duration::ZERO, |(ms, _)| Duration::from_millis(ms)),
    };
    inner.finish();
    Some(answer)
}
