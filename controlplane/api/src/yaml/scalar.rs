//! What a plain scalar means. `kubectl` reads YAML with the rules of 1.1, so `yes`, `no`, `on` and `off` are
//! booleans here too, and `0755` is octal: a manifest means the same to both.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// The value of a scalar, or what is wrong with it.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        None if style == ScalarStyle::Plain => plain(text),
        None => Ok(Value::String(text.to_owned())),
        Some(tag) if tag.is_yaml_core_schema() => tagged(text, &tag.suffix),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(Value::String(text.to_owned())),
        Some(tag) => Err(format!("the tag {tag} has no meaning here")),
    }
}

fn tagged(text: &str, tag: &str) -> Result<Value, String> {
    let mismatch = || format!("{text:?} is not a value of the tag !!{tag}");
    let value = match tag {
        "str" => return Ok(Value::String(text.to_owned())),
        "null" | "bool" | "int" | "float" => plain(text)?,
        _ => return Err(format!("the tag !!{tag} has no meaning here")),
    };
    let fits = match tag {
        "null" => value.is_null(),
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    };
    fits.then_some(value).ok_or_else(mismatch)
}

fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Value::Bool(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Value::Bool(false)
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN" | ".NAN" => {
            return Err(format!("{text} is not a number that JSON knows"));
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

fn number(text: &str) -> Option<Number> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let body = body.replace('_', "");
    integer(&body, negative).or_else(|| float(&body, negative))
}

fn integer(body: &str, negative: bool) -> Option<Number> {
    let (digits, radix) = match body.as_bytes() {
        [b'0', b'x', ..] => (&body[2..], 16),
        [b'0', b'o', ..] => (&body[2..], 8),
        [b'0', b'b', ..] => (&body[2..], 2),
        [b'0', _, ..] => (&body[1..], 8),
        _ => (body, 10),
    };
    if !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(value).map(Number::from) } else { Some(Number::from(value)) }
}

/// Decimal floats; `1.2.3`, `1e`, `0x1p3` and the like stay strings.
fn float(body: &str, negative: bool) -> Option<Number> {
    let shaped = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = body.parse().ok().filter(|_| shaped && body != ".")?;
    Number::from_f64(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_kubectl_takes_them_for() {
        let check = |text: &str, expected: Value| {
            assert_eq!(resolve(text, ScalarStyle::Plain, None), Ok(expected), "{text}");
        };
        check("", Value::Null);
        check("~", Value::Null);
        check("yes", json!(true));
        check("off", json!(false));
        check("on", json!(true));
        check("8080", json!(8080));
        check("-3", json!(-3));
        check("0755", json!(0o755));
        check("0o17", json!(15));
        check("0x1F", json!(31));
        check("1_000", json!(1000));
        check("0.05", json!(0.05));
        check("1e3", json!(1000.0));
        check("1.2.3", json!("1.2.3"));
        check("30s", json!("30s"));
        check("10.0.0.1:80", json!("10.0.0.1:80"));
        check("089", json!(89.0));
        check("-", json!("-"));
        check("tRUE", json!("tRUE"));
        assert_eq!(resolve("yes", ScalarStyle::DoubleQuoted, None), Ok(json!("yes")));
        assert!(resolve(".inf", ScalarStyle::Plain, None).is_err());
    }
}
