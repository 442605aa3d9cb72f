//! The terminal itself: its size, its other screen, and frames without flicker.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpid, kill_process};

/// The terminal got another size.
pub(super) const RESIZED: i32 = Signal::WINCH.as_raw();
/// Ctrl-Z.
pub(super) const SUSPENDED: i32 = Signal::TSTP.as_raw();

/// What most terminals have at least, for those that do not say.
const SIZE: (usize, usize) = (80, 24);
/// More is not drawn, whatever a terminal says.
const SIZE_MAX: (usize, usize) = (240, 100);

/// Its other screen, no cursor, and no wrapping: a line that is too long ends at the edge.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// All of that undone, in the opposite order.
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Terminals that know it show what lies between at once.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";

/// Whether standard error is a terminal that understands more than lines.
pub(super) fn is_possible() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb" || name.is_empty());
    std::io::stderr().is_terminal() && !dumb
}

/// A terminal whose other screen is shown.
pub(super) struct Terminal<W: Write> {
    output: W,
    size: (usize, usize),
    coloured: bool,
}

impl<W: Write> Terminal<W> {
    pub(super) fn open(output: W) -> Self {
        let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mut terminal = Self { output, size: measured().unwrap_or(SIZE), coloured };
        terminal.write(ENTER);
        terminal
    }

    pub(super) fn close(&mut self) {
        self.write(LEAVE);
    }

    /// Characters in a line, and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        self.size
    }

    pub(super) fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// Asks again how large it is.
    pub(super) fn measure(&mut self) {
        self.size = measured().unwrap_or(self.size);
    }

    /// Stops the process with the terminal as it was, and goes on when somebody continues it.
    pub(super) fn suspend(&mut self) {
        self.write(LEAVE);
        let _ = kill_process(getpid(), Signal::STOP);
        self.measure();
        self.write(ENTER);
    }

    /// Draws a frame over the last one, in one write.
    pub(super) fn draw(&mut self, lines: &[String]) {
        let mut frame = BEGIN.to_owned();
        for (index, line) in lines.iter().enumerate() {
            frame.push_str(if index > 0 { "\r\n" } else { "" });
            frame.push_str(line);
            frame.push_str("\x1b[K");
        }
        frame.push_str(END);
        self.write(&frame);
    }

    /// A line on the usual screen.
    pub(super) fn print(&mut self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// If nobody can read it, the run goes on.
    fn write(&mut self, text: &str) {
        let _ = self.output.write_all(text.as_bytes());
        let _ = self.output.flush();
    }
}

/// The size as `stty` tells it, which every system with a terminal has.
fn measured() -> Option<(usize, usize)> {
    let terminal = File::open("/dev/tty").ok()?;
    let told = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    parse(std::str::from_utf8(&told.stdout).ok()?)
}

fn parse(text: &str) -> Option<(usize, usize)> {
    let mut numbers = text.split_whitespace().map(str::parse::<usize>);
    let (height, width) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    // A terminal that nobody looks at says that it has no size.
    (height > 0 && width > 0).then(|| (width.min(SIZE_MAX.0), height.min(SIZE_MAX.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_or_not() {
        for (text, size) in [
            ("24 80\n", Some((80, 24))),
            ("5000 5000\n", Some(SIZE_MAX)),
            ("0 0\n", None),
            ("", None),
            ("stty: not a tty", None),
        ] {
            assert_eq!(parse(text), size, "{text}");
        }
    }

    #[test]
    fn a_frame_is_one_write_over_the_last_one() {
        let mut output = Vec::new();
        let mut terminal = Terminal { output: &mut output, size: SIZE, coloured: false };
        terminal.draw(&["one".to_owned(), "two".to_owned()]);
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "\x1b[?2026h\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J\x1b[?2026l"
        );
    }
}
