//! What a function is: its program and its limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::environment::is_reserved;
use super::error::FunctionError;

/// Most events that fit one call, as with a standard SQS queue as the source.
const BATCH_SIZE_MAX: usize = 10_000;
/// Most instances of one function.
const CONCURRENCY_MAX: usize = 1_000;
/// The longest a batch may wait for more events.
const BATCH_WINDOW_MAX: Duration = Duration::from_secs(300);
/// The longest a Lambda function may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// What a function is. [`Settings::new`] gives every limit its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// The program and its arguments, where the code is a program. A program without a slash is looked for in `PATH`, a relative path starts
    /// from `directory`.
    pub command: Vec<String>,
    /// The working directory and `LAMBDA_TASK_ROOT`. Default: the gateway's own working directory.
    pub directory: Option<PathBuf>,
    /// `_HANDLER`, for example `module.function` for Python. Default empty.
    pub handler: String,
    /// Further variables for the program. It gets `PATH` from the gateway and nothing else.
    pub environment: BTreeMap<String, String>,
    /// How long one call may take, from 1 ms to 15 min. Default 3 s, as in Lambda.
    pub timeout: Duration,
    /// How long the program may take from its start until it asks for its first event. Default 10 s, as in Lambda.
    pub init_time_max: Duration,
    /// How long an instance is kept that nobody calls. Default 5 min.
    pub idle_time_max: Duration,
    /// How long a program may take to end after SIGTERM before it is killed. Default 2 s.
    pub stop_time_max: Duration,
    /// Most instances at once, and so most calls at once. Default 4.
    pub concurrency: usize,
    /// Of those, instances that are started ahead of calls and kept, called or not. Default 0.
    pub provisioned: usize,
    /// Most calls that wait for an instance; more are refused at once. Default 1,000.
    pub waiting_calls_max: usize,
    /// Most memory the program may allocate, in MiB (`RLIMIT_DATA`), also `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`. Default
    /// 128, as in Lambda. The limit holds for each process: it counts heap and anonymous mappings that can be written,
    /// touched or not, and neither the program's text nor shared memory. A program that starts others multiplies it.
    pub memory_mib: u64,
    /// Most events handed over in one call. With 1 the payload is the event's data itself, else it is
    /// `{"Records": […]}` as from an SQS queue, and the answer may name `batchItemFailures`. Default 1.
    pub batch_size: usize,
    /// How long a batch that is not full waits for more events. Default zero, at most 5 min, as in Lambda.
    pub batch_window: Duration,
    /// Most bytes of the payload of one call. Default 6 MiB, as in Lambda.
    pub payload_bytes_max: usize,
    /// Most bytes of an answer. Default 6 MiB, as in Lambda.
    pub response_bytes_max: usize,
    /// Where `{name}.log` is written. Default: nowhere; what the program prints is in the gateway's log either way.
    pub log_directory: Option<PathBuf>,
    /// Most bytes of the log file and its predecessor together. Default 16 MiB.
    pub log_bytes_max: u64,
    /// `AWS_REGION`. Default `us-east-1`.
    pub region: String,
    /// The account in the function's ARN. Default `000000000000`.
    pub account_id: String,
}

impl Settings {
    /// The function `name` that `command` runs, with the default limits.
    pub fn new(name: impl Into<String>, command: Vec<String>) -> Self {
        Self {
            name: name.into(),
            command,
            directory: None,
            handler: String::new(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            init_time_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(300),
            stop_time_max: Duration::from_secs(2),
            concurrency: 4,
            provisioned: 0,
            waiting_calls_max: 1_000,
            memory_mib: 128,
            batch_size: 1,
            batch_window: Duration::ZERO,
            payload_bytes_max: 6 << 20,
            response_bytes_max: 6 << 20,
            log_directory: None,
            log_bytes_max: 16 << 20,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
        }
    }

    /// The function's ARN, which its context shows.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.region, self.account_id, self.name)
    }

    pub(super) fn check(&self) -> Result<(), FunctionError> {
        self.check_name()?;
        self.check_environment()?;
        self.check_limits()
    }

    fn refuse<T>(&self, what: &'static str, why: impl Into<String>) -> Result<T, FunctionError> {
        Err(FunctionError::Setting { function: self.name.clone(), setting: what, why: why.into() })
    }

    fn check_name(&self) -> Result<(), FunctionError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(legal) {
            return self.refuse("name", "use 1 to 64 letters, digits, `-` and `_`");
        }
        Ok(())
    }

    pub(super) fn check_command(&self) -> Result<(), FunctionError> {
        if self.command.first().is_none_or(String::is_empty) {
            return self.refuse("command", "it is empty; name the program and its arguments");
        }
        if self.command.iter().chain([&self.handler]).any(|part| part.contains('\0')) {
            return self.refuse("command", "the command and the handler can't hold a zero character");
        }
        Ok(())
    }

    fn check_environment(&self) -> Result<(), FunctionError> {
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return self.refuse("environment", format!("`{name}` can't be a variable"));
            }
            if is_reserved(name) {
                let why = format!("`{name}` is set by the gateway, as by Lambda; choose another name");
                return self.refuse("environment", why);
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), FunctionError> {
        if self.timeout.is_zero() || self.timeout > TIMEOUT_MAX {
            return self
                .refuse("timeout", format!("it must be above 0 and at most {} s", TIMEOUT_MAX.as_secs()));
        }
        if self.init_time_max.is_zero() || self.init_time_max > TIMEOUT_MAX {
            let why = format!("it must be above 0 and at most {} s", TIMEOUT_MAX.as_secs());
            return self.refuse("init_time_max", why);
        }
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            return self.refuse("concurrency", format!("it must be from 1 to {CONCURRENCY_MAX}"));
        }
        if !(1..=BATCH_SIZE_MAX).contains(&self.batch_size) {
            return self.refuse("batch_size", format!("it must be from 1 to {BATCH_SIZE_MAX}"));
        }
        if self.provisioned > self.concurrency {
            return self
                .refuse("provisioned", format!("it must be at most `concurrency`, {}", self.concurrency));
        }
        if self.batch_window > BATCH_WINDOW_MAX {
            let why = format!("it must be at most {} s", BATCH_WINDOW_MAX.as_secs());
            return self.refuse("batch_window", why);
        }
        // Below this no interpreter starts, and the error would be a riddle.
        if self.memory_mib < 8 {
            return self.refuse("memory_mib", "it must be at least 8");
        }
        if self.payload_bytes_max == 0 || self.response_bytes_max == 0 {
            return self.refuse("payload_bytes_max", "it must be at least 1, as must `response_bytes_max`");
        }
        Ok(())
    }
}
