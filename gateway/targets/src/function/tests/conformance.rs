//! The suite of the bus.

use std::sync::Arc;

use async_trait::async_trait;
use bus::conformance::{Behaviour, Fixture, Taken, check};
use bus::{DeliverySettings, Target};
use tempfile::TempDir;

use super::*;

/// The other side is a directory: how to behave, and what was taken.
struct Ground {
    directory: TempDir,
}

impl Ground {
    fn behaviour(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("behaviour")).unwrap_or_default()
    }
}

#[async_trait]
impl Fixture for Ground {
    async fn target(&self) -> Arc<dyn Target> {
        let mut settings = settings("conforms");
        settings.timeout = Duration::from_secs(1);
        let ground = self.directory.path().display().to_string();
        settings.environment.insert(program::GROUND.to_owned(), ground);
        if self.behaviour() == "refuses" {
            // A function never refuses an event for good; its payload limit does, which every record is over.
            (settings.batch_size, settings.payload_bytes_max) = (2, 100);
        }
        Function::new(settings).unwrap()
    }

    fn settings(&self) -> DeliverySettings {
        function("conforms").delivery_settings(DeliverySettings::default())
    }

    async fn behave(&self, behaviour: Behaviour) {
        let text = match behaviour {
            Behaviour::Takes => "takes".to_owned(),
            Behaviour::Busy => "busy".to_owned(),
            Behaviour::Refuses => "refuses".to_owned(),
            Behaviour::Hangs => "hangs".to_owned(),
            Behaviour::BusyFor(data) => format!("busy_for {}", String::from_utf8(data).unwrap()),
        };
        // Renamed into place, so that no handler reads half of it.
        let new = self.directory.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.directory.path().join("behaviour")).unwrap();
    }

    async fn taken(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.directory.path().join("taken")).unwrap_or_default();
        let taken = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            Taken { event_id: text("id"), data: text("data").into_bytes() }
        });
        taken.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    check(&Ground { directory: tempfile::tempdir().unwrap() }).await;
}
