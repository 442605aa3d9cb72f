//! Definitions of rules and of subscriptions: loaded from a folder, reloaded when they change.
//!
//! A rule is `{name}/rule.toml` or `{name}.toml`, a subscription `{name}/subscription.toml` or `{name}.subscription.toml`; entries that start with a dot are not looked at. All definitions
//! that are in force at one moment are one [`ActiveRules`], swapped as a whole. A definition that is broken is refused
//! and named, and its last good version stays in force; one that is gone is removed; a new one comes in. A definition is
//! broken also if it names a target that does not exist.
//!
//! Change is found by looking: once a second is cheap, and it works on every file system, which notifications do not.

mod active;
mod catalogue;
mod compile;
mod descriptors;
mod fault;
mod folder;
mod subscription;

pub use active::ActiveRules;
pub use catalogue::Reload;
pub use compile::DeclaredTargets;
pub use fault::Fault;
pub use subscription::{Judged, Subscription, SubscriptionTarget, Subscriptions};

use arc_swap::ArcSwap;
use catalogue::{Catalogue, Removal};
use descriptors::DescriptorFiles;
use folder::Kind;
use parking_lot::Mutex;
use rules::Capabilities;
use rules::definition::{DEFINITION_BYTES_MAX, Definition};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// Limits on definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Definitions in the folder. AWS IoT has 1,000 rules.
    pub rules_max: usize,
    /// Bytes of one file.
    pub definition_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules_max: 1_000, definition_bytes_max: DEFINITION_BYTES_MAX as u64 }
    }
}

/// A definition as it is shown to whoever administers the gateway.
#[derive(Clone, Debug)]
pub struct RuleStatus {
    /// The rule's name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The version in force, if there is one.
    pub in_force: Option<Arc<Definition>>,
    /// What is wrong with the file as it is now; if empty, it is what is in force.
    pub faults: Vec<Fault>,
}

/// A subscription as it is shown to whoever administers the gateway.
#[derive(Clone, Debug)]
pub struct SubscriptionStatus {
    /// The subscription's name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The version in force, if there is one.
    pub in_force: Option<Arc<Subscription>>,
    /// What is wrong with the file as it is now; if empty, it is what is in force.
    pub faults: Vec<Fault>,
}

/// The definitions of a folder.
pub struct Definitions {
    folder: PathBuf,
    targets: DeclaredTargets,
    descriptors: Mutex<DescriptorFiles>,
    limits: Limits,
    catalogue: Mutex<Catalogue<Definition>>,
    /// Locked after the rules.
    subscribed: Mutex<Subscribed>,
    active: ArcSwap<ActiveRules>,
    generation: watch::Sender<u64>,
    before_change: OnceLock<BeforeChange>,
}

/// The subscriptions as last seen.
struct Subscribed {
    catalogue: Catalogue<Subscription>,
    in_force: Arc<Subscriptions>,
    /// What is wrong with those that don't fit among the others, by name.
    misfits: BTreeMap<String, Fault>,
    /// The rules there were.
    rules: BTreeSet<String>,
}

/// What has to be done before other rules come in force.
type BeforeChange = Box<dyn Fn(&ActiveRules) + Send + Sync>;

