//! Where servers run: one folder for each start, with certificates, ports and the configuration that was written for it.

use anyhow::Context;
use certs::{Authority, DeviceRequest, Validity};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bits of a name; a port stands in configurations as `$name`.
pub(crate) type Filled<'a> = &'a [(&'a str, String)];

/// The certificates of a comparison: one authority, a server, devices.
#[derive(Debug)]
pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes them: ECDSA P-256 all, as many devices as the largest load has.
    ///
    /// # Errors
    /// About files.
    pub(crate) fn make(directory: &Path, devices: u32) -> anyhow::Result<Self> {
        let mut authority =
            Authority::create(directory, "authority of the comparison", Validity::days(3650))?;
        authority.issue_server(&["localhost", "127.0.0.1"], Validity::days(30))?;
        let request = |index: u32| {
            let mut request = DeviceRequest::new(format!("device-{index:05}"), Validity::days(30));
            // rumqttd takes the organization of a certificate for its tenant.
            request.organization = Some("bench".to_owned());
            request
        };
        let requests: Vec<_> = (1..=devices).map(request).collect();
        authority.issue_devices(&requests, |_| ())?;
        // Erlang and Go read files as the user they run as; this folder is gone when the comparison ends.
        Ok(Self { directory: directory.to_path_buf() })
    }
}

/// A folder for one start of one server and the loads against it. Gone when it is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    keep: bool,
    /// Where clients connect.
    pub(crate) port: u16,
    /// Another free port, for what a server has beside MQTT.
    pub(crate) other_port: u16,
    /// And a third.
    pub(crate) third_port: u16,
}

impl Place {
    /// A new folder with `pki` in it.
    ///
    /// # Errors
    /// About files and ports.
    pub(crate) fn new(
        parent: &Path,
        name: &str,
        certificates: &Certificates,
        keep: bool,
    ) -> anyhow::Result<Self> {
        let folder = parent.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        std::os::unix::fs::symlink(&certificates.directory, folder.join("pki"))?;
        let [port, other_port, third_port] = free_ports()?;
        Ok(Self { folder, keep, port, other_port, third_port })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of the folder with every `$name` filled in.
    ///
    /// # Errors
    /// About the file.
    pub(crate) fn write(&self, name: &str, text: &str, filled: Filled<'_>) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, fill(text, filled)).with_context(|| format!("{}", path.display()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            // What stays is in the folder of the whole comparison, which is removed too.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A text with every `$name` filled in.
pub(crate) fn fill(text: &str, filled: Filled<'_>) -> String {
    filled.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}

/// Three ports that were free a moment ago, below those that the system gives to connections. Never the ones of a server before: connections that
/// it closed keep its port for a while, and not every server may bind it then.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    const FIRST: u32 = 10_240;
    const LAST: u32 = 32_000;
    static STEPS: AtomicU32 = AtomicU32::new(0);
    let next = || {
        for _ in FIRST..LAST {
            let step = STEPS.fetch_add(1, Ordering::Relaxed);
            let offset = std::process::id().wrapping_mul(97).wrapping_add(step) % (LAST - FIRST);
            let port = u16::try_from(FIRST + offset)?;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Ok(port);
            }
        }
        anyhow::bail!("no port is free")
    };
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_wherever_they_stand() {
        let filled = [("port", "1883".to_owned()), ("other", "1".to_owned())];
        assert_eq!(fill("a $port, $other; $port {device}", &filled), "a 1883, 1; 1883 {device}");
    }

    #[test]
    fn a_place_has_certificates_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(&folder.path().join("pki"), 2).unwrap();
        let place = Place::new(folder.path(), "one", &certificates, false).unwrap();
        place.write("some/file", "$port", &[("port", place.port.to_string())]).unwrap();
        assert!(place.folder().join("pki/devices/device-00002.key").exists());
        assert!(place.port != place.other_port && place.other_port != place.third_port);
        let path = place.folder().to_path_buf();
        drop(place);
        assert!(!path.exists());
        assert!(folder.path().join("pki/authority.crt").exists());
    }
}
