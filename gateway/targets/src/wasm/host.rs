//! What an instance may ask of the gateway, and what it may take.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::engine::{INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use super::function::Limits;

/// Bytes of one line that are kept; the rest of the line is dropped.
pub(super) const LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes of an error's message that are kept.
pub(super) const ERROR_BYTES_MAX: usize = 64 << 10;

/// Where lines go that a function logs. Called on the thread of the call.
pub(crate) trait Lines: Send + Sync {
    /// One line of the call `request_id`.
    fn line(&self, request_id: &str, line: &str);
}

/// The gateway as one call sees it.
pub(super) struct Host {
    request_id: String,
    lines: Arc<dyn Lines>,
    log_bytes_left: usize,
    log_bytes_dropped: u64,
    /// JSON about the call.
    pub(super) context: Arc<str>,
    /// What the function failed with.
    pub(super) failed: Option<String>,
    memory_bytes_max: usize,
    memory_bytes: usize,
    /// The memory that was refused, if any was.
    pub(super) refused_bytes: Option<usize>,
}

impl Host {
    pub(super) fn new(request_id: String, context: Arc<str>, lines: Arc<dyn Lines>, limits: &Limits) -> Self {
        Self {
            request_id,
            lines,
            log_bytes_left: limits.log_bytes_max,
            log_bytes_dropped: 0,
            context,
            failed: None,
            memory_bytes_max: limits.memory_bytes_max,
            memory_bytes: 0,
            refused_bytes: None,
        }
    }

    /// Takes what a function logs, line by line: the beginning of a text of `bytes`. What is beyond the bound of a call is counted and dropped.
    pub(super) fn log(&mut self, beginning: &str, bytes: usize) {
        let cost = beginning.len() + 1;
        if cost > self.log_bytes_left {
            self.log_bytes_dropped += bytes as u64;
            return;
        }
        self.log_bytes_left -= cost;
        self.log_bytes_dropped += bytes.saturating_sub(beginning.len()) as u64;
        for line in beginning.lines().filter(|line| !line.trim().is_empty()) {
            self.lines.line(&self.request_id, line);
        }
    }

    /// Says at the end of the call what was dropped.
    pub(super) fn finish(&self) {
        if self.log_bytes_dropped > 0 {
            let text = format!("… {} more bytes logged by this call were dropped", self.log_bytes_dropped);
            self.lines.line(&self.request_id, &text);
        }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_bytes_max {
            self.refused_bytes = Some(wanted);
            return Ok(false);
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// The first `bytes_max` bytes of a text, or a few less where a character ends.
pub(super) fn beginning(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
