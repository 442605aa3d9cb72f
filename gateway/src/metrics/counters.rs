//! What the connection tasks count. Counters order nothing, so relaxed atomics are enough.

use super::exposition::Sample;
use dashmap::DashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Distinct reasons, rules and the like under one name; more are counted together, so that a label can't fill the memory.
const LABELS_MAX: usize = 1000;

/// A counter for each value of one label.
#[derive(Debug, Default)]
pub(crate) struct ByLabel(DashMap<String, AtomicU64>);

impl ByLabel {
    /// Counts one more of `label`.
    pub(crate) fn increment(&self, label: &str) {
        if let Some(counter) = self.0.get(label) {
            counter.fetch_add(1, Relaxed);
            return;
        }
        let label = if self.0.len() < LABELS_MAX { label } else { "other" };
        self.0.entry(label.to_string()).or_default().fetch_add(1, Relaxed);
    }

    /// How many of `label`.
    pub(crate) fn get(&self, label: &str) -> u64 {
        self.0.get(label).map_or(0, |counter| counter.load(Relaxed))
    }

    /// The samples, ordered by label.
    pub(crate) fn samples(&self, name: &'static str) -> Vec<Sample> {
        let mut samples: Vec<Sample> = self
            .0
            .iter()
            .map(|entry| Sample::labelled(name, entry.key().as_str(), entry.load(Relaxed)))
            .collect();
        samples.sort_by(|left, right| left.labels.cmp(&right.labels));
        samples
    }
}

/// Messages that each rule matched, or events that each subscription wanted, and when it last did.
#[derive(Debug, Default)]
pub(crate) struct RuleMatches(DashMap<String, Matches>);

/// What is known of one rule's matches.
#[derive(Debug, Default)]
struct Matches {
    count: AtomicU64,
    last_ms: AtomicU64,
}

impl Matches {
    fn add(&self, now_ms: u64) {
        increment(&self.count);
        self.last_ms.store(now_ms, Relaxed);
    }
}

impl RuleMatches {
    /// Counts one more match of `rule`.
    pub(crate) fn add(&self, rule: &str, now_ms: u64) {
        if let Some(matches) = self.0.get(rule) {
            return matches.add(now_ms);
        }
        let rule = if self.0.len() < LABELS_MAX { rule } else { "other" };
        self.0.entry(rule.to_string()).or_default().add(now_ms);
    }

    /// How many there were, and when the last was, in milliseconds since 1970; `None` without one.
    pub(crate) fn of_rule(&self, rule: &str) -> Option<(u64, u64)> {
        let matches = self.0.get(rule)?;
        Some((matches.count.load(Relaxed), matches.last_ms.load(Relaxed)))
    }

    /// The samples, ordered by the values of `label`.
    pub(crate) fn samples(&self, label: &'static str) -> Vec<Sample> {
        let mut samples: Vec<Sample> = self
            .0
            .iter()
            .map(|entry| Sample::labelled(label, entry.key().as_str(), entry.count.load(Relaxed)))
            .collect();
        samples.sort_by(|left, right| left.labels.cmp(&right.labels));
        samples
    }
}

/// What kind of thing failed while a rule was evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultKind {
    /// A value could not be converted.
    Conversion,
    /// Numbers without a result.
    Arithmetic,
    /// A function could make nothing of its arguments.
    Function,
    /// A limit was exceeded.
    Limit,
    /// A question to the world outside had no answer.
    Unanswered,
    /// An action leads nowhere.
    Action,
}

impl FaultKind {
    const NAMES: [&'static str; 6] =
        ["conversion", "arithmetic", "function", "limit", "unanswered", "action"];
}

/// Counters for each rule and kind of fault.
#[derive(Debug, Default)]
pub(crate) struct RuleFaults(DashMap<String, [AtomicU64; FaultKind::NAMES.len()]>);

impl RuleFaults {
    /// Counts one more of `kind` in `rule`.
    pub(crate) fn increment(&self, rule: &str, kind: FaultKind) {
        if let Some(counters) = self.0.get(rule) {
            return increment(&counters[kind as usize]);
        }
        let rule = if self.0.len() < LABELS_MAX { rule } else { "other" };
        increment(&self.0.entry(rule.to_string()).or_default()[kind as usize]);
    }

