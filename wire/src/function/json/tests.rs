//! JSON operators and functions against values read off PostgreSQL 15.

use super::super::tests::check;

#[test]
fn parts_keep_their_spelling() {
    check(r#"pg_json_member('{"a": {"b" : 1}}', 'a')"#, r#"{"b" : 1}"#);
    check(r#"pg_json_item('[1, 2 ,{"x" :1}]', 2)"#, r#"{"x" :1}"#);
    check(r#"pg_json_item('[1,2]', -1)"#, "2");
    check(r#"pg_json_text(pg_json_at('{"a":[1,"x"]}', '{a,1}'))"#, "x");
    check(r#"pg_json_text(pg_json_member('{"a":null}', 'a'))"#, "NULL");
    check(r#"pg_json_member('{"a":1}', 'b')"#, "NULL");
    check(r#"pg_json_member('[1]', 'a')"#, "NULL");
    check(r#"pg_json_array_length('1')"#, "cannot get array length of a scalar (22023)");
}

#[test]
fn containment_and_keys() {
    check(r#"pg_jsonb_contains('{"a": 1, "b": 2}', '{"b": 2}')"#, "1");
    check(r#"pg_jsonb_has('{"a": 1}', 'a')"#, "1");
    check(r#"pg_jsonb_has('["a"]', 'b')"#, "0");
    check(r#"pg_jsonb_has_keys('{"a": 1}', '{a,b}', 0)"#, "1");
    check(r#"pg_jsonb_has_keys('{"a": 1}', '{a,b}', 1)"#, "0");
    check(r#"pg_jsonb_scalar('"x"', 'integer')"#, "cannot cast jsonb string to type integer (22023)");
}

#[test]
fn values_of_every_type_become_json() {
    check(r#"pg_to_json('UTC', '25', 'a"b')"#, r#""a\"b""#);
    check("pg_to_json('UTC', '16', 1)", "true");
    check("pg_to_json('UTC', '1700', '1.50')", "1.50");
    check("pg_to_json('UTC', '701', 'NaN')", "\"NaN\"");
    check("pg_to_json('UTC', '1184', '2024-01-01 10:00:00+00')", "\"2024-01-01T10:00:00+00:00\"");
    check("pg_to_json('Asia/Kolkata', '1184', '2024-01-01 10:00:00+00')", "\"2024-01-01T15:30:00+05:30\"");
    check("pg_to_json('UTC', '1007', '{1,NULL}')", "[1,null]");
    check("pg_to_json('UTC', '1007', '{{1,2},{3,4}}')", "[[1,2],[3,4]]");
    check("pg_to_json('UTC', '17', x'78')", "\"\\\\x78\"");
    check("pg_to_json('UTC', '23', NULL)", "NULL");
}

#[test]
fn objects_and_arrays_are_built() {
    check("pg_json_build_object('UTC', '25,23,25,25', 'a', 1, 'b', NULL)", r#"{"a" : 1, "b" : null}"#);
    check("pg_canonical_json(pg_json_build_object('UTC', '25,1007', 'a', '{1,2}'))", r#"{"a": [1, 2]}"#);
    check("pg_json_build_array('UTC', '23,25,16', 1, 'x', 1)", r#"[1, "x", true]"#);
    check("pg_json_build_object('UTC', '25', 'a')", "argument list must have even number of elements (22023)");
    check("pg_json_agg('UTC', '23', value) FROM pg_series_int(1, 2, 1)", "[1, 2]");
    check("pg_json_object_agg('UTC', '23,23', value, value) FROM pg_series_int(1, 2, 1)", r#"{ "1" : 1, "2" : 2 }"#);
    check("pg_jsonb_object_agg('UTC', '23,23', value, value) FROM pg_series_int(1, 2, 1)", r#"{"1": 1, "2": 2}"#);
}

#[test]
fn documents_are_changed() {
    check(r#"pg_jsonb_set('{"a": [1, 2]}', '{a,1}', '9', 1)"#, r#"{"a": [1, 9]}"#);
    check(r#"pg_jsonb_set('{"a": 1}', '{b}', '2', 1)"#, r#"{"a": 1, "b": 2}"#);
    check(r#"pg_jsonb_set('{"a": 1}', '{b}', '2', 0)"#, r#"{"a": 1}"#);
    check(r#"pg_jsonb_set('[1, 2]', '{-1}', '5', 1)"#, "[1, 5]");
    check(r#"pg_jsonb_set('[1]', '{5}', '7', 1)"#, "[1, 7]");
    check(r#"pg_jsonb_set('1', '{a}', '7', 1)"#, "cannot set path in scalar (22023)");
    check(r#"pg_jsonb_insert('{"a": [1, 2]}', '{a,1}', '9', 0)"#, r#"{"a": [1, 9, 2]}"#);
    check(r#"pg_jsonb_delete_key('{"a": 1}', 'a')"#, "{}");
    check(r#"pg_jsonb_delete_item('[1, 2, 3]', 1)"#, "[1, 3]");
    check(r#"pg_jsonb_delete_path('{"a": {"b": 1}}', '{a,b}')"#, r#"{"a": {}}"#);
    check(r#"pg_jsonb_concat('{"a": 1}', '{"a": 2, "b": 3}')"#, r#"{"a": 2, "b": 3}"#);
    check(r#"pg_jsonb_concat('[1]', '2')"#, "[1, 2]");
    check(r#"pg_jsonb_strip_nulls('{"a": null, "b": [null]}')"#, r#"{"b": [null]}"#);
    check(r#"pg_jsonb_pretty('{"a": [1], "c": {}}')"#, "{\n    \"a\": [\n        1\n    ],\n    \"c\": {\n    }\n}");
}
