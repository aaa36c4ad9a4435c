//! Dates and times against values read off PostgreSQL 15, and round trips over the whole range.

use proptest::prelude::*;

use super::interval::Interval;
use super::zone::Zone;
use super::*;
use crate::session::settings::DateOrder;

fn moment(text: &str) -> Timestamp {
    parse::timestamp_zoned(text, DateOrder::Mdy, "UTC").expect("timestamptz")
}

fn interval(text: &str) -> Interval {
    interval::parse(text).expect("interval")
}

fn show<T>(result: Result<T, crate::error::SqlError>, text: impl Fn(T) -> String) -> String {
    result.map_or_else(|error| error.to_string(), text)
}

fn check_timestamp(input: &str, expected: &str) {
    assert_eq!(show(parse::timestamp(input, DateOrder::Mdy), Timestamp::show), expected, "{input}");
}

fn check_date(input: &str, expected: &str) {
    assert_eq!(show(parse::date(input, DateOrder::Mdy), Date::show), expected, "{input}");
}

fn check_interval(input: &str, expected: &str) {
    assert_eq!(show(interval::parse(input), |interval| interval.to_string()), expected, "{input}");
}

#[test]
fn dates_are_read_in_postgresql_s_spellings() {
    for input in ["2024-01-05", "20240105", "Jan 5, 2024", "5 January 2024", "1/5/2024", "2024/1/5", "05-Jan-2024"] {
        check_date(input, "2024-01-05");
    }
    check_date("99-1-1", "date/time field value out of range: \"99-1-1\" (22008)");
    check_date("1-2-69", "2069-01-02");
    check_date("1-2-70", "1970-01-02");
    check_date("jan-08-1999", "1999-01-08");
    check_date("1999-jan-08", "1999-01-08");
    check_date("J2451187", "1999-01-08");
    check_date("0044-03-15 BC", "0044-03-15 BC");
    check_date("epoch", "1970-01-01");
    check_date("-infinity", "-infinity");
    check_date("5874897-12-31", "5874897-12-31");
    check_date("4714-11-24 BC", "4714-11-24 BC");
}

#[test]
fn the_session_s_order_decides_ambiguous_dates() {
    let read = |order| parse::date("1/2/2024", order).expect("date").show();
    assert_eq!(read(DateOrder::Mdy), "2024-01-02");
    assert_eq!(read(DateOrder::Dmy), "2024-02-01");
}

#[test]
fn bad_dates_have_postgresql_s_texts() {
    check_date("2024-13-01", "date/time field value out of range: \"2024-13-01\" (22008)");
    check_date("2024-02-30", "date/time field value out of range: \"2024-02-30\" (22008)");
    check_date("5874898-01-01", "date out of range: \"5874898-01-01\" (22008)");
    check_date("4714-11-23 BC", "date out of range: \"4714-11-23 BC\" (22008)");
    check_date("", "invalid input syntax for type date: \"\" (22007)");
    check_date("hello", "invalid input syntax for type date: \"hello\" (22007)");
    let hint = parse::date("13/13/2024", DateOrder::Mdy).expect_err("month 13").hint;
    assert_eq!(hint.as_deref(), Some("Perhaps you need a different \"datestyle\" setting."));
    assert_eq!(parse::date("2024-02-30", DateOrder::Mdy).expect_err("30 February").hint, None);
}

#[test]
fn timestamps_are_read_in_postgresql_s_spellings() {
    check_timestamp("2024-01-02T03:04:05Z", "2024-01-02 03:04:05");
    check_timestamp("20240102T030405", "2024-01-02 03:04:05");
    check_timestamp("Jan 5 2024 3:04 PM", "2024-01-05 15:04:00");
    check_timestamp("2024-01-01 12:00 AM", "2024-01-01 00:00:00");
    check_timestamp("2024-01-01 24:00", "2024-01-02 00:00:00");
    check_timestamp("2024-01-01 23:59:60", "2024-01-02 00:00:00");
    check_timestamp("2024-01-01 00:00:00.1234567", "2024-01-01 00:00:00.123457");
    check_timestamp("10000-01-01", "10000-01-01 00:00:00");
    check_timestamp("0001-01-01 00:00:00.5 BC", "0001-01-01 00:00:00.5 BC");
    check_timestamp("2024-01-01 25:00", "date/time field value out of range: \"2024-01-01 25:00\" (22008)");
    check_timestamp("294277-01-01", "timestamp out of range: \"294277-01-01\" (22008)");
    check_timestamp(
        "2024-01-01 10:00 foo",
        "invalid input syntax for type timestamp: \"2024-01-01 10:00 foo\" (22007)",
    );
    check_timestamp("2024-01-01 10:00 xx/yy", "time zone \"xx/yy\" not recognized (22023)");
    check_timestamp("2024-01-01 10:00+17", "time zone displacement out of range: \"2024-01-01 10:00+17\" (22009)");
    check_timestamp("now", "date/time value \"now\" is not supported as input (0A000)");
}

