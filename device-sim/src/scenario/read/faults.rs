//! `[[fault]]`.

use std::time::Duration;

use super::section::{Section, hint};
use crate::scenario::{Certificates, Fault, FaultKind, Fleet, Server};

const FAULTS_MAX: usize = 256;
/// A year.
const SKEW_SECS_MAX: f64 = 31_536_000.0;

pub(super) fn read_all(
    scenario: &Section<'_, '_>,
    names: &[&str],
    fleets: &[Fleet],
    server: &Server,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (section, number) in scenario.sections("fault", "a fault", FAULTS_MAX).into_iter().zip(0..) {
        if let Some(fault) = read(&section, number, names) {
            check(&section, &fault, fleets, server);
            faults.push(fault);
        }
        section.finish();
    }
    faults
}

fn read(section: &Section<'_, '_>, number: u16, names: &[&str]) -> Option<Fault> {
    let kind = kind(section);
    let (at, every) = (section.secs("at_secs"), section.some_secs("every_secs"));
    if !section.has("at_secs") && !section.has("every_secs") {
        section.missing("at_secs", "at_secs = 10");
    }
    let fleet = section.text("fleet").and_then(|(fleet, span)| {
        let known = names.contains(&fleet);
        if !known {
            let hint = hint(fleet, names.iter().copied(), "there are");
            section.reader.refuse(span, format!("there is no fleet `{fleet}`{hint}"));
        }
        known.then(|| fleet.into())
    });
    let lasts = section.secs("for_secs").unwrap_or_default();
    if let (Some(every), true) = (every, kind != Some(FaultKind::Garbage))
        && lasts > every
    {
        let message = "the fault lasts longer than until it begins again; `for_secs` is at most `every_secs`";
        section.reader.refuse(section.span.clone(), message);
    }
    let share = section.number("share", 0.0..=1.0).map_or(1.0, |(share, _)| share);
    Some(Fault { number, kind: kind?, first_at: at.or(every)?, every, lasts, share, fleet })
}

fn kind(section: &Section<'_, '_>) -> Option<FaultKind> {
    let example = "kind = \"cut\"";
    if !section.has("kind") {
        section.missing("kind", example);
    }
    let names: Vec<(&str, &str)> = FaultKind::NAMES.iter().map(|name| (*name, *name)).collect();
    let kind = match section.choice("kind", &names)? {
        "cut" => FaultKind::Cut,
        "storm" => FaultKind::Storm,
        "half_open" => FaultKind::HalfOpen,
        "slow_reader" => FaultKind::SlowReader {
            bytes_per_second: section
                .whole("bytes_per_second", 1..=1_000_000_000)
                .map_or(100, |(bytes, _)| u32::try_from(bytes).unwrap_or(u32::MAX)),
        },
        "duplicate" => FaultKind::Duplicate { share: messages_share(section) },
        "reorder" => FaultKind::Reorder { share: messages_share(section) },
        "expired_certificate" => FaultKind::ExpiredCertificate,
        "revoked_certificate" => FaultKind::RevokedCertificate,
        "clock_skew" => FaultKind::ClockSkew { skew_ms: skew_ms(section)? },
        _ => FaultKind::Garbage,
    };
    Some(kind)
}

fn messages_share(section: &Section<'_, '_>) -> f64 {
    section.number("messages_share", 0.0..=1.0).map_or(0.1, |(share, _)| share)
}

fn skew_ms(section: &Section<'_, '_>) -> Option<i64> {
    if !section.has("skew_secs") {
        section.missing("skew_secs", "skew_secs = -90.0");
    }
    let (secs, _) = section.number("skew_secs", -SKEW_SECS_MAX..=SKEW_SECS_MAX)?;
    Some((secs * 1000.0).round() as i64)
}

/// What needs time to have an effect, or certificates that can be made.
fn check(section: &Section<'_, '_>, fault: &Fault, fleets: &[Fleet], server: &Server) {
    let refuse = |message: &str| section.reader.refuse(section.span.clone(), message);
    let instant = matches!(fault.kind, FaultKind::Cut | FaultKind::Storm | FaultKind::Garbage);
    if fault.lasts == Duration::ZERO && !instant {
        refuse(&format!("`{}` needs `for_secs`; write for example `for_secs = 5`", fault.kind.name()));
    }
    if matches!(fault.kind, FaultKind::ExpiredCertificate | FaultKind::RevokedCertificate) {
        if server.certificates == Certificates::None {
            refuse(
                "such a certificate comes from somewhere; write `certificates = { made = \"pki\" }` below `[server]`",
            );
        }
        let concerned = fleets.iter().filter(|fleet| fault.concerns(&fleet.name));
        if concerned.clone().count() > 0 && concerned.clone().all(|fleet| !fleet.transport.is_encrypted()) {
            refuse("its fleets do not use TLS, so they show no certificate");
        }
    }
}
