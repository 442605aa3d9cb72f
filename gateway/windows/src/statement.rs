//! Which statement made a row: the rule's name alone doesn't say, for a rule may change while its windows are open.

use rules::definition::Definition;
use rules::window::LateEvents;
use xxhash_rust::xxh3::Xxh3;

/// Tells statements apart. A definition that is changed keeps it if name, SQL, version and windows stay the same; what its
/// actions are does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StatementId(pub(crate) u64);

impl StatementId {
    pub(crate) fn of(definition: &Definition) -> Self {
        let mut digest = Xxh3::new();
        let window = definition.window.unwrap_or_default();
        let late_events = LateEvents::ALL.iter().find(|(_, choice)| *choice == window.late_events);
        for part in [
            definition.name.as_str(),
            definition.statement.sql(),
            definition.sql_version().text(),
            late_events.map_or("", |(name, _)| name),
        ] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let numbers = [
            window.lateness_ms,
            window.future_ms_max,
            window.idle_ms,
            window.groups_max as u64,
            window.state_bytes_max as u64,
        ];
        numbers.iter().for_each(|number| digest.update(&number.to_le_bytes()));
        Self(digest.digest())
    }
}
