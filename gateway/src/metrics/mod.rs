//! Every metric of the gateway, in one list.

mod archives;
mod counters;
mod exposition;
mod functions;
mod process;
mod windows;

pub(crate) use counters::{ByLabel, Counters, FaultKind, Lines, increment};
pub(crate) use process::{Memory, memory};

use crate::connection::{Direction, Totals};
use crate::gateway::Gateway;
use broker::DropReason;
use exposition::{Kind, Sample};
use listener::Reason;
use mqtt::{PacketType, Version};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use targets::function::Function;
use windows::WindowFigures;

/// One metric: its name, what it says, what it is, and where its samples come from.
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: fn(&Snapshot<'_>) -> Vec<Sample>,
}

/// What all samples are taken from, so that they fit together.
struct Snapshot<'g> {
    gateway: &'g Gateway,
    broker: broker::Stats,
    bus: bus::BusStats,
    ledger: Vec<bus::LedgerRow>,
    letters: BTreeMap<bus::TargetName, bus::DeadLetterCounts>,
    journal: journal::Stats,
    windows: WindowFigures,
    functions: Vec<Arc<Function>>,
    received: Totals,
    sent: Totals,
    listeners: Vec<(listener::Handle, listener::Stats)>,
}

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot<'_>) -> Vec<Sample>,
) -> Metric {
    Metric { name, help, kind: Kind::Counter, samples }
}

