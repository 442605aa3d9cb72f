//! What all plots share: the axis of time, and what was done at which moment. They stand below each other, so the same
//! moment is at the same place in all of them.

use std::fmt::Write as _;

use super::scale::{Scale, moments};
use super::text::{clock, escape, moment};
use crate::report::document::{Mark, MarkKind};

/// Width of every plot, in the units of its drawing.
pub(super) const WIDTH: f64 = 960.0;
/// Where the axis of time begins and ends.
pub(super) const LEFT: f64 = 72.0;
pub(super) const RIGHT: f64 = 848.0;
/// Room above the values for the marks.
pub(super) const TOP: f64 = 46.0;
/// Room below the values for the axis of time.
const BOTTOM: f64 = 26.0;

/// Marks drawn at most; the list of them has all.
const MARKS_MAX: usize = 60;
/// Width of a letter, about.
const LETTER: f64 = 6.6;

/// The axis of time with its marks.
pub(super) struct Frame<'a> {
    time: Scale,
    secs: f64,
    marks: &'a [Mark],
}

impl<'a> Frame<'a> {
    pub(super) fn new(secs: f64, marks: &'a [Mark]) -> Self {
        Self { time: Scale::exact(secs, LEFT, RIGHT), secs, marks }
    }

    /// Where a moment stands.
    pub(super) fn x(&self, at_secs: f64) -> f64 {
        self.time.at(at_secs)
    }

    /// The height of a drawing whose values take `height`.
    pub(super) fn whole(height: f64) -> f64 {
        TOP + height + BOTTOM
    }

    /// The axis of time below values that take `height`.
    pub(super) fn axis(&self, height: f64) -> String {
        let base = TOP + height;
        let mut out = format!("<g class=\"axis\"><path d=\"M{LEFT} {base}H{RIGHT}\"/>");
        for at in moments(self.secs) {
            let x = self.x(at);
            let _ = write!(
                out,
                "<path d=\"M{x:.1} {base}v5\"/><text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                base + 19.0,
                if self.secs < 120.0 { moment(at) } else { clock(at) }
            );
        }
        out + "</g>"
    }

    /// Bands and lines behind the values, and their letters above.
    pub(super) fn marks(&self, height: f64) -> String {
        let mut out = "<g class=\"marks\">".to_owned();
        self.stages(&mut out, height);
        let base = TOP + height;
        let mut free_from = 0.0;
        let lettered = self.marks.iter().enumerate().filter(|(_, mark)| has_letter(mark.kind));
        for (place, (index, mark)) in lettered.take(MARKS_MAX).enumerate() {
            let (x, kind) = (self.x(mark.at_secs), kind(mark.kind));
            let _ =
                write!(out, "<g class=\"{kind}\"><title>{}</title>", told(mark, lasted(self.marks, index)));
            if let Some(secs) = lasted(self.marks, index) {
                let width = (self.x(mark.at_secs + secs) - x).max(1.0);
                let height = base - TOP;
                let _ =
                    write!(out, "<rect x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>");
            }
            let _ = write!(out, "<path d=\"M{x:.1} {TOP}V{base}\"/>");
            let letter = letter(place);
            let width = 8.0 + LETTER * letter.len() as f64;
            if x - width / 2.0 >= free_from {
                let _ = write!(
                    out,
                    "<rect class=\"badge\" x=\"{:.1}\" y=\"27\" width=\"{width:.1}\" height=\"16\" rx=\"4\"/>\
                     <text x=\"{x:.1}\" y=\"39\" text-anchor=\"middle\">{letter}</text>",
                    x - width / 2.0
                );
                free_from = x + width / 2.0 + 1.0;
            }
            out.push_str("</g>");
        }
        out + "</g>"
    }

