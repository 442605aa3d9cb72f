//! What the demo shows while it runs: in place on a terminal, a line now and then elsewhere.

use super::Tallies;
use super::prepare::{ALERTS, Prepared};
use super::process::Supervised;
use super::tally::Moment;
use crate::command::output;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Says, once, how to look around and join in.
pub(super) fn introduce(prepared: &Prepared) {
    let api = prepared.api_url();
    let device = prepared.visitor_certificate();
    let lines = [
        format!(
            "iot-gateway demo: {} devices over mutual TLS, everything in {}",
            prepared.arguments.devices,
            prepared.data.display()
        ),
        String::new(),
        "Connect a device of your own:".to_string(),
        format!(
            "  mosquitto_pub -V 5 -h {} -p {} --cafile {} --cert {} --key {} -i visitor -q 1 -t plant/visitor/telemetry \\\n    -m '{}'",
            prepared.arguments.mqtt.ip(),
            prepared.arguments.mqtt.port(),
            prepared.authority_certificate().display(),
            device.0.display(),
            device.1.display(),
            r#"{"deviceId":"visitor","sequence":1,"sentAtMs":0,"temperature":99,"run":"visitor"}"#,
        ),
        "Publish without MQTT:".to_string(),
        format!(
            "  curl --cacert {} --cert {} --key {} -d '{{\"deviceId\":\"visitor\",\"temperature\":99}}' \\\n    'https://{}/topics/plant%2Fvisitor%2Ftelemetry?qos=1'",
            prepared.authority_certificate().display(),
            device.0.display(),
            device.1.display(),
            prepared.arguments.https,
        ),
        "Receive with a consumer of your own:".to_string(),
        format!(
            "  AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo aws sqs receive-message --region us-east-1 --endpoint-url {api} \\\n    --queue-url {api}/000000000000/{ALERTS} --message-attribute-names All"
        ),
        "Change a rule while it runs:".to_string(),
        format!("  edit {}/overheating/rule.toml", prepared.arguments.definitions.display()),
        "See each step:".to_string(),
        format!("  tail -f {}", prepared.gateway_log().display()),
        format!("  {} ledger --config {}", prepared.program_name(), prepared.settings_file().display()),
        format!("  curl {api}/metrics"),
        String::new(),
    ];
    lines.iter().for_each(output::remark);
}

/// The live part.
#[derive(Debug)]
pub(super) struct Display {
    in_place: bool,
    lines_shown: usize,
    last: Option<(Instant, [u64; 3])>,
    started: Instant,
}

impl Display {
    pub(super) fn new(_: &Prepared) -> Self {
        Self {
            in_place: std::io::stderr().is_terminal(),
            lines_shown: 0,
            last: None,
            started: Instant::now(),
        }
    }

    /// How often it is worth showing.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(if self.in_place { 500 } else { 2000 })
    }

    /// Shows the numbers of this moment.
    pub(super) fn show(&mut self, gateway: &Supervised<'_>, fleet: &str, tallies: &Tallies) {
        let named = tallies.named();
        let moments = [named[0].1.moment(), named[1].1.moment(), named[2].1.moment()];
        let delivered = moments.map(|moment| moment.delivered);
        let rates = self.rates(delivered);
        if !self.in_place {
            output::remark(format!(
                "{:>4} s  queue {} stream {} function {}  p99 {} ms  | {fleet}",
                self.started.elapsed().as_secs(),
                delivered[0],
                delivered[1],
                delivered[2],
                moments.iter().map(|moment| moment.p99_ms).max().unwrap_or(0)
            ));
            return;
        }
        let rows: Vec<Vec<String>> = named
            .iter()
            .zip(moments)
            .zip(rates)
            .map(|(((name, _), moment), rate)| row(name, moment, rate))
            .collect();
        let headings = ["arrived in", "messages", "per second", "repeated", "p50 ms", "p99 ms", "max ms"];
        let mut lines = output::lay_out(&headings, &rows);
        lines.push(format!("fleet    {fleet}"));
        lines.push(match gateway.process_id() {
            Some(id) => format!(
                "gateway  process {id}, started again {} times. Try `kill -9 {id}`: nothing acknowledged is lost.",
                gateway.restarts()
            ),
            None => "gateway  gone; starting again".to_string(),
        });
        self.redraw(&lines);
    }

    /// Says something that stays.
    pub(super) fn remark(&mut self, text: &str) {
        output::remark(text);
        self.lines_shown = 0;
    }

    fn rates(&mut self, delivered: [u64; 3]) -> [u64; 3] {
        let now = Instant::now();
        let rates = match self.last {
            Some((then, before)) => {
                let secs = now.duration_since(then).as_secs_f64().max(0.001);
                let rate = |place: usize| ((delivered[place] - before[place]) as f64 / secs).round() as u64;
                [rate(0), rate(1), rate(2)]
            }
            None => [0; 3],
        };
        self.last = Some((now, delivered));
        rates
    }

    fn redraw(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.lines_shown > 0 {
            text.push_str(&format!("\x1b[{}A", self.lines_shown));
        }
        for line in lines {
            text.push_str("\x1b[2K");
            text.push_str(line);
            text.push('\n');
        }
        let mut terminal = std::io::stderr();
        // A terminal that is gone is no reason to stop the demo.
        let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        self.lines_shown = lines.len();
    }
}

fn row(name: &str, moment: Moment, rate: u64) -> Vec<String> {
    let numbers = [moment.delivered, rate, moment.repeated, moment.p50_ms, moment.p99_ms, moment.max_ms];
    [name.to_string()].into_iter().chain(numbers.iter().map(u64::to_string)).collect()
}
