//! Message move tasks: everything goes back, in order, and nothing is lost on the way.

use std::time::Duration;

use super::*;

const DEAD: &str = "failed.fifo";
const ALIVE: &str = "orders.fifo";

async fn bench(fifo: bool) -> Bench {
    let (dead, alive) = names(fifo);
    let attributes = if fifo { by_body() } else { Attributes::default() };
    let redrive = Some(Redrive { dead_letter_queue: dead.into(), receives_max: 1 });
    Bench::open(&[(alive, Attributes { redrive, ..attributes.clone() }), (dead, attributes)]).await
}

fn names(fifo: bool) -> (&'static str, &'static str) {
    if fifo { (DEAD, ALIVE) } else { ("failed", "orders") }
}

/// Sends messages and lets them fail until they are in the dead-letter queue.
async fn fail(bench: &Bench, fifo: bool, count: usize) {
    let (dead, alive) = names(fifo);
    for number in 0..count {
        let body = number.to_string();
        if fifo {
            bench.send_in(alive, "a", None, &body).await.unwrap();
        } else {
            bench.send(alive, &[&body]).await;
        }
    }
    let mut failed = 0;
    while failed < count {
        bench.receive_all(alive, 1).await;
        bench.advance_secs(30);
        bench.until(alive, |queue| queue.held().in_flight + queue.held().leaving == 0).await;
        failed = usize::try_from(bench.queue(alive).counts().moved).unwrap();
    }
    bench.until(dead, |queue| queue.held().ready == count).await;
}

impl Bench {
    async fn until_move(&self, source: &str, status: MoveStatus) -> MoveTask {
        let wait = async {
            loop {
                let task = self.queues.moves(source).unwrap().remove(0);
                if task.status == status {
                    return task;
                }
                tokio::task::yield_now().await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), wait).await;
        outcome.unwrap_or_else(|_| panic!("{:?}", self.queues.moves(source)))
    }
}

#[tokio::test]
async fn dead_letters_go_back_where_they_came_from_in_order_and_under_their_ids() {
    for fifo in [true, false] {
        let bench = bench(fifo).await;
        let (dead, alive) = names(fifo);
        fail(&bench, fifo, 4).await;
        let ids: Vec<String> = bench.receive_all(dead, 4).await.into_iter().map(|each| each.id).collect();
        bench.advance_secs(30);
        bench.until(dead, |queue| queue.held().ready == 4).await;
        bench.queues.start_move(dead, None, None).await.unwrap();
        let task = bench.until_move(dead, MoveStatus::Completed).await;
        assert_eq!((task.moved, task.to_move, task.failure), (4, 4, None));
        let back = bench.receive_all(alive, 4).await;
        assert_eq!(bodies(&back), ["0", "1", "2", "3"]);
        assert!(back.iter().all(|each| each.receives == 1 && each.dead_letter_source.is_none()));
        if fifo {
            assert_eq!(in_order(&back), ["0", "1", "2", "3"]);
        }
        assert!(back.iter().all(|each| ids.contains(&each.id)), "ids stay");
        assert_eq!(bench.queue(dead).held(), Held::default());
    }
}

#[tokio::test]
async fn a_task_goes_on_after_a_crash_and_a_fifo_queue_has_nothing_twice() {
    let mut bench = bench(true).await;
    fail(&bench, true, 6).await;
    bench.queues.start_move(DEAD, None, Some(200)).await.unwrap();
    for _ in 0..4 {
        bench = bench.restart(false).await;
    }
    let task = bench.until_move(DEAD, MoveStatus::Completed).await;
    assert_eq!(task.to_move, 6);
    bench.until(DEAD, |queue| queue.counts().waiting() == 0).await;
    let mut back = Vec::new();
    while back.len() < 6 {
        for message in bench.receive_all(ALIVE, 1).await {
            bench.queue(ALIVE).delete(&message.handle).await.unwrap();
            back.push(message.body);
        }
    }
    assert_eq!(back, ["0", "1", "2", "3", "4", "5"]);
    assert!(bench.receive(ALIVE).await.is_empty());
}

#[tokio::test]
async fn a_cancelled_task_leaves_the_rest_where_it_is() {
    let bench = bench(false).await;
    fail(&bench, false, 5).await;
    let id = bench.queues.start_move("failed", None, Some(1)).await.unwrap();
    let refused = bench.queues.start_move("failed", None, None).await.unwrap_err();
    assert!(matches!(refused, QueueError::Move(MoveFault::Running { .. })), "{refused:?}");
    bench.until("orders", |queue| queue.held().ready >= 1).await;
    bench.queues.cancel_move(id).unwrap();
    let task = bench.until_move("failed", MoveStatus::Cancelled).await;
    let refused = bench.queues.cancel_move(id).unwrap_err().to_string();
    assert_eq!(refused, "only a task that runs can be cancelled; this one is CANCELLED");
    let left = usize::try_from(5 - task.moved).unwrap();
    assert_eq!(bench.receive_all("failed", left).await.len(), left);
    assert_eq!(bench.queue("orders").held().ready as u64, task.moved);
}

#[tokio::test]
async fn what_a_task_can_not_do_is_refused_or_fails_with_the_reason() {
    let bench = bench(false).await;
    bench.queues.create("other", |_| {}, Default::default()).await.unwrap();
    let is_fifo = |attributes: &mut Attributes| attributes.fifo = true;
    bench.queues.create("other.fifo", is_fifo, Default::default()).await.unwrap();
    let cases = [
        ("orders", None, None, "queue `orders` is the dead-letter queue of no other queue"),
        ("failed", Some("failed"), None, "source and destination are the same queue"),
        ("failed", Some("other.fifo"), None, "source and destination must be of the same type"),
        ("failed", Some("nowhere"), None, "there is no queue `nowhere`"),
        ("failed", None, Some(501), "the rate must be from 1 to 500"),
    ];
    for (source, destination, rate, expected) in cases {
        let refused = bench.queues.start_move(source, destination.map(str::to_owned), rate).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
    bench.send("failed", &["nobody's"]).await;
    bench.until("failed", |queue| queue.held().ready == 1).await;
    bench.queues.start_move("failed", None, None).await.unwrap();
    let task = bench.until_move("failed", MoveStatus::Failed).await;
    assert!(task.failure.unwrap().starts_with("CouldNotDetermineMessageSource"));
    bench.queues.start_move("failed", Some("other".into()), None).await.unwrap();
    bench.until_move("failed", MoveStatus::Completed).await;
    assert_eq!(bodies(&bench.receive_all("other", 1).await), ["nobody's"]);
}
