//! Posting to a real server on the loopback interface.

mod answers;
mod conformance;
mod server;

use std::sync::Arc;
use std::time::Duration;

use bus::record::{Event, Origin, Record, Replay, Route};
use bus::{Delivery, Format, Offset, Outcome, Target, TargetName};

use super::{Http, Settings};
use server::{Answer, Server};

fn delivery(format: Format, topic: &str, data: &'static str) -> Delivery {
    let target = TargetName::parse("http/a").unwrap();
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = "kiln-7".to_owned();
    record.topic = topic.to_owned();
    record.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let route = Route { format, ..Route::to(target.clone()) };
    record.add(Event { routes: vec![route], ..Event::json("hot", data) });
    Delivery::from_record(&record, &target, Offset(1), 0).unwrap()
}

fn target(server: &Server) -> Arc<Http> {
    Http::new(Settings::new("a", server.url())).unwrap()
}

/// What comes of one event when the server answers so.
async fn outcome(answer: Answer) -> Outcome {
    let server = Server::start(answer).await;
    deliver(&target(&server)).await
}

async fn deliver(target: &Http) -> Outcome {
    let mut outcomes = target.deliver(&[delivery(Format::Data, "t", "1")]).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}
