//! Reads one entry of a list: a value, or an object with a filter.

use super::parse::{FILTERS, Parser};
use super::{Filter, Network, Range, Wildcard, fold};
use crate::PatternError;
use crate::json::Kind;
use crate::number::Number;

/// What `anything-but` may be told to turn around.
const TURNED: [&str; 4] = ["prefix", "suffix", "equals-ignore-case", "wildcard"];

impl Parser<'_> {
    pub(super) fn filter(&mut self) -> Result<Filter, PatternError> {
        match self.kind()? {
            Kind::Object => self.filter_object(),
            Kind::Array => {
                let offset = self.reader.offset();
                let error = self.error(offset, "a list of a pattern holds values and filters, no lists");
                Err(error.with_hint("nested arrays of events are flattened: write the values side by side"))
            }
            kind => self.exact(kind),
        }
    }

    /// A value that is looked for as it is.
    fn exact(&mut self, kind: Kind) -> Result<Filter, PatternError> {
        match kind {
            Kind::Text => self.text().map(|text| Filter::Text(text.into())),
            Kind::Number => self.number().map(Filter::Number),
            Kind::True => self.word("true", Filter::True),
            Kind::False => self.word("false", Filter::False),
            _ => self.word("null", Filter::Null),
        }
    }

    fn number(&mut self) -> Result<Number, PatternError> {
        self.reader.number().map(Number::of).map_err(|fault| self.not_json(fault))
    }

    fn word(&mut self, word: &'static str, filter: Filter) -> Result<Filter, PatternError> {
        self.reader.literal(word).map(|()| filter).map_err(|fault| self.not_json(fault))
    }

    fn filter_object(&mut self) -> Result<Filter, PatternError> {
        let (offset, name) = self.begin_filter(&FILTERS)?;
        let filter = match &*name {
            "exact" => Filter::Text(self.text_of("exact")?.1.into()),
            "prefix" | "suffix" if self.kind()? == Kind::Object => {
                let (inner, _) = self.begin_filter(&["equals-ignore-case"])?;
                let text = self.text_of("equals-ignore-case")?.1;
                self.end_filter(inner)?;
                let text = fold(&text).into();
                if &*name == "prefix" {
                    Filter::PrefixIgnoringCase(text)
                } else {
                    Filter::SuffixIgnoringCase(text)
                }
            }
            "anything-but" => self.anything_but()?,
            "numeric" => self.numeric()?,
            "exists" => self.exists()?,
            "cidr" => {
                let (offset, text) = self.text_of("cidr")?;
                let network = Network::parse(&text).map_err(|why| {
                    let message = format!("`{text}` is no block of addresses: {why}");
                    self.error(offset, message)
                        .with_hint("write for example `10.0.0.0/24` or `2001:db8::/32`")
                })?;
                Filter::Cidr(network)
            }
            name => self.of_text(name)?,
        };
        self.end_filter(offset)?;
        Ok(filter)
    }

    /// The beginning of an object with one filter, up to its value: where the object stands, and the filter.
    fn begin_filter(&mut self, known: &[&str]) -> Result<(usize, String), PatternError> {
        let offset = self.reader.offset();
        self.expect(b'{', "`{`")?;
        if self.reader.pass(b'}') {
            let hint = format!("name one of {}", crate::diagnostic::listed(known));
            return Err(self.error(offset, "an object in a list names no filter").with_hint(hint));
        }
        self.reader.space();
        let place = self.reader.offset();
        let name = self.text()?;
        if !known.contains(&name.as_str()) {
            return Err(self.unknown_filter(place, &name, known));
        }
        self.expect(b':', "`:`")?;
        Ok((offset, name))
    }

    fn end_filter(&mut self, offset: usize) -> Result<(), PatternError> {
        if self.reader.pass(b',') {
            let error = self.error(offset, "an object in a list names more than one filter");
            return Err(error.with_hint("give each filter an object of its own: any of a list is enough"));
        }
        self.expect(b'}', "`}`")
    }

    /// The text that a filter takes, and its place.
    fn text_of(&mut self, filter: &str) -> Result<(usize, String), PatternError> {
        let kind = self.kind()?;
        let offset = self.reader.offset();
        if kind != Kind::Text {
            let error = self.error(offset, format!("`{filter}` takes a text"));
            return Err(error.with_hint(format!("write `{{\"{filter}\":\"…\"}}`")));
        }
        Ok((offset, self.text()?))
    }

    /// A filter of texts alone.
    fn of_text(&mut self, filter: &str) -> Result<Filter, PatternError> {
        let (offset, text) = self.text_of(filter)?;
        match filter {
            "prefix" => Ok(Filter::Prefix(text.into())),
            "suffix" => Ok(Filter::Suffix(text.into())),
            "equals-ignore-case" => Ok(Filter::IgnoringCase(fold(&text).into())),
            _ => self.wildcard(offset, &text),
        }
    }

    /// A wildcard, or the simpler filter that it amounts to.
    fn wildcard(&mut self, offset: usize, text: &str) -> Result<Filter, PatternError> {
        let wildcard = Wildcard::parse(text)
            .map_err(|(why, hint)| self.error(offset, format!("wildcard `{text}`: {why}")).with_hint(hint))?;
        self.count_stars(offset, wildcard.stars())?;
        Ok(match &*wildcard.pieces {
            [only] => Filter::Text(only.clone()),
            [first, last] if last.is_empty() => Filter::Prefix(first.clone()),
            [first, last] if first.is_empty() => Filter::Suffix(last.clone()),
            _ => Filter::Wildcard(wildcard),
        })
    }

    fn anything_but(&mut self) -> Result<Filter, PatternError> {
        let mut filters = match self.kind()? {
            Kind::Object => {
                let (offset, name) = self.begin_filter(&TURNED)?;
                let filters = self.one_or_list(|parser| parser.turned(&name))?;
                self.end_filter(offset)?;
                filters
            }
            _ => self.one_or_list(Self::excluded)?,
        };
        filters.sort();
        filters.dedup();
        Ok(Filter::AnythingBut(filters.into()))
    }

    /// A value, or a list of values.
    fn one_or_list(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<Filter, PatternError>,
    ) -> Result<Vec<Filter>, PatternError> {
        if self.kind()? != Kind::Array {
            return Ok(vec![read(self)?]);
        }
        let start = self.reader.offset();
        self.expect(b'[', "`[`")?;
        if self.reader.pass(b']') {
            let error = self.error(start, "`anything-but` of nothing");
            return Err(error.with_hint("name a value, or write `{\"exists\":true}`"));
        }
        let mut filters: Vec<Filter> = Vec::new();
        loop {
            self.reader.space();
            let offset = self.reader.offset();
            let filter = read(self)?;
            let is_number = |filter: &Filter| matches!(filter, Filter::Number(_));
            if filters.last().is_some_and(|earlier| is_number(earlier) != is_number(&filter)) {
                let error = self.error(offset, "a list of `anything-but` has texts or numbers, not both");
                return Err(error.with_hint("write the numbers as texts, or two fields"));
            }
            filters.push(filter);
            if !self.reader.pass(b',') {
                self.expect(b']', "`,` or `]`")?;
                return Ok(filters);
            }
        }
    }

    /// A text or number that `anything-but` excludes.
    fn excluded(&mut self) -> Result<Filter, PatternError> {
        match self.kind()? {
            kind @ (Kind::Text | Kind::Number) => self.exact(kind),
            _ => {
                let error = self.error(self.reader.offset(), "`anything-but` takes texts or numbers");
                Err(error.with_hint(
                    "write a text, a number, a list of either, or for example `{\"prefix\":\"…\"}`",
                ))
            }
        }
    }

    /// A text of a filter that `anything-but` turns around.
    fn turned(&mut self, name: &str) -> Result<Filter, PatternError> {
        self.reader.space();
        let offset = self.reader.offset();
        let filter = self.of_text(name)?;
        let is_affix = matches!(name, "prefix" | "suffix");
        if is_affix && matches!(&filter, Filter::Prefix(text) | Filter::Suffix(text) if text.is_empty()) {
            let message = format!("every text has the empty {name}, so no text would match");
            return Err(self.error(offset, message).with_hint(format!("name a {name}")));
        }
        Ok(filter)
    }

    fn exists(&mut self) -> Result<Filter, PatternError> {
        match self.kind()? {
            Kind::True => self.word("true", Filter::Exists),
            Kind::False => self.word("false", Filter::Absent),
            _ => Err(self.error(self.reader.offset(), "`exists` is `true` or `false`")),
        }
    }

    fn numeric(&mut self) -> Result<Filter, PatternError> {
        let kind = self.kind()?;
        let start = self.reader.offset();
        let hint = "write for example `[\">\",0,\"<=\",5]`";
        if kind != Kind::Array {
            return Err(self.error(start, "`numeric` takes a list").with_hint(hint));
        }
        self.expect(b'[', "`[`")?;
        let mut range = Range { lower: None, upper: None };
        let mut is_first = true;
        loop {
            let offset = self.reader.offset();
            let (operator, number) = self.comparison(hint)?;
            let is_alone = is_first && self.next_byte() != Some(b',');
            match &*operator {
                "=" if is_alone => {
                    self.expect(b']', "`]`")?;
                    return Ok(Filter::Number(number));
                }
                ">" | ">=" if is_first => range.lower = Some((number, i8::from(operator == ">"))),
                "<" | "<=" if range.upper.is_none() => {
                    range.upper = Some((number, -i8::from(operator == "<")));
                }
                "=" | "<" | "<=" | ">" | ">=" => {
                    let message = format!("`{operator}` doesn't go with the comparison beside it");
                    return Err(self
                        .error(offset, message)
                        .with_hint("first `>` or `>=`, then `<` or `<=`; `=` alone"));
                }
                _ => {
                    let message = format!("unknown comparison `{operator}`");
                    return Err(self.error(offset, message).with_hint("there are `=`, `<`, `<=`, `>`, `>=`"));
                }
            }
            if !self.reader.pass(b',') {
                break;
            }
            is_first = false;
        }
        self.expect(b']', "`,` or `]`")?;
        if let (Some(lower), Some(upper)) = (&range.lower, &range.upper)
            && lower.0 >= upper.0
        {
            let error = self.error(start, "no number is above the lower bound and below the upper");
            return Err(error.with_hint("the first bound is the smaller one"));
        }
        Ok(Filter::Numeric(range))
    }

    /// The byte behind white space, which is not passed.
    fn next_byte(&self) -> Option<u8> {
        let mut ahead = self.reader.clone();
        ahead.space();
        self.text.as_bytes().get(ahead.offset()).copied()
    }

    fn comparison(&mut self, hint: &str) -> Result<(String, Number), PatternError> {
        if self.kind()? != Kind::Text {
            let error = self.error(self.reader.offset(), "`numeric` has comparisons and numbers by turns");
            return Err(error.with_hint(hint));
        }
        let operator = self.text()?;
        self.expect(b',', "`,` and a number")?;
        if self.kind()? != Kind::Number {
            let error = self.error(self.reader.offset(), format!("`{operator}` is not followed by a number"));
            return Err(error.with_hint(hint));
        }
        Ok((operator, self.number()?))
    }
}