    /// The stages as a strip on top, as far as their names have room.
    fn stages(&self, out: &mut String, height: f64) {
        let stages: Vec<&Mark> =
            self.marks.iter().filter(|mark| mark.kind == MarkKind::Stage).take(MARKS_MAX).collect();
        for (index, stage) in stages.iter().enumerate() {
            let x = self.x(stage.at_secs);
            let end = stages.get(index + 1).map_or(RIGHT, |next| self.x(next.at_secs));
            let parity = if index % 2 == 0 { "even" } else { "odd" };
            let _ = write!(
                out,
                "<g class=\"stage {parity}\"><title>{}</title><rect x=\"{x:.1}\" y=\"4\" width=\"{:.1}\" height=\"18\"/>",
                told(stage, None),
                (end - x).max(0.5)
            );
            if stage.name.chars().count() as f64 * LETTER + 10.0 < end - x {
                let _ = write!(out, "<text x=\"{:.1}\" y=\"17\">{}</text>", x + 5.0, escape(&stage.name));
            }
            if index > 0 {
                let _ = write!(out, "<path d=\"M{x:.1} {TOP}v{height}\"/>");
            }
            out.push_str("</g>");
        }
    }
}

/// A mark in words, with its moment.
fn told(mark: &Mark, secs: Option<f64>) -> String {
    let lasted = secs.map_or_else(String::new, |secs| format!(" for {}", moment(secs)));
    format!("{} at {}{lasted}: {}", kind(mark.kind), moment(mark.at_secs), escape(&mark.name))
}

/// How long a fault lasted: until the end of the same name, if there is one.
pub(super) fn lasted(marks: &[Mark], index: usize) -> Option<f64> {
    let fault = marks.get(index).filter(|mark| mark.kind == MarkKind::Fault)?;
    let same = |mark: &&Mark| mark.name == fault.name;
    let next = marks[index + 1..]
        .iter()
        .filter(same)
        .find(|mark| matches!(mark.kind, MarkKind::Fault | MarkKind::FaultEnd))?;
    (next.kind == MarkKind::FaultEnd).then(|| (next.at_secs - fault.at_secs).max(0.0))
}

/// Whether such a mark stands in the plots with a letter. Stages have a strip of their own; the end of a fault is the end
/// of its band.
pub(super) fn has_letter(kind: MarkKind) -> bool {
    !matches!(kind, MarkKind::Stage | MarkKind::FaultEnd)
}

/// The word for a kind of mark, in the report and in its style sheet.
pub(super) fn kind(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Stage => "stage",
        MarkKind::Fault => "fault",
        MarkKind::FaultEnd => "fault over",
        MarkKind::Hook => "hook",
        MarkKind::End => "end",
        MarkKind::Other => "mark",
    }
}

/// `A` to `Z`, then `AA` and so on.
pub(super) fn letter(index: usize) -> String {
    let (mut rest, mut letters) = (index + 1, Vec::new());
    while rest > 0 {
        rest -= 1;
        letters.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    letters.into_iter().rev().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_letters() {
        let letters = [0, 25, 26, 27, 701, 702].map(letter);
        assert_eq!(letters, ["A", "Z", "AA", "AB", "ZZ", "AAA"]);
    }

    #[test]
    fn a_mark_stands_at_its_moment_and_lasts() {
        let mark = |at_secs, kind| Mark { at_secs, kind, name: "cut <1 %>".to_owned() };
        let marks =
            [mark(10.0, MarkKind::Fault), mark(15.0, MarkKind::FaultEnd), mark(18.0, MarkKind::Fault)];
        assert_eq!([0, 1, 2, 3].map(|index| lasted(&marks, index)), [Some(5.0), None, None, None]);
        let drawn = Frame::new(20.0, &marks).marks(200.0);
        for part in [
            "<title>fault at 10 s for 5 s: cut &lt;1 %&gt;</title>",
            "x=\"460.0\"",
            "width=\"194.0\"",
            ">A</text>",
            ">B</text>",
        ] {
            assert!(drawn.contains(part), "{part} in {drawn}");
        }
    }
}
