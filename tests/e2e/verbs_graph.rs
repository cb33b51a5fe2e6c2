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

/// Five hundred instances twice, paired by their labels, and one stage for all of them.
fn five_hundred() -> Project {
    let values = (1..=500).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let project = Project::with_pipeline(&format!(
        r#"pipeline: wide
stages:
  seed: {{uses: command, run: "echo > ${{out.o}}", out: {{o: out/seed}}}}
  make:
    uses: command
    matrix: {{n: [{values}]}}
    run: "cat ${{in.part}} ${{in.seed}} > ${{out.o}}"
    in: {{seed: seed, part: {{path: "parts/${{matrix.n}}.txt"}}}}
    out: {{o: "out/make/${{matrix}}"}}
  test: {{uses: command, matrix: {{n: [{values}]}}, run: "cat ${{in.o}} > ${{out.o}}", in: {{o: "make[${{matrix}}]"}}, out: {{o: "out/test/${{matrix}}"}}}}
  all: {{uses: command, run: "cat ${{in.o}} > ${{out.o}}", in: {{o: test}}, out: {{o: out/all}}}}
"#
    ));
    for n in 1..=500 {
        project.write(&format!("parts/{n}.txt"), "");
    }
    project
}

/// Width and height.
fn size(svg: &str) -> (f64, f64) {
    let number = |key: &str| svg.split_once(key).unwrap().1.split('"').next().unwrap().parse().unwrap();
    (number("width=\""), number("height=\""))
}

#[test]
fn a_matrix_is_one_box_that_says_how_many_and_how_they_pair() {
    let project = five_hundred();
    let svg = project.pipe(&["graph", "p.yaml", "--svg"]).stdout;
    let (width, height) = size(&svg);
    assert!(width <= 1000.0 && height <= 1000.0, "{width} x {height}");
    assert_eq!(svg.matches("<g><title>").count(), 5, "four stages, and the paths as one");
    for text in [
        "make \u{d7}500",
        "n: 1 .. 500 (500)",
        "parts/*.txt (500 paths)",
        ">one to one</text>",
        ">all to one</text>",
        ">one to all</text>",
        "make.o to test.o: one to one",
    ] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    let mermaid = project.pipe(&["graph", "p.yaml"]).stdout;
    assert!(mermaid.contains("s1[\"make \u{d7}500<br/><small>command<br/>n: 1 .. 500 (500)</small>\"]"), "{mermaid}");
    assert!(
        mermaid.contains("s1 -->|o, one to one| s501\n") && mermaid.contains("|o, all to one| s1001\n"),
        "{mermaid}"
    );
    assert!(mermaid.lines().count() < 12, "{mermaid}");
    let dot = project.pipe(&["graph", "p.yaml", "--format", "dot"]).stdout;
    assert!(dot.contains("\"make\" -> \"test\" [label=\"one to one\"];"), "{dot}");
    assert!(dot.contains("\"make\" [label=\"make \u{d7}500\\ncommand\\nn: 1 .. 500 (500)\"];"), "{dot}");
}

#[test]
fn expand_draws_every_instance_and_json_always_has_them() {
    let project = five_hundred();
    let svg = project.pipe(&["graph", "p.yaml", "--svg", "--expand"]).stdout;
    assert_eq!(svg.matches("<g><title>").count(), 1002 + 500);
    assert_eq!(project.pipe(&["graph", "p.yaml", "--format", "svg", "--expand"]).stdout, svg);
    let mermaid = project.pipe(&["graph", "p.yaml", "--expand"]).stdout;
    assert!(mermaid.contains("\"test[n=500]<br/>") && !mermaid.contains("one to"), "{mermaid}");
    let dot = project.pipe(&["graph", "p.yaml", "--format", "dot", "--expand"]).stdout;
    assert!(dot.contains("\"make[n=7]\" -> \"test[n=7]\";"), "{dot}");
    let graph: serde_json::Value = serde_json::from_str(&project.pipe(&["graph", "p.yaml", "--json"]).stdout).unwrap();
    assert_eq!(graph["stages"].as_array().unwrap().len(), 1002);
    assert_eq!(project.pipe(&["graph", "p.yaml", "--svg", "--json"]).status, 2);
}

