//! Peeking and splicing against serde_json, on JSON made at random: with the members that count, random
//! whitespace, random escapes, and then with random damage.

use super::json_oracle::compare;
use proptest::prelude::*;
use serde_json::{Map, Value};
use tidegate_dataplane_codec::json::{Peek, escape, peek, splice};

const KEYS: &[&str] = &[
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "arguments",
    "_meta",
    "uri",
    "cursor",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestId",
    "progressToken",
    "Name",
    "x",
    "",
    "é\"\\\n",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("2.0".to_owned()),
        Just("tools/call".to_owned()),
        "[a-z_]{0,12}",
        ".{0,30}",
        "(.|\\n|\\t|\"|\\\\){0,60}"
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS), inner), 0..6).prop_map(|m| m
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

/// A message that mostly has the types that it must have.
fn message() -> impl Strategy<Value = Value> {
    let id = prop_oneof![any::<i64>().prop_map(Value::from), text().prop_map(Value::from)];
    let params = (
        text(),
        value(),
        prop::option::of(value()),
        prop::collection::vec((prop::sample::select(KEYS), value()), 0..4),
    );
    (id, text(), params).prop_map(|(id, method, (name, arguments, token, more))| {
        let mut params: Map<_, _> = more.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        params.remove("_meta");
        params.remove("Name");
        params.insert("arguments".into(), arguments);
        params.insert("name".into(), name.into());
        if let Some(token) = token {
            params.insert("_meta".into(), serde_json::json!({"a": 1, "progressToken": token}));
        }
        serde_json::json!({"jsonrpc": "2.0", "id": id, "params": params, "method": method})
    })
}

/// Writes a value as JSON, with whitespace and escapes as the dice fall.
struct Writer {
    out: String,
    dice: u64,
}

impl Writer {
    fn write(v: &Value, seed: u64) -> String {
        let mut w = Writer { out: String::new(), dice: seed };
        w.value(v);
        w.space();
        w.out
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn space(&mut self) {
        while self.roll(4) == 0 {
            let c = [' ', '\t', '\r', '\n'][self.roll(4) as usize];
            self.out.push(c);
        }
    }

    fn string(&mut self, s: &str) {
        self.out.push('"');
        for c in s.chars() {
            if self.roll(8) == 0 {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let hex =
                        if self.roll(2) == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    self.out.push_str(&hex);
                }
            } else {
                let mut bytes = vec![];
                escape(c.encode_utf8(&mut [0; 4]), &mut bytes);
                self.out.push_str(str::from_utf8(&bytes).unwrap());
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, v: &Value) {
        self.space();
        match v {
            Value::String(s) => self.string(s),
            Value::Array(a) => {
                self.out.push('[');
                for (i, v) in a.iter().enumerate() {
                    self.out.push_str(if i == 0 { "" } else { "," });
                    self.value(v);
                    self.space();
                }
                self.space();
                self.out.push(']');
            }
            Value::Object(m) => {
                self.out.push('{');
                for (i, (k, v)) in m.iter().enumerate() {
                    self.out.push_str(if i == 0 { "" } else { "," });
                    self.space();
                    self.string(k);
                    self.space();
                    self.out.push(':');
                    self.value(v);
                    self.space();
                }
                self.space();
                self.out.push('}');
            }
            scalar => self.out.push_str(&scalar.to_string()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn peeking_sees_what_serde_json_sees(v in message(), seed in any::<u64>()) {
        let b = Writer::write(&v, seed);
        compare(b.as_bytes());
    }

    #[test]
    fn any_json_is_read_or_refused_for_a_reason(v in value(), seed in any::<u64>()) {
        compare(Writer::write(&v, seed).as_bytes());
    }

    #[test]
    fn damaged_json_is_judged_as_serde_json_does(
        v in message(),
        seed in any::<u64>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, prop::sample::select(b"\"\\{}[],: \n\x01\x7f\xff0-.eEut".to_vec())), 1..4),
    ) {
        let mut b = Writer::write(&v, seed).into_bytes();
        for (at, kind, c) in damage {
            let i = at.index(b.len());
            match kind {
                0 => b[i] = c,
                1 => b.insert(i, c),
                _ if b.len() > 1 => { b.remove(i); }
                _ => {}
            }
        }
        compare(&b);
    }

    #[test]
    fn splicing_is_parsing_editing_and_serialising(v in message(), seed in any::<u64>(), native in text()) {
        let b = Writer::write(&v, seed);
        let Ok(Peek::Message(e)) = peek(b.as_bytes()) else { return Ok(()) };
        let (mut inside, mut spliced) = (vec![], vec![]);
        escape(&native, &mut inside);
        splice(b.as_bytes(), &e.name.unwrap(), &inside, &mut spliced);
        let mut edited: Value = serde_json::from_str(&b).unwrap();
        edited["params"]["name"] = native.into();
        let spliced: Value = serde_json::from_slice(&spliced).unwrap();
        // serialised, so that the order of members counts too
        prop_assert_eq!(spliced.to_string(), edited.to_string());
    }
}
