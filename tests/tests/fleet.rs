//! Two thousand devices at once, each with its own certificate and connection, publishing.

use end_to_end::{Fleet, Gateway, Metrics, Site, wait};
use std::time::Duration;

const DEVICES: u32 = 2_000;
/// Each device publishes this often.
const INTERVAL_MS: u32 = 2_000;
/// How long the processor time is measured for.
const MEASURED: Duration = Duration::from_secs(15);

struct Usage {
    resident_bytes: f64,
    cpu_secs: f64,
    publishes: f64,
}

impl Usage {
    fn of(metrics: &Metrics) -> Self {
        Self {
            resident_bytes: metrics.sum("process_resident_memory_bytes", ""),
            cpu_secs: metrics.sum("process_cpu_seconds_total", ""),
            publishes: metrics.sum("iot_gateway_publishes_total", ""),
        }
    }
}

#[test]
fn two_thousand_mutual_tls_devices_publish_at_once_and_nothing_is_lost() -> anyhow::Result<()> {
    let site = Site::with_queue("[log]\nlevel = \"warn\"\nformat = \"json\"\n")?;
    site.register_many(DEVICES)?;
    let mut gateway = Gateway::start(&site)?;
    let idle = Usage::of(&gateway.consumer.metrics()?);
    let (devices, interval) = (DEVICES.to_string(), INTERVAL_MS.to_string());
    let url = gateway.consumer.queue_url("readings");
    let fleet = Fleet::start(
        &site,
        &[
            "--devices",
            &devices,
            "--connect-rate",
            "250",
            "--interval-ms",
            &interval,
            "--keep-alive-secs",
            "60",
            "--read-queue",
            &url,
            "--read-secs",
            "240",
            "--drain-secs",
            "30",
        ],
    )?;
    let consumer = gateway.consumer.clone();
    let connected = |metrics: &Metrics| metrics.sum("iot_gateway_connections", "");
    wait::for_true("all devices to be connected", Duration::from_secs(120), || {
        consumer.metrics().is_ok_and(|metrics| connected(&metrics) == f64::from(DEVICES))
    })?;
    let before = Usage::of(&consumer.metrics()?);
    wait::let_pass(MEASURED);
    let metrics = consumer.metrics()?;
    assert_eq!(connected(&metrics), f64::from(DEVICES), "all are still connected");
    let after = Usage::of(&metrics);
    let summary = fleet.stop(Duration::from_secs(400))?;

    let messages = after.publishes - before.publishes;
    let kilobytes = (after.resident_bytes - idle.resident_bytes) / f64::from(DEVICES) / 1000.0;
    let micros = (after.cpu_secs - before.cpu_secs) / messages * 1e6;
    eprintln!(
        "{DEVICES} devices, {:.0} messages in each second: {kilobytes:.1} kB of resident memory for each connection \
         ({:.1} MB idle, {:.1} MB with all), {micros:.0} µs of processor time for each message; PUBACK p50 {} µs, p99 {} µs",
        messages / MEASURED.as_secs_f64(),
        idle.resident_bytes / 1e6,
        after.resident_bytes / 1e6,
        summary.number("puback_micros.p50")?,
        summary.number("puback_micros.p99")?,
    );
    assert_eq!(
        summary.number("connects")?,
        u64::from(DEVICES),
        "nobody had to connect again: {}",
        summary.report
    );
    assert!(summary.number("acknowledged")? > u64::from(DEVICES));
    assert_eq!(summary.number("acknowledged")?, summary.number("sent")?, "{}", summary.report);
    assert_eq!(summary.number("lost")?, 0, "{}", summary.report);
    assert_eq!(summary.number("delivered")?, summary.number("acknowledged")?);
    assert_eq!(summary.status, 0);
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}
