//! A browser without a window, for pages that people look at.

use crate::wait;
use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What Debian and others call it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long a page may take, the browser's start included.
const BOUND: Duration = Duration::from_secs(120);

/// A page as the browser ended up with it.
#[derive(Debug)]
pub struct Page {
    /// The document after its scripts ran.
    pub dom: String,
    /// What was said on the console: errors of scripts, resources that could not be loaded, breaches of the policy.
    pub console: Vec<String>,
}

/// Opens a file and gives what became of it.
///
/// # Errors
/// When there is no browser (`tests/run browser` installs it), or it does not end.
pub fn browse(file: &Path) -> anyhow::Result<Page> {
    let (dom, said) = run(file, &["--dump-dom".to_owned()])?;
    anyhow::ensure!(dom.contains("</html>"), "the browser gave no document: {said}");
    let console = said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    Ok(Page { dom, console })
}

/// Takes a picture of a file, so many pixels wide and high; `options` are further ones of the browser.
///
/// # Errors
/// As [`browse`], or when there is no picture.
pub fn photograph(file: &Path, picture: &Path, size: (u32, u32), options: &[&str]) -> anyhow::Result<u64> {
    let mut all =
        vec![format!("--screenshot={}", picture.display()), format!("--window-size={},{}", size.0, size.1)];
    all.extend(options.iter().map(|option| (*option).to_owned()));
    let (_, said) = run(file, &all)?;
    Ok(picture.metadata().with_context(|| format!("no picture: {said}"))?.len())
}

fn browser() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let everywhere = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    everywhere
        .into_iter()
        .find(|program| program.is_file())
        .context("no Chromium; `tests/run browser` installs it, or name it with CHROMIUM")
}

/// Runs the browser to its end with a profile of its own. Gives both its outputs.
fn run(file: &Path, options: &[String]) -> anyhow::Result<(String, String)> {
    let folder = tempfile::tempdir()?;
    let (printed, said) = (folder.path().join("printed"), folder.path().join("said"));
    let mut running = Running(
        Command::new(browser()?)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"])
            // Whatever a page asks of a network fails, and says so on the console.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .args(options)
            .arg(format!("file://{}", std::path::absolute(file)?.display()))
            .stdin(Stdio::null())
            .stdout(File::create(&printed)?)
            .stderr(File::create(&said)?)
            .spawn()?,
    );
    wait::until("the browser to end", BOUND, || running.0.try_wait().ok().flatten())?;
    let read = |path| Ok::<_, std::io::Error>(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
    Ok((read(printed)?, read(said)?))
}

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
