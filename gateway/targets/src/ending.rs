//! Waits for the tasks of queues and streams at a shutdown, but not for ever.

use std::time::Duration;

use tokio_util::task::TaskTracker;

/// How long a shutdown waits. Tasks end within milliseconds unless the disk hangs, and then nothing is lost that the
/// next start would not find again.
const ENDING_MAX: Duration = Duration::from_secs(5);

/// Waits until the tasks have ended that were told to; goes on without them when that takes too long.
pub(crate) async fn wait_for(tasks: &TaskTracker, area: &'static str) {
    tasks.close();
    if tokio::time::timeout(ENDING_MAX, tasks.wait()).await.is_err() {
        tracing::warn!(area, tasks = tasks.len(), "tasks did not end in time, shutting down without them");
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_holds_up_a_shutdown_for_a_bounded_time() {
        let tasks = TaskTracker::new();
        tasks.spawn(std::future::pending::<()>());
        let before = Instant::now();
        wait_for(&tasks, "queues").await;
        assert_eq!(before.elapsed().as_secs(), ENDING_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_goes_on_when_the_last_task_has_ended() {
        let tasks = TaskTracker::new();
        tasks.spawn(tokio::time::sleep(Duration::from_secs(1)));
        let before = Instant::now();
        wait_for(&tasks, "queues").await;
        assert_eq!(before.elapsed().as_secs(), 1);
    }
}
