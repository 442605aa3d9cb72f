//! A message that is settled stays so, whatever else happens to it at that moment.

use std::sync::atomic::AtomicUsize;

use super::*;

/// Sends a message that nobody deletes, so that the floor stays below those that follow and their rows are kept.
async fn anchored(bench: &Bench, bodies: &[&str]) -> Vec<Received> {
    bench.send("alerts", &["anchor"]).await;
    bench.send("alerts", bodies).await;
    let mut received = bench.receive_all("alerts", bodies.len() + 1).await;
    received.retain(|message| message.body != "anchor");
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_was_answered_outlives_a_change_of_visibility_at_that_moment() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let texts: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let received = anchored(&bench, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let handles: Vec<String> = received.into_iter().map(|message| message.handle).collect();
    // Which message is being deleted, so that its visibility is changed at about that moment.
    let next = Arc::new(AtomicUsize::new(0));
    let changing = std::thread::spawn({
        let (queue, handles, next) = (bench.queue("alerts"), handles.clone(), Arc::clone(&next));
        move || {
            while let Some(handle) = handles.get(next.load(Ordering::SeqCst)) {
                // Refused when the delete came first.
                let _ = queue.change_visibility(handle, 30);
            }
        }
    });
    let queue = bench.queue("alerts");
    let deletes = handles.iter().enumerate().map(|(number, handle)| {
        let (queue, next) = (&queue, &next);
        async move {
            next.store(number, Ordering::SeqCst);
            queue.delete(handle).await
        }
    });
    for outcome in futures::future::join_all(deletes).await {
        outcome.unwrap();
    }
    next.store(handles.len(), Ordering::SeqCst);
    changing.join().unwrap();
    let bench = bench.restart(true).await;
    bench.advance_secs(31);
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["anchor"]);
    assert_eq!(bench.queue("alerts").counts().settled_before, handles.len() as u64);
}