    /// How often each kind came in `rule`, those that never did left out.
    pub(crate) fn of_rule(&self, rule: &str) -> Vec<(&'static str, u64)> {
        let counters = self.0.get(rule);
        let counts =
            counters.iter().flat_map(|counters| counters.value().iter().map(|counter| counter.load(Relaxed)));
        FaultKind::NAMES.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// The samples, ordered by rule; kinds that never came are left out.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for entry in &self.0 {
            for (kind, counter) in FaultKind::NAMES.into_iter().zip(entry.value()) {
                let count = counter.load(Relaxed);
                if count > 0 {
                    let labels = vec![("rule", entry.key().clone()), ("kind", kind.to_string())];
                    samples.push(Sample { suffix: "", labels, value: count as f64 });
                }
            }
        }
        samples.sort_by(|left, right| left.labels.cmp(&right.labels));
        samples
    }
}

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Latency {
    /// Counts one duration.
    pub(crate) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// The samples of a Prometheus histogram in seconds.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut count = 0;
        let mut samples = Vec::with_capacity(BUCKETS_US.len() + 3);
        let bounds = BUCKETS_US.iter().map(|us| (*us as f64 / 1e6).to_string()).chain(["+Inf".to_string()]);
        for (bound, bucket) in bounds.zip(&self.buckets) {
            count += bucket.load(Relaxed);
            samples.push(Sample { suffix: "_bucket", labels: vec![("le", bound)], value: count as f64 });
        }
        let sum = self.sum_us.load(Relaxed) as f64 / 1e6;
        samples.push(Sample { suffix: "_sum", labels: Vec::new(), value: sum });
        samples.push(Sample { suffix: "_count", labels: Vec::new(), value: count as f64 });
        samples
    }
}

/// Lines of one kind in the log each second; what a peer can cause at will must not fill the disk or hide the rest. The counters tell of
/// all.
const LINES_PER_SECOND_MAX: u64 = 50;

/// The same for one rule: what a device can make one rule say must not hide the others.
const RULE_LINES_PER_SECOND_MAX: u64 = 10;

/// The same for all rules together.
const RULES_LINES_PER_SECOND_MAX: u64 = 200;

/// Bounds the lines of one kind.
#[derive(Debug)]
pub(crate) struct Lines {
    per_second_max: u64,
    since: Instant,
    /// The second counted, in the upper half, and the lines in it.
    second: AtomicU64,
    left_out: AtomicU64,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(LINES_PER_SECOND_MAX)
    }
}

