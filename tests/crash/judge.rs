//! Whether everything that was promised was kept: what devices noted, held against what came where. Pure, so that the judge can be judged.

use crate::identity::{Arrival, Identity};
use crate::load::{Fate, Sent};
use std::collections::{BTreeMap, BTreeSet};

/// Names of messages in one complaint; more are counted.
const NAMED_MAX: usize = 8;

/// What the judge is shown.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) messages: BTreeMap<Identity, Sent>,
    pub(crate) targets: Vec<Target>,
    /// The disk was full, or an fsync may have failed: what was refused then may have arrived all the same.
    pub(crate) may_refuse_and_keep: bool,
    /// A publish may have been sent again later than it is remembered, under another id then.
    pub(crate) may_forget_resends: bool,
}

/// One target.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// As `kind/name`.
    pub(crate) name: String,
    /// The rule whose events go there.
    pub(crate) rule: String,
    /// What it has taken, in that order.
    pub(crate) arrivals: Vec<Arrival>,
    /// The event ids of its dead letters.
    pub(crate) dead: Vec<String>,
    pub(crate) books: Books,
    pub(crate) order: Order,
    /// It never takes messages whose number divided by this leaves 1.
    pub(crate) poison: Option<u64>,
    /// Messages that the error action was told about, if there is one, and whether it was told of all.
    pub(crate) documents: Option<BTreeSet<Identity>>,
}

/// What keeps its order at a target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing: several read at once.
    #[default]
    None,
    /// The messages of one publisher.
    Publisher,
    /// The messages of one publisher and key.
    Key,
}

/// A row of the ledger.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) waiting: u64,
    /// Given up because the target was too far behind, as its settings want it.
    pub(crate) dropped: u64,
    /// Given up for any other reason.
    pub(crate) lost: u64,
}

/// Everything that is wrong; nothing, if all is well.
pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let identities = by_base(&evidence.targets);
    let mut wrong = Vec::new();
    let bases: BTreeMap<Identity, BTreeSet<&str>> = identities.iter().fold(
        BTreeMap::new(),
        |mut bases: BTreeMap<Identity, BTreeSet<&str>>, (base, identities)| {
            identities.iter().for_each(|identity| {
                bases.entry(*identity).or_default().insert(base);
            });
            bases
        },
    );
    complain(
        &mut wrong,
        "one id stands for several messages",
        identities.values().filter(|all| all.len() > 1),
        |all| all.iter().map(Identity::to_string).collect::<Vec<_>>().join("="),
    );
    let renamed =
        bases.iter().filter(|(identity, bases)| bases.len() > 1 && !evidence.may_be_renamed(identity));
    complain(&mut wrong, "one message has several ids", renamed, |(identity, bases)| {
        format!("{identity} {bases:?}")
    });
    for target in &evidence.targets {
        let mut complaints = Vec::new();
        target.judge(evidence, &identities, &mut complaints);
        wrong.extend(complaints.into_iter().map(|complaint| format!("{}: {complaint}", target.name)));
    }
    wrong
}

/// Which messages each base of event ids stands for, by everything that arrived anywhere.
fn by_base(targets: &[Target]) -> BTreeMap<&str, BTreeSet<Identity>> {
    let mut identities: BTreeMap<&str, BTreeSet<Identity>> = BTreeMap::new();
    for arrival in targets.iter().flat_map(|target| &target.arrivals) {
        identities.entry(base(&arrival.id)).or_default().insert(arrival.identity);
    }
    identities
}

/// The part of an event's id that all events of its message share.
fn base(id: &str) -> &str {
    id.split_once(':').map_or(id, |(base, _)| base)
}

fn complain<T>(
    wrong: &mut Vec<String>,
    what: &str,
    found: impl Iterator<Item = T>,
    name: impl Fn(&T) -> String,
) {
    let all: Vec<T> = found.collect();
    if !all.is_empty() {
        let named: Vec<String> = all.iter().take(NAMED_MAX).map(name).collect();
        let dots = if all.len() > NAMED_MAX { " …" } else { "" };
        wrong.push(format!("{what}: {} ({}{dots})", all.len(), named.join(", ")));
    }
}

impl Evidence {
    fn may_be_renamed(&self, identity: &Identity) -> bool {
        self.may_forget_resends && self.messages.get(identity).is_some_and(|sent| sent.repeated)
    }

    fn acknowledged(&self) -> impl Iterator<Item = Identity> {
        let acknowledged = self.messages.iter().filter(|(_, sent)| sent.fate == Fate::Acknowledged);
        acknowledged.map(|(identity, _)| *identity)
    }
}

