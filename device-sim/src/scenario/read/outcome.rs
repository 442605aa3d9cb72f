//! `[read_back]` and `[thresholds]`.

use std::time::Duration;

use super::fleet::{check_filter, qos};
use super::section::Section;
use crate::scenario::{MEASURES, Qos, ReadBack, ReadFrom, Signer, Thresholds};

/// No limit is higher.
const LIMIT_MAX: f64 = 1e15;

pub(super) fn read_back(scenario: &Section<'_, '_>) -> Option<ReadBack> {
    let section = scenario.section("read_back", "`[read_back]`")?;
    let longest = section.number("secs", 0.1..=86_400.0).map_or(30.0, |(secs, _)| secs);
    let from = match section
        .one_of(&["queue", "stream", "http", "mqtt"], "mqtt = { filter = \"plant/#\", qos = 1 }")
    {
        Some("queue") => queue(&section),
        Some("stream") => stream(&section),
        Some("http") => http(&section),
        Some(_) => mqtt(&section),
        None => None,
    };
    section.finish();
    Some(ReadBack { from: from?, longest: Duration::from_secs_f64(longest) })
}

fn url(section: &Section<'_, '_>, key: &'static str) -> Option<String> {
    let (text, span) = section.text(key)?;
    let good =
        reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !good {
        let message = format!(
            "`{key}` is `{text}`, which is not an http or https URL; write for example `http://127.0.0.1:8080`"
        );
        section.reader.refuse(span, message);
    }
    good.then(|| text.to_owned())
}

fn queue(section: &Section<'_, '_>) -> Option<ReadFrom> {
    let (api, signer) = (url(section, "api"), signer(section));
    Some(ReadFrom::Queue { url: url(section, "queue")?, api, signer })
}

fn stream(section: &Section<'_, '_>) -> Option<ReadFrom> {
    if !section.has("api") {
        section.missing("api", "api = \"http://127.0.0.1:8080\"");
    }
    let (api, signer) = (url(section, "api"), signer(section));
    let (name, _) = section.text("stream")?;
    Some(ReadFrom::Stream { name: name.to_owned(), api: api?, signer })
}

fn http(section: &Section<'_, '_>) -> Option<ReadFrom> {
    let (text, span) = section.text("http")?;
    let Ok(listen) = text.parse() else {
        let message = format!("`http` is `{text}`; it is an address to listen on, for example `127.0.0.1:0`");
        section.reader.refuse(span, message);
        return None;
    };
    Some(ReadFrom::Http { listen })
}

fn mqtt(section: &Section<'_, '_>) -> Option<ReadFrom> {
    let inner = section.section("mqtt", "`mqtt`")?;
    let filter = inner.text("filter");
    match &filter {
        Some((text, span)) => check_filter(&inner, text, span.clone()),
        None if !inner.has("filter") => inner.missing("filter", "filter = \"plant/#\""),
        None => {}
    }
    let qos = qos(&inner).unwrap_or(Qos::AtLeastOnce);
    let offline = inner.boolean("offline").unwrap_or(false);
    inner.finish();
    Some(ReadFrom::Mqtt { filter: filter?.0.to_owned(), qos, offline })
}

fn signer(section: &Section<'_, '_>) -> Option<Signer> {
    let region = section.text("region").map_or("us-east-1", |(region, _)| region);
    let (key, secret) = (section.text("access_key"), section.text("secret_environment"));
    if key.is_some() != secret.is_some() {
        section.reader.refuse(section.span.clone(), "`access_key` and `secret_environment` go together");
    }
    Some(Signer {
        access_key: key?.0.to_owned(),
        secret_environment: secret?.0.to_owned(),
        region: region.to_owned(),
    })
}

pub(super) fn thresholds(scenario: &Section<'_, '_>) -> Thresholds {
    let Some(section) = scenario.section("thresholds", "`[thresholds]`") else {
        return Thresholds::default();
    };
    let limit = |measure: &crate::scenario::Measure| {
        section.number(measure.name, 0.0..=LIMIT_MAX).map(|(limit, _)| (*measure, limit))
    };
    let thresholds = Thresholds::new(MEASURES.iter().filter_map(limit));
    section.finish();
    thresholds
}
