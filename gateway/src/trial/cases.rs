//! Runs the cases of a request within a time.

use super::answer::{Answer, Refused};
use axum::http::StatusCode;
use rules::cases::{Report, Suite};
use rules::definition::Definition;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the cases of one request may take together.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Failures that are told; more are only counted.
const FAILURES_MAX: usize = 1_000;

/// Runs them.
pub(super) fn run(
    text: &[u8],
    definition: Option<&Definition>,
    filter: Option<&str>,
    as_text: bool,
) -> Result<Answer, Refused> {
    let suite = Suite { definition, filter };
    let end = Instant::now() + TIME_MAX;
    let mut report = Report::default();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if Instant::now() >= end {
            let text = format!(
                "the cases took longer than {} s, {} of them were run; send fewer at once",
                TIME_MAX.as_secs(),
                report.passed + report.failures.len(),
            );
            return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        if let Some(verdict) = suite.run_line(at + 1, line) {
            report.add(at + 1, verdict);
        }
    }
    let (passed, failed) = (report.passed, report.failures.len());
    if passed + failed == 0 {
        return Err(Refused::bad("the body holds no case; send one JSON object on each line"));
    }
    report.failures.truncate(FAILURES_MAX);
    report.remarks.truncate(FAILURES_MAX);
    if as_text {
        let remarks = report.remarks.iter().map(|(line, remark)| format!("line {line}: {remark}\n"));
        let failures = report.failures.iter().map(|failure| format!("{failure}\n"));
        let lines: String = remarks.chain(failures).collect();
        return Ok(Answer::Text(format!("{lines}{passed} passed, {failed} failed\n")));
    }
    let remarks: Vec<_> =
        report.remarks.iter().map(|(line, remark)| json!({ "line": line, "remark": remark })).collect();
    let answer =
        json!({ "passed": passed, "failed": failed, "failures": report.failures, "remarks": remarks });
    Ok(Answer::Json(answer.to_string()))
}
