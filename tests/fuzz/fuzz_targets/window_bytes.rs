//! Rows and states of windows from arbitrary bytes: read or refused; what is read counts, closes and is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::window::{Limits, Row, Windows};
use rules::{CompileOptions, Message, Outcome, Statement};

const STATEMENTS: [&str; 3] = [
    "SELECT k, count(*) AS n, sum(x) AS s, min(x) AS lo, first(x) AS f, percentile(x, 0.5) AS p FROM '#' TIMESTAMP BY t \
     GROUP BY k, SESSIONWINDOW(ms, 50, 400) HAVING count(x) > 0",
    "SELECT k, l, avg(x) AS a, last(*) AS z FROM '#' TIMESTAMP BY t GROUP BY k, l, HOPPINGWINDOW(ms, 100, 30, -7)",
    "SELECT VALUE max(x) - min(x) FROM '#' GROUP BY TUMBLINGWINDOW(ss, 1)",
];

/// Takes the bytes up to a length that they say themselves.
fn part<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
    let Some((length, rest)) = bytes.split_first() else { return &[] };
    let (part, rest) = rest.split_at(rest.len().min(usize::from(*length)));
    *bytes = rest;
    part
}

/// Foreign bytes with the fingerprint of the statement, without which they are refused at once.
fn with_fingerprint(statement: &Statement, before: &[u8], bytes: &[u8]) -> Vec<u8> {
    [before, &statement.fingerprint().unwrap_or_default(), bytes].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let sql = STATEMENTS[usize::from(*choice) % STATEMENTS.len()];
    let statement = Statement::compile(sql, CompileOptions::default()).expect("the statement is right");
    let limits = Limits { groups_max: 100, state_bytes_max: 1 << 20, ..Limits::default() };
    let mut windows = Windows::new(&statement, limits).expect("the statement has a window");
    let randomness = || [7u8; 16];
    while !rest.is_empty() {
        let (kind, now_ms) = (rest[0] % 4, u64::from(rest[0]) * 16);
        rest = &rest[1..];
        let piece = part(&mut rest);
        match kind {
            0 => {
                let message = Message::new("a/b", piece, now_ms, &randomness);
                if let Ok(Outcome::Row(row)) = statement.evaluate(&message) {
                    assert_eq!(Row::decode(&row.encode()), Ok(row.clone()));
                    let _ = windows.add(&row, now_ms);
                }
            }
            1 => {
                let _ = Row::decode(piece);
                if let Ok(row) = Row::decode(&with_fingerprint(&statement, &[1], piece)) {
                    let _ = windows.add(&row, now_ms);
                }
            }
            2 => {
                let key = with_fingerprint(&statement, &[], piece);
                let row = (key, [&[1], part(&mut rest)].concat());
                if let Ok(restored) = Windows::restore(&statement, limits, [row]) {
                    windows = restored;
                }
            }
            _ => {
                let _ = windows.next_due();
                let _ = windows.advance(now_ms, 10);
            }
        }
    }
    let changes = windows.changes();
    let rows = changes.into_iter().filter_map(|change| Some((change.key, change.value?)));
    let _ = Windows::restore(&statement, limits, rows);
    let _ = windows.advance(u64::MAX, usize::MAX);
});