#[test]
fn zones_shift_and_daylight_saving_is_postgresql_s() {
    assert_eq!(moment("2024-01-01 10:00:00+05:30").show(), "2024-01-01 04:30:00");
    assert_eq!(moment("2024-07-01 10:00 America/New_York").show(), "2024-07-01 14:00:00");
    assert_eq!(moment("2024-01-01 10:00 EST").show(), "2024-01-01 15:00:00");
    let zone = zone::find("America/New_York").expect("zone");
    let local =
        |text| zone.moment(parse::timestamp(text, DateOrder::Mdy).expect("timestamp")).expect("in range").show();
    // Skipped and repeated hours.
    assert_eq!(local("2024-03-10 02:30"), "2024-03-10 07:30:00");
    assert_eq!(local("2024-11-03 01:30"), "2024-11-03 06:30:00");
    assert_eq!(moment("2024-07-01 00:00+00").show_in(&zone), "2024-06-30 20:00:00-04");
    assert_eq!(moment("infinity").show_in(&zone), "infinity");
    assert_eq!(zone::find("nope").expect_err("no zone").sqlstate, "22023");
    assert_eq!(zone::find("UTC+3").expect("posix").offset_at(moment("2024-01-01")), -3 * 3600);
    assert!(matches!(*zone::find("+05:30").expect("posix"), Zone::Fixed(-19_800)));
}

#[test]
fn intervals_are_read_and_shown_as_postgresql_does() {
    check_interval("1.5 months", "1 mon 15 days");
    check_interval("1.5 years", "1 year 6 mons");
    check_interval("1.2 weeks", "8 days 09:36:00");
    check_interval("-1 mon +2 days -03:00", "-1 mons +2 days -03:00:00");
    check_interval("1-2", "1 year 2 mons");
    check_interval("-1-2 3 -4:05:06.7", "-1 years -2 mons +3 days -04:05:06.7");
    check_interval("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5");
    check_interval("1 day ago", "-1 days");
    check_interval("5", "00:00:05");
    check_interval("1.5", "00:00:01.5");
    check_interval("1 year -1 mons", "11 mons");
    check_interval("-00:00:00.5", "-00:00:00.5");
    check_interval("3 d 04:05", "3 days 04:05:00");
    check_interval("1h30m", "01:30:00");
    check_interval("abc", "invalid input syntax for type interval: \"abc\" (22007)");
    check_interval("999999999999 years", "interval field value out of range: \"999999999999 years\" (22015)");
    check_interval("", "invalid input syntax for type interval: \"\" (22007)");
}

#[test]
fn intervals_compare_by_length() {
    assert_eq!(interval("1 mon"), interval("30 days"));
    assert!(interval("1 mon") > interval("29 days"));
    assert!(interval("-1 day") < interval("0"));
}

#[test]
fn adding_months_clamps_and_zones_keep_the_clock() {
    let add = |text: &str, by: &str| show(moment(text).plus(interval(by)), Timestamp::show);
    assert_eq!(add("2024-01-31", "1 mon"), "2024-02-29 00:00:00");
    assert_eq!(add("2024-03-31", "-1 mon 1 day"), "2024-03-01 00:00:00");
    assert_eq!(add("infinity", "1 day"), "infinity");
    assert_eq!(add("294276-12-31", "1 day"), "timestamp out of range (22008)");
    let zone = zone::find("Europe/Berlin").expect("zone");
    let by_day = moment("2024-03-30 12:00+01").add_zoned(interval("1 day"), &zone).expect("in range");
    let by_hours = moment("2024-03-30 12:00+01").add_zoned(interval("24 hours"), &zone).expect("in range");
    assert_eq!(by_day.show_in(&zone), "2024-03-31 12:00:00+02");
    assert_eq!(by_hours.show_in(&zone), "2024-03-31 13:00:00+02");
}

#[test]
fn differences_and_ages_follow_the_calendar() {
    let (a, b) = (moment("2024-03-01 10:00"), moment("2023-12-31 12:00"));
    assert_eq!(a.subtract(b).expect("finite").to_string(), "60 days 22:00:00");
    assert_eq!(a.age(b).expect("finite").to_string(), "2 mons 22:00:00");
    assert_eq!(b.age(a).expect("finite").to_string(), "-2 mons -22:00:00");
}

