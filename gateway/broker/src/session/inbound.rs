//! QoS 2 publishes from one client whose exchange is not over.

use mqtt::PacketId;

/// How far an inbound exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The message was handed to the caller on the connection of this generation, and is not committed yet. `repeats` counts PUBLISHes of
    /// the same identifier that came meanwhile and want a PUBREC of their own.
    Committing {
        /// The connection it came on.
        generation: u32,
        /// Further PUBRECs wanted by the live connection.
        repeats: u8,
    },
    /// PUBREC was given; the message must not be taken again until PUBREL `[MQTT-4.3.3-10]`.
    Taken {
        /// The journal record that says so, if one does.
        offset: Option<u64>,
    },
}

impl Stage {
    /// The journal record that says the message was taken.
    pub(crate) fn offset(self) -> Option<u64> {
        match self {
            Self::Taken { offset } => offset,
            Self::Committing { .. } => None,
        }
    }
}

/// Identifiers sorted by number. Bounded by the client's window, and by the number of identifiers for MQTT 3.1.1.
#[derive(Debug, Default)]
pub(crate) struct Inbound(Vec<(PacketId, Stage)>);

impl Inbound {
    fn place(&self, id: PacketId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }

    pub(crate) fn stage_mut(&mut self, id: PacketId) -> Option<&mut Stage> {
        let at = self.place(id).ok()?;
        Some(&mut self.0[at].1)
    }

    pub(crate) fn set(&mut self, id: PacketId, stage: Stage) {
        match self.place(id) {
            Ok(at) => self.0[at].1 = stage,
            Err(at) => self.0.insert(at, (id, stage)),
        }
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Stage> {
        let at = self.place(id).ok()?;
        let (_, stage) = self.0.remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(stage)
    }

    /// Forgets exchanges of a connection that ended without committing them: the client repeats those. Whether a live connection was
    /// waiting for one of them.
    pub(crate) fn abandon(&mut self, ended: u32) -> bool {
        let mut awaited = false;
        self.0.retain(|(_, stage)| match stage {
            Stage::Committing { generation, repeats } if *generation == ended => {
                awaited |= *repeats > 0;
                false
            }
            _ => true,
        });
        awaited
    }

    /// Identifiers that got a PUBREC, each with the record that took it.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (PacketId, Option<u64>)> {
        self.0.iter().filter_map(|(id, stage)| match stage {
            Stage::Taken { offset } => Some((*id, *offset)),
            Stage::Committing { .. } => None,
        })
    }
}
