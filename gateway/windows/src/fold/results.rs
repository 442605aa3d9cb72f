//! What closed windows make, kept on disk until it is sent on.

use std::sync::Arc;

use rules::Outcome;
use rules::window::Closed;
use xxhash_rust::xxh3::xxh3_64;

use super::Fold;
use crate::surroundings::WindowResult;

impl Fold {
    /// Puts results into the transaction that closes their windows. Their ids are fixed here.
    pub(super) fn keep_results(&mut self, number: u64, closed: &[Closed], now_ms: u64) {
        let Some(running) = self.statements.get_mut(&number) else { return };
        let (mut made, mut results, mut bytes) = (0, 0, 0);
        for closed in closed {
            let output = match &closed.outcome {
                Ok(Outcome::Match(output)) => Ok(output),
                // HAVING left it out.
                Ok(_) => continue,
                Err(fault) => Err(fault),
            };
            made += u64::from(output.is_ok());
            let result = WindowResult { group: name_of(&closed.group), output };
            let record = self.surroundings.rules.record(&running.definition, &result, now_ms);
            if record.is_empty() {
                continue;
            }
            match record.encode() {
                Ok(encoded) => {
                    let transaction = &mut self.unwritten.transaction;
                    bytes += transaction.put_result(number, running.next_result, &encoded);
                    running.next_result += 1;
                    results += 1;
                }
                Err(error) => {
                    tracing::error!(rule = running.rule, %error, "a result can't be written");
                    self.outlets.dropped(&running.rule, "encode");
                }
            }
        }
        if results > 0 {
            self.unwritten.made.push((Arc::clone(&running.outlet), results, bytes));
        }
        if made > 0 {
            let rule = self.rules.entry(running.rule.clone()).or_default();
            rule.row.counts.results += made;
            rule.changed = true;
        }
    }
}

/// A short name of a group, the same whenever it closes.
fn name_of(group: &[u8]) -> String {
    format!("{:016x}", xxh3_64(group))
}
