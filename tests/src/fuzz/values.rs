//! The values that expressions begin with: the edges of each type, and words that functions understand.

#[derive(Debug)]
/// A type, its text values, all of which PostgreSQL accepts. Every value also stands in a column of the fuzzer's table.
pub struct TypeValues {
    /// As SQL spells it, in `::name` and in column definitions.
    pub name: &'static str,
    pub values: &'static [&'static str],
}

/// The types of expressions. The table has one row for each position in the longest list.
#[rustfmt::skip]
pub static TYPES: &[TypeValues] = &[
    TypeValues { name: "bool", values: &["t", "f"] },
    TypeValues { name: "int2", values: &["0", "1", "-1", "7", "32767", "-32768", "100"] },
    TypeValues { name: "int4", values: &["0", "1", "-1", "2", "3", "10", "2147483647", "-2147483648", "65536", "12345"] },
    TypeValues { name: "int8", values: &["0", "1", "-1", "9", "9223372036854775807", "-9223372036854775808", "4294967296", "1000000007"] },
    TypeValues { name: "float4", values: &["0", "-0", "1", "1.5", "-2.25", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "16777216", "0.1"] },
    TypeValues { name: "float8", values: &["0", "-0", "1", "0.5", "2.5", "-3.75", "1e300", "-1e300", "1.7976931348623157e308", "5e-324", "NaN", "Infinity", "-Infinity", "0.1", "123456.789", "9007199254740993"] },
    TypeValues { name: "numeric", values: &["0", "0.00", "1", "-1", "1.10", "2.5", "-2.5", "0.5", "12345678901234567890.123456789", "1e-20", "99999999999999999999", "NaN", "Infinity", "-Infinity", "3.14159", "10", "-0.001"] },
    TypeValues { name: "text", values: &["", "a", "A", "abc", " abc ", "ABC def", "%", "_b%", "\\", "\\x41", "'", "\"q\"", "äöü", "\u{1F600}", "12", "-1.5", "true", "2024-02-29", "null", "[1, 2]", "{}", "a,b,,c", "line\nbreak", "foo.*bar"] },
    TypeValues { name: "varchar", values: &["", "x", "Ångström", "abc  ", "10"] },
    TypeValues { name: "bpchar", values: &["", "a", "ab  ", "abc", "Z"] },
    TypeValues { name: "name", values: &["", "pg_class", "Name"] },
    TypeValues { name: "bytea", values: &["\\x", "\\x00", "\\x616263", "\\xff00fe", "\\x5c27"] },
    TypeValues { name: "uuid", values: &["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff"] },
    TypeValues { name: "date", values: &["2024-02-29", "2000-01-01", "1999-12-31", "0001-01-01", "0044-03-15 BC", "4713-01-01 BC", "9999-12-31", "12345-06-07", "infinity", "-infinity", "2023-03-26"] },
    TypeValues { name: "time", values: &["00:00:00", "24:00:00", "12:34:56.789012", "23:59:59.999999", "02:30:00"] },
    TypeValues { name: "timetz", values: &["00:00:00+00", "12:34:56.789+02", "23:59:59.999999-12:30", "24:00:00+15:59:59", "10:00:00+00", "11:00:00+01"] },
    TypeValues { name: "timestamp", values: &["2024-02-29 12:34:56.789012", "2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "0044-03-15 12:00:00 BC", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity", "2023-03-26 02:30:00", "2024-01-31 10:20:30"] },
    TypeValues { name: "timestamptz", values: &["2024-02-29 12:34:56.789012+00", "2000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC", "294276-12-30 12:00:00+00", "infinity", "-infinity", "2023-03-26 01:30:00+00", "2023-10-29 00:30:00+00", "1970-01-01 00:00:00+00"] },
    TypeValues { name: "interval", values: &["00:00:00", "1 day", "1 mon", "-1 mon", "1 year 2 mons 3 days 04:05:06.789", "-1 days +02:03:00", "178000000 years", "-178000000 years", "00:00:00.000001", "30 days", "24:00:00", "-1 mons +30 days -00:00:01"] },
    TypeValues { name: "json", values: &["null", "1", "\"s\"", "[]", "{}", "{\"a\": 1, \"b\": [1, {\"c\": null}], \"a\": 2}", "[1, \"x\", true, null]", " { \"k\" :  1.50 } "] },
    TypeValues { name: "jsonb", values: &["null", "1", "1.50", "\"s\"", "true", "[]", "{}", "{\"a\": 1, \"b\": [1, {\"c\": null}]}", "[1, \"x\", true, null]", "{\"a\": {\"b\": {\"c\": \"d\"}}}", "[\"a\", \"b\"]", "\"\\u00e4\""] },
    TypeValues { name: "oid", values: &["0", "1", "4294967295", "26"] },
    TypeValues { name: "\"char\"", values: &["", "a", "Z"] },
    TypeValues { name: "int4[]", values: &["{}", "{1}", "{1,2,3}", "{NULL}", "{3,NULL,1}", "{{1,2},{3,4}}", "[0:1]={5,6}"] },
    TypeValues { name: "int8[]", values: &["{}", "{1,9223372036854775807}", "{NULL,-1}"] },
    TypeValues { name: "text[]", values: &["{}", "{a}", "{a,b}", "{a,NULL,\"NULL\"}", "{\"\",\"a b\",\"c\\\"d\",\"\\\\\"}", "{b,c}", "{\"{\",\",\"}"] },
    TypeValues { name: "numeric[]", values: &["{}", "{1.10,NaN}", "{1.1}", "{NULL,2.50}"] },
    TypeValues { name: "float8[]", values: &["{1,NaN}", "{-Infinity,0.1}", "{}"] },
    TypeValues { name: "bool[]", values: &["{t,f}", "{NULL}"] },
    TypeValues { name: "timestamptz[]", values: &["{\"2024-02-29 12:00:00+00\",NULL}", "{infinity}"] },
    TypeValues { name: "date[]", values: &["{2024-02-29,\"0044-03-15 BC\"}", "{}"] },
    TypeValues { name: "interval[]", values: &["{\"1 mon\",\"30 days\"}", "{01:02:03}"] },
    TypeValues { name: "jsonb[]", values: &["{\"{\\\"a\\\": 1}\",NULL}", "{1}"] },
];

