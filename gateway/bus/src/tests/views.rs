use super::*;

const QUEUE: &str = "queue/alerts";

/// A view that remembers what it was told, and declines what it is to.
#[derive(Default)]
struct Remembering {
    told: Mutex<Vec<(Position, String)>>,
    declines: Vec<&'static str>,
}

impl View for Remembering {
    fn observe(&self, deliveries: &[Delivery]) -> Declined {
        self.told.lock().extend(deliveries.iter().map(|delivery| (delivery.position, text(delivery))));
        let declines = |delivery: &Delivery| self.declines.iter().any(|declined| *declined == text(delivery));
        let declined = deliveries.iter().enumerate().filter(|(_, delivery)| declines(delivery));
        declined.map(|(index, _)| (index, DropReason::Deduplicated)).collect()
    }
}

impl Remembering {
    fn data(&self) -> Vec<String> {
        self.told.lock().iter().map(|(_, data)| data.clone()).collect()
    }
}

async fn view(bus: &Bus, from: Option<Offset>) -> (Arc<Remembering>, ViewHandle) {
    let view = Arc::new(Remembering::default());
    let limits = LaneLimits { waiting_events_max: 5, ..LaneLimits::default() };
    let handle = bus.set_view(name(QUEUE), Arc::clone(&view) as _, from, limits).await.unwrap();
    (view, handle)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_told_of_each_event_once_in_order_and_again_from_its_floor() {
    let place = Place::new();
    let bus = place.open();
    let (first, handle) = view(&bus, None).await;
    append(&bus, "a", QUEUE, 0..10).await;
    until_books(&bus, QUEUE, "accepted 10 delivered 10 dead 0 waiting 0 dropped []").await;
    assert_eq!(first.data(), numbers(0..10));
    let fourth = first.told.lock()[4].0;
    handle.raise_floor(fourth.offset);
    append(&bus, "a", QUEUE, 10..12).await;
    until_books(&bus, QUEUE, "accepted 12 delivered 12 dead 0 waiting 0 dropped []").await;
    bus.drain(PATIENCE).await.unwrap();
    crash(bus).await;

    let bus = place.open();
    let (second, _) = view(&bus, None).await;
    assert_eq!(second.data(), numbers(4..12), "told within the call");
    assert_eq!(books(&bus, QUEUE), "accepted 12 delivered 12 dead 0 waiting 0 dropped []");
    append(&bus, "a", QUEUE, 12..13).await;
    until("the next", || second.data().len() == 9).await;
    let (third, _) = view(&bus, Some(fourth.offset.next())).await;
    assert_eq!(third.data(), numbers(5..13), "its own place wins");
    assert_eq!(text(&bus.read(&name(QUEUE), fourth).unwrap().unwrap()), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_view_joins_is_told_once() {
    let place = Place::new();
    let bus = place.open();
    let (_, handle) = view(&bus, None).await;
    for _ in 0..5 {
        let appending = tokio::spawn({
            let bus = bus.clone();
            async move { append(&bus, "a", QUEUE, 0..200).await }
        });
        let (joined, _) = view(&bus, Some(handle.floor())).await;
        appending.await.unwrap();
        let accepted = counts(&bus, "rule", QUEUE).accepted as usize;
        until("all told", || joined.told.lock().len() >= accepted).await;
        let positions: Vec<Position> = joined.told.lock().iter().map(|(position, _)| *position).collect();
        assert!(positions.is_sorted_by(|left, right| left < right), "each once, in order");
    }
    assert_eq!(bus.audit().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_full_refuses() {
    let place = Place::new();
    let bus = place.open();
    let (_, handle) = view(&bus, None).await;
    handle.set_waiting(5, 5);
    let refused = bus.shared.append_at_once(&record("a", "rule", QUEUE, "0")).await.unwrap_err();
    assert!(matches!(refused, AppendAtOnceError::Refused(AppendError::Full { .. })), "{refused}");
    handle.set_waiting(4, 4);
    // Every record of a producer counts once, however late its outcome is taken.
    append(&bus, "a", QUEUE, 0..30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_its_own_pace() {
    let place = Place::new();
    let bus = place.open();
    let (view, _) = view(&bus, None).await;
    bus.set_target(name("http/hook"), Scripted::taking(), quick()).await.unwrap();
    let mut reader = bus.reader(&name(QUEUE), Offset(0));
    assert_eq!(reader.next().unwrap(), None);
    append(&bus, "a", "http/hook", 0..10).await;
    let mut twice = record("a", "rule", QUEUE, "0");
    twice.add(Event { routes: vec![Route::to(name(QUEUE))], ..Event::json("rule", "1") });
    bus.send(&twice).await.unwrap();
    reader.wait().await;
    until("told", || view.data().len() == 2).await;
    let first = reader.next().unwrap().unwrap();
    assert_eq!((text(&first), first.position), ("0".to_owned(), view.told.lock()[0].0));
    assert_eq!(reader.position().ordinal, 1);
    let second = reader.next().unwrap().unwrap();
    assert_eq!(second.id.as_str(), format!("{}:rule:1", twice.base));
    assert_eq!(reader.next().unwrap(), None);
    reader.seek(first.position.offset);
    assert_eq!(reader.next().unwrap(), Some(first));
    let (_, record) = bus.records(second.position.offset).next().unwrap().unwrap();
    assert_eq!(record, twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_declines_is_booked_once_with_its_reason_whenever_it_is_told() {
    let place = Place::new();
    let bus = place.open();
    let declining =
        || Arc::new(Remembering { declines: vec!["1", "4", "6", "11"], ..Remembering::default() });
    let join = async |bus: &Bus, view: Arc<Remembering>, from| {
        bus.set_view(name(QUEUE), view as _, from, LaneLimits::unlimited()).await.unwrap()
    };
    let handle = join(&bus, declining(), None).await;
    let begin = handle.floor();
    append(&bus, "a", QUEUE, 0..5).await;
    until_books(&bus, QUEUE, "accepted 5 delivered 3 dead 0 waiting 0 dropped [deduplicated 2]").await;
    // What comes while nobody looks is told, after all that was told before, when the view is back.
    bus.remove_target(&name(QUEUE), Removal::Keep).await.unwrap();
    append(&bus, "a", QUEUE, 5..10).await;
    until_books(&bus, QUEUE, "accepted 10 delivered 3 dead 0 waiting 5 dropped [deduplicated 2]").await;
    bus.drain(PATIENCE).await.unwrap();
    crash(bus).await;

    let bus = place.open();
    join(&bus, declining(), Some(begin)).await;
    assert_eq!(books(&bus, QUEUE), "accepted 10 delivered 7 dead 0 waiting 0 dropped [deduplicated 3]");
    append(&bus, "a", QUEUE, 10..12).await;
    until_books(&bus, QUEUE, "accepted 12 delivered 8 dead 0 waiting 0 dropped [deduplicated 4]").await;
    assert_eq!(bus.audit().await, []);
}