impl Target {
    fn judge(
        &self,
        evidence: &Evidence,
        identities: &BTreeMap<&str, BTreeSet<Identity>>,
        wrong: &mut Vec<String>,
    ) {
        let arrived: BTreeSet<Identity> = self.arrivals.iter().map(|arrival| arrival.identity).collect();
        let dead: BTreeSet<Identity> =
            self.dead.iter().filter_map(|id| identities.get(base(id))).flatten().copied().collect();
        self.nothing_is_lost(evidence, &arrived, &dead, wrong);
        self.nothing_is_invented(evidence, &arrived, wrong);
        self.order_is_kept(evidence, &dead, wrong);
        self.books_agree(evidence, wrong);
        let name = |identity: &Identity| identity.to_string();
        let poisonous =
            arrived.iter().filter(|identity| self.poison.is_some_and(|poison| identity.number % poison == 1));
        complain(wrong, "taken although it never takes them", poisonous.copied(), name);
        if let Some(documents) = &self.documents {
            let untold = dead.difference(documents).copied();
            complain(wrong, "dead letters that the error action was not told of", untold, name);
        }
    }

    /// Acknowledged minus what arrived, is a dead letter or was dropped by a policy is nothing.
    fn nothing_is_lost(
        &self,
        evidence: &Evidence,
        arrived: &BTreeSet<Identity>,
        dead: &BTreeSet<Identity>,
        wrong: &mut Vec<String>,
    ) {
        let missing: Vec<Identity> = evidence
            .acknowledged()
            .filter(|identity| !arrived.contains(identity) && !dead.contains(identity))
            .collect();
        let books = &self.books;
        let count = missing.len() as u64;
        if count > books.dropped {
            let what = format!("lost, {} of them by no policy", count - books.dropped);
            complain(wrong, &what, missing.iter(), |identity| identity.to_string());
        }
    }

    fn nothing_is_invented(
        &self,
        evidence: &Evidence,
        arrived: &BTreeSet<Identity>,
        wrong: &mut Vec<String>,
    ) {
        let name = |identity: &Identity| identity.to_string();
        let unknown = arrived.iter().filter(|identity| !evidence.messages.contains_key(identity));
        complain(wrong, "nobody published", unknown.copied(), name);
        let refused = arrived.iter().filter(|identity| {
            let sent = evidence.messages.get(identity);
            !evidence.may_refuse_and_keep
                && sent.is_some_and(|sent| sent.fate == Fate::Refused && !sent.repeated)
        });
        complain(wrong, "refused, and yet arrived", refused.copied(), name);
        let mut ids: BTreeMap<Identity, BTreeSet<&str>> = BTreeMap::new();
        for arrival in &self.arrivals {
            ids.entry(arrival.identity).or_default().insert(&arrival.id);
        }
        let several =
            ids.into_iter().filter(|(identity, ids)| ids.len() > 1 && !evidence.may_be_renamed(identity));
        complain(wrong, "several event ids", several, |(identity, ids)| format!("{identity} {ids:?}"));
    }

    /// The first arrivals of each line are in the order they were published. Repeats may come at any time.
    fn order_is_kept(&self, evidence: &Evidence, dead: &BTreeSet<Identity>, wrong: &mut Vec<String>) {
        // Of a message that was sent twice the first may have been given up: then the second is the one that arrives, in its own place.
        let gives_up = self.books.dropped + self.books.dead_lettered > 0;
        // A server may be done with a request long after the gateway stopped waiting for it, and gave the message up.
        let may_be_late = |identity| {
            dead.contains(identity)
                || gives_up && evidence.messages.get(identity).is_some_and(|sent: &Sent| sent.repeated)
        };
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let mut astray = Vec::new();
        for arrival in &self.arrivals {
            let Identity { publisher, number } = arrival.identity;
            let line = match self.order {
                Order::None => return,
                Order::Publisher => (publisher, 0),
                Order::Key => (publisher, arrival.key),
            };
            if !seen.insert(arrival.identity) || may_be_late(&arrival.identity) {
                continue;
            }
            match last.insert(line, number) {
                Some(before) if before > number => {
                    astray.push(format!("{} after #{before}", arrival.identity));
                }
                _ => {}
            }
        }
        complain(wrong, "out of order", astray.iter(), |text| (*text).clone());
    }

