//! All settings as rows: key, value, origin.

use serde_json::{Value, json};

use super::model::{Config, Origin, Setting};

/// One setting.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its place in `pipe.yaml`: `governor.jobs`.
    pub key: String,
    /// Its value, as `pipe.yaml` would have it.
    pub value: Value,
    /// Where it came from.
    pub origin: &'a Origin,
}

impl Config {
    /// Every setting, in the order of `pipe.yaml`.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let governor = &self.governor;
        let mut rows = vec![row("store", &self.store)];
        rows.extend(self.remote_rows());
        rows.push(row("cards", &self.cards));
        rows.extend(self.backends.iter().map(|(name, backend)| row(&format!("backends.{name}"), backend)));
        rows.extend([
            row("governor.jobs", &governor.jobs),
            row("governor.cpu", &governor.cpu),
            row("governor.memory", &governor.memory),
            row("governor.throttle", &governor.throttle),
            row("verify", &self.verify),
            row("runs.keep", &self.runs.keep),
        ]);
        rows
    }
}

impl Config {
    /// The remote's settings: none without one; of the settings for its protocol only those that were set.
    fn remote_rows(&self) -> Vec<Row<'_>> {
        let origin = &self.remote.place.origin;
        let Some(place) = &self.remote.place.value else { return Vec::new() };
        let mut rows = vec![
            Row { key: "remote.url".to_owned(), value: json!(place.url), origin },
            row("remote.share", &self.remote.share),
        ];
        let options = [
            ("endpoint", json!(place.endpoint)),
            ("region", json!(place.region)),
            ("profile", json!(place.profile)),
            ("path_style", json!(place.path_style)),
            ("checksums", json!(place.checksums)),
        ];
        let given = options.into_iter().filter(|(_, value)| !value.is_null());
        rows.extend(given.map(|(name, value)| Row { key: format!("remote.{name}"), value, origin }));
        rows
    }
}

impl Origin {
    /// As JSON: `{"from": "file", "file": .., "line": ..}`.
    pub fn to_json(&self) -> Value {
        match self {
            Origin::Default => json!({"from": "default"}),
            Origin::File(at) => json!({"from": "file", "file": at.file, "line": at.line}),
            Origin::Environment(name) => json!({"from": "environment", "variable": name}),
            Origin::Flag(name) => json!({"from": "flag", "flag": name}),
        }
    }
}

fn row<'a, T: serde::Serialize>(key: &str, setting: &'a Setting<T>) -> Row<'a> {
    // A path that is not UTF-8 has no JSON form; it is shown as nothing rather than failing the whole table.
    let value = serde_json::to_value(&setting.value).unwrap_or(Value::Null);
    Row { key: key.to_owned(), value, origin: &setting.origin }
}
