//! The canonical encoding behind keys: every value carries its kind and length, so no two documents encode alike.

use contract::Digest;
use serde_json::Value;

/// Feeds values into a domain-separated BLAKE3 hash.
pub struct Encoder(blake3::Hasher);

impl Encoder {
    /// An encoder for one kind of document. `domain` is a fixed text of ours, never user data.
    pub fn new(domain: &str) -> Encoder {
        Encoder(blake3::Hasher::new_derive_key(domain))
    }

    /// A string.
    pub fn text(&mut self, text: &str) -> &mut Encoder {
        self.tagged(b's', text.len());
        self.0.update(text.as_bytes());
        self
    }

    /// Bytes that need not be text.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Encoder {
        self.tagged(b'b', bytes.len());
        self.0.update(bytes);
        self
    }

    /// A string or its absence.
    pub fn optional(&mut self, text: Option<&str>) -> &mut Encoder {
        match text {
            Some(text) => self.text(text),
            None => self.tagged(b'0', 0),
        }
    }

    /// An unsigned number.
    pub fn number(&mut self, number: u64) -> &mut Encoder {
        self.0.update(b"u").update(&number.to_le_bytes());
        self
    }

    /// The length of the sequence that follows.
    pub fn count(&mut self, count: usize) -> &mut Encoder {
        self.tagged(b'l', count)
    }

    /// A boolean.
    pub fn flag(&mut self, flag: bool) -> &mut Encoder {
        self.0.update(if flag { b"t" } else { b"f" });
        self
    }

    /// A digest.
    pub fn digest(&mut self, digest: &Digest) -> &mut Encoder {
        self.0.update(b"d").update(digest.as_bytes());
        self
    }

    /// A JSON document. Maps are sorted here, so that a build in which serde_json keeps insertion order gives the same key.
    pub fn json(&mut self, value: &Value) -> &mut Encoder {
        match value {
            Value::Null => self.tagged(b'0', 0),
            Value::Bool(flag) => self.flag(*flag),
            Value::Number(number) => {
                if let Some(n) = number.as_u64() {
                    self.number(n);
                } else if let Some(n) = number.as_i64() {
                    self.0.update(b"i").update(&n.to_le_bytes());
                } else {
                    // -0.0 and 0.0 print differently but are one value to every stage.
                    let n = number.as_f64().unwrap_or(f64::NAN) + 0.0;
                    self.0.update(b"g").update(&n.to_bits().to_le_bytes());
                }
                self
            }
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.count(items.len());
                items.iter().fold(self, |e, item| e.json(item))
            }
            Value::Object(map) => {
                self.tagged(b'm', map.len());
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                entries.into_iter().fold(self, |e, (name, item)| e.text(name).json(item))
            }
        }
    }

    /// The digest of everything fed so far.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }

    fn tagged(&mut self, tag: u8, length: usize) -> &mut Encoder {
        self.0.update(&[tag]).update(&(length as u64).to_le_bytes());
        self
    }
}