impl Lines {
    fn new(per_second_max: u64) -> Self {
        Self { per_second_max, since: Instant::now(), second: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Whether one more line may be written, and then how many were left out before it.
    pub(crate) fn admit(&self) -> Option<u64> {
        let now = self.since.elapsed().as_secs() << 32;
        let counted = self.second.fetch_update(Relaxed, Relaxed, |counted| {
            Some(if counted & !0xFFFF_FFFF == now { counted + 1 } else { now + 1 })
        });
        let line = match counted {
            Ok(before) if before & !0xFFFF_FFFF == now => before & 0xFFFF_FFFF,
            _ => 0,
        };
        if line < self.per_second_max {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

/// Bounds the lines about rules: of each rule, and of all together.
#[derive(Debug)]
pub(crate) struct RuleLines {
    all: Lines,
    rules: DashMap<String, Lines>,
}

impl Default for RuleLines {
    fn default() -> Self {
        Self { all: Lines::new(RULES_LINES_PER_SECOND_MAX), rules: DashMap::new() }
    }
}

impl RuleLines {
    /// Whether one more line about `rule` may be written, and then how many were left out before it: of this rule, and for want of room of
    /// any.
    pub(crate) fn admit(&self, rule: &str) -> Option<u64> {
        if let Some(lines) = self.rules.get(rule) {
            return self.admit_of(&lines);
        }
        let rule = if self.rules.len() < LABELS_MAX { rule } else { "other" };
        let lines = || Lines::new(RULE_LINES_PER_SECOND_MAX);
        self.admit_of(&self.rules.entry(rule.to_string()).or_insert_with(lines))
    }

    fn admit_of(&self, lines: &Lines) -> Option<u64> {
        let of_rule = lines.admit()?;
        let of_any = self.all.admit();
        if of_any.is_none() {
            // Still to be told.
            lines.left_out.fetch_add(of_rule, Relaxed);
        }
        of_any.map(|of_any| of_rule + of_any)
    }
}

/// Everything the connection tasks count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// CONNECTs accepted.
    pub(crate) connects: AtomicU64,
    /// Connections that became a WebSocket.
    pub(crate) websockets: AtomicU64,
    /// HTTP requests of devices, by the status of the answer.
    pub(crate) http_requests: ByLabel,
    /// Durable sessions that ended because somebody else connected under their client id.
    pub(crate) sessions_displaced: AtomicU64,
    /// CONNECTs refused, by reason.
    pub(crate) connects_refused: ByLabel,
    /// Exchanges of SCRAM before the CONNACK that came to an end, by outcome.
    pub(crate) scram_authentications: ByLabel,
    /// Those after it, by outcome.
    pub(crate) scram_reauthentications: ByLabel,
    /// User names with passwords, by outcome.
    pub(crate) password_authentications: ByLabel,
    /// Connections ended, by reason.
    pub(crate) disconnects: ByLabel,
    /// PUBLISH packets and publishes by request received, by quality of service.
    pub(crate) publishes: [AtomicU64; 3],
    /// Bytes of payload in them.
    pub(crate) publish_bytes: AtomicU64,
    /// PUBLISH packets that the policies did not allow, by cause.
    pub(crate) publishes_denied: ByLabel,
    /// PUBLISH packets that were not accepted for another reason, by reason.
    pub(crate) publishes_refused: ByLabel,
    /// Wills that were due and could not be published, by reason.
    pub(crate) wills_refused: ByLabel,
    /// PUBLISH packets that had to wait, by reason.
    pub(crate) publishes_delayed: ByLabel,
    /// Filters that the policies did not allow, by cause.
    pub(crate) subscribes_denied: ByLabel,
    /// Filters that a limit keeps out, by reason code.
    pub(crate) subscribes_refused: ByLabel,
    /// From the receipt of a QoS 1 or 2 PUBLISH to its acknowledgement in the socket's buffer.
    pub(crate) acknowledge_latency: Latency,
    /// Messages that a rule matched, by rule.
    pub(crate) rule_matches: RuleMatches,
    /// Messages for which something in a rule failed, by rule and kind.
    pub(crate) rule_faults: RuleFaults,
    /// By rule: calls of functions without an answer.
    pub(crate) rule_calls_failed: ByLabel,
    /// Events that a subscription wanted, by subscription.
    pub(crate) subscription_matches: RuleMatches,
    /// Events that could not be matched, or that an input transformer could not shape, by subscription.
    pub(crate) subscription_faults: ByLabel,
    /// Lines about peers that were refused something.
    pub(crate) refusal_lines: Lines,
    /// Lines about rules that failed.
    pub(crate) rule_lines: RuleLines,
    /// Lines about subscriptions that failed.
    pub(crate) subscription_lines: RuleLines,
    /// Lines about rules that devices name and that do not exist.
    pub(crate) unknown_rule_lines: Lines,
    /// Sessions that ended because their time was up.
    pub(crate) sessions_expired: AtomicU64,
    /// Messages recognised as sent again by the device; their events keep their ids.
    pub(crate) resends_recognised: AtomicU64,
}

/// Counts one more.
pub(crate) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_that_bounds_it() {
        let latency = Latency::default();
        latency.record(Duration::from_micros(100));
        latency.record(Duration::from_micros(101));
        latency.record(Duration::from_secs(60));
        let samples = latency.samples();
        assert_eq!(samples[0].value, 1.0);
        assert_eq!(samples[1].value, 2.0);
        assert_eq!(samples.last().unwrap().value, 3.0);
        assert_eq!(samples[samples.len() - 3].labels[0].1, "+Inf");
    }

    #[test]
    fn lines_are_bounded_and_those_left_out_are_told() {
        let lines = Lines::default();
        let admitted = (0..1000).filter(|_| lines.admit().is_some()).count() as u64;
        // The clock may have turned to another second in between.
        assert!((LINES_PER_SECOND_MAX..=2 * LINES_PER_SECOND_MAX).contains(&admitted), "{admitted}");
        assert!(lines.left_out.load(Relaxed) > 0);
    }

    #[test]
    fn a_rule_that_fails_often_hides_no_line_of_another() {
        let lines = RuleLines::default();
        let admitted = (0..1000).filter(|_| lines.admit("noisy").is_some()).count() as u64;
        // The clock may have turned to another second in between.
        assert!(
            (RULE_LINES_PER_SECOND_MAX..=2 * RULE_LINES_PER_SECOND_MAX).contains(&admitted),
            "{admitted}"
        );
        assert_eq!(lines.admit("quiet"), Some(0));
        let of_all = (0..1000).filter(|number| lines.admit(&number.to_string()).is_some()).count() as u64;
        assert!(of_all <= 2 * RULES_LINES_PER_SECOND_MAX, "{of_all}");
    }

    #[test]
    fn labels_are_bounded() {
        let counters = ByLabel::default();
        for number in 0..LABELS_MAX + 10 {
            counters.increment(&number.to_string());
        }
        assert!(counters.samples("reason").len() <= LABELS_MAX + 1);
    }
}
