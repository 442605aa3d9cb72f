//! Plots: one file for each metric, bars for every server in every scenario.

use crate::metric::{Better, METRICS, Metric};
use crate::results::Results;
use crate::scenario::SCENARIOS;
use crate::statistics::{Spread, spread};
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const NAMES: f64 = 110.0;
const NUMBERS: f64 = 150.0;
const BAR: f64 = 16.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 30.0;

/// Every plot, as its file's name and its text. Metrics that only explain others have none.
pub(crate) fn plots(results: &Results) -> Vec<(String, String)> {
    let metrics = METRICS.iter().filter(|metric| metric.better != Better::Neither);
    metrics
        .filter_map(|metric| Some((format!("{}.svg", metric.key.replace('_', "-")), plot(results, metric)?)))
        .collect()
}

/// The bars of one scenario.
struct Panel<'a> {
    title: &'static str,
    bars: Vec<(&'a str, Spread)>,
}

fn plot(results: &Results, metric: &Metric) -> Option<String> {
    let panel = |title, scenario: &str| {
        let peers = results.peers(scenario).into_iter();
        let bars = peers.filter_map(|peer| {
            Some((peer, spread(results.values(scenario, peer, metric.key).into_values())?))
        });
        Panel { title, bars: bars.collect() }
    };
    let panels: Vec<_> = SCENARIOS.iter().map(|scenario| panel(scenario.title, scenario.name)).collect();
    let panels: Vec<_> = panels.into_iter().filter(|panel| !panel.bars.is_empty()).collect();
    if panels.is_empty() {
        return None;
    }
    let height: f64 =
        TITLE + panels.iter().map(|panel| TITLE + panel.bars.len() as f64 * (BAR + GAP)).sum::<f64>() + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{GAP}\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{title} ({better}), middle of all rounds with least and \
         greatest</text>\n",
        title = escaped(metric.title),
        better = if metric.better == Better::Lower { "less is better" } else { "more is better" },
    );
    let mut top = TITLE;
    for panel in &panels {
        top = draw(&mut svg, panel, metric, top);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// Draws a panel below `top` and gives where it ends.
fn draw(svg: &mut String, panel: &Panel<'_>, metric: &Metric, mut top: f64) -> f64 {
    let mut line =
        |text: std::fmt::Arguments<'_>| writeln!(svg, "{text}").expect("writing to a string cannot fail");
    line(format_args!(
        "<text x=\"{GAP}\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
        top + 20.0,
        escaped(panel.title)
    ));
    top += TITLE;
    let most = panel.bars.iter().map(|(_, spread)| spread.greatest).fold(f64::MIN_POSITIVE, f64::max);
    let scale = |value: f64| value / most * (WIDTH - NAMES - NUMBERS);
    for (peer, spread) in &panel.bars {
        let colour = if *peer == "iot-gateway" { "#0b6e4f" } else { "#8d99ae" };
        let (middle, text) = (top + BAR / 2.0, top + BAR - 4.0);
        let (least, greatest) = (NAMES + scale(spread.least), NAMES + scale(spread.greatest));
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - GAP,
            escaped(peer)
        ));
        line(format_args!(
            "<rect x=\"{NAMES}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
            scale(spread.median)
        ));
        line(format_args!(
            "<path d=\"M{least:.1} {middle:.1}H{greatest:.1}M{least:.1} {top:.1}v{BAR}M{greatest:.1} {top:.1}v{BAR}\" stroke=\"#222\" \
             fill=\"none\"/>"
        ));
        let digits = metric.digits;
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{text:.1}\">{:.digits$}</text>",
            greatest + GAP,
            spread.median
        ));
        top += BAR + GAP;
    }
    top
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn every_measured_metric_has_a_plot_with_a_bar_for_every_server() {
        let plots = plots(&table::tests::sample());
        let names: Vec<_> = plots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cpu-micros-per-message.svg", "messages-per-second.svg"]);
        for (_, text) in &plots {
            // The background and two bars; the third server has failed.
            assert_eq!(text.matches("<rect").count(), 3);
            assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
            assert!(text.ends_with("</svg>\n"));
        }
    }
}
