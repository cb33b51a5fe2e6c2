//! The meaning of a plain scalar: the core schema of YAML 1.2, made stricter. Only `true` and `false` are booleans, only `null`, `~`
//! and nothing are null; a leading zero is refused, since YAML versions disagree on it.

use serde_json::Number;

use super::node::NodeValue;

/// Why a plain scalar has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScalarError {
    /// `012`: twelve in YAML 1.2, ten in 1.1.
    LeadingZero,
    /// An integer beyond 64 bits or a float beyond a double.
    OutOfRange,
    /// `.inf` or `.nan`.
    NotFinite,
}

/// The value of an unquoted scalar.
pub fn resolve(text: &str) -> Result<NodeValue, ScalarError> {
    match text {
        "" | "~" | "null" => return Ok(NodeValue::Null),
        "true" => return Ok(NodeValue::Bool(true)),
        "false" => return Ok(NodeValue::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(ScalarError::NotFinite);
    }
    if let Some(digits) = text.strip_prefix("0x").filter(|d| all(d, u8::is_ascii_hexdigit)) {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|d| all(d, |b| (b'0'..=b'7').contains(b))) {
        return radix(digits, 8);
    }
    if all(unsigned, u8::is_ascii_digit) {
        return integer(text, unsigned);
    }
    if is_float(unsigned) { float(text, unsigned) } else { Ok(NodeValue::Text(text.to_owned())) }
}

fn all(text: &str, accept: impl Fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|b| accept(&b))
}

fn radix(digits: &str, base: u32) -> Result<NodeValue, ScalarError> {
    let value = u64::from_str_radix(digits, base).map_err(|_| ScalarError::OutOfRange)?;
    Ok(NodeValue::Number(value.into()))
}

fn integer(text: &str, digits: &str) -> Result<NodeValue, ScalarError> {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(ScalarError::LeadingZero);
    }
    let number = if text.starts_with('-') {
        text.parse::<i64>().map(Number::from)
    } else {
        digits.parse::<u64>().map(Number::from)
    };
    number.map(NodeValue::Number).map_err(|_| ScalarError::OutOfRange)
}

/// `( "." [0-9]+ | [0-9]+ ( "." [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && mantissa.len() > 1,
        None => all(mantissa, u8::is_ascii_digit),
    };
    let exponent_fits = exponent.is_none_or(|e| all(e.strip_prefix(['-', '+']).unwrap_or(e), u8::is_ascii_digit));
    mantissa_fits && exponent_fits
}

fn float(text: &str, unsigned: &str) -> Result<NodeValue, ScalarError> {
    if unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit() {
        return Err(ScalarError::LeadingZero);
    }
    let value: f64 = text.parse().map_err(|_| ScalarError::OutOfRange)?;
    Number::from_f64(value).map(NodeValue::Number).ok_or(ScalarError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let actual = match resolve(text) {
            Ok(NodeValue::Null) => "null".to_owned(),
            Ok(NodeValue::Bool(flag)) => flag.to_string(),
            Ok(NodeValue::Number(n)) => format!("{} {n}", if n.is_f64() { "float" } else { "int" }),
            Ok(NodeValue::Text(text)) => format!("text {text}"),
            Ok(other) => panic!("{other:?}"),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(actual, expect, "{text}");
    }

    #[test]
    fn plain_scalars_follow_the_strict_core_schema() {
        for text in ["", "~", "null"] {
            check(text, "null");
        }
        check("true", "true");
        check("false", "false");
        for text in [
            "True",
            "yes",
            "no",
            "on",
            "y",
            "n",
            "NULL",
            "1_000",
            "1:30",
            "2026-11-22",
            "-",
            ".",
            "+",
            "1e",
            "e3",
            "0x",
            "0b1",
            "1.2.3",
            "--1",
        ] {
            check(text, &format!("text {text}"));
        }
        check("0", "int 0");
        check("-7", "int -7");
        check("+7", "int 7");
        check("0x1F", "int 31");
        check("0o17", "int 15");
        check("18446744073709551615", "int 18446744073709551615");
        check("-9223372036854775808", "int -9223372036854775808");
        check("18446744073709551616", "OutOfRange");
        check("1.0", "float 1.0");
        check("1.", "float 1.0");
        check(".5", "float 0.5");
        check("1e-4", "float 0.0001");
        check("2.0E3", "float 2000.0");
        check("-0.5", "float -0.5");
        check("0.5", "float 0.5");
        check("1e999", "OutOfRange");
        check("012", "LeadingZero");
        check("-012", "LeadingZero");
        check("00.5", "LeadingZero");
        check(".inf", "NotFinite");
        check("-.inf", "NotFinite");
        check(".nan", "NotFinite");
    }
}
