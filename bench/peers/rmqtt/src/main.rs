//! rmqtt as a process: listeners with its documented defaults, and its session storage where durability is asked for.
//!
//! It must not know what it is compared with. Its one argument is a TOML file; `rmqtt.toml` beside it explains the keys.

use std::net::SocketAddr;
use std::path::PathBuf;

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, tls_provider};
use rmqtt::server::MqttServer;
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    plain: Option<SocketAddr>,
    tls: Option<Tls>,
    nodelay: bool,
    /// How many messages may wait for one session; rmqtt's default is 1,000.
    waiting_messages_max: Option<usize>,
    /// The directory with `rmqtt-session-storage.toml`; without it sessions and messages are in memory alone.
    plugins: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    address: SocketAddr,
    certificate: String,
    key: String,
    authorities: String,
}

fn settings() -> Result<Settings, String> {
    let path = std::env::args_os().nth(1).ok_or("one argument is wanted, the settings file")?;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path:?}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{path:?}: {error}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings()?;
    // An error means that a provider is there already, which is as good.
    let _ = tls_provider::default_provider().install_default();
    let mut context = ServerContext::new();
    if let Some(plugins) = &settings.plugins {
        context = context.plugins_config_dir(plugins.to_string_lossy());
    }
    let context = context.build().await;
    if settings.plugins.is_some() {
        rmqtt_session_storage::register(&context, true, false).await?;
    }
    let listener = |name: &str, address| {
        let builder = Builder::new().name(name).laddr(address).nodelay(settings.nodelay);
        match settings.waiting_messages_max {
            Some(count) => builder.max_mqueue_len(count),
            None => builder,
        }
    };
    let mut server = MqttServer::new(context);
    if let Some(address) = settings.plain {
        server = server.listener(listener("plain", address).bind()?.tcp()?);
    }
    if let Some(tls) = settings.tls {
        let listener = listener("tls", tls.address)
            .tls_cross_certificate(true)
            .tls_cert(Some(tls.certificate))
            .tls_key(Some(tls.key))
            .tls_client_ca_certs(Some(tls.authorities));
        server = server.listener(listener.bind()?.tls()?);
    }
    server.build().run().await?;
    Ok(())
}
