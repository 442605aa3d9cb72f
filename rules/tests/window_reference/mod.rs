//! Windows by their definition: every event is kept, and each question answered by looking at all of them.

use rules::window::{Added, LateEvents, Limits, Refusal};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Fixed { size: i64, hop: i64, offset: i64 },
    Session { timeout: i64, max: Option<i64> },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) group: u8,
    pub(crate) time: i64,
    pub(crate) value: Option<i64>,
}

/// A window of one group: end, start, group.
type Window = (i64, i64, u8);

pub(crate) struct Reference {
    kind: Kind,
    by_time: bool,
    limits: Limits,
    /// With the windows an event counts in; for sessions, whether its session is open.
    events: Vec<(Event, Vec<Window>, bool)>,
    newest: Option<i64>,
    arrived: i64,
    watermark: i64,
    closed: Vec<(Window, Vec<Event>)>,
    pub(crate) results: Vec<String>,
}

impl Reference {
    pub(crate) fn new(kind: Kind, by_time: bool, limits: Limits) -> Self {
        let (events, closed, results) = (Vec::new(), Vec::new(), Vec::new());
        Self { kind, by_time, limits, events, newest: None, arrived: 0, watermark: i64::MIN, closed, results }
    }

    pub(crate) fn has_seen_events(&self) -> bool {
        self.newest.is_some()
    }

    pub(crate) fn add(&mut self, event: Event, arrived: i64) -> Added {
        if self.by_time && event.time > arrived + self.limits.future_ms_max as i64 {
            return Added::Refused(Refusal::Future);
        }
        let time = if self.by_time { event.time } else { arrived.max(self.watermark) };
        let mut added = self.place(Event { time, ..event });
        if added == Added::Late && self.limits.late_events == LateEvents::Adjust {
            added = match self.place(Event { time: time.max(self.watermark), ..event }) {
                Added::Counted { windows, missed, .. } => Added::Counted { windows, missed, adjusted: true },
                other => other,
            };
        }
        if matches!(added, Added::Refused(_)) {
            return added;
        }
        let time = time.min(arrived.max(self.watermark));
        self.newest = Some(self.newest.map_or(time, |newest| newest.max(time)));
        self.arrived = self.arrived.max(arrived);
        let lateness = if self.by_time { self.limits.lateness_ms as i64 } else { 0 };
        self.pass(time - lateness);
        added
    }

    fn place(&mut self, event: Event) -> Added {
        let Kind::Fixed { size, hop, offset } = self.kind else { return self.place_in_session(event) };
        let ends = (event.time..event.time + size).filter(|end| (end - offset) % hop == 0);
        let all: Vec<Window> = ends.map(|end| (end, end - size, event.group)).collect();
        let open: Vec<Window> = all.iter().copied().filter(|(end, ..)| *end >= self.watermark).collect();
        if open.is_empty() {
            return Added::Late;
        }
        let added = Added::Counted { windows: open.len(), missed: all.len() - open.len(), adjusted: false };
        self.events.push((event, open, true));
        added
    }

    fn place_in_session(&mut self, event: Event) -> Added {
        let joins_one = self.open_events(event.group).iter().any(|other| self.is_joined(*other, event));
        if !joins_one && self.session_end(event.time) < self.watermark {
            return Added::Late;
        }
        self.events.push((event, Vec::new(), true));
        Added::Counted { windows: 1, missed: 0, adjusted: false }
    }

    fn session_end(&self, last: i64) -> i64 {
        let Kind::Session { timeout, max } = self.kind else { unreachable!("sessions only") };
        let until = max.map(|max| (last..=last + max).find(|time| time % max == 0).expect("one in `max`"));
        until.unwrap_or(i64::MAX).min(last + timeout)
    }

    /// Whether two events with none between them are of one session: no further apart than the timeout, and no multiple
    /// of the maximum at the earlier one or between them.
    fn is_joined(&self, one: Event, other: Event) -> bool {
        let Kind::Session { timeout, max } = self.kind else { unreachable!("sessions only") };
        let (earlier, later) = (one.time.min(other.time), one.time.max(other.time));
        let is_cut = max.is_some_and(|max| (earlier..later).any(|time| time % max == 0));
        later - earlier <= timeout && !is_cut
    }

