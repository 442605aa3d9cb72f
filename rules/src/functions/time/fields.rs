//! What was read of a time, and which moment that is: as Java's resolver in its smart mode.

use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::{Timestamp, ToSpan};

use super::zone::Zone;

/// A number that a text can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// 0 before Christ, 1 since.
    Era,
    YearOfEra,
    Year,
    Quarter,
    Month,
    Day,
    DayOfYear,
    WeekYear,
    Week,
    /// From 1 for Monday.
    DayOfWeek,
    /// 0 before noon, 1 after.
    Half,
    Hour,
    /// 1 to 24.
    ClockHour,
    HourOfHalf,
    /// 1 to 12.
    ClockHourOfHalf,
    Minute,
    Second,
    Nano,
    MilliOfDay,
    NanoOfDay,
    ModifiedJulianDay,
}

const FIELDS: usize = Field::ModifiedJulianDay as usize + 1;
const DAY_NANOS: i64 = 86_400_000_000_000;

/// The fields of one text.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    values: [Option<i64>; FIELDS],
    pub(super) zone: Option<Zone>,
    /// Seconds east of UTC.
    pub(super) offset: Option<i32>,
}

impl Fields {
    fn get(&self, field: Field) -> Option<i64> {
        self.values[field as usize]
    }

    /// Sets a field; `None` when it was read before and was something else.
    pub(super) fn set(&mut self, field: Field, value: i64) -> Option<()> {
        let known = &mut self.values[field as usize];
        if known.is_some_and(|known| known != value) {
            return None;
        }
        *known = Some(value);
        Some(())
    }

    /// A field, when it is there within a range; the outer `None` when it is outside.
    fn within(&self, field: Field, range: std::ops::RangeInclusive<i64>) -> Option<Option<i64>> {
        match self.get(field) {
            Some(value) if !range.contains(&value) => None,
            value => Some(value),
        }
    }

    /// The moment; what wasn't named is the first of its kind, and the zone UTC. `None` when there is no such time.
    pub(super) fn moment(&self) -> Option<Timestamp> {
        let (nanos, days) = self.nanos_of_day()?;
        let date = self.date()?.checked_add(days.days()).ok()?;
        let time = Time::midnight().checked_add(nanos.nanoseconds()).ok()?;
        let local = DateTime::from_parts(date, time);
        match (&self.zone, self.offset) {
            (Some(zone), offset) => zone.moment(local, offset),
            (None, Some(offset)) => Zone::fixed(offset)?.moment(local, None),
            (None, None) => Zone::utc().moment(local, None),
        }
    }

    fn date(&self) -> Option<Date> {
        let date = match self.get(Field::ModifiedJulianDay) {
            Some(day) => {
                let span = 0.days().try_days(day).ok()?;
                Date::new(1858, 11, 17).ok()?.checked_add(span).ok()?
            }
            None => self.named_date()?,
        };
        // A weekday that isn't the date's is a mistake, as in Java.
        let weekday = i64::from(date.weekday().to_monday_one_offset());
        match self.get(Field::DayOfWeek) {
            Some(named) if named != weekday && !self.is_incomplete() => None,
            _ => Some(date),
        }
    }

    /// Whether the weekday is all that was named of a date.
    fn is_incomplete(&self) -> bool {
        let fields = [Field::Day, Field::DayOfYear, Field::Week, Field::ModifiedJulianDay];
        fields.into_iter().all(|field| self.get(field).is_none())
    }

    fn named_date(&self) -> Option<Date> {
        if let Some(week_year) = self.get(Field::WeekYear) {
            let week = self.within(Field::Week, 1..=53)?.unwrap_or(1);
            let day = self.within(Field::DayOfWeek, 1..=7)?.unwrap_or(1);
            let weekday = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
            let date = ISOWeekDate::new(i16::try_from(week_year).ok()?, i8::try_from(week).ok()?, weekday);
            return date.ok().map(ISOWeekDate::date);
        }
        let year = i16::try_from(self.year()?).ok()?;
        if let Some(day) = self.within(Field::DayOfYear, 1..=366)? {
            let first = Date::new(year, 1, 1).ok()?;
            let date = first.checked_add((day - 1).days()).ok()?;
            return (date.year() == year).then_some(date);
        }
        let quarter = self.within(Field::Quarter, 1..=4)?.unwrap_or(1);
        let month = self.within(Field::Month, 1..=12)?.unwrap_or(quarter * 3 - 2);
        let day = self.within(Field::Day, 1..=31)?.unwrap_or(1);
        let first = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
        // The 31st of a shorter month is its last day.
        let day = i8::try_from(day).ok()?.min(first.days_in_month());
        Date::new(year, first.month(), day).ok()
    }

    fn year(&self) -> Option<i64> {
        let of_era = match self.get(Field::YearOfEra) {
            Some(year) if year < 1 => return None,
            Some(year) if self.get(Field::Era) == Some(0) => Some(1 - year),
            year => year,
        };
        match (self.get(Field::Year), of_era) {
            (Some(year), Some(of_era)) if year != of_era => None,
            (Some(year), _) | (None, Some(year)) => Some(year),
            (None, None) => Some(1970),
        }
    }

    /// Nanoseconds since midnight, and the days to add (24:00 is the midnight after).
    fn nanos_of_day(&self) -> Option<(i64, i64)> {
        if let Some(nanos) = self.within(Field::NanoOfDay, 0..=DAY_NANOS - 1)? {
            return Some((nanos, 0));
        }
        if let Some(millis) = self.within(Field::MilliOfDay, 0..=86_399_999)? {
            return Some((millis * 1_000_000, 0));
        }
        let minute = self.within(Field::Minute, 0..=59)?.unwrap_or(0);
        let second = self.within(Field::Second, 0..=59)?.unwrap_or(0);
        let nano = self.within(Field::Nano, 0..=999_999_999)?.unwrap_or(0);
        let below = (minute * 60 + second) * 1_000_000_000 + nano;
        match self.hour()? {
            24 if below == 0 => Some((0, 1)),
            24 => None,
            hour => Some((hour * 3_600_000_000_000 + below, 0)),
        }
    }

    fn hour(&self) -> Option<i64> {
        let half = self.get(Field::Half);
        let of_half = match self.within(Field::ClockHourOfHalf, 1..=12)? {
            Some(hour) => Some(hour % 12),
            None => self.within(Field::HourOfHalf, 0..=11)?,
        };
        let of_day = match self.within(Field::ClockHour, 1..=24)? {
            Some(hour) => Some(hour % 24),
            None => self.within(Field::Hour, 0..=24)?,
        };
        let named = of_half.map(|hour| hour + 12 * half.unwrap_or(0));
        match (of_day, named) {
            (Some(hour), Some(named)) if hour != named => None,
            // An hour of the day and a half of it that don't fit.
            (Some(hour), None) if half.is_some_and(|half| half != hour / 12) => None,
            (Some(hour), _) => Some(hour),
            (None, named) => Some(named.unwrap_or(half.map_or(0, |half| half * 12))),
        }
    }
}
