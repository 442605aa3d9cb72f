//! Connections begin, over others that may still be there.

use super::client::Connection;
use super::input::Input;
use super::{Reply, Will, World, topics};
use crate::stage::text;
use mqtt::Version;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    pub(super) fn connect(&mut self, at: usize, input: &mut Input<'_>) {
        let flags = input.byte();
        let version = if flags & 1 == 0 { Version::V5 } else { Version::V3_1_1 };
        let clean = flags & 2 != 0;
        let mut line = format!("CONNECT id={}", self.clients[at].id);
        if clean {
            line += " clean";
        }
        let expiry: u32 = input.one_of(&[0, 5, 100, u32::MAX]);
        let receive: u16 = input.one_of(&[0, 1, 2, 3]);
        let aliases: u16 = input.one_of(&[0, 1, 2, 9]);
        let size: u32 = if flags & 4 != 0 { 48 } else { 0 };
        // Which exchanges are given up on the way is only told of sessions that are kept.
        let expiry = if size != 0 || self.is_loose { expiry.max(5) } else { expiry };
        if version == Version::V3_1_1 {
            line += " v3";
        } else {
            let words = [
                ("session", expiry),
                ("receive", receive.into()),
                ("aliases", aliases.into()),
                ("size", size),
            ];
            for (key, value) in words.iter().filter(|(_, value)| *value != 0) {
                line += &format!(" {key}={value}");
            }
            self.is_loose |= size != 0;
        }
        let (will, refused) = self.choose_will(flags, version, input, &mut line);
        let v3_expiry = if clean { 0 } else { u32::MAX };
        let asked = if version == Version::V5 { expiry } else { v3_expiry };
        let connection = Connection {
            name: String::new(),
            version,
            receive_max: if version == Version::V5 && receive != 0 {
                receive.into()
            } else {
                usize::from(u16::MAX)
            },
            packet_bytes_max: if version == Version::V5 && size != 0 { size as usize } else { usize::MAX },
            aliases_max: if version == Version::V5 { aliases } else { 0 },
            aliases: BTreeMap::new(),
            own_aliases: BTreeMap::new(),
            asked_expiry_secs: asked,
            unacknowledged: 0,
            open: BTreeSet::new(),
            will,
        };
        self.take_in(at, connection, &line, clean, refused);
    }

    /// Adds the words of a will, if `flags` ask for one; its label, and whether it has to be refused.
    fn choose_will(
        &mut self,
        flags: u8,
        version: Version,
        input: &mut Input<'_>,
        line: &mut String,
    ) -> (Option<String>, bool) {
        if flags & 8 == 0 {
            return (None, false);
        }
        let delay = if flags & 16 != 0 && version == Version::V5 { 2 } else { 0 };
        let label = self.number(if delay > 0 { "wd" } else { "w" });
        let topic = input.one_of(topics::TOPICS);
        let qos = if flags & 64 != 0 { 2 } else { flags >> 5 & 1 };
        *line += &format!(" will={topic}:{label} will_qos={qos}");
        if delay > 0 {
            *line += &format!(" will_delay={delay}");
        }
        let is_retained = flags & 128 != 0;
        if is_retained {
            *line += " will_retain";
        }
        let refused = qos > self.limits.qos_max.number() || (is_retained && !self.limits.retain_available);
        (Some(label), refused)
    }

    /// A CONNECT, over a connection of the same client that may still be there.
    pub(super) fn take_in(
        &mut self,
        at: usize,
        mut connection: Connection,
        line: &str,
        clean: bool,
        refused: bool,
    ) {
        let sessions = self.clients.iter().filter(|client| client.session.is_some()).count();
        let refused = refused || (self.clients[at].session.is_none() && sessions >= self.limits.sessions_max);
        let client = &mut self.clients[at];
        client.connections += 1;
        let name = format!("{}.{}", client.id, client.connections);
        connection.name.clone_from(&name);
        let packet = text::parse(line);
        if refused {
            self.reply = Some(Reply::Refused);
        } else {
            if let Some(label) = &connection.will {
                self.wills.insert(label.clone(), Will::Armed);
            }
            self.replace_session(at, connection, clean);
        }
        self.act(format!("{name}> {line}"), |stage| stage.send(&name, packet));
        assert_eq!(self.reply, None, "{name}: no CONNACK");
        if refused {
            self.stage.forget(&name);
        }
    }

    fn replace_session(&mut self, at: usize, connection: Connection, clean: bool) {
        let expiry_secs = connection.asked_expiry_secs.min(self.limits.session_expiry_secs_max);
        let old = self.clients[at].connection.take();
        let is_kept = !clean && self.session_is_kept(at);
        let waited = self.clients[at].session.as_mut().and_then(|session| session.will.take());
        let left = old.and_then(|old| old.will);
        if is_kept {
            if let Some(label) = waited {
                self.will_is_void(&label);
            }
            match left {
                // A will without delay is published, a delay is cut short by the new connection [MQTT-3.1.3-9].
                Some(label) if label.starts_with("wd") => self.will_is_void(&label),
                Some(label) => self.will_is_due(&label),
                None => {}
            }
            let session = self.session_mut(at);
            session.expiry_secs = expiry_secs;
            session.expires_at_ms = None;
        } else {
            for label in waited.into_iter().chain(left) {
                self.will_is_due(&label);
            }
            self.end_session(at);
            self.clients[at].session = Some(self.new_session(expiry_secs));
        }
        self.clients[at].connection = Some(connection);
        self.reply = Some(Reply::Connected { session_present: is_kept });
    }
}