    fn open_events(&self, group: u8) -> Vec<Event> {
        let open = self.events.iter().filter(|(event, _, is_open)| *is_open && event.group == group);
        let mut open: Vec<Event> = open.map(|(event, ..)| *event).collect();
        open.sort_by_key(|event| event.time);
        open
    }

    fn sessions(&self, group: u8) -> Vec<Vec<Event>> {
        let mut sessions: Vec<Vec<Event>> = Vec::new();
        for event in self.open_events(group) {
            match sessions.last_mut() {
                Some(session) if self.is_joined(*session.last().expect("never empty"), event) => {
                    session.push(event);
                }
                _ => sessions.push(vec![event]),
            }
        }
        sessions
    }

    /// Moves the watermark on. What it passes is closed at once and told at the next advance.
    fn pass(&mut self, time: i64) {
        self.watermark = self.watermark.max(time);
        match self.kind {
            Kind::Fixed { .. } => self.close_fixed(),
            Kind::Session { .. } => (0..3).for_each(|group| self.close_sessions(group)),
        }
    }

    fn close_fixed(&mut self) {
        let windows = self.events.iter().flat_map(|(_, windows, _)| windows.iter().copied());
        let mut due: Vec<Window> = windows.filter(|(end, ..)| *end < self.watermark).collect();
        due.sort_unstable();
        due.dedup();
        for window in due {
            let members = self.events.iter().filter(|(_, windows, _)| windows.contains(&window));
            self.closed.push((window, members.map(|(event, ..)| *event).collect()));
            self.events.iter_mut().for_each(|(_, windows, _)| windows.retain(|other| *other != window));
        }
    }

    fn close_sessions(&mut self, group: u8) {
        for session in self.sessions(group) {
            let (start, last) = (session[0].time, session[session.len() - 1].time);
            let end = self.session_end(last);
            if end >= self.watermark {
                continue;
            }
            let mut members = Vec::new();
            for (event, _, is_open) in &mut self.events {
                if *is_open && event.group == group && (start..=last).contains(&event.time) {
                    *is_open = false;
                    members.push(*event);
                }
            }
            self.closed.push(((end, start, group), members));
        }
    }

    pub(crate) fn advance(&mut self, now: i64) {
        if let Some(newest) = self.newest {
            let silence = now - self.arrived;
            if !self.by_time {
                self.pass(now);
            } else if silence >= self.limits.idle_ms as i64 {
                self.pass(newest + silence - self.limits.lateness_ms as i64);
            }
        }
        let mut closed = std::mem::take(&mut self.closed);
        closed.sort_by_key(|(window, _)| *window);
        self.results.extend(closed.into_iter().map(|(window, events)| result(window, &events)));
    }
}

/// What the statement of the test selects, of events in the order of their arrival.
fn result((end, start, group): Window, events: &[Event]) -> String {
    let present: Vec<(i64, i64)> =
        events.iter().filter_map(|event| Some((event.time, event.value?))).collect();
    let mut values: Vec<i64> = present.iter().map(|(_, value)| *value).collect();
    let mut text = format!(r#"{{"k":{group},"n":{},"c":{}"#, events.len(), values.len());
    if !values.is_empty() {
        let sum: i64 = values.iter().sum();
        values.sort_unstable();
        let (least, most) = (values[0], values[values.len() - 1]);
        let earliest = present.iter().map(|(time, _)| *time).min().expect("not empty");
        let latest = present.iter().map(|(time, _)| *time).max().expect("not empty");
        let first = present.iter().find(|(time, _)| *time == earliest).expect("one has it").1;
        let last = present.iter().rfind(|(time, _)| *time == latest).expect("one has it").1;
        let twice_middle = values[(values.len() - 1) / 2] + values[values.len() / 2];
        text.push_str(&format!(
            r#","s":{sum},"lo":{least},"hi":{most},"f":{first},"l":{last},"m":{twice_middle}"#
        ));
    }
    text + &format!(r#","a":{start},"b":{end}}}"#)
}