const FIELDS: &[&str] = &[
    "century",
    "day",
    "decade",
    "dow",
    "doy",
    "epoch",
    "hour",
    "isodow",
    "isoyear",
    "julian",
    "microseconds",
    "millennium",
    "milliseconds",
    "minute",
    "month",
    "quarter",
    "second",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "week",
    "year",
    "nonsense",
    "YEAR",
];
const ZONES: &[&str] = &["UTC", "Europe/Berlin", "America/New_York", "+03:30", "EST", "Asia/Kathmandu", "nowhere", "z"];
const TIME_TEMPLATES: &[&str] = &[
    "YYYY-MM-DD",
    "HH24:MI:SS.US",
    "FMMonth DD, YYYY",
    "Dy D ID",
    "IYYY-IW",
    "J",
    "Q CC",
    "AM HH12 BC",
    "SSSS MS",
    "\"text\" YY",
    "TZH OF",
    "Mon MON mon",
    "DDD WW W",
    "Y,YYY",
    "FMDDth",
];
const NUMBER_TEMPLATES: &[&str] =
    &["999.99", "000", "FM999.9", "S9999", "9G999D99", "RN", "9.99EEEE", "L99", "MI99", "PR999", "99V99", "FM0.0000"];
const SMALL: &[&str] = &["0", "1", "2", "5", "-1", "-3", "17"];
const PATHS: &[&str] = &["{}", "{a}", "{a,b}", "{b,1,c}", "{0}", "{-1}", "{b,x}", "{a,NULL}"];

