//! A ground-truth document: one scan of one host in the form of `schemas/ground_truth_schema.json`.
//!
//! Optional fields that do not apply are left out, never null. Ids are the document's own: the second `x` is `x#2`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use contract::Digest;
use findings::{BaselineStatus, Category, Correlation, EnrichedFinding, Subscores};
use scan::{Metadata, Severity};
use serde::Serialize;

use crate::documents::action::{self, Action};
use crate::documents::reduction::{self, Reductions};
use crate::documents::subject::Subject;
use crate::documents::summary::{self, Summaries};
use crate::prompt::visible::Visible;

/// The document but for its findings and correlations, which [`Document::write`] puts in front of it.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Document<'a> {
    pub reductions: Reductions,
    pub summaries: Summaries,
    pub actions: Vec<Action>,
    pub raw_reference: RawReference<'a>,
    pub correlation_graph: CorrelationGraph<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub multi_host_correlation: Vec<MultiHost<'a>>,
}

/// A finding of a document.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct DocumentFinding<'a> {
    pub id: &'a str,
    pub scanner: &'a str,
    pub title: &'a str,
    pub severity: Severity,
    pub risk_score: u8,
    pub base_severity_score: u8,
    pub description: &'a str,
    pub metadata: &'a Metadata,
    pub operational_error: bool,
    pub category: Category,
    pub tags: &'a [String],
    pub risk_subscores: Subscores,
    pub correlation_refs: &'a [String],
    pub baseline_status: BaselineStatus,
    pub severity_source: &'static str,
    pub probability_actionable: f64,
    pub graph_degree: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<&'a str>,
    pub rationale: String,
    pub risk_total: u8,
    pub host_role: &'a str,
    pub host_role_rationale: &'a str,
    pub techniques: &'a [String],
}

/// A correlation of a document.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct DocumentCorrelation<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub rationale: &'a str,
    pub related_finding_ids: &'a [String],
    pub risk_score_delta: u8,
    pub tags: &'a [String],
    pub severity: Severity,
    pub exposure_tags: &'a [String],
    pub techniques: &'a [String],
}

/// Where the findings come from.
#[derive(Serialize)]
pub struct RawReference<'a> {
    /// The host.
    pub host: &'a str,
    /// Its scan.
    pub scan: u32,
}

/// Clusters of correlated findings.
#[derive(Serialize)]
pub struct CorrelationGraph<'a> {
    finding_count: usize,
    correlation_count: usize,
    clusters: BTreeMap<&'a str, Vec<&'a str>>,
}

/// The artifacts that other hosts share with this one.
#[derive(Serialize)]
pub struct MultiHost<'a> {
    id: &'a str,
    title: &'a str,
    hosts: &'a [String],
    related_finding_ids: &'a [String],
}

/// Digests of the two arrays as they are written in the document.
#[derive(Serialize)]
pub struct Integrity {
    algorithm: &'static str,
    enriched_findings: Digest,
    correlations: Digest,
}

/// The document of one scan, which has at least one finding. `shown` are the findings as summaries may quote them.
pub fn of<'a>(
    findings: &'a [EnrichedFinding],
    shown: &[EnrichedFinding],
    correlations: &'a [Correlation],
    visible: &[Visible],
) -> Document<'a> {
    let subjects: Vec<Subject<'_>> = shown.iter().map(Subject::from).collect();
    let reductions = reduction::reduce(&subjects);
    let actions = action::of(&findings.iter().collect::<Vec<_>>(), &correlations.iter().collect::<Vec<_>>());
    let across = correlations.iter().filter(|c| !c.hosts.is_empty());
    Document {
        summaries: summary::of(shown, visible, correlations, &reductions, &actions),
        reductions,
        actions,
        raw_reference: RawReference {
            host: findings.first().map_or("", |f| f.host.as_str()),
            scan: findings.first().map_or(0, |f| f.scan),
        },
        correlation_graph: graph(findings, correlations),
        multi_host_correlation: across
            .map(|c| MultiHost {
                id: &c.id,
                title: &c.title,
                hosts: &c.hosts,
                related_finding_ids: &c.related_finding_ids,
            })
            .collect(),
    }
}

impl Document<'_> {
    /// Writes the whole document. Findings and correlations go out one by one, since a scan may have very many.
    pub fn write(
        &self,
        findings: &[EnrichedFinding],
        correlations: &[Correlation],
        visible: &[Visible],
        mut out: impl Write,
    ) -> io::Result<()> {
        out.write_all(br#"{"version":"ground_truth_v1","enriched_findings":"#)?;
        let of_findings = array(findings.iter().zip(visible).map(|(f, v)| finding(f, v.rationale())), &mut out)?;
        out.write_all(br#","correlations":"#)?;
        let of_correlations = array(correlations.iter().map(correlation), &mut out)?;
        let integrity =
            Integrity { algorithm: "blake3", enriched_findings: of_findings, correlations: of_correlations };
        let rest = serde_json::to_vec(self)?;
        // Its fields go on where those two ended.
        out.write_all(b",")?;
        out.write_all(&rest[1..rest.len() - 1])?;
        out.write_all(br#","integrity":"#)?;
        serde_json::to_writer(&mut out, &integrity)?;
        out.write_all(b"}")
    }
}

fn finding(finding: &EnrichedFinding, rationale: String) -> DocumentFinding<'_> {
    DocumentFinding {
        id: &finding.document_id,
        scanner: &finding.scanner,
        title: &finding.title,
        severity: finding.severity,
        risk_score: finding.risk_score,
        base_severity_score: finding.base_severity_score,
        description: &finding.description,
        metadata: &finding.metadata,
        operational_error: finding.operational_error,
        category: finding.category,
        tags: &finding.tags,
        risk_subscores: finding.risk_subscores,
        correlation_refs: &finding.correlation_refs,
        baseline_status: finding.baseline_status,
        severity_source: "raw",
        probability_actionable: finding.probability_actionable,
        graph_degree: finding.graph_degree,
        cluster_id: finding.cluster_id.as_deref(),
        rationale,
        risk_total: finding.risk_total,
        host_role: &finding.host_role,
        host_role_rationale: &finding.host_role_rationale,
        techniques: &finding.techniques,
    }
}

fn correlation(correlation: &Correlation) -> DocumentCorrelation<'_> {
    DocumentCorrelation {
        id: &correlation.id,
        title: &correlation.title,
        rationale: &correlation.rationale,
        related_finding_ids: &correlation.related_finding_ids,
        risk_score_delta: correlation.risk_score_delta,
        tags: &correlation.tags,
        severity: correlation.severity,
        exposure_tags: &correlation.exposure_tags,
        techniques: &correlation.techniques,
    }
}

fn graph<'a>(findings: &'a [EnrichedFinding], correlations: &[Correlation]) -> CorrelationGraph<'a> {
    let mut clusters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in findings {
        if let Some(cluster) = &finding.cluster_id {
            clusters.entry(cluster).or_default().push(&finding.document_id);
        }
    }
    CorrelationGraph { finding_count: findings.len(), correlation_count: correlations.len(), clusters }
}

/// Writes a JSON array, and gives the digest of its text.
fn array(items: impl Iterator<Item = impl Serialize>, out: impl Write) -> io::Result<Digest> {
    let mut out = Hashed { out, hasher: blake3::Hasher::new() };
    out.write_all(b"[")?;
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut out, &item)?;
    }
    out.write_all(b"]")?;
    Ok(out.hasher.finalize().into())
}

/// Hashes what it passes on.
struct Hashed<W> {
    out: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
