//! A run on a terminal while it goes on: one screen, drawn again with each second's figures, in place of lines that scroll away.
//!
//! It draws on standard error, so that a summary can go elsewhere, and asks the terminal for nothing. What is told
//! meanwhile is held, shown at the bottom and printed when the screen is gone.

mod frame;
mod terminal;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::truth::{Sample, Tally};
use frame::View;
use terminal::Terminal;

/// Seconds that the small plots reach back at most.
const HISTORY_SECS: usize = 240;
/// Lines that are held while the screen is there; of more, the oldest are dropped.
const HELD_MAX: usize = 200;
/// How often it is looked whether there is something new to draw.
const LOOK: Duration = Duration::from_millis(200);

/// What was told while a screen is there, and how much of it was dropped.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<String>,
    dropped: u64,
}

/// Keeps a line for later if there is a screen. Gives it back if there is none.
pub(super) fn hold(line: &str) -> Option<&str> {
    let mut held = HELD.lock();
    let Some(held) = held.as_mut() else { return Some(line) };
    if held.lines.len() >= HELD_MAX {
        held.lines.pop_front();
        held.dropped += 1;
    }
    held.lines.push_back(line.to_owned());
    None
}

/// Whether standard error can show a screen.
pub(super) fn is_possible() -> bool {
    terminal::is_possible()
}

/// What the screen says of a run that does not change.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Name of the scenario, or of the run.
    pub(crate) name: String,
    /// How many devices.
    pub(crate) devices: u64,
    /// Where the server is.
    pub(crate) address: String,
}

/// Shows the screen until it is dropped.
pub(super) async fn show(tally: &Tally, about: &About) -> Infallible {
    let mut screen = Screen::open(std::io::stderr());
    let mut history = VecDeque::new();
    let mut ticks = tokio::time::interval(LOOK);
    let (mut resized, mut suspended) = (heard(terminal::RESIZED), heard(terminal::SUSPENDED));
    loop {
        let mut changed = true;
        tokio::select! {
            _ = ticks.tick() => changed = false,
            () = next(&mut resized) => screen.terminal.measure(),
            () = next(&mut suspended) => screen.terminal.suspend(),
        }
        let snapshot = tally.snapshot();
        let newest = snapshot.latest.at_secs;
        if history.back().is_none_or(|last: &Sample| last.at_secs < newest) {
            history.push_back(snapshot.latest.clone());
            history.drain(..history.len().saturating_sub(HISTORY_SECS));
            changed = true;
        }
        if changed {
            screen.draw(&View { about, snapshot: &snapshot, history: history.make_contiguous() });
        }
    }
}

/// A terminal with a screen on it. Gone when it is dropped, and what was told meanwhile is printed.
struct Screen<W: std::io::Write> {
    terminal: Terminal<W>,
}

impl<W: std::io::Write> Screen<W> {
    fn open(output: W) -> Self {
        *HELD.lock() = Some(Held::default());
        Self { terminal: Terminal::open(output) }
    }

    fn draw(&mut self, view: &View<'_>) {
        let (width, height) = self.terminal.size();
        let told: Vec<String> = match HELD.lock().as_ref() {
            Some(held) => held.lines.iter().rev().take(height).rev().cloned().collect(),
            None => Vec::new(),
        };
        let lines = frame::lines(view, &told, width, height, self.terminal.is_coloured());
        self.terminal.draw(&lines);
    }
}

impl<W: std::io::Write> Drop for Screen<W> {
    fn drop(&mut self) {
        self.terminal.close();
        let Some(held) = HELD.lock().take() else { return };
        if held.dropped > 0 {
            self.terminal.print(&format!("({} earlier lines are left out)", held.dropped));
        }
        for line in &held.lines {
            self.terminal.print(line);
        }
    }
}

/// A signal, if it can be listened for; a screen without it is still a screen.
fn heard(number: i32) -> Option<Signal> {
    signal(SignalKind::from_raw(number)).ok()
}

async fn next(signal: &mut Option<Signal>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_left_as_it_was_and_nothing_told_is_lost() {
        let mut output = Vec::new();
        let mut screen = Screen::open(&mut output);
        assert_eq!(hold("device-7 cannot connect: refused"), None);
        let about = About { name: "meters".to_owned(), devices: 10, address: "localhost:8883".to_owned() };
        screen.draw(&View { about: &about, snapshot: &crate::truth::Snapshot::default(), history: &[] });
        drop(screen);
        assert_eq!(hold("later"), Some("later"), "nothing is held any more");
        let written = String::from_utf8(output).unwrap();
        let at = |part: &str| written.rfind(part).unwrap_or_else(|| panic!("{part:?} in {written:?}"));
        // Another screen, hidden cursor, no wrapping, in this order; then all of them back, and the lines.
        let order = [
            "\x1b[?1049h",
            "meters",
            "\x1b[?7h",
            "\x1b[?25h",
            "\x1b[?1049l",
            "device-7 cannot connect: refused\n",
        ];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{written:?}");
    }
}