/// Texts that an argument of a function understands: function, argument from 0, and the type that they are cast to.
#[rustfmt::skip]
pub static WORDS: &[(&str, usize, &str, &[&str])] = &[
    ("date_trunc", 0, "text", FIELDS),
    ("date_trunc", 2, "text", ZONES),
    ("date_part", 0, "text", FIELDS),
    ("timezone", 0, "text", ZONES),
    ("to_char", 1, "text", TIME_TEMPLATES),
    ("to_char numeric", 1, "text", NUMBER_TEMPLATES),
    ("encode", 1, "text", &["hex", "base64", "escape", "HEX", "rot13"]),
    ("decode", 1, "text", &["hex", "base64", "escape", "nope"]),
    ("decode", 0, "text", &["", "6162", "YWJj", "zz", "a\\\\b", "\\141", "YQ==", "0"]),
    ("repeat", 1, "int4", SMALL), ("lpad", 1, "int4", SMALL), ("rpad", 1, "int4", SMALL),
    ("substr", 1, "int4", SMALL), ("substring", 1, "int4", SMALL), ("substring", 2, "int4", SMALL),
    ("substr", 2, "int4", SMALL), ("left", 1, "int4", SMALL), ("right", 1, "int4", SMALL),
    ("split_part", 2, "int4", SMALL), ("overlay", 2, "int4", SMALL), ("overlay", 3, "int4", SMALL),
    ("factorial", 0, "int8", SMALL), ("round", 1, "int4", SMALL), ("trunc", 1, "int4", SMALL),
    ("chr", 0, "int4", &["65", "228", "128512", "0", "-1", "1114112", "55296", "32"]),
    ("jsonb_set", 1, "text[]", PATHS), ("jsonb_insert", 1, "text[]", PATHS), ("jsonb_set_lax", 1, "text[]", PATHS),
    ("jsonb_set_lax", 4, "text", &["use_json_null", "raise_exception", "return_target", "delete_key", "x"]),
    ("convert_to", 1, "name", &["UTF8", "LATIN1", "nope"]),
    ("convert_from", 1, "name", &["UTF8", "nope"]),
    ("regexp_replace", 1, "text", &["b", "(.)(.)", "^", "[a-z]+", "("]),
    ("regexp_replace", 2, "text", &["X", "\\1", "\\&", ""]),
    ("regexp_replace", 3, "text", &["g", "i", "gi", "x"]),
    ("regexp_match", 1, "text", &["b", "(a)(b)?", "[A-Z]", "x|c", "["]),
    ("regexp_split_to_array", 1, "text", &[",", "\\s", "", "b"]),
    ("regexp_count", 1, "text", &["a", ".", "[bc]"]),
    ("regexp_like", 1, "text", &["a", "^A", "c$"]),
    ("regexp_substr", 1, "text", &["b.", "(a)", "z"]),
    ("regexp_instr", 1, "text", &["b.", "(a)", "z"]),
    ("to_date", 1, "text", &["YYYY-MM-DD", "YYYYMMDD"]), ("to_date", 0, "text", &["2024-02-29", "20240229", "2024-02-30"]),
    ("to_timestamp", 1, "text", &["YYYY-MM-DD HH24:MI"]), ("to_timestamp", 0, "text", &["2024-02-29 12:34", "x"]),
    ("make_date", 0, "int4", &["2024", "-44", "0", "9999"]), ("make_date", 1, "int4", &["2", "12", "13"]),
    ("make_date", 2, "int4", &["29", "31", "0"]),
    ("make_time", 0, "int4", &["0", "23", "24", "25"]), ("make_time", 1, "int4", &["0", "59", "60"]),
    ("make_time", 2, "float8", &["0", "59.5", "60", "61", "0.0000005", "NaN"]),
    ("width_bucket", 3, "int4", &["5", "1", "0", "-1"]),
];
