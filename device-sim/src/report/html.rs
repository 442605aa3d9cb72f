//! The report to look at: one HTML file that needs nothing else, neither a network nor scripts.
//!
//! Everything is drawn here as SVG and written as tables; the small script only adds comfort (values under the pointer or
//! the arrow keys, lines that can be hidden, light and dark by hand). Nothing in the file loads anything: its content
//! security policy forbids it, and allows only the one script and the one style sheet that it was written with.

mod bins;
mod frame;
mod heat;
mod plot;
mod plots;
mod scale;
mod tables;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::document::{Document, Kept};
use crate::error::Error;
use bins::Bins;
use frame::Frame;
use text::{count, escape, json_for_script, moment, plural};
use verdict::Verdict;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Length of a summary that is kept inside its report; a longer one is left out.
const SUMMARY_BYTES_MAX: usize = 4 << 20;

/// Writes the report of a summary.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, summary: &Kept) -> Result<(), Error> {
    std::fs::write(path, render(&summary.document, &summary.text))
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The whole file. `summary` is the JSON that the document was read from; it is kept in the file for programs.
fn render(document: &Document, summary: &str) -> String {
    let title = title(document);
    let bins = Bins::of(document);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src '{}'; script-src '{}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"device-sim {}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        digest(STYLE),
        digest(SCRIPT),
        env!("CARGO_PKG_VERSION"),
        Verdict::of(document).words().1,
    );
    out.push_str(&header(document, &title));
    out.push_str("<main id=\"content\">\n");
    out.push_str(&verdict::tiles(document));
    out.push_str("<div class=\"pair\">");
    out.push_str(&verdict::thresholds(document));
    out.push_str(&verdict::ledger(document));
    out.push_str("</div>\n");
    let data = figures(&mut out, document, &bins);
    for section in [
        tables::lost(document),
        tables::marks(document),
        tables::latencies(document),
        tables::reasons(document),
        tables::seconds(&bins),
    ] {
        out.push_str(&section);
        out.push('\n');
    }
    out.push_str("</main>\n<footer><p>Written by device-sim ");
    out.push_str(env!("CARGO_PKG_VERSION"));
    out.push_str(
        ". This file is complete: it loads nothing and tells nobody that it was read.</p></footer>\n",
    );
    out.push_str(&format!(
        "<script type=\"application/json\" id=\"plots\">{}</script>\n",
        json_for_script(&data)
    ));
    if summary.len() <= SUMMARY_BYTES_MAX {
        out.push_str(&format!(
            "<script type=\"application/json\" id=\"summary\">{}</script>\n",
            json_for_script(summary.trim())
        ));
    }
    out.push_str(&format!("<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}

fn title(document: &Document) -> String {
    escape(document.scenario.as_deref().filter(|name| !name.is_empty()).unwrap_or("device-sim"))
}

fn header(document: &Document, title: &str) -> String {
    let (class, words) = Verdict::of(document).words();
    let mut facts = vec![
        plural(document.devices, "device", "devices"),
        moment(document.seconds),
        format!("seed {}", document.seed),
        format!("run <code>{}</code>", escape(&document.run)),
    ];
    facts.retain(|fact| !fact.is_empty());
    format!(
        "<a class=\"skip\" href=\"#content\">Skip to the figures</a>\n<header>\n<h1>{title} <span class=\"verdict {class}\">{words}</span></h1>\n\
         <p class=\"sentence\">{}</p>\n<p class=\"facts\">{}</p>\n</header>\n",
        verdict::sentence(document),
        facts.join(" · ")
    )
}

/// Writes all plots and returns what the script needs to tell their values.
fn figures(out: &mut String, document: &Document, bins: &Bins) -> String {
    out.push_str("<section aria-labelledby=\"over-time\"><h2 id=\"over-time\">Over time</h2>\n");
    if bins.bins.is_empty() {
        out.push_str("<p class=\"note\">This summary has no timeline.</p></section>\n");
        return "null".to_owned();
    }
    if bins.width_secs > 1.0 {
        let width = count(bins.width_secs as u64);
        out.push_str(&format!(
            "<p class=\"note\">Each point covers {width} seconds: rates are their mean, latencies the worst second of them.</p>\n"
        ));
    }
    let frame = Frame::new(bins.secs, &document.marks);
    let moments: Vec<f64> = bins.bins.iter().map(|bin| bin.at_secs).collect();
    let plots = plots::all(document, bins);
    let maps = plots::maps(document, bins);
    for plot in &plots {
        out.push_str(&plot.figure(&frame, &moments));
        out.push('\n');
        for map in maps.iter().filter(|map| map.id == format!("{}-heat", plot.id)) {
            out.push_str(&map.figure(bins, &frame).unwrap_or_default());
        }
    }
    out.push_str("</section>\n");
    let data = serde_json::json!({
        "left": frame::LEFT,
        "right": frame::RIGHT,
        "top": frame::TOP,
        "secs": bins.secs,
        "moments": moments,
        "plots": plots.iter().map(plot::Plot::data).collect::<Vec<_>>(),
        "maps": maps.iter().map(heat::Map::data).collect::<Vec<_>>(),
    });
    data.to_string()
}

/// A source of a content security policy: the one text that hashes so.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
