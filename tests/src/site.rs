//! A folder with everything one gateway needs.

use crate::gateway::run_command;
use crate::tls::{self, TlsOptions};
use anyhow::Context;
use certs::{Authority, Credentials, DeviceRequest, Validity};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A policy that allows everything.
pub const ALLOW_ALL: &str = r#"{ "Version": "2012-10-17",
  "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }] }"#;

/// A policy under which a device speaks, and hears, under its own name alone.
pub const OWN_TOPICS: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}" },
  { "Effect": "Allow", "Action": ["iot:Publish", "iot:RetainPublish", "iot:Receive"],
    "Resource": "arn:aws:iot:*:*:topic/plant/${iot:Connection.Thing.ThingName}/*" },
  { "Effect": "Allow", "Action": "iot:Subscribe",
    "Resource": "arn:aws:iot:*:*:topicfilter/plant/${iot:Connection.Thing.ThingName}/*" } ] }"#;

/// The settings of a stream `telemetry`.
pub const TELEMETRY_STREAM: &str = "[[stream]]\nname = \"telemetry\"\nshards = 2\n";

/// A gateway's folder: `pki`, `policies`, `rules`, `data` and `gateway.toml`. Gone when it is dropped.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    /// Where devices connect with TLS.
    pub tls_address: SocketAddr,
    /// Where clients connect without.
    pub plain_address: SocketAddr,
    /// Where devices connect by WebSocket and publish by HTTPS.
    pub https_address: SocketAddr,
    /// Where clients do so without TLS.
    pub plain_websocket_address: SocketAddr,
    /// Where consumers connect.
    pub api_address: SocketAddr,
    authority: Authority,
}

/// A port that was free a moment ago.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> anyhow::Result<SocketAddr> {
    // Below the ports that the system gives to connections: a fleet of another test may have any of those by the time this one is used.
    const FIRST: u32 = 10_240;
    const LAST: u32 = 32_000;
    const TRIES: u32 = 100;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..TRIES {
        // Tests are processes of their own; neighbours begin far from each other.
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(97).wrapping_add(step) % (LAST - FIRST);
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(FIRST + offset)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The folder of the whole project.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are a folder of the project").to_path_buf()
}

impl Site {
    /// An authority, a server certificate for `localhost`, the policies `anyone` and `device`, no rules, and settings with `more` appended
    /// (tables and arrays of tables only).
    ///
    /// # Errors
    /// About files.
    pub fn new(more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("iot-gateway-").tempdir()?;
        for name in ["policies", "rules"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let mut authority =
            Authority::create(folder.path().join("pki"), "authority of a test", Validity::days(3650))?;
        authority.issue_server(&["localhost", "127.0.0.1"], Validity::days(1))?;
        let site = Self {
            folder,
            tls_address: free_port()?,
            plain_address: free_port()?,
            https_address: free_port()?,
            plain_websocket_address: free_port()?,
            api_address: free_port()?,
            authority,
        };
        site.write_policy("anyone", ALLOW_ALL)?;
        site.write_policy("device", OWN_TOPICS)?;
        site.write("gateway.toml", &site.settings(more)?)?;
        Ok(site)
    }

    /// A site whose rule `readings` sends what arrives under `plant/+/telemetry` to the queue `readings`.
    ///
    /// # Errors
    /// About files.
    pub fn with_queue(more: &str) -> anyhow::Result<Self> {
        let site = Self::new(&format!("[[queue]]\nname = \"readings\"\n{more}"))?;
        site.write_rule("readings", "SELECT * FROM 'plant/+/telemetry'", "queue = \"readings\"")?;
        Ok(site)
    }

    /// Settings that most tests share: every port on loopback, JSON logs, unsigned requests.
    fn settings(&self, more: &str) -> anyhow::Result<String> {
        let mut text = String::from("data_directory = \"data\"\n");
        // A test may have a table of its own for what comes here by default.
        let mut table = |name: &str, keys: String| {
            if more.contains(&format!("[{name}]")) { Ok(()) } else { write!(text, "\n[{name}]\n{keys}\n") }
        };
        table("log", "format = \"json\"".to_string())?;
        table("access", "policies = \"policies\"".to_string())?;
        table("listener", self.listener_keys())?;
        table("rules", "definitions = \"rules\"".to_string())?;
        table("api", format!("address = \"{}\"\nunsigned_on_loopback = true", self.api_address))?;
        table(
            "tls",
            "certificate = \"pki/server.crt\"\nkey = \"pki/server.key\"\nauthorities = [\"pki/authority.crt\"]\n\
             revocation_lists = [\"pki/crl.pem\"]"
                .to_string(),
        )?;
        let more = more.replace("[listener]", &format!("[listener]\n{}", self.listener_keys()));
        Ok(format!("{text}\n{more}\n"))
    }

    fn listener_keys(&self) -> String {
        format!(
            "tls_address = \"{}\"\nhttps_address = \"{}\"\nplain_address = \"{}\"\n\
             plain_websocket_address = \"{}\"\nplain_policy = \"anyone\"",
            self.tls_address, self.https_address, self.plain_address, self.plain_websocket_address
        )
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The settings file.
    pub fn settings_file(&self) -> PathBuf {
        self.path("gateway.toml")
    }

    /// The authority that the gateway trusts.
    pub fn authority(&mut self) -> &mut Authority {
        &mut self.authority
    }

    /// Writes a file, whole or not at all, as an editor does.
    ///
    /// # Errors
    /// About the file.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        let new = path.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &path).with_context(|| format!("{}", path.display()))
    }

    /// Changes the settings file.
    ///
    /// # Errors
    /// When `old` is not in it, or about the file.
    pub fn change_settings(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.settings_file())?;
        anyhow::ensure!(text.contains(old), "`{old}` is not in the settings:\n{text}");
        self.write("gateway.toml", &text.replace(old, new))
    }

