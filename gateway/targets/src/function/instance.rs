//! One running program: its endpoint, its process, what it prints, and one call at a time.

use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config::Settings;
use super::environment::Initialization;
use super::error::InvokeError;
use super::exchange::{Answer, Exchange, Ticket, Work};
use super::figures::Figures;
use super::output::Output;
use super::process::{self, Process};
use super::runtime::{Answered, Call, Surroundings};
use super::runtime_api::{self, RuntimeApi};

/// How long the last output of an ended program is waited for. Its pipes close when its group is gone.
const LAST_OUTPUT_WAIT: Duration = Duration::from_secs(1);

/// A started program. It is killed with everything it started when this is dropped.
pub(super) struct Instance {
    name: String,
    settings: Arc<Settings>,
    figures: Arc<Figures>,
    exchange: Arc<Exchange>,
    /// How the program ended, once it has.
    ended: watch::Receiver<Option<String>>,
    /// Answer when all that was printed has been read.
    printed: [mpsc::Sender<oneshot::Sender<()>>; 2],
    terminate: CancellationToken,
    kill: DropGuard,
    started: Instant,
    /// Its start was counted.
    counted: bool,
    /// It has taken an event before, so it is initialised.
    used: bool,
}

impl Instance {
    /// Starts the program. It need not have initialised when this returns.
    pub(super) async fn start(
        surroundings: &Surroundings,
        number: u64,
        initialization: Initialization,
    ) -> Result<Self, InvokeError> {
        let started = Instant::now();
        let settings = &surroundings.settings;
        let name = format!("{}-{number}", settings.name);
        let not_started = |why| InvokeError::NotStarted { why };
        let no_endpoint = |error| not_started(format!("can't listen on the loopback interface: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_endpoint)?;
        let address = listener.local_addr().map_err(no_endpoint)?;
        let process = process::start(settings, address, &name, initialization).map_err(not_started)?;
        tracing::debug!(function = settings.name, instance = name, process = process.child.id(), "started");

        let exchange = Arc::new(Exchange::default());
        let output = Output {
            instance: name.clone(),
            exchange: Arc::clone(&exchange),
            log: Arc::clone(&surroundings.log),
            last: Mutex::default(),
        };
        let api = RuntimeApi {
            exchange: Arc::clone(&exchange),
            function_arn: settings.arn(),
            response_bytes_max: settings.response_bytes_max,
        };
        let (terminate, kill) = (CancellationToken::new(), CancellationToken::new());
        let (stdout, stdout_asked) = mpsc::channel(1);
        let (stderr, stderr_asked) = mpsc::channel(1);
        let (tell_end, ended) = watch::channel(None);
        let watch = Watch {
            process,
            output,
            asked: (stdout_asked, stderr_asked),
            terminate: terminate.clone(),
            kill: kill.clone(),
            stop_time_max: settings.stop_time_max,
        };
        surroundings.tasks.spawn(async move {
            let served = runtime_api::serve(listener, api);
            let how = tokio::select! {
                how = watch.until_the_end() => how,
                () = served => unreachable!("the endpoint is served until it is dropped"),
            };
            tell_end.send_replace(Some(how));
        });
        Ok(Self {
            name,
            settings: Arc::clone(settings),
            figures: Arc::clone(&surroundings.figures),
            exchange,
            ended,
            printed: [stdout, stderr],
            terminate,
            kill: kill.drop_guard(),
            started,
            counted: false,
            used: false,
        })
    }

    /// Hands one event to the program and waits for its answer. After an error the instance is of no use any more.
    pub(super) async fn call(&mut self, call: Call<'_>) -> Result<Answered, InvokeError> {
        let answered = self.hand_over(call).await;
        if call.wants_log && answered.is_ok() {
            let all_read = async { tokio::join!(empty(&self.printed[0]), empty(&self.printed[1])) };
            // A program that prints on and on has no end of its output.
            let _ = tokio::time::timeout(LAST_OUTPUT_WAIT, all_read).await;
        }
        answered
    }

    async fn hand_over(&mut self, call: Call<'_>) -> Result<Answered, InvokeError> {
        let Call { request_id, invocation, .. } = call;
        let Ticket { mut taken, mut answer } = self.exchange.offer(Work {
            request_id: request_id.to_owned(),
            payload: invocation.payload.clone(),
            timeout: self.settings.timeout,
            trace: invocation.trace_header(),
            client_context: invocation.client_context.clone(),
        });
        // A used instance may still be at work after its last answer.
        let limit = if self.used { self.settings.timeout } else { self.settings.init_time_max };
        tokio::select! {
            biased;
            Ok(()) = &mut taken => {}
            answered = &mut answer => return self.conclude(answered.ok()),
            how = ended(&mut self.ended) => return Err(self.ended_before_the_event(how)),
            () = tokio::time::sleep(limit) => return Err(self.not_taken(limit)),
        }
        self.note_init();
        self.used = true;
        let limit = self.settings.timeout;
        tokio::select! {
            biased;
            answered = &mut answer => self.conclude(answered.ok()),
            how = ended(&mut self.ended) => Err(InvokeError::Ended { how }),
            () = tokio::time::sleep(limit) => Err(InvokeError::TimedOut { limit }),
        }
    }

    /// Waits until the program asks for its first event, so that no call has to.
    pub(super) async fn warm(&mut self) -> Result<(), InvokeError> {
        let limit = self.settings.init_time_max;
        tokio::select! {
            biased;
            () = self.exchange.initialised() => {}
            how = ended(&mut self.ended) => return Err(InvokeError::EndedInInit { how }),
            () = tokio::time::sleep(limit) => return Err(InvokeError::InitTimedOut { limit }),
        }
        self.note_init();
        Ok(())
    }

    /// Counts a start, once.
    fn note_init(&mut self) {
        if !std::mem::replace(&mut self.counted, true) {
            self.figures.started(self.started.elapsed());
        }
    }

    fn ended_before_the_event(&self, how: String) -> InvokeError {
        if self.used { InvokeError::Ended { how } } else { InvokeError::EndedInInit { how } }
    }

    fn not_taken(&self, limit: Duration) -> InvokeError {
        if self.used { InvokeError::TimedOut { limit } } else { InvokeError::InitTimedOut { limit } }
    }

    fn conclude(&self, answer: Option<Answer>) -> Result<Answered, InvokeError> {
        match answer {
            Some(Answer::Done(payload)) => Ok(Answered { payload, error: None }),
            Some(Answer::Failed { error, payload }) => Ok(Answered { payload, error: Some(error) }),
            Some(Answer::CannotInitialise(error)) => Err(InvokeError::Init(error)),
            Some(Answer::TooLarge) => {
                Err(InvokeError::ResponseTooLarge { bytes_max: self.settings.response_bytes_max })
            }
            Some(Answer::NotAnswered) | None => Err(InvokeError::NotAnswered),
        }
    }

    /// True until the program has ended.
    pub(super) fn is_alive(&self) -> bool {
        self.ended.borrow().is_none()
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Lets the program end in its own time, up to a limit.
    pub(super) fn retire(self) {
        tracing::debug!(function = self.settings.name, instance = self.name, "retired");
        self.terminate.cancel();
        self.kill.disarm();
    }
}

/// Resolves when the program has ended, with how.
async fn ended(ended: &mut watch::Receiver<Option<String>>) -> String {
    match ended.wait_for(Option::is_some).await {
        Ok(how) => how.clone().unwrap_or_default(),
        // Only a runtime that shuts down drops the task that watches.
        Err(_) => "the gateway is ending".to_owned(),
    }
}

/// What it takes to follow a program to its end.
struct Watch {
    process: Process,
    output: Output,
    asked: (mpsc::Receiver<oneshot::Sender<()>>, mpsc::Receiver<oneshot::Sender<()>>),
    terminate: CancellationToken,
    kill: CancellationToken,
    stop_time_max: Duration,
}

impl Watch {
    /// Follows the program and what it prints until it has ended, and says how it did.
    async fn until_the_end(mut self) -> String {
        let (stdout, stderr) = (self.process.child.stdout.take(), self.process.child.stderr.take());
        let gone = CancellationToken::new();
        let ending = async {
            let status = self.process.ended(&self.terminate, &self.kill, self.stop_time_max).await;
            // What the program started may outlive it, and keeps its pipes open.
            self.process.group.kill();
            gone.cancel();
            status
        };
        let printing = async {
            let pipes = async {
                tokio::join!(
                    follow(&self.output, stdout, "stdout", self.asked.0),
                    follow(&self.output, stderr, "stderr", self.asked.1),
                )
            };
            let too_late = async {
                gone.cancelled().await;
                tokio::time::sleep(LAST_OUTPUT_WAIT).await;
            };
            tokio::select! {
                _ = pipes => {}
                () = too_late => {}
            }
        };
        let (status, ()) = tokio::join!(ending, printing);
        let how = describe(status, self.output.last_words());
        tracing::debug!(instance = self.output.instance, how, "ended");
        how
    }
}

async fn follow(
    output: &Output,
    pipe: Option<impl AsyncRead + Unpin>,
    stream: &'static str,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    if let Some(pipe) = pipe {
        output.follow(pipe, stream, asked).await;
    }
}

/// Resolves when everything was read that is in a pipe now, or its program has ended.
async fn empty(printed: &mpsc::Sender<oneshot::Sender<()>>) {
    let (tell, told) = oneshot::channel();
    if printed.send(tell).await.is_ok() {
        let _ = told.await;
    }
}

fn describe(status: std::io::Result<ExitStatus>, last_words: Option<String>) -> String {
    let status = match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("its exit status is unknown: {error}"),
    };
    match last_words {
        Some(line) => format!("{status}, last it printed `{line}`"),
        None => status,
    }
}
