//! The windows of a gateway: what is opened once, and asked everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bus::{Bus, LaneLimits};
use journal::Clock;
use journal::state::StateStore;
use rules::definition::Definition;
use tokio_util::sync::CancellationToken;

use crate::emit::Emitter;
use crate::figures::{Figures, RuleFigures};
use crate::fold::Fold;
use crate::lane_name;
use crate::outlet::Outlets;
use crate::store::{RestoreError, Store};
use crate::surroundings::{Rules, Surroundings};
use crate::target::{self, Lane};
use crate::thread::{Folder, Request};

/// How long rules that come in force wait for their windows to be written down.
const IN_FORCE_TIME_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub struct Windows {
    folder: Folder,
    store: Store,
    outlets: Arc<Outlets>,
    figures: Arc<Figures>,
}

/// Results that could not be sent on since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Whose.
    pub rule: String,
    /// Why, in few words.
    pub reason: &'static str,
    /// How many.
    pub results: u64,
}

impl Windows {
    /// Takes up what is kept, with the definitions that are in force now, and only then takes rows. Blocks.
    ///
    /// # Errors
    /// What is kept can't be read.
    pub fn open(
        state: &StateStore,
        bus: &Bus,
        rules: Arc<dyn Rules>,
        in_force: &[Arc<Definition>],
        clock: Clock,
    ) -> Result<Self, RestoreError> {
        let store = Store::open(state)?;
        Self::over(store, bus, rules, in_force, clock)
    }

    pub(crate) fn over(
        store: Store,
        bus: &Bus,
        rules: Arc<dyn Rules>,
        in_force: &[Arc<Definition>],
        clock: Clock,
    ) -> Result<Self, RestoreError> {
        let (outlets, figures): (Arc<Outlets>, Arc<Figures>) = Default::default();
        let surroundings = Surroundings { rules, backlog: Box::new(bus.clone()) };
        let fold = Fold::restore(store.clone(), surroundings, Arc::clone(&outlets), Arc::clone(&figures))?;
        let windows = Self { folder: Folder::start(fold, clock)?, store, outlets, figures };
        if !windows.in_force(in_force.to_vec()) {
            tracing::error!("the windows of the rules can't be written down");
        }
        Ok(windows)
    }

    /// Declares the lane: from now on rows are taken, those first that wait since the last run.
    ///
    /// # Errors
    /// The lane can't be declared.
    pub async fn serve(&self, bus: &Bus, limits: LaneLimits) -> Result<(), RestoreError> {
        let lane = Arc::new(Lane::new(self.folder.requests()));
        Ok(bus.set_target(lane_name().clone(), lane, target::settings(limits)).await?)
    }

    /// Writes down which definitions are in force, and says whether that worked. To be done before they are: a row must
    /// not outlive the statement that made it. Windows of others are finished under the statement that they began with.
    /// Blocks.
    pub fn in_force(&self, definitions: Vec<Arc<Definition>>) -> bool {
        let (noted, was_noted) = sync_channel(1);
        self.folder.requests().send(Request::InForce { definitions, noted })
            && was_noted.recv_timeout(IN_FORCE_TIME_MAX).unwrap_or(false)
    }

    /// Sends results on until `stop`.
    pub fn emit(&self, bus: Bus, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let emitter = Emitter { bus, store: self.store.clone(), outlets: Arc::clone(&self.outlets) };
        emitter.run(stop)
    }

    /// The figures of every rule that has windows or had.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<String, RuleFigures> {
        self.figures.all()
    }

    /// Results on disk that wait to be sent on, by rule.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<String, u64> {
        self.outlets.waiting()
    }

    /// Results that could not be sent on.
    #[must_use]
    pub fn dropped(&self) -> Vec<Dropped> {
        let dropped = self.outlets.all_dropped().into_iter();
        dropped.map(|(rule, reason, results)| Dropped { rule, reason, results }).collect()
    }

    /// Folds what was handed over, and ends. Blocks. The lane must be drained before.
    pub fn close(&self) {
        self.folder.end();
    }
}