    /// Every address that the settings name.
    pub fn addresses(&self) -> [SocketAddr; 5] {
        let Self { tls_address, https_address, plain_address, plain_websocket_address, api_address, .. } =
            self;
        [*tls_address, *https_address, *plain_address, *plain_websocket_address, *api_address]
    }

    /// Writes the policy `name`.
    ///
    /// # Errors
    /// About the file.
    pub fn write_policy(&self, name: &str, document: &str) -> anyhow::Result<()> {
        self.write(&format!("policies/{name}.json"), document)
    }

    /// Writes the rule `name` with one action, written as TOML.
    ///
    /// # Errors
    /// About the file.
    pub fn write_rule(&self, name: &str, sql: &str, action: &str) -> anyhow::Result<()> {
        let text =
            format!("description = \"of a test\"\nsql = \"\"\"\n{sql}\n\"\"\"\n\n[[action]]\n{action}\n");
        self.write(&format!("rules/{name}/rule.toml"), &text)
    }

    /// Makes certificates for devices without registering them.
    ///
    /// # Errors
    /// About a name or a file.
    pub fn issue(&mut self, names: &[&str]) -> anyhow::Result<Vec<Credentials>> {
        let requests: Vec<_> =
            names.iter().map(|name| DeviceRequest::new(*name, Validity::days(1))).collect();
        Ok(self.authority.issue_devices(&requests, |_| ())?)
    }

    /// Makes certificates for devices and registers them with the policy `device`, as a user does.
    ///
    /// # Errors
    /// What the command says.
    pub fn register(&self, names: &[&str]) -> anyhow::Result<()> {
        self.put_policy("device")?;
        names.iter().try_for_each(|name| self.register_with("device", &["--name", name]))
    }

    /// The same for `count` devices named `device-0001` and so on.
    ///
    /// # Errors
    /// What the command says.
    pub fn register_many(&self, count: u32) -> anyhow::Result<()> {
        self.put_policy("device")?;
        self.register_with("device", &["--name", "device", "--count", &count.to_string()])
    }

    /// Puts a policy of the folder into the registry before a gateway has read the folder.
    fn put_policy(&self, name: &str) -> anyhow::Result<()> {
        let file = self.path(&format!("policies/{name}.json"));
        let (settings, file) = (self.settings_file(), file.display().to_string());
        let settings = settings.display().to_string();
        run_command(&["policies", "--config", &settings, "put", name, &file]).map(drop)
    }

    fn register_with(&self, policy: &str, which: &[&str]) -> anyhow::Result<()> {
        let (pki, settings) =
            (self.path("pki").display().to_string(), self.settings_file().display().to_string());
        let mut arguments =
            vec!["certs", "device", "--directory", &pki, "--config", &settings, "--policy", policy];
        arguments.extend(which);
        run_command(&arguments).map(drop)
    }

    /// How the device `name` connects.
    ///
    /// # Errors
    /// About its files.
    pub fn device(&self, name: &str) -> anyhow::Result<TlsOptions> {
        let (certificate, key) = self.device_files(name);
        tls::options(&self.path("pki/authority.crt"), Some((&certificate, &key)))
    }

    /// The fingerprint of the latest certificate of the device `name`.
    ///
    /// # Errors
    /// When it has none.
    pub fn fingerprint(&self, name: &str) -> anyhow::Result<String> {
        let books = Authority::load(self.path("pki"))?;
        let found = books.list().iter().rev().find(|issued| issued.common_name == name);
        Ok(found.with_context(|| format!("no certificate of `{name}`"))?.fingerprint.to_string())
    }

    /// Certificate and key of the device `name`.
    pub fn device_files(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.path(&format!("pki/devices/{name}.crt")), self.path(&format!("pki/devices/{name}.key")))
    }
}
