//! `[[archive]]`: events kept to be replayed.

use serde::Deserialize;

/// `[[archive]]`; what it gets are the events of `rules`, and those of rules that name it as an action.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Archive {
    /// Letters, digits, `-` and `_`, as actions and replays name it; its folder below `data_directory/archives` is called so.
    pub(crate) name: String,
    /// The rules whose events it keeps, `["*"]` for all; none unless given.
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    /// How long an event is kept; 0, which is the default, is for ever.
    #[serde(default)]
    pub(crate) retention_days: u32,
    /// Bytes on disk, the oldest events go first; 4 GiB unless given, four times 64 KiB at least.
    #[serde(default = "disk_bytes_max")]
    pub(crate) disk_bytes_max: u64,
}

fn disk_bytes_max() -> u64 {
    4 << 30
}
