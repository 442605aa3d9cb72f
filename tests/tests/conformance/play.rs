//! Plays one case against a gateway.

use crate::case::{Case, span};
use crate::compare::matches;
use crate::wire::{Next, Road, Wire};
use crate::{read, write};
use anyhow::{Context, bail, ensure};
use end_to_end::wait;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Plays a case in a version of the protocol. `mark` stands for `%` in it: client identifiers and topics of its own.
///
/// # Errors
/// The line that went otherwise, and what came instead.
pub(crate) fn play(road: Road, case: &Case, version: u8, mark: &str) -> anyhow::Result<()> {
    let mut stage = Stage { road, version, mark: mark.to_owned(), wires: BTreeMap::new(), group: None };
    for (number, line) in case.lines(version) {
        stage.line(line).with_context(|| format!("line {number}: {line}"))?;
    }
    stage.end().context("at the end")
}

/// Packets that one client gets in any order.
struct Group {
    name: String,
    expected: Vec<String>,
}

struct Stage {
    road: Road,
    version: u8,
    mark: String,
    wires: BTreeMap<String, Wire>,
    group: Option<Group>,
}

impl Stage {
    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        if let Some(rest) = line.strip_prefix("repeat ") {
            let (range, line) = rest.split_once(' ').context("repeat FIRST..LAST LINE")?;
            let (first, last) = range.split_once("..").context("repeat FIRST..LAST LINE")?;
            for number in first.parse::<u32>()?..=last.parse()? {
                self.line(&line.replace("{n}", &number.to_string()))?;
            }
            return Ok(());
        }
        let line = line.replace('%', &self.mark);
        let (head, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if let Some(name) = head.strip_suffix("<*") {
            return self.any_order(name, rest);
        }
        self.end_group()?;
        if let Some(time) = line.strip_prefix('+') {
            wait::let_pass(span(time)?);
            return Ok(());
        }
        if rest == "closed" {
            return self.closed(head, Duration::ZERO);
        }
        if rest == "lost" {
            let wire = self.wires.remove(head).with_context(|| format!("`{head}` is not connected"))?;
            wire.lose();
            return Ok(());
        }
        if let Some(after) = rest.strip_prefix("closed after=") {
            return self.closed(head, span(after)?);
        }
        if let Some(name) = head.strip_suffix('>') {
            return self.send(name, rest);
        }
        let name = head.strip_suffix('<').with_context(|| format!("`{head}` does nothing"))?;
        if rest == "-" { self.quiet(name) } else { self.expect(name, rest) }
    }

    fn wire(&mut self, name: &str) -> anyhow::Result<&mut Wire> {
        self.wires.get_mut(name).with_context(|| format!("`{name}` is not connected"))
    }

    fn send(&mut self, name: &str, line: &str) -> anyhow::Result<()> {
        if !self.wires.contains_key(name) {
            self.wires.insert(name.to_owned(), Wire::open(self.road, self.version)?);
        }
        let mark = self.mark.clone();
        let wire = self.wire(name)?;
        let mut bytes = Vec::new();
        for packet in line.split(" && ") {
            let mut packet = packet.to_owned();
            for (word, version) in [("CONNECT v4", 4), ("CONNECT v5", 5)] {
                if let Some(rest) = packet.strip_prefix(word) {
                    packet = format!("CONNECT{rest}");
                    wire.version = version;
                }
            }
            if packet.starts_with("CONNECT") && !packet.contains(" id=") {
                write!(packet, " id={mark}{name}")?;
            }
            bytes.extend(write::bytes(&packet, wire.version)?);
        }
        wire.send(&bytes);
        Ok(())
    }

    /// The next packet of `name` as a line; its own identifier and topics with `%` are written out.
    fn next(&mut self, name: &str) -> anyhow::Result<String> {
        let wire = self.wire(name)?;
        match wire.next(wait::SOON)? {
            Next::Packet(packet) => read::line(&packet, wire.version)
                .with_context(|| format!("`{name}` got what no server may send: {packet:02x?}")),
            Next::Closed => bail!("the gateway closed the connection of `{name}`"),
            Next::Silence => bail!("nothing came for `{name}`"),
        }
    }

    fn expect(&mut self, name: &str, expected: &str) -> anyhow::Result<()> {
        if let Some(expected) = expected.strip_prefix("HEX ") {
            let wanted = write::bytes(&format!("HEX {expected}"), self.version)?;
            let got = self.wire(name)?.next(wait::SOON)?;
            ensure!(got == Next::Packet(wanted), "`{name}` got {got:02x?}");
            return Ok(());
        }
        let got = self.next(name)?;
        ensure!(matches(expected, &got), "`{name}` got: {got}");
        Ok(())
    }

    fn any_order(&mut self, name: &str, expected: &str) -> anyhow::Result<()> {
        if self.group.as_ref().is_some_and(|group| group.name != name) {
            self.end_group()?;
        }
        let group = self.group.get_or_insert_with(|| Group { name: name.to_owned(), expected: Vec::new() });
        group.expected.push(expected.to_owned());
        Ok(())
    }

    fn end_group(&mut self) -> anyhow::Result<()> {
        let Some(Group { name, mut expected }) = self.group.take() else { return Ok(()) };
        while !expected.is_empty() {
            let got = self.next(&name)?;
            let found = expected.iter().position(|expected| matches(expected, &got));
            let at = found.with_context(|| format!("`{name}` got: {got}; missing: {expected:?}"))?;
            expected.remove(at);
        }
        Ok(())
    }

    /// Nothing waits for `name`. What was to be sent before the first answer to a ping is sent before the second: a connection writes
    /// answers first, then messages.
    fn quiet(&mut self, name: &str) -> anyhow::Result<()> {
        for _ in 0..2 {
            self.send(name, "PINGREQ")?;
            let got = self.next(name)?;
            ensure!(got == "PINGRESP", "`{name}` got: {got}");
        }
        Ok(())
    }

    /// The gateway closes the connection of `name`, not before `after` has passed since it last sent something.
    fn closed(&mut self, name: &str, after: Duration) -> anyhow::Result<()> {
        let wire = self.wire(name)?;
        match wire.next(wait::SOON)? {
            Next::Closed => {}
            Next::Packet(packet) => bail!("`{name}` got: {}", read::line(&packet, wire.version)?),
            Next::Silence => bail!("the connection of `{name}` is open"),
        }
        let passed = wire.sent.elapsed();
        ensure!(passed >= after, "closed after {} ms", passed.as_millis());
        self.wires.remove(name);
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.end_group()?;
        let names: Vec<String> = self.wires.keys().cloned().collect();
        names.iter().try_for_each(|name| self.quiet(name).with_context(|| name.clone()))
    }
}
