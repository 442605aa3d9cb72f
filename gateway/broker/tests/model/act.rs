//! What clients and the disk do: chosen from the input, foreseen by the model, then done. See `arrive` for connections that begin and `pass`
//! for the clock and the end of the process.

use super::client::{Feed, Subscription, grant_code, option_words, options, wants_retained};
use super::input::Input;
use super::{CLIENTS, Reply, World, topics};
use crate::stage::text;
use mqtt::{Qos, SubscriptionOptions, Version};
use std::collections::BTreeSet;

impl World {
    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.below(32);
        let at = input.below(CLIENTS);
        match kind {
            0..4 => self.connect(at, input),
            4..8 => self.subscribe(at, input),
            8 => self.unsubscribe(at, input),
            9..16 => self.publish(at, input),
            16..20 => self.answer(at, input),
            20..22 => self.acknowledge_anything(at, input),
            22 => self.disconnect(at, input),
            23 => self.lose(at),
            24 => self.pass(input.one_of(&[0, 500, 1_000, 3_000, 30_000, 1_000_000])),
            25 => self.act("hold", |stage| stage.hold()),
            26 => self.act("commit", |stage| stage.commit()),
            27 => self.stop(at, true),
            28 => self.stop(at, false),
            29 => self.restart(),
            30 => self.deny(at, input),
            _ => self.say_something_odd(at, input),
        }
        for at in 0..CLIENTS {
            if self.is_loose && self.session_is_kept(at) {
                self.forget_given_up(at, |_| true);
            }
        }
    }

    pub(super) fn act(&mut self, line: impl Into<String>, act: impl FnOnce(&mut crate::stage::Stage)) {
        self.log(line);
        act(&mut self.stage);
        self.observe();
    }

    /// The name of the client's connection, if it can be heard.
    fn heard(&self, at: usize) -> Option<String> {
        let name = &self.clients[at].connection.as_ref()?.name;
        self.stage.is_connected(name).then(|| name.clone())
    }

    /// A client sends a line; `ends` when that has to end its connection.
    pub(super) fn say(&mut self, at: usize, line: &str, ends: bool) {
        let Some(name) = self.heard(at) else { return };
        let packet = text::parse(line);
        self.act(format!("{name}> {line}"), |stage| stage.send(&name, packet));
        let is_there = self.stage.is_connected(&name);
        assert!(!(is_there && ends), "{name}: `{line}` has to end the connection");
        let may_be_thrown_out = self.limits.queue_messages_max < super::AMPLE;
        assert!(is_there || ends || may_be_thrown_out, "{name}: `{line}` ended the connection");
        if is_there || !ends {
            assert!(!is_there || self.reply.is_none(), "{name}: no answer to `{line}`, {:?}", self.reply);
        }
        self.reply = None;
    }

    pub(super) fn number(&mut self, owner: &str) -> String {
        self.next_number += 1;
        format!("{owner}.{:04}", self.next_number)
    }

    pub(super) fn session_is_kept(&self, at: usize) -> bool {
        self.clients[at].session.as_ref().is_some_and(|session| session.expiry_secs > 0)
    }

    fn subscribe(&mut self, at: usize, input: &mut Input<'_>) {
        if self.heard(at).is_none() {
            return;
        }
        let is_v5 = self.version(at) == Version::V5;
        let count = 1 + input.below(3);
        let identifier = if is_v5 { u32::from(input.byte() % 3) } else { 0 };
        let mut line = String::from("SUBSCRIBE 9");
        let mut asked = Vec::new();
        for _ in 0..count {
            let filter = input.one_of(topics::FILTERS);
            let byte = input.byte();
            let mut options = options(byte);
            if !is_v5 {
                options = SubscriptionOptions { qos: options.qos, ..SubscriptionOptions::default() };
            }
            line += &format!(" {filter}:{}", option_words(options));
            asked.push((filter, options));
        }
        if identifier != 0 {
            line += &format!(" sub={identifier}");
        }
        let breaks = asked.iter().any(|(filter, options)| {
            !topics::is_valid(filter) || (topics::is_shared(filter) && options.no_local)
        });
        if !breaks {
            let codes =
                asked.iter().map(|(filter, options)| self.grant(at, filter, *options, identifier, is_v5));
            self.reply = Some(Reply::Codes(codes.collect::<Vec<_>>()));
        }
        self.say(at, &line, breaks);
    }

    fn grant(
        &mut self,
        at: usize,
        filter: &str,
        options: SubscriptionOptions,
        identifier: u32,
        is_v5: bool,
    ) -> u8 {
        let subscriptions = self.subscriptions();
        let code = grant_code(self.session(at), filter, options.qos, &self.limits, subscriptions);
        if code >= 0x80 {
            return if is_v5 { code } else { 0x80 };
        }
        let options = SubscriptionOptions { qos: options.qos.min(self.limits.qos_max), ..options };
        let id = self.clients[at].id.clone();
        let now_ms = self.stage.now_ms;
        let matching = self.retained.iter().filter(|(topic, kept)| {
            topics::matches(filter, topic)
                && !(options.no_local && kept.publisher == id)
                && kept.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms)
        });
        let labels: BTreeSet<_> = matching.map(|(_, kept)| kept.label.clone()).collect();
        let session = self.session_mut(at);
        let is_new =
            session.subscriptions.insert(filter.to_owned(), Subscription { options, identifier }).is_none();
        if topics::is_shared(filter) {
            session.groups.insert(filter.to_owned());
        }
        if wants_retained(filter, options, is_new) {
            session.feeds.retain(|feed| feed.filter != filter);
            session.feeds.push(Feed { filter: filter.to_owned(), options, labels, is_whole: true });
        }
        code
    }

    fn unsubscribe(&mut self, at: usize, input: &mut Input<'_>) {
        if self.heard(at).is_none() {
            return;
        }
        let filter = input.one_of(topics::FILTERS);
        let session = self.session_mut(at);
        session.feeds.retain(|feed| feed.filter != filter);
        let code = if session.subscriptions.remove(filter).is_some() { 0 } else { 0x11 };
        let breaks = !topics::is_valid(filter);
        self.reply = (!breaks).then(|| Reply::Codes(vec![code]));
        self.say(at, &format!("UNSUBSCRIBE 8 {filter}"), breaks);
    }

    fn publish(&mut self, at: usize, input: &mut Input<'_>) {
        let Some(name) = self.heard(at) else { return };
        let is_v5 = self.version(at) == Version::V5;
        let flags = input.byte();
        let topic = input.one_of(topics::TOPICS);
        let qos = flags % 3;
        let retain = flags & 4 != 0;
        let label = if flags & 8 != 0 && input.rarely(3) {
            "-".to_owned()
        } else {
            self.number(&self.clients[at].id.clone())
        };
        let padding = if flags & 16 != 0 && label != "-" { "x".repeat(40) } else { String::new() };
        let alias = if flags & 32 != 0 && is_v5 { u16::from(input.byte() % 4) + 1 } else { 0 };
        let is_bare = alias != 0 && flags & 64 != 0;
        let id = u16::from(input.byte() % 5) + 1;
        let mut line = format!("PUBLISH {} {label}{padding} qos={qos}", if is_bare { "-" } else { topic });
        if qos > 0 {
            line += &format!(" id={id}");
        }
        for (is_set, word) in [(retain, " retain"), (qos > 0 && flags & 128 != 0, " dup")] {
            line += if is_set { word } else { "" };
        }
        if alias != 0 {
            line += &format!(" alias={alias}");
        }
        if is_v5 && flags & 24 == 24 {
            line += " expiry=2";
        }
        let breaks = qos > self.limits.qos_max.number()
            || (retain && !self.limits.retain_available)
            || self.alias_breaks(at, alias, (!is_bare).then_some(topic));
        let is_repeat = qos == 2 && {
            let session = self.session(at);
            session.taken.contains(&id) || session.committing.contains_key(&id)
        };
        let window_max = self.limits.inbound_window_messages_max;
        let connection = self.clients[at].connection.as_mut().expect("it is heard");
        let exceeds = is_v5 && qos > 0 && !is_repeat && connection.unacknowledged >= window_max;
        let accepted = !breaks && !exceeds && !is_repeat;
        if accepted && qos > 0 {
            connection.unacknowledged += 1;
        }
        if accepted && qos == 2 {
            self.session_mut(at).committing.insert(id, name);
        }
        let before = self.received;
        self.say(at, &line, breaks || exceeds);
        assert_eq!(self.received - before, usize::from(accepted), "whether `{line}` was taken");
    }

    /// Whether the alias is one that may not be used; notes one that is set up.
    fn alias_breaks(&mut self, at: usize, alias: u16, topic: Option<&str>) -> bool {
        if alias == 0 {
            return false;
        }
        if alias > self.limits.inbound_topic_aliases_max {
            return true;
        }
        let connection = self.clients[at].connection.as_mut().expect("it is heard");
        match topic {
            Some(topic) => {
                connection.own_aliases.insert(alias, topic.to_owned());
                false
            }
            None => !connection.own_aliases.contains_key(&alias),
        }
    }

    /// The client goes on with one of the exchanges under way, as it should.
    fn answer(&mut self, at: usize, input: &mut Input<'_>) {
        let choice = usize::from(input.byte());
        self.answer_one(at, choice);
    }

    /// Whether there was one.
    pub(super) fn answer_one(&mut self, at: usize, choice: usize) -> bool {
        if self.heard(at).is_none() {
            return false;
        }
        let client = &self.clients[at];
        let open = &client.connection.as_ref().expect("it is heard").open;
        let in_flight = &self.session(at).in_flight;
        let waiting: Vec<_> =
            in_flight.iter().filter(|(id, flight)| flight.released || open.contains(id)).collect();
        if waiting.is_empty() {
            return false;
        }
        let (id, flight) = waiting[choice % waiting.len()];
        let kind = match (flight.released, flight.qos) {
            (true, _) => "PUBCOMP",
            (false, Qos::ExactlyOnce) => "PUBREC",
            (false, _) => "PUBACK",
        };
        self.acknowledge(at, kind, *id, false);
        true
    }

    fn acknowledge_anything(&mut self, at: usize, input: &mut Input<'_>) {
        if self.heard(at).is_none() {
            return;
        }
        let kind = input.one_of(&["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"]);
        let id = u16::from(input.byte() % 6) + 1;
        let refuses = input.rarely(3) && self.version(at) == Version::V5;
        if kind == "PUBREL" { self.release(at, id) } else { self.acknowledge(at, kind, id, refuses) }
    }

    /// The second half of the client's own QoS 2 exchange.
    fn release(&mut self, at: usize, id: u16) {
        let is_v5 = self.version(at) == Version::V5;
        let session = self.session_mut(at);
        let breaks = session.committing.contains_key(&id);
        if !breaks {
            let is_known = session.taken.remove(&id);
            self.reply = Some(Reply::Complete(if is_known || !is_v5 { 0 } else { 0x92 }));
            let connection = self.clients[at].connection.as_mut().expect("it is heard");
            connection.unacknowledged = connection.unacknowledged.saturating_sub(u16::from(is_known));
        }
        self.say(at, &format!("PUBREL {id}"), breaks);
    }

    /// PUBACK, PUBREC or PUBCOMP for an identifier, in flight or not.
    fn acknowledge(&mut self, at: usize, kind: &str, id: u16, refuses: bool) {
        let in_flight = &mut self.session_mut(at).in_flight;
        let stage = in_flight.get(&id).map(|flight| (flight.qos, flight.released));
        let mut breaks = false;
        let mut ends = false;
        let mut finished = false;
        match (kind, stage) {
            (_, None) | ("PUBREC", Some((Qos::ExactlyOnce, true))) => {}
            ("PUBACK", Some((Qos::AtLeastOnce, _))) | ("PUBREC", Some((Qos::ExactlyOnce, false))) => {
                finished = true;
                ends = kind == "PUBACK" || refuses;
            }
            ("PUBCOMP", Some((_, true))) => ends = true,
            _ => breaks = true,
        }
        if let Some(flight) = in_flight.get_mut(&id).filter(|_| finished) {
            flight.released = true;
        }
        if ends {
            in_flight.remove(&id);
            self.clients[at].connection.as_mut().expect("it is heard").open.remove(&id);
        }
        self.balance.finished += u64::from(finished);
        let is_refusal = refuses && kind != "PUBCOMP";
        self.balance.refused += u64::from(finished && is_refusal);
        let line = format!("{kind} {id}{}", if is_refusal { " 0x80" } else { "" });
        self.say(at, &line, breaks);
    }

    fn disconnect(&mut self, at: usize, input: &mut Input<'_>) {
        if self.heard(at).is_none() {
            return;
        }
        let is_v5 = self.version(at) == Version::V5;
        let with_will = is_v5 && input.rarely(3);
        let expiry = if is_v5 { input.one_of(&[None, None, Some(0), Some(5)]) } else { None };
        let max = self.limits.session_expiry_secs_max;
        let connection = self.clients[at].connection.as_mut().expect("it is heard");
        let breaks = connection.asked_expiry_secs == 0 && expiry.is_some_and(|secs| secs > 0);
        if !breaks {
            let will = if with_will { None } else { connection.will.take() };
            if let Some(secs) = expiry {
                self.session_mut(at).expiry_secs = u32::min(secs, max);
            }
            if let Some(label) = will {
                self.will_is_void(&label);
            }
        }
        let mut line = format!("DISCONNECT {}", if with_will { "0x04" } else { "0x00" });
        if let Some(secs) = expiry {
            line += &format!(" session={secs}");
        }
        self.say(at, &line, true);
    }

    fn lose(&mut self, at: usize) {
        let Some(name) = self.heard(at) else { return };
        self.act(format!("{name} lost"), |stage| stage.lose(&name));
    }

    fn stop(&mut self, at: usize, stopped: bool) {
        let Some(name) = self.heard(at) else { return };
        let line = format!("{name} {}", if stopped { "stop" } else { "go" });
        self.act(line, |stage| stage.stop(&name, stopped));
    }

    fn deny(&mut self, at: usize, input: &mut Input<'_>) {
        let topic = input.one_of(topics::TOPICS);
        if input.rarely(2) {
            self.act("allow", |stage| stage.denied.lock().expect("not poisoned").clear());
            return;
        }
        self.is_loose = true;
        let denied = format!("receive {} {topic}", self.clients[at].id);
        self.act(format!("deny {denied}"), |stage| {
            stage.denied.lock().expect("not poisoned").insert(denied);
        });
    }

    fn say_something_odd(&mut self, at: usize, input: &mut Input<'_>) {
        if self.heard(at).is_none() {
            return;
        }
        let line = input.one_of(&["PINGREQ", "AUTH", "CONNECT id=odd", "CONNACK", "UNSUBACK", "PINGRESP"]);
        if line == "PINGREQ" {
            self.reply = Some(Reply::Pong);
        }
        self.say(at, line, line != "PINGREQ");
    }
}
