//! Scenarios that come with the program.

use std::path::Path;

use super::Scenario;
use super::read::{Problems, read_file};

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them.
pub const READY: &[Ready] = &[
    Ready { name: "smart-meters", text: include_str!("../../scenarios/smart-meters.toml") },
    Ready { name: "factory-line", text: include_str!("../../scenarios/factory-line.toml") },
    Ready { name: "vehicles", text: include_str!("../../scenarios/vehicles.toml") },
    Ready { name: "cold-chain", text: include_str!("../../scenarios/cold-chain.toml") },
    Ready { name: "bad-network", text: include_str!("../../scenarios/bad-network.toml") },
    Ready { name: "bad-devices", text: include_str!("../../scenarios/bad-devices.toml") },
    Ready { name: "reconnect-storm", text: include_str!("../../scenarios/reconnect-storm.toml") },
    Ready { name: "server-restart", text: include_str!("../../scenarios/server-restart.toml") },
    Ready { name: "saturation", text: include_str!("../../scenarios/saturation.toml") },
    Ready { name: "soak", text: include_str!("../../scenarios/soak.toml") },
];

impl Ready {
    /// The ready scenario with this name.
    pub fn find(name: &str) -> Option<Self> {
        READY.iter().copied().find(|ready| ready.name == name)
    }

    /// What is said about a name that no ready scenario has.
    pub fn unknown(name: &str) -> Problems {
        let known = READY.iter().map(|ready| ready.name);
        Problems::of_name(name, "there is no ready scenario of this name", known)
    }

    /// What it is: the comment that it begins with, up to its first empty line.
    pub fn description(&self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix("# "));
        comment.collect::<Vec<_>>().join(" ")
    }
}

impl Scenario {
    /// Reads the scenario in a file, or else the ready one of this name, with settings `KEY=VALUE` that replace what it
    /// says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn open(name: &Path, settings: &[String]) -> Result<Self, Problems> {
        let ready = name.to_str().filter(|_| !name.exists()).and_then(Ready::find);
        match ready {
            Some(Ready { name, text }) => Self::read(name, Path::new(""), text, settings, &read_file),
            // A bare word was meant as a name.
            None if !name.exists() && name.extension().is_none() && name.components().count() == 1 => {
                let names = READY.iter().map(|ready| ready.name);
                let message = "there is no such file and no ready scenario of this name";
                Err(Problems::of_name(&name.display().to_string(), message, names))
            }
            None => Self::load(name, settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_scenario_is_right_and_ends_by_itself() {
        for ready in READY {
            let scenario =
                Scenario::open(Path::new(ready.name), &[]).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(scenario.name, ready.name);
            assert!(scenario.end().is_some(), "{}", ready.name);
            assert!(scenario.thresholds.iter().count() > 0, "{}", ready.name);
            assert!(
                (20..300).contains(&ready.description().len()),
                "{}: {}",
                ready.name,
                ready.description()
            );
            assert!(ready.text.contains(&format!("device-sim play {}", ready.name)), "{}", ready.name);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_ready() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into())
            .collect();
        let mut listed: Vec<&str> = READY.iter().map(|ready| ready.name).collect();
        found.sort();
        listed.sort_unstable();
        assert_eq!(found, listed);
    }

    #[test]
    fn what_does_not_exist_is_told_with_the_nearest_name() {
        let told = Scenario::open(Path::new("smart-meter"), &[]).unwrap_err().to_string();
        let expected =
            "there is no such file and no ready scenario of this name; did you mean `smart-meters`?";
        assert_eq!(told, format!("smart-meter: {expected}"));
        let told = Scenario::open(Path::new("missing.toml"), &[]).unwrap_err().to_string();
        assert!(told.starts_with("missing.toml: cannot be read: "), "{told}");
    }
}
