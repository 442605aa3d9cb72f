//! Instructions per message, counted by Valgrind's cachegrind: the same figures on every run, whatever else the machine does.
//!
//! A program that is measured runs itself under Valgrind with few and with many messages; the difference leaves out what the start costs.

use std::process::Command;

const FEW: u64 = 100;
const MANY: u64 = 600;

/// What the program is to do, from its arguments.
pub(crate) enum Task {
    /// Print figures of the cases whose names hold this text.
    Report(String),
    /// Do one case so many times: what runs under Valgrind.
    Run { size: String, name: String, count: u64 },
}

impl Task {
    pub(crate) fn from_arguments() -> Self {
        let mut arguments: Vec<String> =
            std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
        if let [flag, size, name, count] = arguments.as_slice()
            && flag == "--run"
        {
            let count = count.parse().expect("the count comes from `counted`");
            return Self::Run { size: size.clone(), name: name.clone(), count };
        }
        Self::Report(arguments.pop().unwrap_or_default())
    }
}

/// Instructions of one message.
pub(crate) fn instructions(size: &str, name: &str) -> f64 {
    let [few, many] = [FEW, MANY].map(|count| counted(size, name, count));
    (many - few) as f64 / (MANY - FEW) as f64
}

/// Instructions of a whole run.
fn counted(size: &str, name: &str, count: u64) -> u64 {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", size, name, &count.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("refs:")).expect("cachegrind counts instructions");
    let digits = line.rsplit(':').next().unwrap_or_default();
    digits.trim().replace(',', "").parse().expect("what cachegrind counts are numbers")
}
