//! Arithmetic of `numeric` against values read off PostgreSQL 15, and laws over random values.

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Numeric {
    Numeric::parse(text).expect("numeric")
}

fn check(left: &str, operator: char, right: &str, expected: &str) {
    let (a, b) = (number(left), number(right));
    let result = match operator {
        '+' => a.add(&b),
        '-' => a.subtract(&b),
        '*' => a.multiply(&b),
        '/' => a.divide(&b),
        '%' => a.remainder(&b),
        _ => a.divide_whole(&b),
    };
    let shown = result.map_or_else(|error| error.to_string(), |value| value.to_string());
    assert_eq!(shown, expected, "{left} {operator} {right}");
}

#[test]
fn results_and_scales_are_postgresql_s() {
    check("1.10", '+', "2.205", "3.305");
    check("0.1", '+', "-0.1", "0.0");
    check("1", '-', "1.00", "0.00");
    check("1.5", '*', "2.00", "3.000");
    check("99999999999999999999", '*', "99999999999999999999", "9999999999999999999800000000000000000001");
    check("1.0", '/', "3", "0.33333333333333333333");
    check("10", '/', "3", "3.3333333333333333");
    check("1", '/', "7", "0.14285714285714285714");
    check("2", '/', "1", "2.0000000000000000");
    check("123456789012345678901234567890", '/', "987654321", "124999998873437499902");
    check("1e-10", '/', "3", "0.0000000000333333333333333333");
    check("1", '/', "0", "division by zero (22012)");
    check("7.5", '%', "2", "1.5");
    check("-7.5", '%', "2", "-1.5");
    check("1e20", '%', "7.3", "6.3");
    check("7.5", 'd', "-2", "-3");
    check("NaN", '+', "1", "NaN");
    check("Infinity", '-', "Infinity", "NaN");
    check("Infinity", '*', "-2", "-Infinity");
    check("1", '/', "Infinity", "0");
}

#[test]
fn input_and_output_are_postgresql_s() {
    for (input, output) in [
        ("1.10", "1.10"),
        (" -0.00 ", "0.00"),
        ("1e3", "1000"),
        ("1.5e-3", "0.0015"),
        (".5", "0.5"),
        ("5.", "5"),
        ("00012", "12"),
        ("nan", "NaN"),
        ("-inf", "-Infinity"),
        ("10000", "10000"),
        ("100000000.00001", "100000000.00001"),
    ] {
        assert_eq!(number(input).to_string(), output, "{input}");
    }
    for bad in ["", " ", "1a", "--1", "1e", ".", "1.2.3", "0x10", "-nan", "1 2"] {
        let error = Numeric::parse(bad).expect_err(bad);
        assert_eq!(error.to_string(), format!("invalid input syntax for type numeric: \"{bad}\" (22P02)"));
    }
    assert_eq!(Numeric::parse("1e200000").expect_err("too large").sqlstate, "22003");
}

#[test]
fn rounding_is_half_away_from_zero_on_either_side_of_the_point() {
    for (input, scale, rounded, cut) in [
        ("2.5", 0, "3", "2"),
        ("-2.5", 0, "-3", "-2"),
        ("2.345", 2, "2.35", "2.34"),
        ("1234.5678", -2, "1200", "1200"),
        ("9999.9999", 3, "10000.000", "9999.999"),
        ("0.00004", 4, "0.0000", "0.0000"),
        ("55", -2, "100", "0"),
        ("5", -2, "0", "0"),
        ("1.5", 3, "1.500", "1.500"),
        ("99995", -1, "100000", "99990"),
        ("5000", -4, "10000", "0"),
    ] {
        assert_eq!(number(input).round(scale).to_string(), rounded, "round {input} {scale}");
        assert_eq!(number(input).truncate(scale).to_string(), cut, "trunc {input} {scale}");
    }
    assert_eq!(number("-1.5").floor().to_string(), "-2");
    assert_eq!(number("-1.5").ceiling().to_string(), "-1");
    assert_eq!(number("1.01").ceiling().to_string(), "2");
}

#[test]
fn a_modifier_rounds_and_bounds() {
    assert_eq!(number("1.005").fit(5, 2).expect("fits").to_string(), "1.01");
    let error = number("1000").fit(5, 2).expect_err("too large");
    assert_eq!(error.sqlstate, "22003");
    assert_eq!(
        error.detail.as_deref(),
        Some("A field with precision 5, scale 2 must round to an absolute value less than 10^3.")
    );
}

#[test]
fn order_ignores_scale_and_puts_nan_last() {
    let mut values: Vec<_> = ["NaN", "2", "-Infinity", "10", "1.50", "Infinity", "-3"].map(number).to_vec();
    values.sort();
    let shown: Vec<_> = values.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["-Infinity", "-3", "1.50", "2", "10", "Infinity", "NaN"]);
    assert_eq!(number("1.0").cmp(&number("1.000")), std::cmp::Ordering::Equal);
}

#[test]
fn floats_become_the_decimals_they_show() {
    assert_eq!(Numeric::from_f64(0.1, 15).to_string(), "0.1");
    assert_eq!(Numeric::from_f64(1e20, 15).to_string(), "100000000000000000000");
    assert_eq!(Numeric::from_f64(1.0 / 3.0, 15).to_string(), "0.333333333333333");
    assert_eq!(Numeric::from_f64(f64::NEG_INFINITY, 15).to_string(), "-Infinity");
}

fn any_number() -> impl Strategy<Value = Numeric> {
    ("-?[0-9]{1,40}(\\.[0-9]{1,30})?").prop_map(|text| number(&text))
}

proptest! {
    #[test]
    fn text_and_binary_round_trip(value in any_number()) {
        prop_assert_eq!(&number(&value.to_string()), &value);
        let mut bytes = Vec::new();
        value.to_binary(&mut bytes);
        prop_assert_eq!(Numeric::from_binary(&bytes).expect("own bytes"), value);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = Numeric::from_binary(&bytes) {
            prop_assert!(!value.to_string().is_empty());
        }
    }

    #[test]
    fn quotient_times_divisor_plus_remainder_is_the_dividend(a in any_number(), b in any_number()) {
        prop_assume!(b.cmp(&Numeric::zero()).is_ne());
        let whole = a.divide_whole(&b).expect("divides");
        let rest = a.remainder(&b).expect("divides");
        let back = whole.multiply(&b).and_then(|product| product.add(&rest)).expect("in range");
        prop_assert_eq!(back.cmp(&a), std::cmp::Ordering::Equal);
        prop_assert!(rest.absolute() < b.absolute());
    }

    #[test]
    fn subtraction_undoes_addition(a in any_number(), b in any_number()) {
        let back = a.add(&b).and_then(|sum| sum.subtract(&b)).expect("in range");
        prop_assert_eq!(back.cmp(&a), std::cmp::Ordering::Equal);
    }
}
