//! A ground-truth document as its checks read it: borrowed from the text, every field optional. What must be there, the schema
//! says; what these checks do not look at is skipped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use findings::exact;
use scan::Severity;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The document.
#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Document<'a> {
    #[serde(borrow)]
    pub enriched_findings: Vec<Finding<'a>>,
    #[serde(borrow)]
    pub correlations: Vec<Correlation<'a>>,
    #[serde(borrow)]
    pub reductions: Reductions<'a>,
    #[serde(borrow)]
    pub actions: Vec<Action<'a>>,
    #[serde(borrow)]
    pub raw_reference: RawReference<'a>,
    #[serde(borrow)]
    pub correlation_graph: Graph<'a>,
    #[serde(borrow)]
    pub multi_host_correlation: Vec<MultiHost<'a>>,
}

/// The parts of a document whose digests it holds, as they are written.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Digested<'a> {
    #[serde(borrow, default)]
    pub enriched_findings: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub correlations: Option<&'a RawValue>,
    #[serde(default)]
    pub integrity: Integrity,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Integrity {
    pub algorithm: String,
    pub enriched_findings: String,
    pub correlations: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Finding<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub scanner: Text<'a>,
    #[serde(borrow)]
    pub title: Text<'a>,
    #[serde(borrow)]
    pub description: Text<'a>,
    pub severity: Option<Severity>,
    pub risk_score: f64,
    pub base_severity_score: f64,
    #[serde(borrow)]
    pub metadata: Pairs<'a>,
    pub operational_error: bool,
    pub risk_subscores: Subscores,
    pub probability_actionable: f64,
    #[serde(borrow, deserialize_with = "exact")]
    pub correlation_refs: Vec<Text<'a>>,
    pub graph_degree: Option<u64>,
    #[serde(borrow)]
    pub cluster_id: Option<Text<'a>>,
    pub risk_total: Option<f64>,
    #[serde(borrow, deserialize_with = "exact")]
    pub techniques: Vec<Text<'a>>,
    #[serde(borrow)]
    pub rationale: Text<'a>,
}

impl Finding<'_> {
    /// Everything that it says, in one text that begins with its scanner.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {} {} {}", &*self.scanner, &*self.id, &*self.title, &*self.description);
        for (key, value) in self.metadata.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!(" {key}={value}"));
        }
        text
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Subscores {
    pub impact: f64,
    pub exposure: f64,
    pub anomaly: f64,
    pub confidence: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Correlation<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "exact")]
    pub related_finding_ids: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "exact")]
    pub techniques: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Reductions<'a> {
    #[serde(borrow)]
    pub top_findings: Vec<Top<'a>>,
    #[serde(borrow)]
    pub top_risks: TopRisks<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Top<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct TopRisks<'a> {
    #[serde(borrow, deserialize_with = "exact")]
    pub ids: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Action<'a> {
    #[serde(borrow)]
    pub title: Text<'a>,
    #[serde(borrow, alias = "related_finding_ids", deserialize_with = "exact")]
    pub finding_ids: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "exact")]
    pub correlation_refs: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct RawReference<'a> {
    #[serde(borrow)]
    pub host: Option<Text<'a>>,
    pub scan: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Graph<'a> {
    pub finding_count: Option<u64>,
    pub correlation_count: Option<u64>,
    #[serde(borrow)]
    pub clusters: BTreeMap<Text<'a>, Vec<Text<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct MultiHost<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "exact")]
    pub hosts: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "exact")]
    pub related_finding_ids: Vec<Text<'a>>,
}

/// A string, borrowed where it holds no escape. (serde borrows a `Cow` only where it is a field, not in a list.)
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Metadata in the order of the text. A value that is no string is none of these checks' business.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Pairs<'_> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| **name == *key).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a>, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let value = map.next_value::<Scalar<'de>>()?;
                    pairs.push((key, value.0));
                }
                let mut exact = Vec::with_capacity(pairs.len());
                exact.append(&mut pairs);
                Ok(Pairs(exact))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// A value as text, whatever it is.
struct Scalar<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'a>, D::Error> {
        let raw: &'de RawValue = Deserialize::deserialize(deserializer)?;
        let text = raw.get();
        let plain = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).filter(|t| !t.contains('\\'));
        Ok(Scalar(Text(match plain {
            Some(plain) => Cow::Borrowed(plain),
            None => match serde_json::from_str(text) {
                Ok(Value::String(text)) => Cow::Owned(text),
                _ => Cow::Borrowed(text),
            },
        })))
    }
}
