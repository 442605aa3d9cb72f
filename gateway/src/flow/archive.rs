//! Which events go into archives, beside those that actions send there; and the archives and replays themselves.

use super::deliver::delivery;
use crate::gateway::Gateway;
use crate::settings::{Raw, Settings, TargetDelivery};
use anyhow::Context;
use bus::{Event, Route, TargetName};
use journal::state::StateStore;
use std::collections::HashMap;
use targets::archive::replay::Replays;
use targets::archive::{self, Archives};

/// Stands for all rules in `rules` of an archive.
const EVERY_RULE: &str = "*";

/// The archives of each rule.
#[derive(Debug, Default)]
pub(crate) struct ArchiveRoutes {
    of_rule: HashMap<String, Vec<TargetName>>,
    of_every_rule: Vec<TargetName>,
}

impl ArchiveRoutes {
    /// What the settings say.
    ///
    /// # Errors
    /// An archive has a name that no target can have; the settings were checked.
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let mut routes = Self::default();
        for declared in &settings.raw.archive {
            let target = TargetName::new(archive::KIND, &declared.name)?;
            for rule in &declared.rules {
                let known = match rule.as_str() {
                    EVERY_RULE => &mut routes.of_every_rule,
                    rule => routes.of_rule.entry(rule.to_owned()).or_default(),
                };
                known.push(target.clone());
            }
        }
        Ok(routes)
    }

    /// Adds the ways to the archives of the event's rule, each once.
    pub(super) fn add(&self, event: &mut Event) {
        let of_rule = self.of_rule.get(&event.rule).into_iter().flatten();
        for target in self.of_every_rule.iter().chain(of_rule) {
            if event.routes.iter().all(|route| route.target != *target) {
                event.routes.push(Route::to(target.clone()));
            }
        }
    }
}

/// Opens the archives that the settings declare, and hands them to the bus.
///
/// # Errors
/// The first that can't be opened.
pub(super) async fn open(gateway: &Gateway) -> anyhow::Result<Archives> {
    let raw = &gateway.settings.raw;
    let declared = raw.archive.iter().map(|declared| settings(gateway, raw, declared)).collect();
    let archives = Archives::open(declared, &gateway.journal).await?;
    for declared in &raw.archive {
        let base = delivery(raw, &TargetDelivery::default());
        let name = &declared.name;
        archives.declare(&gateway.bus, name, base).await.with_context(|| format!("archive `{name}`"))?;
    }
    Ok(archives)
}

/// Goes on with replays, once every target is declared.
///
/// # Errors
/// What is kept of them can't be read.
pub(super) async fn open_replays(
    gateway: &Gateway,
    state: &StateStore,
    archives: &Archives,
) -> anyhow::Result<Replays> {
    Ok(Replays::open(&gateway.bus, archives, state, gateway.clock.clone()).await?)
}

fn settings(gateway: &Gateway, raw: &Raw, declared: &crate::settings::Archive) -> archive::Settings {
    archive::Settings {
        name: declared.name.clone(),
        directory: raw.data_directory.join("archives").join(&declared.name),
        retention_days: declared.retention_days,
        disk_bytes_max: declared.disk_bytes_max,
        // A quarter of the room at most, so that the bound is kept in steps that are small beside it.
        segment_bytes: raw.journal.segment_bytes.min(declared.disk_bytes_max / 4),
        clock: gateway.clock.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(rules: &[(&str, &[&str])]) -> ArchiveRoutes {
        let mut routes = ArchiveRoutes::default();
        for (name, rules) in rules {
            let target = TargetName::new(archive::KIND, name).expect("a name");
            for rule in *rules {
                match *rule {
                    EVERY_RULE => routes.of_every_rule.push(target.clone()),
                    rule => routes.of_rule.entry(rule.to_owned()).or_default().push(target.clone()),
                }
            }
        }
        routes
    }

    #[test]
    fn an_event_goes_into_each_archive_of_its_rule_once() {
        let routes = routes(&[("all", &["*", "hot"]), ("some", &["hot", "cold"]), ("none", &[])]);
        for (rule, expected) in [
            ("hot", &["queue/a", "archive/some", "archive/all"][..]),
            ("cold", &["queue/a", "archive/some", "archive/all"]),
            ("other", &["queue/a", "archive/some", "archive/all"]),
        ] {
            let mut event = Event::json(rule, "1");
            let named = ["queue/a", "archive/some"].map(|name| TargetName::parse(name).expect("a name"));
            event.routes.extend(named.map(Route::to));
            routes.add(&mut event);
            let targets: Vec<&str> = event.routes.iter().map(|route| route.target.as_str()).collect();
            assert_eq!(targets, expected, "{rule}");
        }
        let mut event = Event::json("cold", "1");
        routes.add(&mut event);
        assert_eq!(event.routes.len(), 2);
    }
}
