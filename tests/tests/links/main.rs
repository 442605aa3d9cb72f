//! The wire and the transports of device-sim beside servers of others and ours: what it says they understand, over each transport and
//! in each version, and what is wrong on purpose they refuse.

mod device;
mod mosquitto;
mod server;

use anyhow::Context;
use device::Device;
use device_sim::credentials::Standing;
use device_sim::transport::{Failure, Handshake, Transport};
use device_sim::wire::{Qos, Version, garbage};
use server::{OurGateway, Server};

const VERSIONS: [Version; 2] = [Version::V3, Version::V5];
const SEED: u64 = 7;

/// All servers that can be had here.
fn servers() -> anyhow::Result<Vec<Box<dyn Server>>> {
    let mut servers: Vec<Box<dyn Server>> = vec![Box::new(OurGateway::start()?)];
    match mosquitto::Mosquitto::start()? {
        Some(mosquitto) => servers.push(Box::new(mosquitto)),
        None => eprintln!("SKIPPED for Mosquitto: it is not installed (Debian package mosquitto)"),
    }
    Ok(servers)
}

/// A device's day: connect, subscribe, publish at each quality of service, hear it all, say goodbye.
fn converse(server: &dyn Server, transport: Transport, version: Version) -> anyhow::Result<()> {
    let mut device = Device::connect(server, transport, version, Standing::Valid)?;
    device.subscribe("plant/kiln-1/#")?;
    for qos in Qos::ALL {
        for size in [0, 100, 40_000] {
            let payload: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            let heard = device.publish_and_hear("plant/kiln-1/telemetry", &payload, qos)?;
            anyhow::ensure!(heard == payload, "{} of {size} bytes came back at {qos:?}", heard.len());
        }
    }
    device.ping()?;
    device.leave()
}

#[test]
fn every_transport_and_version_is_understood() -> anyhow::Result<()> {
    for server in servers()? {
        for (name, transport) in Transport::ALL {
            for version in VERSIONS {
                converse(&*server, transport, version)
                    .with_context(|| format!("{} over {name}, {version:?}", server.name()))?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_second_handshake_is_resumed() -> anyhow::Result<()> {
    for server in servers()? {
        let settings = server.settings(Standing::Valid)?;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut device = Device::connect_with(&*server, Transport::Tls, Version::V3, &settings)?;
            device.ping()?;
            seen.extend(device.handshake());
            device.leave()?;
        }
        let expected = [Handshake::Full, Handshake::Resumed, Handshake::Resumed];
        anyhow::ensure!(seen == expected, "{}: {seen:?}", server.name());
    }
    Ok(())
}

#[test]
fn a_certificate_that_is_not_in_order_is_refused() -> anyhow::Result<()> {
    for server in servers()? {
        for (standing, expected) in server.refusals() {
            let refused = Device::connect(&*server, Transport::Tls, Version::V3, *standing);
            let error = refused.err().with_context(|| format!("{} takes {standing:?}", server.name()))?;
            let reason = error.downcast_ref::<Failure>().map(ToString::to_string);
            anyhow::ensure!(
                reason.as_deref() == Some(*expected),
                "{}: {standing:?}: {error:?}",
                server.name()
            );
        }
    }
    Ok(())
}

#[test]
fn garbage_closes_the_connection() -> anyhow::Result<()> {
    for server in servers()? {
        for version in VERSIONS {
            for turn in 0..garbage::KINDS as u64 {
                let mut device = Device::connect(&*server, Transport::Tcp, version, Standing::Valid)?;
                let mut bytes = Vec::new();
                let kind = garbage::write(&mut bytes, version, SEED, turn);
                device.send(&bytes)?;
                device
                    .closed()
                    .with_context(|| format!("{} and {kind}, {version:?}: {bytes:02x?}", server.name()))?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_silent_device_is_missed_and_a_slow_one_is_not() -> anyhow::Result<()> {
    for server in servers()? {
        let mut silent = Device::connect_for(&*server, "silent", 1)?;
        let mut witness = Device::connect_for(&*server, "witness", 60)?;
        witness.subscribe("wills")?;
        let mut slow = Device::connect_for(&*server, "slow", 60)?;
        slow.subscribe("news")?;

        // Its will comes when the server has missed it for half as long again as it promised to speak.
        silent.fall_silent();
        let will = witness.hear()?;
        anyhow::ensure!(will == b"silent", "{}: {will:?}", server.name());

        let news = vec![b'n'; 60_000];
        slow.limit(Some(1000));
        witness.publish_only("news", &news)?;
        let reads = slow.hear_slowly(1000, news.len())?;
        anyhow::ensure!(reads >= 60, "{}: {reads} reads of 1,000 bytes", server.name());
    }
    Ok(())
}
