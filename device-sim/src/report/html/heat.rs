//! The heat map: how many acknowledgements took how long, at which moment.
//!
//! All cells of one shade are one path, so that a map of thousands of cells stays small and can be read by scripts off.

use std::fmt::Write as _;

use super::bins::Bins;
use super::frame::{Frame, TOP, WIDTH};
use super::plot::{Unit, grid};
use super::scale::Scale;
use super::text::{count, micros};

/// Height of the values.
const HEIGHT: f64 = 240.0;
/// Shades from few to many.
const SHADES: usize = 8;
/// Rows that are drawn at most.
const ROWS_MAX: usize = 128;

/// One row of cells: the latencies from `low` to `high`.
struct Row {
    bucket: usize,
    low: f64,
    high: f64,
}

/// One map: what it is called, and its columns, one for each bin.
pub(super) struct Map<'a> {
    /// Unique in the document.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What a cell counts.
    pub(super) counted: &'static str,
    pub(super) bounds_micros: &'a [u64],
    pub(super) columns: &'a [Vec<u64>],
}

impl Map<'_> {
    /// The figure, or nothing when nothing was measured.
    pub(super) fn figure(&self, bins: &Bins, frame: &Frame<'_>) -> Option<String> {
        let rows = self.rows();
        let most = self.columns.iter().flatten().copied().max().filter(|most| *most > 0)?;
        let scale = Scale::tenfold(rows.first()?.low, rows.last()?.high, TOP + HEIGHT, TOP);
        let (id, title, counted) = (self.id, self.title, self.counted);
        let column = if bins.width_secs > 1.0 {
            format!("{} seconds", bins.width_secs)
        } else {
            "a second".to_owned()
        };
        let mut out = format!(
            "<figure class=\"plot\" id=\"{id}\"><h3 id=\"{id}-title\">{title}</h3>\
             <p id=\"{id}-text\">Each column is {column} of the run, each cell the {counted} that took so long; the fullest \
             holds {}.</p>{}<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-labelledby=\"{id}-title\"><svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" \
             aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-text\">",
            count(most),
            legend(most),
            Frame::whole(HEIGHT),
        );
        out.push_str(&grid(&scale, Unit::Micros));
        for (shade, cells) in self.cells(&rows, most, &scale, bins, frame).iter().enumerate() {
            if !cells.is_empty() {
                let _ = write!(out, "<path class=\"cells heat-{shade}\" d=\"{cells}\"/>");
            }
        }
        out.push_str(&frame.marks(HEIGHT));
        out.push_str(&frame.axis(HEIGHT));
        Some(out + "<g class=\"cursor\"></g></svg></div></figure>")
    }

    /// The cells of each shade.
    fn cells(&self, rows: &[Row], most: u64, scale: &Scale, bins: &Bins, frame: &Frame<'_>) -> Vec<String> {
        let mut cells = vec![String::new(); SHADES];
        let mut begin = 0.0;
        for (bin, column) in bins.bins.iter().zip(self.columns) {
            let (left, right) = (frame.x(begin), frame.x(bin.at_secs));
            begin = bin.at_secs;
            for row in rows {
                let number = column.get(row.bucket).copied().unwrap_or(0);
                if number > 0 {
                    let (top, bottom) = (scale.at(row.high), scale.at(row.low));
                    let (width, height) = ((right - left).max(0.4), (bottom - top).max(0.8));
                    let _ = write!(
                        cells[shade(number, most)],
                        "M{left:.1} {top:.1}h{width:.1}v{height:.1}h-{width:.1}z"
                    );
                }
            }
        }
        cells
    }

    /// The rows between the shortest and the longest latency that occurred.
    fn rows(&self) -> Vec<Row> {
        let bounds = self.bounds_micros;
        let occurs = |bucket: &usize| {
            self.columns.iter().any(|column| column.get(*bucket).is_some_and(|count| *count > 0))
        };
        let buckets = 0..if bounds.is_empty() { 0 } else { bounds.len() + 1 };
        let (Some(first), Some(last)) = (buckets.clone().find(occurs), buckets.rev().find(occurs)) else {
            return Vec::new();
        };
        let row = |bucket: usize| {
            let below = bucket.checked_sub(1).map(|below| bounds[below].max(1) as f64);
            // The first has no lower bound, the last no upper one: each is drawn about as high as the others.
            let high =
                bounds.get(bucket).map_or_else(|| below.unwrap_or(1.0) * 1.6, |bound| (*bound).max(1) as f64);
            Row { bucket, low: below.unwrap_or(high / 1.6).clamp(1.0, high.max(1.0)), high }
        };
        (first..=last).take(ROWS_MAX).map(row).collect()
    }

    /// What the script tells of each column: the names of the rows and the counts in them.
    pub(super) fn data(&self) -> serde_json::Value {
        let rows = self.rows();
        let name = |row: &Row| match self.bounds_micros.get(row.bucket) {
            Some(bound) => format!("up to {}", micros(*bound as f64)),
            None => "longer".to_owned(),
        };
        let column = |column: &Vec<u64>| -> Vec<u64> {
            rows.iter().map(|row| column.get(row.bucket).copied().unwrap_or(0)).collect()
        };
        serde_json::json!({
            "id": self.id,
            "names": rows.iter().map(name).collect::<Vec<_>>(),
            "columns": self.columns.iter().map(column).collect::<Vec<_>>(),
        })
    }
}

