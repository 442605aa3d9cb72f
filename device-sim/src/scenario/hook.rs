//! Commands that are run while a scenario plays.

use std::time::Duration;

/// A command, for example one that stops or starts the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When it is run.
    pub at: Duration,
    /// Program and arguments; never empty. No shell reads it.
    pub command: Vec<String>,
    /// What reports and plots call it.
    pub name: String,
    /// It is killed, with everything that it started, when it runs longer.
    pub longest: Duration,
}
