//! Lines over time, as one drawing with its words.

use std::fmt::Write as _;

use super::frame::{Frame, LEFT, RIGHT, TOP, WIDTH};
use super::scale::{Scale, Spread};
use super::text::{escape, micros, number};

/// Height of the values.
const HEIGHT: f64 = 200.0;
/// Distance between the names at the lines' ends.
const NAME_HEIGHT: f64 = 15.0;

/// What values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds, told in the unit that suits.
    Micros,
    /// So many each second.
    PerSecond,
    /// So many.
    Count,
}

impl Unit {
    /// A value in words.
    pub(super) fn tell(self, value: f64) -> String {
        match self {
            Self::Micros => micros(value),
            Self::PerSecond => format!("{}/s", number(value)),
            Self::Count => number(value),
        }
    }

    /// How the script calls it.
    fn key(self) -> &'static str {
        match self {
            Self::Micros => "micros",
            Self::PerSecond => "per_second",
            Self::Count => "count",
        }
    }
}

/// One line: a value for each moment, or none.
pub(super) struct Series {
    pub(super) name: String,
    /// How the style sheet calls it.
    pub(super) class: String,
    pub(super) values: Vec<Option<f64>>,
}

impl Series {
    pub(super) fn new(name: &str, class: &str, values: Vec<Option<f64>>) -> Self {
        Self { name: name.to_owned(), class: class.to_owned(), values }
    }

    fn is_drawn(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}

/// A drawing of some lines, with a title, a sentence that says what they show, and what the script needs.
pub(super) struct Plot {
    /// Unique in the document.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the lines show, for those who do not see them, too.
    pub(super) caption: String,
    pub(super) unit: Unit,
    pub(super) spread: Spread,
    pub(super) series: Vec<Series>,
}

impl Plot {
    /// The drawing and its words.
    pub(super) fn figure(&self, frame: &Frame<'_>, moments: &[f64]) -> String {
        let scale = self.scale();
        let (id, title) = (self.id, escape(self.title));
        let height = Frame::whole(HEIGHT);
        let mut out = format!(
            "<figure class=\"plot\" id=\"{id}\"><h3 id=\"{id}-title\">{title}</h3>\
             <p id=\"{id}-text\">{}</p>{}<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-labelledby=\"{id}-title\">\
             <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-text\">",
            self.caption,
            self.legend(),
        );
        out.push_str(&frame.marks(HEIGHT));
        out.push_str(&grid(&scale, self.unit));
        out.push_str(&frame.axis(HEIGHT));
        out.push_str("<g class=\"lines\">");
        for series in self.series.iter().filter(|series| series.is_drawn()) {
            let line = line(series, self.unit, frame, moments, &scale);
            let _ = write!(
                out,
                "<path class=\"line {}\" data-series=\"{}\" d=\"{line}\"/>",
                series.class,
                escape(&series.name)
            );
        }
        out.push_str("</g>");
        out.push_str(&self.names(&scale));
        out + "<g class=\"cursor\"></g></svg></div></figure>"
    }

    /// What the script tells at a moment: this plot's part of the JSON object of all plots.
    pub(super) fn data(&self) -> serde_json::Value {
        let series: Vec<_> = self
            .series
            .iter()
            .map(|series| serde_json::json!({ "name": series.name, "values": rounded(&series.values) }))
            .collect();
        serde_json::json!({ "id": self.id, "unit": self.unit.key(), "series": series })
    }

    fn scale(&self) -> Scale {
        let values = || self.series.iter().flat_map(|series| &series.values).flatten().copied();
        let highest = values().fold(0.0, f64::max);
        match self.spread {
            Spread::Even => Scale::even(highest, TOP + HEIGHT, TOP),
            Spread::Tenfold => {
                let lowest = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
                Scale::tenfold(lowest.min(highest.max(1.0)), highest, TOP + HEIGHT, TOP)
            }
        }
    }

    fn legend(&self) -> String {
        let mut out = "<ul class=\"legend\">".to_owned();
        for series in &self.series {
            let name = escape(&series.name);
            let _ = write!(
                out,
                "<li data-series=\"{name}\"><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\">\
                 <path class=\"line {}\" d=\"M2 5H26\"/></svg><span>{name}</span></li>",
                series.class
            );
        }
        out + "</ul>"
    }

