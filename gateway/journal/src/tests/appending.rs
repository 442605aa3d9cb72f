use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::AppendError;
use crate::producer::Producer;

#[tokio::test]
async fn a_record_is_read_back_as_it_was_appended() {
    let journal = open(&FaultyStorage::new());
    let offset = journal.append_durable(&b"hello"[..]).await.unwrap();
    assert_eq!(offset, Offset(0));
    assert_eq!(journal.frontier(), Offset(1));
    let entry = journal.read_at(offset).unwrap().unwrap();
    assert_eq!(&entry.payload[..], b"hello");
    assert_eq!(journal.read_from(offset).next().unwrap().unwrap(), entry);
    assert_eq!(journal.read_at(Offset(1)).unwrap(), None);
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_appends_over_many_segments() {
    let journal = open(&FaultyStorage::new());
    let payloads: Vec<Vec<u8>> = (0..500u32).map(|n| vec![n as u8; (n * 37 % 3000) as usize]).collect();
    let outcomes = append_all(&journal, payloads.clone()).await;
    let expected: Vec<_> = (0..500).map(|n| (Offset(n), Ok(()))).collect();
    assert_eq!(outcomes, expected);
    let read = read_all(&journal);
    assert!(read.iter().map(|(_, payload)| payload.to_vec()).eq(payloads.iter().cloned()));
    for (offset, payload) in read {
        assert_eq!(journal.read_at(offset).unwrap().unwrap().payload, payload);
    }
    assert!(journal.stats().segments_begun > 5);
}

#[tokio::test]
async fn producers_share_one_journal_and_keep_their_own_order() {
    let journal = open(&FaultyStorage::new());
    let tasks: Vec<_> = (0..8)
        .map(|name| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let records = (0..50).map(|n| format!("{name} {n}"));
                append_all(&journal, records).await.iter().all(|(_, outcome)| outcome.is_ok())
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let texts = texts(&journal);
    assert_eq!(texts.len(), 400);
    for name in 0..8 {
        let own: Vec<_> = texts.iter().filter(|text| text.starts_with(&format!("{name} "))).collect();
        assert!(own.iter().enumerate().all(|(n, text)| **text == format!("{name} {n}")));
    }
}

#[tokio::test]
async fn many_records_share_one_fsync() {
    let journal = open_with(&FaultyStorage::new(), Settings { queue_bytes_max: 1 << 20, ..small() });
    append_all(&journal, (0..1000).map(|n| format!("record {n}"))).await;
    let stats = journal.stats();
    assert_eq!(stats.records, 1000);
    assert_eq!(stats.fsyncs, stats.batches + 2 * stats.segments_begun);
    assert_eq!(stats.queue_bytes, 0);
}

#[tokio::test]
async fn a_record_over_the_limit_is_refused_and_the_largest_is_taken() {
    let journal = open(&FaultyStorage::new());
    let mut producer = journal.producer();
    let refused = producer.append(vec![0; 16 * 1024 + 1]).await.unwrap_err();
    assert_eq!(refused, AppendError::TooLarge { bytes: 16 * 1024 + 1, bytes_max: 16 * 1024 });
    producer.append(vec![7; 16 * 1024]).await.unwrap();
    producer.append(Vec::new()).await.unwrap();
    assert!(producer.next_outcome().await.1.is_ok());
    assert!(producer.next_outcome().await.1.is_ok());
    assert_eq!(read_all(&journal)[0].1.len(), 16 * 1024);
    assert_eq!(read_all(&journal)[1].1.len(), 0);
}

#[tokio::test]
async fn outcomes_that_nobody_takes_are_bounded() {
    let journal = open_with(&FaultyStorage::new(), Settings { unclaimed_records_max: 2, ..small() });
    let mut producer = journal.producer();
    producer.append("one").await.unwrap();
    producer.append("two").await.unwrap();
    assert_eq!(producer.append("three").await.unwrap_err(), AppendError::Unclaimed { unclaimed: 2 });
    producer.next_outcome().await.1.unwrap();
    producer.append("three").await.unwrap();
}

/// Polls once, then drops.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn dropping_a_wait_for_an_outcome_loses_nothing() {
    let journal = open(&FaultyStorage::new());
    let mut producer = journal.producer();
    assert!(poll_once(producer.next_outcome()).is_pending(), "nothing was appended");
    for n in 0..100 {
        let offset = producer.append(format!("{n}")).await.unwrap();
        let outcome = match poll_once(producer.next_outcome()) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => producer.next_outcome().await,
        };
        assert_eq!(outcome, (offset, Ok(())));
    }
    assert_eq!(producer.unclaimed(), 0);
    assert!(producer.try_next_outcome().is_none());
}

#[tokio::test]
async fn dropping_a_wait_for_room_appends_nothing() {
    let settings = Settings { queue_bytes_max: 64 * 1024, ..small() };
    let journal = open_with(&FaultyStorage::new(), settings);
    let mut producer = journal.producer();
    let mut taken = 0;
    let mut refused = 0;
    for _ in 0..200 {
        match poll_once(producer.append(vec![1; 8 * 1024])) {
            Poll::Ready(result) => {
                result.unwrap();
                taken += 1;
            }
            Poll::Pending => refused += 1,
        }
    }
    for _ in 0..taken {
        producer.next_outcome().await.1.unwrap();
    }
    assert_eq!(read_all(&journal).len(), taken, "{refused} were dropped while they waited");
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_takes_no_more() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    let mut producer = journal.producer();
    for n in 0..100 {
        producer.append(format!("{n}")).await.unwrap();
    }
    journal.close();
    assert_eq!(producer.append("late").await.unwrap_err(), AppendError::Closed);
    for _ in 0..100 {
        producer.next_outcome().await.1.unwrap();
    }
    assert_eq!(read_all(&journal).len(), 100, "readers still work");
    drop((journal, producer));
    assert_eq!(read_all(&open(&storage)).len(), 100);
}

#[tokio::test]
async fn a_reader_follows_the_writer() {
    let journal = open(&FaultyStorage::new());
    let mut reader = journal.read_from(Offset(0));
    let mut durable = journal.durable();
    for n in 0..200u64 {
        assert_eq!(reader.next().unwrap(), None);
        journal.append_durable(vec![n as u8; 900]).await.unwrap();
        durable.wait_for(|frontier| *frontier > Offset(n)).await.unwrap();
        let entry = reader.next().unwrap().unwrap();
        assert_eq!((entry.offset, entry.payload[0]), (Offset(n), n as u8));
    }
}

#[test]
fn an_idle_producer_is_small() {
    assert!(size_of::<Producer>() <= 64, "{}", size_of::<Producer>());
    assert!(size_of::<crate::queue::Inbox>() <= 96, "{}", size_of::<crate::queue::Inbox>());
}