impl Definitions {
    /// Loads the definitions of the folder. Broken ones are kept out and told by [`faults`](Self::faults); they stop
    /// neither the others nor the start. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: &Path, targets: DeclaredTargets, limits: Limits) -> Result<Arc<Self>, Fault> {
        folder::scan(folder, Kind::Rule, limits)?;
        let definitions = Self {
            folder: folder.to_path_buf(),
            descriptors: Mutex::new(DescriptorFiles::new(targets.descriptors.clone())),
            targets,
            limits,
            catalogue: Mutex::new(Catalogue::new(Kind::Rule)),
            subscribed: Mutex::new(Subscribed {
                catalogue: Catalogue::new(Kind::Subscription),
                in_force: Arc::default(),
                misfits: BTreeMap::new(),
                rules: BTreeSet::new(),
            }),
            active: ArcSwap::from_pointee(ActiveRules::default()),
            generation: watch::Sender::new(0),
            before_change: OnceLock::new(),
        };
        definitions.reload_now();
        Ok(Arc::new(definitions))
    }

    /// Reads a definition again that was in force once, to finish what it began and not to see messages: its targets, and
    /// the functions that it asks, may be gone since.
    ///
    /// # Errors
    /// What is wrong with it now.
    pub fn parse_kept(&self, name: &str, text: &str) -> Result<Definition, Vec<Fault>> {
        compile::parse(name, Path::new(name), text, &self.with_descriptors(Capabilities::all()))
    }

    /// The rules in force. Cheap; take it anew for each message.
    pub fn active(&self) -> arc_swap::Guard<Arc<ActiveRules>> {
        self.active.load()
    }

    /// Announces the generation of the rules in force, each time others come in force.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Has `tell` called with the rules that are about to come in force, each time before they do. It may block: whoever
    /// looks at the folder waits for it, messages don't. The first caller alone is heard.
    pub fn before_each_change(&self, tell: impl Fn(&ActiveRules) + Send + Sync + 'static) {
        let is_first = self.before_change.set(Box::new(tell)).is_ok();
        debug_assert!(is_first, "there is one who asks");
    }

    /// Looks at the folder now; what is gone is removed at once. Blocks.
    pub fn reload_now(&self) -> Reload {
        self.reload(Removal::AtOnce)
    }

    /// Looks at the folder again and again, until the future is dropped. What is gone is removed at the second look
    /// that does not find it.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let definitions = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || definitions.reload(Removal::WhenConfirmed));
            if let Err(error) = look.await {
                // Only when the runtime ends or a rule's compiler has a defect; the rules in force stay.
                tracing::error!(%error, "the look at the rule definitions did not end");
            }
        }
    }

    /// Every definition with its state, by name.
    pub fn status(&self) -> Vec<RuleStatus> {
        let catalogue = self.catalogue.lock();
        let status = |(name, entry): (&String, &catalogue::Entry<Definition>)| RuleStatus {
            name: name.clone(),
            file: entry.file.clone(),
            in_force: entry.good.clone(),
            faults: entry.faults.clone(),
        };
        catalogue.entries.iter().map(status).collect()
    }

    /// Every subscription with its state, by name.
    pub fn subscription_status(&self) -> Vec<SubscriptionStatus> {
        // Held while others come in force, so what is told here is in force.
        let _rules = self.catalogue.lock();
        let subscribed = self.subscribed.lock();
        let status = |(name, entry): (&String, &catalogue::Entry<Subscription>)| {
            let misfit = subscribed.misfits.get(name);
            SubscriptionStatus {
                name: name.clone(),
                file: entry.file.clone(),
                in_force: entry.good.clone().filter(|_| misfit.is_none()),
                faults: entry.faults.iter().chain(misfit).cloned().collect(),
            }
        };
        subscribed.catalogue.entries.iter().map(status).collect()
    }

    /// Everything that is wrong with the folder and the definitions in it. Empty when all is well.
    pub fn faults(&self) -> Vec<Fault> {
        let catalogue = self.catalogue.lock();
        let of_rules = catalogue.entries.values().flat_map(|entry| &entry.faults);
        let of_descriptors = self.descriptors.lock().faults.clone();
        let subscribed = self.subscribed.lock();
        // Both looks may have found the same wrong with the folder.
        let of_folder = subscribed.catalogue.folder_faults.iter();
        let of_folder = of_folder.filter(|fault| !catalogue.folder_faults.contains(fault));
        let of_subscriptions = subscribed.catalogue.entries.values().flat_map(|entry| &entry.faults);
        let of_subscriptions = of_subscriptions.chain(subscribed.misfits.values());
        let all = catalogue.folder_faults.iter().chain(of_rules).chain(of_folder).chain(of_subscriptions);
        all.cloned().chain(of_descriptors).collect()
    }

    fn reload(&self, removal: Removal) -> Reload {
        let mut catalogue = self.catalogue.lock();
        if self.look_at_descriptors() {
            catalogue.forget_contents();
        }
        let capabilities = self.capabilities();
        let compile = |name: &str, file: &Path, text: &str| {
            compile::compile(name, file, text, &self.targets, &capabilities)
        };
        let folder_faults = catalogue.folder_faults.clone();
        let reload = catalogue.reload(&self.folder, self.limits, removal, &compile);
        if catalogue.folder_faults != folder_faults {
            catalogue.folder_faults.iter().for_each(report);
        }
        for name in &reload.refused {
            let entry = &catalogue.entries[name];
            tracing::error!(rule = name, in_force = entry.good.is_some(), "rule definition refused");
            entry.faults.iter().for_each(report);
        }
        let subscriptions_change = self.reload_subscriptions(&catalogue, removal);
        if reload.changes_rules() || subscriptions_change {
            self.swap(&catalogue, &reload);
        }
        reload
    }

    /// Looks at the subscriptions, and says whether others are in force than before.
    fn reload_subscriptions(&self, rules: &Catalogue<Definition>, removal: Removal) -> bool {
        let mut subscribed = self.subscribed.lock();
        let subscribed = &mut *subscribed;
        let names: BTreeSet<String> = rules.entries.keys().cloned().collect();
        if names != subscribed.rules {
            subscribed.catalogue.forget_contents();
            subscribed.rules = names;
        }
        let known = subscription::Known { targets: &self.targets, rules: &subscribed.rules };
        let read = |name: &str, file: &Path, text: &str| subscription::read(name, file, text, &known);
        let folder_faults = subscribed.catalogue.folder_faults.clone();
        let reload = subscribed.catalogue.reload(&self.folder, self.limits, removal, &read);
        if subscribed.catalogue.folder_faults != folder_faults {
            subscribed.catalogue.folder_faults.iter().for_each(report);
        }
        for name in &reload.refused {
            let entry = &subscribed.catalogue.entries[name];
            tracing::error!(subscription = name, in_force = entry.good.is_some(), "subscription refused");
            entry.faults.iter().for_each(report);
        }
        if reload.changes_rules() {
            subscribed.assemble();
            let Reload { added, changed, removed, .. } = &reload;
            tracing::info!(?added, ?changed, ?removed, "subscriptions in force");
        }
        reload.changes_rules()
    }

    /// Whether rules may name other descriptors than before.
    fn look_at_descriptors(&self) -> bool {
        let mut descriptors = self.descriptors.lock();
        let faults = descriptors.faults.clone();
        let have_changed = descriptors.look();
        if descriptors.faults != faults {
            descriptors.faults.iter().for_each(report);
        }
        have_changed
    }

    /// What rules may ask and name.
    fn capabilities(&self) -> Capabilities {
        self.with_descriptors(self.targets.capabilities())
    }

    fn with_descriptors(&self, capabilities: Capabilities) -> Capabilities {
        match self.descriptors.lock().in_force() {
            Some(descriptors) => capabilities.with_descriptors(descriptors),
            None => capabilities,
        }
    }

    /// Still under the lock of the catalogue, so that generations come in order.
    fn swap(&self, catalogue: &Catalogue<Definition>, reload: &Reload) {
        let generation = self.active.load().generation() + 1;
        let definitions = catalogue.entries.values().filter_map(|entry| entry.good.clone());
        let subscriptions = Arc::clone(&self.subscribed.lock().in_force);
        let rules = ActiveRules::new(generation, definitions, subscriptions);
        if let Some(tell) = self.before_change.get() {
            tell(&rules);
        }
        self.active.store(Arc::new(rules));
        self.generation.send_replace(generation);
        let Reload { added, changed, removed, .. } = reload;
        tracing::info!(generation, ?added, ?changed, ?removed, "rules in force");
    }
}

impl Subscribed {
    /// Makes one set of all that are good.
    fn assemble(&mut self) {
        let good = self.catalogue.entries.values().filter_map(|entry| entry.good.clone());
        let (in_force, refused) = Subscriptions::new(good);
        self.in_force = Arc::new(in_force);
        self.misfits.clear();
        for (name, error) in refused {
            let file = self.catalogue.entries.get(&name).map(|entry| entry.file.clone()).unwrap_or_default();
            let fault = Fault::of_file(&file, format!("subscription `{name}` is not in force: {error}"));
            report(&fault);
            self.misfits.insert(name, fault);
        }
    }
}

fn report(fault: &Fault) {
    let (line, column) = fault.place.unzip();
    let (file, hint) = (fault.file.display(), fault.hint.as_deref());
    tracing::error!(%file, line, column, hint, "{}", fault.message);
}

#[cfg(test)]
mod tests;
