//! `pipe graph --format svg`, and edges that are no wires.

use crate::project::Project;

const GRAPH: &str = r#"pipeline: graph
stages:
  first: {uses: command, run: "echo > ${out.x}", in: {data: {path: "a&b.txt"}}, out: {x: out/first}}
  second: {uses: command, run: "exit 1", in: {x: first}, out: {x: out/second}}
  third: {uses: command, run: "echo > ${out.x}", out: {x: out/third}, when: "${stages.first.metrics.loss < 2.0}"}
"#;

#[test]
fn svg_is_a_picture_of_stages_wires_and_what_came_of_them() {
    let project = Project::with_pipeline(GRAPH);
    project.write("a&b.txt", "");
    let svg = project.pipe(&["graph", "p.yaml", "--format", "svg"]).stdout;
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    assert_eq!(svg.matches("<g><title>").count(), 4, "three stages and a path");
    assert_eq!(svg.matches("marker-end").count(), 3, "two wires and a condition");
    assert!(svg.contains("a&amp;b.txt to first.data") && svg.contains("when of third"), "{svg}");
    assert!(!svg.contains("#fbdedd"), "nothing has failed yet");
    project.pipe(&["run", "p.yaml"]);
    let svg = project.pipe(&["graph", "p.yaml", "--format", "svg"]).stdout;
    assert!(svg.contains("#fbdedd") && svg.contains(">failed</text>"), "{svg}");
    let mermaid = project.pipe(&["graph", "p.yaml"]).stdout;
    assert!(mermaid.contains("s0 -.->|when| s2"), "{mermaid}");
}
