//! What an idle connection costs the gateway in memory: connected, subscribed to one topic, silent.
//!
//! `IDLE_CONNECTIONS=20000 cargo nextest run --profile full -p end-to-end --no-capture -E 'binary(idle)'` takes the measurement that the report
//! is about; without the variable there are few, and only the bounds are looked at. The gateway is a process of its own, so what is
//! measured is the gateway alone; memory of the kernel (socket buffers) is not part of it.

use anyhow::Context;
use end_to_end::{Connect, Gateway, Metrics, Site, TlsOptions, wait};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Enough to see a buffer that is kept.
const CONNECTIONS: usize = 1_000;
/// Certificates; what the gateway keeps for each is shared by the connections that show it.
const DEVICES: u32 = 100;
/// Files of a process beside its connections.
const FILES_BESIDE: u64 = 150;
const DIALS_AT_ONCE: usize = 64;
/// Loopback addresses the devices come from: each has some 28,000 ports to connect from.
const SOURCES: usize = 8;
const DIAL_TIME_MAX: Duration = Duration::from_secs(60);
/// For any build of the gateway: debug builds have larger tasks.
const PLAIN_BYTES_MAX: f64 = 12_000.0;
const MUTUAL_TLS_BYTES_MAX: f64 = 24_000.0;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Held = Box<dyn Stream>;

fn connections() -> usize {
    std::env::var("IDLE_CONNECTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(CONNECTIONS)
}

/// Files this process, and the gateway it starts, may have open.
fn raise_open_files(count: usize) -> anyhow::Result<()> {
    let wanted = count as u64 + FILES_BESIDE;
    let now = rustix::process::getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).with_context(|| {
        format!(
            "{wanted} open files are needed, the hard limit is {:?}; raise it, or set IDLE_CONNECTIONS",
            now.maximum
        )
    })
}

async fn tcp(number: usize, address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(2 + number % SOURCES)?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0))?;
    Ok(socket.connect(address).await?)
}

async fn dial(number: usize, address: SocketAddr, tls: Option<TlsOptions>) -> anyhow::Result<Held> {
    let socket = tcp(number, address).await?;
    let mut stream: Held = match tls {
        None => Box::new(socket),
        Some(options) => {
            let connector = TlsConnector::from(options.config());
            Box::new(connector.connect("localhost".try_into()?, socket).await?)
        }
    };
    stream.write_all(&Connect::clean(5, format!("idle-{number:05}")).bytes()).await?;
    // SUBSCRIBE with identifier 1, no properties, one filter, QoS 1.
    let filter = format!("plant/line-{number:05}/commands");
    let mut subscribe = vec![0x82, u8::try_from(6 + filter.len())?, 0, 1, 0, 0, u8::try_from(filter.len())?];
    subscribe.extend(filter.bytes());
    subscribe.push(1);
    stream.write_all(&subscribe).await?;
    for expected in [0x20, 0x90] {
        let (kind, length) = (stream.read_u8().await?, stream.read_u8().await?);
        anyhow::ensure!(kind == expected, "packet {kind:#x} instead of {expected:#x}");
        let mut body = vec![0; usize::from(length)];
        stream.read_exact(&mut body).await?;
    }
    Ok(stream)
}

async fn dial_all(count: usize, address: SocketAddr, devices: &[TlsOptions]) -> anyhow::Result<Vec<Held>> {
    let mut held = Vec::with_capacity(count);
    let mut dials = JoinSet::new();
    for number in 0..count {
        if dials.len() >= DIALS_AT_ONCE
            && let Some(dialled) = dials.join_next().await
        {
            held.push(dialled??);
        }
        let device = (!devices.is_empty()).then(|| devices[number % devices.len()].clone());
        dials.spawn(async move { tokio::time::timeout(DIAL_TIME_MAX, dial(number, address, device)).await? });
    }
    while let Some(dialled) = dials.join_next().await {
        held.push(dialled??);
    }
    Ok(held)
}

fn resident_bytes(metrics: &Metrics) -> f64 {
    metrics.sum("process_resident_memory_bytes", "")
}

/// Resident bytes of the gateway for each connection.
fn measure(site: &Site, address: SocketAddr, devices: &[TlsOptions]) -> anyhow::Result<f64> {
    let count = connections();
    let mut gateway = Gateway::start(site)?;
    let runtime = tokio::runtime::Runtime::new()?;
    // What is made once, threads and code pages, is there after the first.
    let warm_up = runtime.block_on(dial_all(DIALS_AT_ONCE * 2, address, devices))?;
    drop(warm_up);
    let consumer = gateway.consumer.clone();
    let are_connected = |expected: usize| {
        consumer.metrics().is_ok_and(|metrics| metrics.sum("iot_gateway_connections", "") == expected as f64)
    };
    wait::for_true("the first to be gone", wait::SOON, || are_connected(0))?;
    let before = resident_bytes(&consumer.metrics()?);
    let held = runtime.block_on(dial_all(count, address, devices))?;
    wait::for_true("all to be connected", wait::SOON, || are_connected(count))?;
    let after = resident_bytes(&consumer.metrics()?);
    drop(held);
    wait::for_true("all to be gone", Duration::from_secs(120), || are_connected(0))?;
    let left = resident_bytes(&consumer.metrics()?);
    let each = (after - before) / count as f64;
    eprintln!(
        "{count} idle connections: {each:.0} bytes each ({:.1} MB before, {:.1} MB with all, {:.1} MB when all are gone)",
        before / 1e6,
        after / 1e6,
        left / 1e6
    );
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()?;
    Ok(each)
}

fn site() -> anyhow::Result<Site> {
    Site::new("[log]\nlevel = \"warn\"\nformat = \"json\"\n")
}

#[test]
fn an_idle_plain_connection_stays_small() -> anyhow::Result<()> {
    raise_open_files(connections())?;
    let site = site()?;
    let each = measure(&site, site.plain_address, &[])?;
    assert!(each <= PLAIN_BYTES_MAX, "{each:.0} bytes for each idle plain connection");
    Ok(())
}

#[test]
fn an_idle_mutual_tls_connection_stays_small() -> anyhow::Result<()> {
    raise_open_files(connections())?;
    let site = site()?;
    site.write_policy("device", end_to_end::ALLOW_ALL)?;
    site.register_many(DEVICES)?;
    let devices: Vec<_> =
        (1..=DEVICES).map(|number| site.device(&format!("device-{number:04}"))).collect::<Result<_, _>>()?;
    let each = measure(&site, site.tls_address, &devices)?;
    assert!(each <= MUTUAL_TLS_BYTES_MAX, "{each:.0} bytes for each idle mutual-TLS connection");
    Ok(())
}