const fn gauge(name: &'static str, help: &'static str, samples: fn(&Snapshot<'_>) -> Vec<Sample>) -> Metric {
    Metric { name, help, kind: Kind::Gauge, samples }
}

/// The list. To add a metric, add a line.
const METRICS: &[Metric] = &[
    gauge("iot_gateway_connections", "Clients connected", |s| Sample::plain(s.broker.connected)),
    gauge("iot_gateway_connections_by_version", "Clients connected, by version of the protocol", |s| {
        let count = |version| s.gateway.connections.count(version);
        let versions = [("3.1.1", Version::V3_1_1), ("5", Version::V5)];
        versions.map(|(label, version)| Sample::labelled("version", label, count(version))).to_vec()
    }),
    counter("iot_gateway_received_bytes_total", "Bytes of MQTT from clients", |s| {
        Sample::plain(s.received.bytes)
    }),
    counter("iot_gateway_sent_bytes_total", "Bytes of MQTT to clients", |s| Sample::plain(s.sent.bytes)),
    counter("iot_gateway_packets_received_total", "Packets from clients, by type", |s| packets(&s.received)),
    counter("iot_gateway_packets_sent_total", "Packets to clients, by type", |s| packets(&s.sent)),
    gauge("iot_gateway_sockets", "Sockets open, those in their TLS handshake included, by listener", |s| {
        by_listener(s, |stats| stats.connections_open as u64)
    }),
    gauge(
        "iot_gateway_handshakes_open",
        "Of those, in their handshake or not handed over yet, by listener",
        |s| by_listener(s, |stats| stats.handshakes_open as u64),
    ),
    counter("iot_gateway_websockets_total", "Connections that became a WebSocket", |s| {
        plain(&s.gateway.counters.websockets)
    }),
    counter(
        "iot_gateway_http_requests_total",
        "HTTP requests of devices, by the status of the answer",
        |s| s.gateway.counters.http_requests.samples("status"),
    ),
    counter("iot_gateway_tls_accepted_total", "TLS handshakes done", |s| {
        let over_tls = s.listeners.iter().filter(|(listener, _)| listener.is_tls());
        Sample::plain(over_tls.map(|(_, stats)| stats.accepted).sum())
    }),
    counter("iot_gateway_tls_resumed_total", "TLS sessions resumed, of those", |s| {
        Sample::plain(s.listeners.iter().map(|(_, stats)| stats.resumed).sum())
    }),
    counter("iot_gateway_tls_refused_total", "TLS handshakes refused, by reason", tls_refused),
    counter(
        "iot_gateway_refusals_not_logged_total",
        "Refusals that are in no log because there were too many, by listener",
        |s| by_listener(s, |stats| stats.refusals_not_logged),
    ),
    counter("iot_gateway_tls_reloads_total", "Times changed TLS files came into use, by listener", |s| {
        by_listener(s, |stats| stats.reloads)
    }),
    counter(
        "iot_gateway_tls_reloads_failed_total",
        "Times changed TLS files could not be used and the old ones stayed, by listener",
        |s| by_listener(s, |stats| stats.reloads_failed),
    ),
    counter("iot_gateway_connects_total", "CONNECTs accepted", |s| plain(&s.gateway.counters.connects)),
    counter("iot_gateway_connects_refused_total", "CONNECTs refused, by reason", |s| {
        s.gateway.counters.connects_refused.samples("reason")
    }),
    counter(
        "iot_gateway_sessions_displaced_total",
        "Durable sessions ended because somebody else connected under their client id",
        |s| plain(&s.gateway.counters.sessions_displaced),
    ),
    counter(
        "iot_gateway_authentications_total",
        "Clients that said to be a user, by how and outcome",
        authentications,
    ),
    counter("iot_gateway_disconnects_total", "Connections ended, by reason", |s| {
        s.gateway.counters.disconnects.samples("reason")
    }),
    counter(
        "iot_gateway_publishes_total",
        "PUBLISH packets and publishes by request received, by quality of service",
        |s| {
            let counts = s.gateway.counters.publishes.iter().enumerate();
            counts.map(|(qos, count)| Sample::labelled("qos", qos.to_string(), count.load(Relaxed))).collect()
        },
    ),
    counter("iot_gateway_publish_bytes_total", "Bytes of payload in them", |s| {
        plain(&s.gateway.counters.publish_bytes)
    }),
    counter("iot_gateway_publishes_denied_total", "PUBLISH packets that no policy allows, by cause", |s| {
        s.gateway.counters.publishes_denied.samples("cause")
    }),
    counter("iot_gateway_publishes_refused_total", "PUBLISH packets not accepted, by reason", |s| {
        s.gateway.counters.publishes_refused.samples("reason")
    }),
    counter("iot_gateway_wills_refused_total", "Wills that were due and not published, by reason", |s| {
        s.gateway.counters.wills_refused.samples("reason")
    }),
    counter("iot_gateway_publishes_delayed_total", "PUBLISH packets that had to wait, by reason", |s| {
        s.gateway.counters.publishes_delayed.samples("reason")
    }),
    counter("iot_gateway_subscribes_denied_total", "Filters that no policy allows, by cause", |s| {
        s.gateway.counters.subscribes_denied.samples("cause")
    }),
    counter(
        "iot_gateway_subscribes_refused_total",
        "Filters beyond a limit or of a feature that is off, by reason",
        |s| s.gateway.counters.subscribes_refused.samples("reason"),
    ),
    counter(
        "iot_gateway_resends_recognised_total",
        "Publishes sent again, whose events kept their ids",
        |s| plain(&s.gateway.counters.resends_recognised),
    ),
    Metric {
        name: "iot_gateway_acknowledge_seconds",
        help: "From the receipt of a QoS 1 or 2 PUBLISH to its acknowledgement",
        kind: Kind::Histogram,
        samples: |s| s.gateway.counters.acknowledge_latency.samples(),
    },
    counter("iot_gateway_rule_matches_total", "Messages that a rule matched", |s| {
        s.gateway.counters.rule_matches.samples("rule")
    }),
    counter("iot_gateway_rule_faults_total", "Messages for which something in a rule failed, by kind", |s| {
        s.gateway.counters.rule_faults.samples()
    }),
    counter(
        "iot_gateway_rule_calls_failed_total",
        "Calls of functions by rules without an answer in time",
        |s| s.gateway.counters.rule_calls_failed.samples("rule"),
    ),
    counter("iot_gateway_subscription_matches_total", "Events that a subscription wanted", |s| {
        s.gateway.counters.subscription_matches.samples("subscription")
    }),
    counter(
        "iot_gateway_subscription_faults_total",
        "Events of which a subscription could not say whether it wants them, or that its input transformer could not shape",
        |s| s.gateway.counters.subscription_faults.samples("subscription"),
    ),
    gauge(
        "iot_gateway_subscription_definitions_refused",
        "Subscriptions on disk that are not in force",
        |s| {
            let status = s.gateway.definitions.subscription_status();
            Sample::plain(status.iter().filter(|status| !status.faults.is_empty()).count() as u64)
        },
    ),
    gauge("iot_gateway_messages_waiting_for_functions", "Messages whose rules wait for functions", |s| {
        Sample::plain(s.gateway.functions.waiting())
    }),
    gauge("iot_gateway_rule_traces", "Traces that follow a rule now", |s| {
        Sample::plain(s.gateway.traces.count() as u64)
    }),
    gauge("iot_gateway_rule_definitions_refused", "Definitions on disk that are not in force", |s| {
        let status = s.gateway.definitions.status();
        Sample::plain(status.iter().filter(|status| !status.faults.is_empty()).count() as u64)
    }),
    counter("iot_gateway_own_messages_total", "Lifecycle events and `$SYS` values on their way", |s| {
        Sample::plain(s.gateway.announcements.made())
    }),
    counter("iot_gateway_own_messages_dropped_total", "Lifecycle events and `$SYS` values lost", |s| {
        Sample::plain(s.gateway.announcements.dropped())
    }),
    gauge("iot_gateway_sessions", "Sessions, connected or not", |s| Sample::plain(s.broker.sessions)),
    counter("iot_gateway_sessions_expired_total", "Sessions that ended because their time was up", |s| {
        plain(&s.gateway.counters.sessions_expired)
    }),
    gauge("iot_gateway_subscriptions", "Subscriptions", |s| Sample::plain(s.broker.subscriptions)),
    gauge("iot_gateway_shared_subscriptions", "Subscriptions that are shared, of those", |s| {
        Sample::plain(s.broker.shared_subscriptions)
    }),
    gauge("iot_gateway_wildcard_subscriptions", "Subscriptions with a wildcard, of those", |s| {
        Sample::plain(s.broker.wildcard_subscriptions)
    }),
    gauge("iot_gateway_retained_messages", "Retained messages", |s| {
        Sample::plain(s.broker.retained_messages)
    }),
    gauge("iot_gateway_retained_bytes", "Bytes of retained messages", |s| {
        Sample::plain(s.broker.retained_bytes)
    }),
    gauge("iot_gateway_session_queued_messages", "Copies that wait for subscribers", |s| {
        Sample::plain(s.broker.queued_messages)
    }),
    gauge("iot_gateway_messages_in_flight", "Exchanges of QoS 1 and 2 with subscribers, not over", |s| {
        Sample::plain(s.broker.in_flight)
    }),
    counter("iot_gateway_messages_sent_total", "Copies written to subscribers", |s| {
        Sample::plain(s.broker.sent)
    }),
    counter("iot_gateway_messages_sent_payload_bytes_total", "Bytes of payload in them", |s| {
        Sample::plain(s.broker.sent_payload_bytes)
    }),
    counter("iot_gateway_messages_dropped_total", "Copies that did not reach a subscriber, by reason", |s| {
        let dropped = DropReason::ALL.iter();
        dropped.map(|reason| Sample::labelled("reason", reason.label(), s.broker.dropped(*reason))).collect()
    }),
    counter("iot_gateway_sessions_overflowed_total", "Sessions ended because their queue was full", |s| {
        Sample::plain(s.broker.sessions_overflowed)
    }),
    gauge("iot_gateway_session_queued_bytes", "Bytes of those copies", |s| {
        Sample::plain(s.broker.queued_bytes)
    }),
    counter("iot_gateway_events_accepted_total", "Events made durable", |s| {
        books(s, |counts| counts.accepted)
    }),
    counter("iot_gateway_events_delivered_total", "Events a target has taken", |s| {
        books(s, |counts| counts.delivered)
    }),
    counter("iot_gateway_events_dead_lettered_total", "Events that became dead letters", |s| {
        books(s, |counts| counts.dead_lettered)
    }),
    gauge("iot_gateway_events_waiting", "Events that are owed to a target", |s| {
        books(s, |counts| counts.waiting)
    }),
    counter("iot_gateway_events_dropped_total", "Events given up, by reason", |s| dropped_events(&s.ledger)),
    counter("iot_gateway_events_redriven_total", "Dead letters among the events accepted", |s| {
        books(s, |counts| counts.redriven)
    }),
    counter("iot_gateway_events_replayed_total", "Events of archives among the events accepted", |s| {
        books(s, |counts| counts.replayed)
    }),
    gauge("iot_gateway_dead_letters", "Dead letters kept", |s| letters(s, |counts| counts.held)),
    gauge("iot_gateway_dead_letter_bytes", "Bytes of data in them", |s| {
        letters(s, |counts| counts.held_bytes)
    }),
    counter("iot_gateway_dead_letters_written_total", "Dead letters ever written", |s| {
        letters(s, |counts| counts.written)
    }),
    counter("iot_gateway_dead_letters_redriven_total", "Dead letters sent again", |s| {
        letters(s, |counts| counts.redriven)
    }),
    counter("iot_gateway_dead_letters_purged_total", "Dead letters deleted by somebody", |s| {
        letters(s, |counts| counts.purged)
    }),
    counter(
        "iot_gateway_dead_letters_evicted_total",
        "Dead letters deleted because there were as many as allowed",
        |s| letters(s, |counts| counts.evicted),
    ),
    counter(
        "iot_gateway_error_documents_skipped_total",
        "Documents for error actions that were not sent because there was no room or no target",
        |s| Sample::plain(s.bus.error_documents_skipped),
    ),
    counter("iot_gateway_deliveries_retried_total", "Deliveries to be tried again", |s| {
        lanes(s, |lane| lane.retried)
    }),
    counter("iot_gateway_delivery_failures_total", "Failed deliveries, by code", delivery_failures),
    gauge("iot_gateway_delivery_lag_ms", "Age of the oldest event that waits, in milliseconds", |s| {
        lanes(s, |lane| lane.lag_ms)
    }),
    gauge("iot_gateway_delivery_aside_bytes", "Bytes on disk of what was moved out of the journal", |s| {
        lanes(s, |lane| lane.aside_bytes)
    }),
    counter("iot_gateway_events_moved_aside_total", "Events moved out of the journal", |s| {
        lanes(s, |lane| lane.moved_aside_events)
    }),
    gauge(
        "iot_gateway_delivery_circuit_open",
        "1 for a target that is only probed, because it fails or asked to be left alone",
        |s| lanes(s, |lane| u64::from(lane.circuit != bus::lane::circuit::CircuitState::Closed.as_str())),
    ),
    counter(
        "iot_gateway_appends_refused_total",
        "Messages refused because a target had as many events waiting as it may",
        |s| Sample::plain(s.bus.refused_appends),
    ),
    gauge("iot_gateway_deliveries_in_flight", "Calls of a target under way", |s| {
        lanes(s, |lane| lane.in_flight as u64)
    }),
    gauge("iot_gateway_archive_disk_bytes", "Bytes of an archive on disk", |s| {
        archives::of_each(s.gateway, |counts| counts.bytes)
    }),
    counter("iot_gateway_archived_events_total", "Events that came into an archive", |s| {
        archives::of_each(s.gateway, |counts| counts.archived)
    }),
    counter(
        "iot_gateway_archived_events_repeated_total",
        "Events that came again and were in the archive already",
        |s| archives::of_each(s.gateway, |counts| counts.repeated),
    ),
    counter("iot_gateway_archive_segments_given_up_total", "Files that retention has deleted", |s| {
        archives::of_each(s.gateway, |counts| counts.given_up_segments)
    }),
    gauge("iot_gateway_replays_running", "Replays that run", |s| archives::running(s.gateway)),
    counter("iot_gateway_replay_events_total", "Events sent by a replay", |s| archives::sent(s.gateway)),
    counter("iot_gateway_window_rows_folded_total", "Rows that windows have counted, by rule", |s| {
        s.windows.by_rule(|rule| rule.counts.folded)
    }),
    counter(
        "iot_gateway_window_rows_late_total",
        "Rows whose windows were closed already, by rule and reason",
        |s| s.windows.by_reason(|counts| &counts.late),
    ),
    counter(
        "iot_gateway_window_rows_refused_total",
        "Rows that no window could take, by rule and reason",
        |s| s.windows.by_reason(|counts| &counts.refused),
    ),
    counter(
        "iot_gateway_window_rows_repeated_total",
        "Rows of messages that were sent again and are counted already, by rule",
        |s| s.windows.by_rule(|rule| rule.counts.repeated),
    ),
    gauge("iot_gateway_window_groups_open", "Groups in open windows, by rule", |s| {
        s.windows.by_rule(|rule| rule.open.groups)
    }),
    gauge(
        "iot_gateway_window_first_end_timestamp_seconds",
        "End of the oldest open window in seconds since 1970, by rule",
        |s| s.windows.first_ends(),
    ),
    counter("iot_gateway_window_results_total", "Results of closed windows, by rule", |s| {
        s.windows.by_rule(|rule| rule.counts.results)
    }),
    gauge("iot_gateway_window_results_waiting", "Results that wait to be sent on, by rule", |s| {
        s.windows.results_waiting()
    }),
    counter(
        "iot_gateway_window_results_dropped_total",
        "Results, and groups of rules that can't be read, that could not be sent on, by rule and reason",
        |s| s.windows.results_dropped(),
    ),
    counter("iot_gateway_function_invocations_total", "Calls that ended, well or not, by function", |s| {
        functions::each(&s.functions, |function| function.figures().durations().count())
    }),
    counter("iot_gateway_function_throttles_total", "Calls refused as too many ran, by function", |s| {
        functions::each(&s.functions, |function| function.figures().throttles())
    }),
    counter("iot_gateway_function_errors_total", "Calls that failed, by function and code", |s| {
        functions::errors(&s.functions)
    }),
    gauge("iot_gateway_function_instances_busy", "Calls that run, each in an instance, by function", |s| {
        functions::each(&s.functions, |function| function.figures().busy() as u64)
    }),
    gauge("iot_gateway_function_instances_idle", "Instances that wait for a call, by function", |s| {
        functions::each(&s.functions, |function| function.state().idle as u64)
    }),
    Metric {
        name: "iot_gateway_function_duration_seconds",
        help: "Calls and how long they took, cold starts included, by function",
        kind: Kind::Histogram,
        samples: |s| functions::histograms(&s.functions, |function| function.figures().durations()),
    },
    Metric {
        name: "iot_gateway_function_init_seconds",
        help: "Cold starts and how long instances took until they were ready, by function",
        kind: Kind::Histogram,
        samples: |s| functions::histograms(&s.functions, |function| function.figures().inits()),
    },
    counter("iot_gateway_journal_records_total", "Records made durable", |s| {
        Sample::plain(s.journal.records)
    }),
    counter("iot_gateway_journal_payload_bytes_total", "Bytes in them", |s| {
        Sample::plain(s.journal.payload_bytes)
    }),
    counter("iot_gateway_journal_batches_total", "Batches, each one write and one fsync", |s| {
        Sample::plain(s.journal.batches)
    }),
    counter("iot_gateway_journal_failed_records_total", "Records that could not be made durable", |s| {
        Sample::plain(s.journal.failed_records)
    }),
    gauge("iot_gateway_journal_queue_bytes", "Bytes that wait for the disk", |s| {
        Sample::plain(s.journal.queue_bytes)
    }),
    gauge("iot_gateway_journal_disk_bytes", "Bytes of the journal on disk", |s| {
        Sample::plain(s.gateway.journal.bytes_on_disk())
    }),
    gauge(
        "iot_gateway_journal_pinned_bytes",
        "Bytes of the journal that can't be trimmed because a target or a part of the gateway needs them, the segment being written included",
        |s| {
            let pins = s.gateway.bus.pins().into_iter();
            pins.map(|pin| Sample::labelled("by", pin.by, pin.bytes)).collect()
        },
    ),
    counter("process_cpu_seconds_total", "Processor time used", |_| process::cpu_seconds()),
    gauge("process_resident_memory_bytes", "Resident memory", |_| process::resident_bytes()),
    gauge("process_open_fds", "Open file descriptors", |_| process::open_files()),
];

/// The metrics of this moment in the Prometheus text format.
pub(crate) fn render(gateway: &Gateway) -> String {
    let snapshot = Snapshot {
        gateway,
        broker: gateway.broker.stats(),
        bus: gateway.bus.stats(),
        ledger: gateway.bus.ledger(),
        letters: gateway.bus.dead_letter_counts(),
        journal: gateway.journal.stats(),
        windows: WindowFigures::of(gateway.windows.get().map(AsRef::as_ref)),
        functions: gateway.functions.all(),
        received: gateway.traffic.totals(Direction::Received),
        sent: gateway.traffic.totals(Direction::Sent),
        listeners: gateway
            .listeners
            .read()
            .iter()
            .map(|listener| (listener.clone(), listener.stats()))
            .collect(),
    };
    let mut text = String::new();
    for metric in METRICS {
        exposition::write(&mut text, metric.name, metric.help, metric.kind, &(metric.samples)(&snapshot));
    }
    text
}

fn plain(counter: &AtomicU64) -> Vec<Sample> {
    Sample::plain(counter.load(Relaxed))
}

fn packets(totals: &Totals) -> Vec<Sample> {
    let types = PacketType::ALL.iter().filter(|packet| totals.packets(**packet) > 0);
    types.map(|packet| Sample::labelled("type", packet.name(), totals.packets(*packet))).collect()
}

/// One sample for each listener, plain ones included.
fn by_listener(snapshot: &Snapshot<'_>, value: fn(&listener::Stats) -> u64) -> Vec<Sample> {
    let listeners = snapshot.listeners.iter();
    listeners.map(|(listener, stats)| Sample::labelled("listener", listener.name(), value(stats))).collect()
}

fn tls_refused(snapshot: &Snapshot<'_>) -> Vec<Sample> {
    let count = |reason| snapshot.listeners.iter().map(|(_, stats)| stats.refused_for(reason)).sum();
    Reason::ALL.iter().map(|(reason, label)| Sample::labelled("reason", *label, count(*reason))).collect()
}

/// SCRAM before and after the CONNACK, and user name and password.
fn authentications(snapshot: &Snapshot<'_>) -> Vec<Sample> {
    let counters = &snapshot.gateway.counters;
    let kinds = [
        ("scram", &counters.scram_authentications),
        ("scram_again", &counters.scram_reauthentications),
        ("password", &counters.password_authentications),
    ];
    let of_kind = |(how, counter): (&'static str, &ByLabel)| {
        let mut samples = counter.samples("outcome");
        samples.iter_mut().for_each(|sample| sample.labels.insert(0, ("how", how.to_string())));
        samples
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

/// One sample for each row of the ledger.
fn books(snapshot: &Snapshot<'_>, value: fn(&bus::Counts) -> u64) -> Vec<Sample> {
    let rows = snapshot.ledger.iter();
    rows.map(|row| Sample {
        suffix: "",
        labels: vec![("rule", row.rule.clone()), ("target", row.target.clone())],
        value: value(&row.counts) as f64,
    })
    .collect()
}

/// One sample for each reason for which events of a row of the ledger were dropped.
fn dropped_events(rows: &[bus::LedgerRow]) -> Vec<Sample> {
    let of_row = |row: &bus::LedgerRow| {
        let labels = |reason: &bus::DropReason| {
            vec![("rule", row.rule.clone()), ("target", row.target.clone()), ("reason", reason.to_string())]
        };
        let samples = row.counts.dropped.iter().map(|(reason, count)| Sample {
            suffix: "",
            labels: labels(reason),
            value: *count as f64,
        });
        samples.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

/// One sample for each target that has or had dead letters.
fn letters(snapshot: &Snapshot<'_>, value: fn(&bus::DeadLetterCounts) -> u64) -> Vec<Sample> {
    let counts = snapshot.letters.iter();
    counts.map(|(target, counts)| Sample::labelled("target", target.as_str(), value(counts))).collect()
}

/// One sample for each lane.
fn lanes(snapshot: &Snapshot<'_>, value: fn(&bus::LaneStats) -> u64) -> Vec<Sample> {
    snapshot
        .bus
        .lanes
        .iter()
        .map(|lane| Sample::labelled("target", lane.target.as_str(), value(lane)))
        .collect()
}

fn delivery_failures(snapshot: &Snapshot<'_>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for lane in &snapshot.bus.lanes {
        samples.extend(lane.failures.iter().map(|(code, count)| Sample {
            suffix: "",
            labels: vec![("target", lane.target.clone()), ("code", code.clone())],
            value: *count as f64,
        }));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::METRICS;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_dropped_is_shown_with_its_reason() {
        let dropped = bus::DropReason::ALL.into_iter().zip(1..).collect();
        let counts = bus::Counts { dropped, ..bus::Counts::default() };
        let row = bus::LedgerRow { rule: "hot".to_owned(), target: "http/hook".to_owned(), counts };
        let samples = super::dropped_events(&[row]);
        let shown = samples.iter().map(|sample| (sample.labels[2].1.as_str(), sample.value));
        let expected =
            bus::DropReason::ALL.iter().zip(1..).map(|(reason, count)| (reason.as_str(), f64::from(count)));
        assert!(shown.eq(expected), "every reason has a sample of its own");
    }

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            let is_counter = matches!(metric.kind, super::Kind::Counter);
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        }
    }
}