    /// Names at the ends of the lines, moved apart where lines end together.
    fn names(&self, scale: &Scale) -> String {
        let mut ends: Vec<(f64, &Series)> = self
            .series
            .iter()
            .filter_map(|series| {
                Some((scale.at((*series.values.iter().rev().flatten().next()?).max(0.0)), series))
            })
            .collect();
        ends.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut lowest = f64::NEG_INFINITY;
        for (y, _) in &mut ends {
            *y = y.max(lowest);
            lowest = *y + NAME_HEIGHT;
        }
        // What was pushed below the values goes up again.
        let mut room = TOP + HEIGHT;
        for (y, _) in ends.iter_mut().rev() {
            *y = y.min(room);
            room = *y - NAME_HEIGHT;
        }
        let mut out = "<g class=\"names\" aria-hidden=\"true\">".to_owned();
        for (y, series) in ends {
            let name: String = series.name.chars().take(16).collect();
            let _ = write!(
                out,
                "<text class=\"{}\" data-series=\"{}\" x=\"{}\" y=\"{:.1}\">{}</text>",
                series.class,
                escape(&series.name),
                RIGHT + 8.0,
                y + 4.0,
                escape(&name)
            );
        }
        out + "</g>"
    }
}

/// Lines across at the round values, with their names at the left.
pub(super) fn grid(scale: &Scale, unit: Unit) -> String {
    let mut out = "<g class=\"grid\">".to_owned();
    for tick in scale.ticks() {
        let y = scale.at(tick);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            unit.tell(tick)
        );
    }
    out + "</g>"
}

/// The line, broken where there is no value. A value is of the time since the moment before it, so a line begins there;
/// a count begins with nothing.
fn line(series: &Series, unit: Unit, frame: &Frame<'_>, moments: &[f64], scale: &Scale) -> String {
    let mut out = String::new();
    let mut is_drawn = false;
    for (index, (value, at)) in series.values.iter().zip(moments).enumerate() {
        let Some(value) = value else {
            is_drawn = false;
            continue;
        };
        let (x, y) = (frame.x(*at), scale.at(*value));
        if !is_drawn {
            let from = frame.x(index.checked_sub(1).map_or(0.0, |before| moments[before]));
            let begin = if unit == Unit::Count && index == 0 { scale.at(0.0) } else { y };
            let _ = write!(out, "M{from:.1} {begin:.1}");
        }
        let _ = write!(out, "L{x:.1} {y:.1}");
        is_drawn = true;
    }
    out
}

/// Values as short as the script needs them.
fn rounded(values: &[Option<f64>]) -> Vec<Option<f64>> {
    values
        .iter()
        .map(|value| value.filter(|value| value.is_finite()).map(|value| (value * 10.0).round() / 10.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(values: Vec<Option<f64>>, spread: Spread) -> Plot {
        let series = vec![Series::new("sent", "sent", values)];
        Plot {
            id: "p",
            title: "Sent",
            caption: "How many.".to_owned(),
            unit: Unit::PerSecond,
            spread,
            series,
        }
    }

    #[test]
    fn a_line_goes_through_its_values_and_breaks_where_there_are_none() {
        let frame = Frame::new(4.0, &[]);
        let values = vec![Some(0.0), Some(100.0), None, Some(50.0)];
        let drawn = plot(values, Spread::Even).figure(&frame, &[1.0, 2.0, 3.0, 4.0]);
        assert!(
            drawn.contains("d=\"M72.0 246.0L266.0 246.0L460.0 46.0M654.0 146.0L848.0 146.0\""),
            "{drawn}"
        );
        assert!(drawn.contains(">100/s</text>") && drawn.contains("aria-describedby=\"p-text\""), "{drawn}");
    }

    #[test]
    fn names_of_lines_that_end_together_stand_apart() {
        let end = |name| Series::new(name, name, vec![Some(0.0)]);
        let plot = Plot { series: vec![end("a"), end("b"), end("c")], ..plot(vec![], Spread::Even) };
        let drawn = plot.names(&plot.scale());
        for y in ["y=\"250.0\"", "y=\"235.0\"", "y=\"220.0\""] {
            assert!(drawn.contains(y), "{y} in {drawn}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_values_make_a_drawing(values in proptest::collection::vec(proptest::option::of(proptest::num::f64::ANY), 0..40)) {
            let moments: Vec<f64> = (0..values.len()).map(|at| at as f64).collect();
            for spread in [Spread::Even, Spread::Tenfold] {
                let plot = plot(values.clone(), spread);
                let drawn = plot.figure(&Frame::new(40.0, &[]), &moments);
                proptest::prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
                serde_json::to_string(&plot.data()).unwrap();
            }
        }
    }
}