    fn books_agree(&self, evidence: &Evidence, wrong: &mut Vec<String>) {
        let Books { accepted, delivered, dead_lettered, waiting, dropped, lost } = self.books;
        if lost > 0 {
            wrong.push(format!("{lost} given up by no policy of the settings"));
        }
        if accepted != delivered + dead_lettered + waiting + dropped + lost {
            wrong.push(format!("the books do not balance: {:?}", self.books));
        }
        if waiting > 0 {
            wrong.push(format!("{waiting} still wait by the books"));
        }
        let acknowledged = evidence.acknowledged().count() as u64;
        if accepted < acknowledged {
            wrong.push(format!("{acknowledged} acknowledged, {accepted} accepted by the books"));
        }
        let arrivals = self.arrivals.len() as u64;
        if delivered > arrivals {
            wrong.push(format!("{delivered} delivered by the books, {arrivals} arrived"));
        }
        let letters = self.dead.len() as u64;
        if dead_lettered != letters {
            wrong.push(format!("{dead_lettered} dead letters by the books, {letters} are there"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u64) -> Identity {
        Identity { publisher: 0, number }
    }

    fn arrival(number: u64) -> Arrival {
        Arrival { identity: identity(number), key: 0, id: format!("base{number}:rule") }
    }

    /// Ten messages, all acknowledged, at a target that took all of them.
    fn sound() -> Evidence {
        let sent = Sent { key: 0, fate: Fate::Acknowledged, repeated: false };
        let books = Books { accepted: 10, delivered: 10, ..Books::default() };
        let target = Target {
            name: "http/h0".to_string(),
            arrivals: (0..10).map(arrival).collect(),
            books,
            order: Order::Publisher,
            ..Target::default()
        };
        let messages = (0..10).map(|number| (identity(number), sent)).collect();
        Evidence { messages, targets: vec![target], ..Evidence::default() }
    }

    #[track_caller]
    fn complains(change: impl Fn(&mut Evidence), expected: &str) {
        let mut evidence = sound();
        change(&mut evidence);
        let wrong = judge(&evidence).join("\n");
        assert!(wrong.contains(expected), "{expected}\nin {wrong:?}");
    }

    #[test]
    fn what_is_sound_is_found_sound() {
        assert_eq!(judge(&sound()), Vec::<String>::new());
    }

    #[test]
    fn repeats_are_allowed() {
        let mut evidence = sound();
        evidence.targets[0].arrivals.insert(7, arrival(2));
        assert_eq!(judge(&evidence), Vec::<String>::new());
    }

    #[test]
    fn dead_letters_and_what_a_policy_dropped_are_not_lost() {
        let mut evidence = sound();
        let every =
            Target { order: Order::None, name: "queue/every".to_string(), ..evidence.targets.remove(0) };
        let target = Target {
            name: "http/h0".to_string(),
            arrivals: (0..8).map(arrival).collect(),
            dead: vec!["base8:other".to_string()],
            books: Books { accepted: 10, delivered: 8, dead_lettered: 1, dropped: 1, ..Books::default() },
            ..Target::default()
        };
        evidence.targets = vec![every, target];
        assert_eq!(judge(&evidence), Vec::<String>::new());
    }

    #[test]
    fn what_was_given_up_while_its_server_had_it_may_arrive_late() {
        let late = |dead_lettered: u64| {
            let mut evidence = sound();
            let every =
                Target { order: Order::None, name: "queue/every".to_string(), ..evidence.targets.remove(0) };
            let mut arrivals: Vec<_> = (0..10).map(arrival).collect();
            let slow = arrivals.remove(3);
            arrivals.push(slow);
            let delivered = 10 - dead_lettered;
            let target = Target {
                name: "http/h0".to_string(),
                arrivals,
                dead: (0..dead_lettered).map(|_| "base3:other".to_string()).collect(),
                books: Books { accepted: 10, delivered, dead_lettered, ..Books::default() },
                order: Order::Publisher,
                ..Target::default()
            };
            evidence.targets = vec![every, target];
            judge(&evidence)
        };
        assert_eq!(late(1), Vec::<String>::new());
        assert_eq!(late(0), ["http/h0: out of order: 1 (p0#3 after #9)"]);
    }

    #[test]
    fn every_broken_promise_is_found() {
        complains(
            |evidence| drop(evidence.targets[0].arrivals.remove(4)),
            "lost, 1 of them by no policy: 1 (p0#4)",
        );
        complains(|evidence| evidence.targets[0].arrivals.swap(3, 4), "out of order: 1 (p0#3 after #4)");
        complains(|evidence| evidence.targets[0].arrivals.push(arrival(11)), "nobody published");
        complains(|evidence| evidence.targets[0].arrivals[5].id = "base4:rule".to_string(), "one id stands");
        complains(
            |evidence| {
                let again = Arrival { id: "another:rule".to_string(), ..arrival(2) };
                evidence.targets[0].arrivals.push(again);
            },
            "several event ids: 1 (p0#2",
        );
        complains(|evidence| evidence.targets[0].books.waiting = 1, "do not balance");
        complains(
            |evidence| evidence.targets[0].books.delivered = 11,
            "11 delivered by the books, 10 arrived",
        );
        complains(
            |evidence| evidence.targets[0].dead.push("base1:rule".to_string()),
            "dead letters by the books",
        );
        complains(|evidence| evidence.targets[0].books.lost = 1, "1 given up by no policy");
        complains(|evidence| evidence.targets[0].poison = Some(3), "taken although it never takes them: 3");
        complains(
            |evidence| {
                evidence.messages.entry(identity(1)).and_modify(|sent| sent.fate = Fate::Refused);
            },
            "refused, and yet arrived",
        );
        complains(
            |evidence| {
                let target = &mut evidence.targets[0];
                target.books = Books { accepted: 11, delivered: 10, dead_lettered: 1, ..Books::default() };
                target.dead.push("base1:rule".to_string());
                target.documents = Some(BTreeSet::new());
            },
            "dead letters that the error action was not told of: 1 (p0#1)",
        );
    }
}
