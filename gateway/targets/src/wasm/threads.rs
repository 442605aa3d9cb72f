//! The threads that calls of one function run on. They are its own: a function whose calls take long keeps nobody else, who has
//! to read a file or to wait for the disk, from a thread.
//!
//! Threads are started as they are wanted, up to a bound, and end when there is nothing to do for a while.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// How long a thread waits for another call before it ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// See the module. Whoever uses it bounds how many jobs wait.
pub(super) struct Threads {
    shared: Arc<Shared>,
    threads_max: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A job has come, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl Threads {
    /// At most `threads_max` of them, none yet.
    pub(super) fn new(threads_max: usize) -> Self {
        Self { shared: Arc::default(), threads_max: threads_max.max(1) }
    }

    /// Runs `job` on one of the threads. What it returns is received; nothing is when it panics.
    ///
    /// # Errors
    /// When there is no thread and none can be started.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (done, result) = oneshot::channel();
        // Whoever asked may be gone.
        let job: Job = Box::new(move || drop(done.send(job())));
        let mut state = self.shared.state.lock();
        if state.idle <= state.jobs.len() && state.threads < self.threads_max {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new().name("wasm".to_owned()).spawn(move || shared.serve());
            match started {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // One of the others will take it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.changed.notify_one();
        Ok(result)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.state.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn serve(&self) {
        while let Some(job) = self.next() {
            // The one who waits for it learns of it, and the thread is as good as before: what the job held is gone.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; none when this thread is to end, and then it counts no more.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let mut is_late = false;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed || is_late {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            is_late = self.changed.wait_for(&mut state, IDLE_MAX).timed_out();
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn jobs_run_side_by_side_up_to_the_bound_and_the_rest_after_them() {
        let threads = Threads::new(3);
        let together = Arc::new(Barrier::new(3));
        let waiting = |number: usize| {
            let together = Arc::clone(&together);
            threads.run(move || {
                together.wait();
                number
            })
        };
        let results: Vec<_> = (0..9).map(|number| waiting(number).unwrap()).collect();
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.await, Ok(number));
        }
        assert_eq!(threads.shared.state.lock().threads, 3);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_no_result_and_costs_no_thread() {
        let threads = Threads::new(1);
        let panicked = threads.run(|| panic!("as the test wants it")).unwrap();
        let next = threads.run(|| 7).unwrap();
        assert!(panicked.await.is_err());
        assert_eq!(next.await, Ok(7));
    }

    #[tokio::test]
    async fn what_waits_is_done_though_the_pool_is_dropped() {
        let threads = Threads::new(1);
        let results: Vec<_> = (0..5).map(|number| threads.run(move || number).unwrap()).collect();
        drop(threads);
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.await, Ok(number));
        }
    }
}