#[test]
fn truncation_and_extraction() {
    let at = moment("2024-05-16 13:14:15.678");
    let cut = |field| show(at.truncate(field, "timestamp"), Timestamp::show);
    assert_eq!(cut("week"), "2024-05-13 00:00:00");
    assert_eq!(cut("quarter"), "2024-04-01 00:00:00");
    assert_eq!(cut("century"), "2001-01-01 00:00:00");
    assert_eq!(cut("hour"), "2024-05-16 13:00:00");
    assert_eq!(cut("foo"), "unit \"foo\" not recognized for type timestamp (22023)");
    let field = |name| {
        show(arithmetic::extract_timestamp(name, at, None), |value| {
            value.map_or_else(|| "NULL".into(), |value| value.to_string())
        })
    };
    assert_eq!(field("second"), "15.678000");
    assert_eq!(field("milliseconds"), "15678.000");
    assert_eq!(field("epoch"), "1715865255.678000");
    assert_eq!(field("doy"), "137");
    assert_eq!(field("isodow"), "4");
    assert_eq!(field("week"), "20");
    assert_eq!(field("timezone"), "unit \"timezone\" not supported for type timestamp without time zone (0A000)");
    assert_eq!(
        show(arithmetic::extract_interval("epoch", interval("1 year 1 mon 1 day 1.5 s")), |v| v
            .map_or_else(String::new, |v| v.to_string())),
        "34236001.500000"
    );
}

#[test]
fn scaling_intervals_spills_into_smaller_parts() {
    assert_eq!(interval("1 day").multiply(1.5).expect("fits").to_string(), "1 day 12:00:00");
    assert_eq!(interval("1 mon").divide(2.0).expect("fits").to_string(), "15 days");
    assert_eq!(interval("1 mon").divide(0.0).expect_err("zero").sqlstate, "22012");
    assert_eq!(interval("100 hours").justify_hours().expect("fits").to_string(), "4 days 04:00:00");
}

proptest! {
    #[test]
    fn calendar_round_trips(days in -2_451_545i64..2_145_031_948) {
        prop_assert_eq!(calendar::days(calendar::civil(days)), days);
    }

    #[test]
    fn storage_forms_round_trip_and_sort_as_the_values(a in any::<i64>(), b in any::<i64>()) {
        let make = |seed: i64| Timestamp::from_micros(i128::from(seed)).unwrap_or(Timestamp(seed % 1_000_000_000_000));
        let (a, b) = (make(a), make(b));
        prop_assert_eq!(Timestamp::load(&a.store()), Some(a));
        prop_assert_eq!(Timestamp::load(&a.store_zoned()), Some(a));
        prop_assert_eq!(a.store().cmp(&b.store()), a.cmp(&b));
        prop_assert_eq!(a.store_zoned().cmp(&b.store_zoned()), a.cmp(&b));
        let (day_a, day_b) = (a.date(), b.date());
        prop_assert_eq!(Date::load(&day_a.store()), Some(day_a));
        prop_assert_eq!(day_a.store().cmp(&day_b.store()), day_a.cmp(&day_b));
        prop_assert_eq!(parse::timestamp(&a.show(), DateOrder::Mdy).expect("own text"), a);
    }

    #[test]
    fn shown_moments_read_back_in_any_zone(seed in any::<i64>(), at in 0usize..4) {
        let zone = zone::find(["UTC", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe"][at]).expect("zone");
        let value = Timestamp(seed % 200_000_000_000_000_000);
        let shown = value.show_in(&zone);
        prop_assert_eq!(parse::timestamp_zoned(&shown, DateOrder::Mdy, "UTC").expect("own text"), value, "{}", shown);
    }

    #[test]
    fn intervals_round_trip(months in any::<i32>(), days in any::<i32>(), micros in -9_000_000_000_000_000i64..9_000_000_000_000_000) {
        let value = Interval { months, days, micros };
        let back = interval::parse(&value.to_string()).expect("own text");
        prop_assert_eq!((back.months, back.days, back.micros), (months, days, micros));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9a-zTZ:./ ]{0,30}") {
        for result in [parse::date(&text, DateOrder::Dmy).map(|_| ()), parse::timestamp_zoned(&text, DateOrder::Mdy, "UTC").map(|_| ()), parse::time(&text, DateOrder::Ymd).map(|_| ()), interval::parse(&text).map(|_| ())] {
            if let Err(error) = result {
                prop_assert!(error.sqlstate.starts_with("22") || error.sqlstate == "0A000");
            }
        }
    }
}
