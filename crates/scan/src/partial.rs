//! Reading what some scanners found and passing over the rest of a report, which is several times faster than reading all.
//!
//! For callers that compare reports and read each in full as well: the parts that are passed over are not checked.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::finding::Finding;
use crate::report::ScannerResult;

/// The results of the wanted scanners; an error says no more than that the report must be read in full to know.
pub(crate) fn results(text: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<ScannerResult>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let results = Root(wanted).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(results)
}

type Wanted<'w> = &'w dyn Fn(&str) -> bool;

struct Root<'w>(Wanted<'w>);
struct Results<'w>(Wanted<'w>);
struct OneResult<'w>(Wanted<'w>);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = Vec<ScannerResult>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Vec<ScannerResult>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut results = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "results" => results = map.next_value_seed(Results(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(results)
    }
}

impl<'de> DeserializeSeed<'de> for Results<'_> {
    type Value = Vec<ScannerResult>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Results<'_> {
    type Value = Vec<ScannerResult>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the results of scanners")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut results = Vec::new();
        while let Some(result) = sequence.next_element_seed(OneResult(self.0))? {
            results.extend(result);
        }
        Ok(results)
    }
}

impl<'de> DeserializeSeed<'de> for OneResult<'_> {
    type Value = Option<ScannerResult>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneResult<'_> {
    type Value = Option<ScannerResult>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the results of a scanner")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut scanner, mut findings) = (None::<String>, Vec::<Finding>::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "scanner" => scanner = Some(map.next_value()?),
                // Where the name has not been read yet, it may be a wanted one.
                "findings" if scanner.as_deref().is_none_or(self.0) => findings = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(scanner.filter(|scanner| (self.0)(scanner)).map(|scanner| ScannerResult::new(scanner, findings)))
    }
}
