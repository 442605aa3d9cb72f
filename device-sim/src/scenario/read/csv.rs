//! Comma-separated values, RFC 4180. Blank lines and lines that begin with `#` are left out.

/// A row and the number of the line that it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// What is wrong, and on which line.
pub(super) type Fault = (Option<usize>, String);

/// All rows, at most so many, each with at most so many cells.
pub(super) fn parse(text: &str, rows_max: usize, cells_max: usize) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    let mut rest = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let begin = line;
        let end = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        if rest[..end].trim().is_empty() || rest.starts_with('#') {
            rest = &rest[end..];
            line += 1;
            continue;
        }
        let mut cells = Vec::new();
        loop {
            if cells.len() == cells_max {
                return Err((Some(line), format!("has more than {cells_max} columns")));
            }
            let (cell, after) = cell(rest, &mut line)?;
            cells.push(cell);
            rest = after;
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => break,
            }
        }
        rest = rest.strip_prefix('\r').unwrap_or(rest);
        rest = match rest.strip_prefix('\n') {
            Some(after) => after,
            None if rest.is_empty() => rest,
            None => return Err((Some(line), "has text behind a closing quote".to_owned())),
        };
        line += 1;
        if rows.len() == rows_max {
            return Err((Some(begin), format!("has more than {rows_max} rows")));
        }
        rows.push(Row { line: begin, cells });
    }
    Ok(rows)
}

/// A cell, and what follows it.
fn cell<'t>(text: &'t str, line: &mut usize) -> Result<(String, &'t str), Fault> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let cell = text[..end].strip_suffix('\r').unwrap_or(&text[..end]);
        return Ok((cell.trim().to_owned(), &text[cell_end(text, end)..]));
    };
    let begin = *line;
    let mut cell = String::new();
    loop {
        let Some(quote) = rest.find('"') else {
            return Err((Some(begin), "has a quote that is never closed".to_owned()));
        };
        cell.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => break,
        }
    }
    *line += cell.matches('\n').count();
    Ok((cell, rest))
}

/// A carriage return before the end of a line belongs to the end.
fn cell_end(text: &str, end: usize) -> usize {
    if text[end..].starts_with('\n') && text[..end].ends_with('\r') { end - 1 } else { end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        parse(text, 100, 100).unwrap().into_iter().map(|row| row.cells).collect()
    }

    #[test]
    fn rows_are_read() {
        assert_eq!(cells("a,b\n1, 2 \r\n\n# no\n3,\n"), [["a", "b"], ["1", "2"], ["3", ""]]);
        assert_eq!(cells("\"a,\"\"b\"\"\nc\",d"), [["a,\"b\"\nc", "d"]]);
        assert_eq!(cells(""), Vec::<Vec<String>>::new());
        assert_eq!(parse("\"a\nb\"\nc", 9, 9).unwrap()[1].line, 3);
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line, message) in [
            ("a\n\"b", 2, "never closed"),
            ("a\n\"b\"c", 2, "behind a closing quote"),
            ("a\nb\nc\nd", 4, "more than 3 rows"),
            ("a,b,c,d", 1, "more than 3 columns"),
        ] {
            let (found, said) = parse(text, 3, 3).unwrap_err();
            assert!(found == Some(line) && said.contains(message), "{text:?}: {found:?} {said}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[\",\r\n#a ]{0,40}") {
            let _ = parse(&text, 100, 100);
        }

        #[test]
        fn quoted_cells_come_back(cells in prop::collection::vec("[\",\r\n#aé ]{0,8}", 1..5)) {
            let text = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse(&text, 10, 10).unwrap(), [Row { line: 1, cells }]);
        }
    }
}
