//! The documents that programs read and write, as JSON Schemas by name: `pipe schema` prints them, a test keeps `schemas/` the same.

use schemars::{Schema as Generated, schema_for};
use serde_json::Value;

use super::run::cost::RunCosts;
use super::run::estimate::PlanCosts;
use super::run::journal;
use crate::config::schema::config_schema;
use crate::engine::RunReport;
use crate::executor::remote::bundle::BundleManifest;
use crate::plan::Cards;
use crate::plan::cards::CardError;
use crate::plan::schema::pipeline_schema;

/// One schema.
pub struct Schema {
    /// As typed; its file is `schemas/NAME.json`.
    pub name: &'static str,
    /// The described document.
    pub about: &'static str,
    document: fn(&Cards) -> Result<Value, CardError>,
}

impl Schema {
    /// The document; fails only where a card that is built in cannot be read.
    pub fn document(&self) -> Result<Value, CardError> {
        self.of_cards(&Cards::built_in())
    }

    /// The same where `cards` are the kinds of stages there are.
    pub fn of_cards(&self, cards: &Cards) -> Result<Value, CardError> {
        (self.document)(cards)
    }
}

/// The name of the one that depends on the kinds.
pub const PIPELINE: &str = "pipeline";

/// Every schema.
pub const SCHEMAS: &[Schema] = &[
    Schema {
        name: PIPELINE,
        about: "a pipeline file, with the ports and params of every kind of stage",
        document: pipeline_schema,
    },
    Schema { name: "config", about: "pipe.yaml", document: |_| Ok(config_schema()) },
    Schema {
        name: "card",
        about: "what a worker says of one of its kinds of stages",
        document: |_| Ok(Generated::to_value(schema_for!(contract::Card))),
    },
    Schema {
        name: "job",
        about: "what a worker is told to do",
        document: |_| Ok(Generated::to_value(schema_for!(contract::Job))),
    },
    Schema {
        name: "worker-event",
        about: "a line that a worker writes as it works",
        document: |_| Ok(Generated::to_value(schema_for!(contract::Event))),
    },
    Schema {
        name: "backend-request",
        about: "a line that the engine writes to a backend program",
        document: |_| Ok(Generated::to_value(schema_for!(contract::backend::Request))),
    },
    Schema {
        name: "backend-answer",
        about: "a line that a backend program answers",
        document: |_| Ok(Generated::to_value(schema_for!(contract::backend::Answer))),
    },
    Schema {
        name: "bundle",
        about: "bundle.json: the programs that travel to an instance",
        document: |_| Ok(Generated::to_value(schema_for!(BundleManifest))),
    },
    Schema {
        name: "run-event",
        about: "a line of events.ndjson, and of run --events",
        document: |_| Ok(journal::schema()),
    },
    Schema {
        name: "run-report",
        about: "what run --json prints at its end",
        document: |_| Ok(Generated::to_value(schema_for!(RunReport))),
    },
    Schema {
        name: "plan-costs",
        about: "what plan --cost --json prints",
        document: |_| Ok(Generated::to_value(schema_for!(PlanCosts))),
    },
    Schema {
        name: "run-costs",
        about: "what runs --cost --json prints",
        document: |_| Ok(Generated::to_value(schema_for!(RunCosts))),
    },
];
