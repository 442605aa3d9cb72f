//! What an instance prints: line by line into the gateway's log and the function's log file.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, oneshot};

use super::exchange::Exchange;
use super::log::Log;

/// Most bytes of one line that are kept; the rest of the line is counted and dropped.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Most characters of the last line that an error quotes.
const QUOTED_CHARS_MAX: usize = 300;

/// Where the lines of one instance go.
pub(super) struct Output {
    pub(super) instance: String,
    pub(super) exchange: Arc<Exchange>,
    pub(super) log: Arc<Log>,
    pub(super) last: Mutex<Last>,
}

/// The last lines that said something.
#[derive(Default)]
pub(super) struct Last {
    stdout: String,
    stderr: String,
}

impl Output {
    /// Reads a pipe to its end, and tells whoever asks when there is nothing in it for the moment.
    pub(super) async fn follow(
        &self,
        mut pipe: impl AsyncRead + Unpin,
        stream: &'static str,
        mut asked: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut lines = Lines::default();
        let mut chunk = vec![0; 4 << 10];
        loop {
            tokio::select! {
                // What was printed before a question was asked is read before it is answered.
                biased;
                read = pipe.read(&mut chunk) => match read {
                    Ok(count @ 1..) => lines.push(&chunk[..count], |line| self.line(stream, line)),
                    _ => break,
                },
                Some(empty) = asked.recv() => {
                    let _ = empty.send(());
                }
            }
        }
        lines.finish(|line| self.line(stream, line));
    }

    /// The last line that said something, for the error about a program that ended. What went wrong is said on stderr; which of the two
    /// pipes is read last says nothing.
    pub(super) fn last_words(&self) -> Option<String> {
        let last = self.last.lock();
        let line = if last.stderr.is_empty() { &last.stdout } else { &last.stderr };
        (!line.is_empty()).then(|| line.chars().take(QUOTED_CHARS_MAX).collect())
    }

    fn line(&self, stream: &'static str, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let request_id = self.exchange.last_taken();
        self.log.line(&self.instance, request_id.as_deref(), stream, line);
        let mut last = self.last.lock();
        line.trim().clone_into(if stream == "stderr" { &mut last.stderr } else { &mut last.stdout });
    }
}

/// Cuts bytes into lines of bounded length.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    dropped_bytes: usize,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            self.emit(&mut emit);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    fn finish(&mut self, mut emit: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.emit(&mut emit);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(LINE_BYTES_MAX - self.line.len());
        self.line.extend_from_slice(&bytes[..kept]);
        self.dropped_bytes += bytes.len() - kept;
    }

    fn emit(&mut self, emit: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end_matches('\r');
        match self.dropped_bytes {
            0 => emit(text),
            dropped => emit(&format!("{text} … {dropped} more bytes")),
        }
        self.line.clear();
        self.dropped_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_are_whole_whatever_the_chunks() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n", b"\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"caf\xff\n"]), ["caf\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_what_is_missing_counted() {
        let long = vec![b'x'; LINE_BYTES_MAX + 7];
        let found = lines(&[&long, b"\nnext\n"]);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("x … 7 more bytes"), "{}", &found[0][LINE_BYTES_MAX - 5..]);
        assert_eq!(found[1], "next");
    }

    proptest! {
        #[test]
        fn where_the_chunks_end_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            at in 0..200_usize,
        ) {
            let at = at.min(bytes.len());
            prop_assert_eq!(lines(&[&bytes]), lines(&[&bytes[..at], &bytes[at..]]));
        }
    }
}
