//! A line of a text with a piece of it underlined, right on a terminal whatever characters the line has.

/// Columns a tab takes: shown as spaces, so that the marks below stand right wherever the text is printed.
const TAB_COLUMNS: usize = 4;

/// The most columns of a line that are shown.
const COLUMNS_MAX: usize = 160;

/// Columns before the piece that are shown of a line that is too long.
const COLUMNS_BEFORE: usize = 60;

/// The line as it is shown, and the marks under the piece that starts at byte `start` and ends before byte `end`.
pub(super) fn excerpt(line: &str, start: usize, end: usize) -> (String, String) {
    let mut cells: Vec<(String, usize)> = Vec::new();
    let (mut column, mut piece) = (0, (None, 0));
    for (at, character) in line.char_indices() {
        let (text, width) = cell(character);
        if at >= start && piece.0.is_none() {
            piece.0 = Some(column);
        }
        column += width;
        if at < end {
            piece.1 = column;
        }
        cells.push((text, width));
    }
    let from = piece.0.unwrap_or(column);
    let to = piece.1.max(from + 1);
    let first = if column > COLUMNS_MAX { from.saturating_sub(COLUMNS_BEFORE) } else { 0 };
    let (mut shown, mut shown_from, mut shown_columns) = (String::new(), from, 0);
    let mut column = 0;
    if first > 0 {
        shown.push('…');
        shown_columns = 1;
    }
    for (text, width) in &cells {
        if column == from {
            shown_from = shown_columns;
        }
        if column >= first && shown_columns + width <= COLUMNS_MAX {
            shown.push_str(text);
            shown_columns += width;
        } else if column >= first {
            shown.push('…');
            break;
        }
        column += width;
    }
    if from >= column {
        shown_from = shown_columns;
    }
    let marks = (to - from).min(COLUMNS_MAX.saturating_sub(shown_from)).max(1);
    (shown, format!("{}{}", " ".repeat(shown_from), "^".repeat(marks)))
}

/// A character as it is shown, and how many columns that takes.
fn cell(character: char) -> (String, usize) {
    match character {
        '\t' => (" ".repeat(TAB_COLUMNS), TAB_COLUMNS),
        // Such characters may move the cursor or turn the text around.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ("\u{fffd}".to_owned(), 1),
        other if other.is_control() => ("\u{fffd}".to_owned(), 1),
        other => (other.to_string(), width(other)),
    }
}

/// Ranges of characters that take two columns: East Asian wide and full-width ones, emoji.
const WIDE: &[(char, char)] = &[
    ('\u{1100}', '\u{115f}'),
    ('\u{231a}', '\u{231b}'),
    ('\u{23e9}', '\u{23ec}'),
    ('\u{2614}', '\u{2615}'),
    ('\u{2648}', '\u{2653}'),
    ('\u{26a1}', '\u{26a1}'),
    ('\u{2705}', '\u{2705}'),
    ('\u{274c}', '\u{274c}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{33ff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{a4cf}'),
    ('\u{a960}', '\u{a97c}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1f64f}'),
    ('\u{1f680}', '\u{1f6ff}'),
    ('\u{1f900}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// Ranges of characters that take none: marks that combine with the character before them, and invisible ones.
const NARROWEST: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{610}', '\u{61a}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{feff}', '\u{feff}'),
];

fn width(character: char) -> usize {
    let is_in =
        |ranges: &[(char, char)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&character));
    match character {
        ' '..='\u{ac}' => 1,
        _ if is_in(NARROWEST) => 0,
        _ if is_in(WIDE) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, piece: &str) -> String {
        let start = line.find(piece).expect("the piece is in the line");
        let (line, marks) = excerpt(line, start, start + piece.len());
        format!("{line}\n{marks}")
    }

    #[test]
    fn marks_stand_under_the_piece() {
        assert_eq!(shown("a = uper(b)", "uper"), "a = uper(b)\n    ^^^^");
        assert_eq!(shown("\tgröße > uper(b)", "uper"), "    größe > uper(b)\n            ^^^^");
        assert_eq!(shown("温度 > uper(b)", "uper"), "温度 > uper(b)\n       ^^^^");
        assert_eq!(shown("a = '温度' b", "'温度'"), "a = '温度' b\n    ^^^^^^");
        assert_eq!(shown("e\u{301} == b", "=="), "e\u{301} == b\n  ^^");
        assert_eq!(shown("🔥 == b", "=="), "🔥 == b\n   ^^");
        assert_eq!(shown("a\u{202e}b == c", "=="), "a\u{fffd}b == c\n    ^^");
        assert_eq!(excerpt("a", 1, 1), ("a".to_owned(), " ^".to_owned()));
        assert_eq!(excerpt("", 0, 0), (String::new(), "^".to_owned()));
    }

    #[test]
    fn of_a_long_line_the_part_around_the_piece_is_shown() {
        let line = format!("{} == {}", "a".repeat(500), "b".repeat(500));
        let (shown, marks) = excerpt(&line, 501, 503);
        assert!(shown.starts_with("…aaa") && shown.ends_with("bbb…"), "{shown}");
        assert!(shown.chars().count() <= COLUMNS_MAX + 1);
        let at = marks.find('^').expect("there are marks");
        assert_eq!(shown.chars().skip(at).take(marks.len() - at).collect::<String>(), "==");
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "\\PC{0,300}|[\t\u{300}温a]{0,300}", start in 0usize..400, length in 0usize..400) {
            let (shown, marks) = excerpt(&line, start, start + length);
            proptest::prop_assert!(marks.contains('^') && marks.len() <= COLUMNS_MAX + 1 && shown.len() < 5_000);
        }
    }
}