#[test]
fn matrices_of_two_shapes_say_how_they_pair() {
    let project = Project::with_pipeline(
        r#"pipeline: shapes
stages:
  a: {uses: command, matrix: {lr: [1, 2]}, run: "echo > ${out.o}", out: {o: "out/a/${matrix}"}}
  b: {uses: command, matrix: {lr: [1, 2], seed: [5, 6, 7]}, run: "cat ${in.o} > ${out.o}", in: {o: "a[lr=1]"}, out: {o: "out/b/${matrix}"}}
  c: {uses: command, matrix: {x: [1, 2]}, run: "cat ${in.o} > ${out.o}", in: {o: a}, out: {o: "out/c/${matrix}"}}
  d: {uses: command, run: "cat ${in.o} > ${out.o}", in: {o: ["a[lr=2]"]}, out: {o: out/d}}
  next: {uses: command, matrix: {n: [1]}, run: "cat ${in.o} > ${out.o}", in: {o: d}, out: {o: "out/e/${matrix}"}}
"#,
    );
    let dot = project.pipe(&["graph", "p.yaml", "--format", "dot"]).stdout;
    for edge in [
        r#""a" -> "b" [label="1 of 2 to all"];"#,
        r#""a" -> "c" [label="all to all"];"#,
        r#""a" -> "d" [label="1 of 2 to one"];"#,
        r#""d" -> "next[n=1]";"#,
        r#"lr: 1, 2\nseed: 5, 6, 7"#,
    ] {
        assert!(dot.contains(edge), "{edge}: {dot}");
    }
    // Only the instances that were asked for are counted.
    let dot = project.pipe(&["graph", "p.yaml", "b[lr=2,seed=5]", "b[lr=2,seed=6]", "--format", "dot"]).stdout;
    assert!(dot.contains("\"a[lr=1]\" -> \"b\" [label=\"one to all\"];") && dot.contains("b \u{d7}2"), "{dot}");
}

#[test]
fn a_folded_box_says_what_came_of_its_stages() {
    let project = Project::with_pipeline(
        r#"pipeline: p
stages:
  each: {uses: command, matrix: {code: [0, 1, 2]}, run: "echo > ${out.o}; exit ${matrix.code}", out: {o: "out/${matrix}"}}
"#,
    );
    assert_eq!(project.pipe(&["run", "p.yaml"]).status, 1);
    let svg = project.pipe(&["graph", "p.yaml", "--svg"]).stdout;
    assert!(svg.contains("#fbdedd") && svg.contains("failed, ") && svg.contains(" ran</text>"), "{svg}");
}

#[test]
fn chains_and_fans_are_no_wider_than_a_page() {
    let stage = |name: &str, inputs: &[String]| {
        let feeds: Vec<_> = inputs.iter().enumerate().map(|(at, from)| format!("i{at}: {from}")).collect();
        let feeds = feeds.join(", ");
        format!("  {name}: {{uses: command, run: \"echo > ${{out.o}}\", in: {{{feeds}}}, out: {{o: out/{name}}}}}\n")
    };
    let name = |at: usize| format!("a-stage-with-a-longer-name-{at}");
    let chain: String =
        (0..40).map(|at| stage(&name(at), &(at > 0).then(|| name(at - 1)).into_iter().collect::<Vec<_>>())).collect();
    let names: Vec<String> = (40..90).map(name).collect();
    let fan: String = names.iter().map(|it| stage(it, &[name(39)])).collect();
    let end = stage("end", &names);
    for (what, stages) in [("chain", chain.clone()), ("both", format!("{chain}{fan}{end}"))] {
        let project = Project::with_pipeline(&format!("pipeline: p\nstages:\n{stages}"));
        let ran = project.pipe(&["graph", "p.yaml", "--svg"]);
        assert!(ran.status == 0 && size(&ran.stdout).0 <= 1000.0, "{what}: {:?}{}", size(&ran.stdout), ran.stderr);
    }
}