/// Which shade a count has: each doubles, as the eye sees many and few at once only so.
fn shade(number: u64, most: u64) -> usize {
    let part = (number as f64).ln_1p() / (most as f64).ln_1p();
    ((part * SHADES as f64).ceil() as usize).clamp(1, SHADES) - 1
}

/// The shades with the smallest count of each.
fn legend(most: u64) -> String {
    let mut out = "<ul class=\"legend shades\">".to_owned();
    for index in 0..SHADES {
        let from = ((most as f64).ln_1p() * index as f64 / SHADES as f64).exp_m1().floor() as u64 + 1;
        let next = ((most as f64).ln_1p() * (index + 1) as f64 / SHADES as f64).exp_m1().floor() as u64;
        if next < from {
            continue;
        }
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 14 14\" aria-hidden=\"true\"><rect class=\"heat-{index}\" width=\"14\" height=\"14\"/></svg>\
             <span>from {}</span></li>",
            count(from)
        );
    }
    out + "</ul>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::{Document, Heat, Sample};

    fn drawn(puback: Vec<Vec<u64>>) -> Option<String> {
        let timeline =
            (1..=puback.len()).map(|at| Sample { at_secs: at as f64, ..Sample::default() }).collect();
        let heat = Heat { bounds_micros: vec![100, 200, 400, 800], puback, ..Heat::default() };
        let document = Document { timeline, heat, ..Document::default() };
        let bins = Bins::of(&document);
        let map = Map {
            id: "heat",
            title: "Heat",
            counted: "messages",
            bounds_micros: &document.heat.bounds_micros,
            columns: &bins.puback_heat,
        };
        map.figure(&bins, &Frame::new(bins.secs, &[]))
    }

    #[test]
    fn cells_stand_at_their_moment_and_length() {
        let map = drawn(vec![vec![0, 100, 0, 0], vec![0, 0, 1, 0]]).unwrap();
        // From 100 to 200 microseconds in the first of two seconds, on an axis from 100 to 1000.
        assert!(map.contains("<path class=\"cells heat-7\" d=\"M72.0 213.8h388.0v72.2h-388.0z\"/>"), "{map}");
        assert!(
            map.contains("<path class=\"cells heat-1\" d=\"M460.0 141.5h388.0v72.2h-388.0z\"/>"),
            "{map}"
        );
    }

    #[test]
    fn nothing_measured_is_no_map() {
        assert_eq!(drawn(vec![]), None);
        assert_eq!(drawn(vec![vec![0, 0, 0, 0], vec![]]), None);
    }

    #[test]
    fn shades_go_from_few_to_many() {
        assert_eq!([shade(1, 1), shade(1, 1_000_000), shade(1_000_000, 1_000_000)], [7, 0, 7]);
    }
}
