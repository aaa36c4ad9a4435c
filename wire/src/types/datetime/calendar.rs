//! Days and civil dates of the proleptic Gregorian calendar, with the year 0 for 1 BC.

/// A date as people write it. Year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_SHIFT: i64 = 730_425;
/// Days in 400 years.
const CYCLE: i64 = 146_097;

/// The day count (since 2000-01-01) of a date; month and day may be any valid pair.
///
/// Years begin in March here, so that the leap day is a year's last and month lengths follow one linear formula.
pub fn days(date: Civil) -> i64 {
    let (year, month) = if date.month > 2 { (date.year, date.month - 3) } else { (date.year - 1, date.month + 9) };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + date.day - 1;
    cycle * CYCLE + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year - EPOCH_SHIFT
}

/// The date of a day count.
pub fn civil(days: i64) -> Civil {
    let shifted = days + EPOCH_SHIFT;
    let cycle = shifted.div_euclid(CYCLE);
    let day_of_cycle = shifted.rem_euclid(CYCLE);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    Civil { year, month, day: day_of_year - (153 * shifted_month + 2) / 5 + 1 }
}

/// Whether February has 29 days.
pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days in a month, 1 to 12.
pub fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 for Sunday to 6 for Saturday. 2000-01-01 was a Saturday.
pub fn day_of_week(days: i64) -> i64 {
    (days + 6).rem_euclid(7)
}

/// ISO week-numbering year and week.
pub fn iso_week(days_since_epoch: i64) -> (i64, i64) {
    // The Thursday of a week decides its year.
    let monday = days_since_epoch - (day_of_week(days_since_epoch) + 6) % 7;
    let thursday = civil(monday + 3);
    let january_first = days(Civil { year: thursday.year, month: 1, day: 1 });
    (thursday.year, (monday + 3 - january_first) / 7 + 1)
}

/// 1 to 366.
pub fn day_of_year(days_since_epoch: i64) -> i64 {
    let date = civil(days_since_epoch);
    days_since_epoch - days(Civil { month: 1, day: 1, ..date }) + 1
}
