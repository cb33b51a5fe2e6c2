//! How two texts differ, line by line: scripts that changed.

/// Lines that are shown around a change.
const AROUND: usize = 2;
/// Texts with more pairs of lines than this are told whole, as gone and as new: nobody waits for the shortest way to say it.
const PAIRS: usize = 1 << 22;

/// The lines that differ behind `-` and `+`, with a few around them; `None` where both texts have one line.
pub fn difference(before: &str, now: &str) -> Option<Vec<String>> {
    let (before, now): (Vec<_>, Vec<_>) = (before.lines().collect(), now.lines().collect());
    (before.len() > 1 || now.len() > 1).then(|| shortened(&compare(&before, &now)))
}

type Line<'a> = (char, &'a str);

fn compare<'a>(before: &[&'a str], now: &[&'a str]) -> Vec<Line<'a>> {
    let same = before.iter().zip(now).take_while(|(one, other)| one == other).count();
    let (head, before) = before.split_at(same);
    let now = &now[same..];
    let same = before.iter().rev().zip(now.iter().rev()).take_while(|(one, other)| one == other).count();
    let (before, tail) = before.split_at(before.len() - same);
    let now = &now[..now.len() - same];
    let kept = |lines: &[&'a str]| lines.iter().map(|line| (' ', *line)).collect::<Vec<_>>();
    [kept(head), middle(before, now), kept(tail)].concat()
}

/// By the longest common subsequence.
fn middle<'a>(before: &[&'a str], now: &[&'a str]) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    if before.len().saturating_mul(now.len()) <= PAIRS {
        let width = now.len() + 1;
        let mut common = vec![0_u32; (before.len() + 1) * width];
        for i in (0..before.len()).rev() {
            for j in (0..now.len()).rev() {
                common[i * width + j] = match before[i] == now[j] {
                    true => common[(i + 1) * width + j + 1] + 1,
                    false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
                };
            }
        }
        while i < before.len() && j < now.len() {
            if before[i] == now[j] {
                lines.push((' ', now[j]));
                (i, j) = (i + 1, j + 1);
            } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
                lines.push(('-', before[i]));
                i += 1;
            } else {
                lines.push(('+', now[j]));
                j += 1;
            }
        }
    }
    lines.extend(before[i..].iter().map(|line| ('-', *line)));
    lines.extend(now[j..].iter().map(|line| ('+', *line)));
    lines
}

/// Without the lines that are far from any change.
fn shortened(lines: &[Line]) -> Vec<String> {
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, (sign, _))| *sign != ' ').map(|(at, _)| at).collect();
    let near = |at: usize| {
        let next = changed.partition_point(|changed| *changed < at);
        let around = [next.checked_sub(1), Some(next)].into_iter().flatten().filter_map(|it| changed.get(it));
        around.into_iter().any(|changed| changed.abs_diff(at) <= AROUND)
    };
    let mut shown = Vec::new();
    let mut cut = false;
    for (at, (sign, line)) in lines.iter().enumerate() {
        if near(at) {
            shown.push(format!("{sign} {line}"));
            cut = false;
        } else if !cut {
            shown.push("  ...".to_owned());
            cut = true;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::difference;

    fn check(before: &str, now: &str, expect: &[&str]) {
        assert_eq!(difference(before, now).unwrap(), expect);
    }

    #[test]
    fn lines_that_differ_are_shown_with_a_few_around_them() {
        assert_eq!(difference("one", "other"), None);
        check("a\nb\nc\n", "a\nx\nc\n", &["  a", "- b", "+ x", "  c"]);
        check("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5", &["  ...", "  4", "  5", "- 6"]);
        check("one", "one\ntwo", &["  one", "+ two"]);
        check("a\n1\n2\n3\n4\n5\nb", "1\n2\n3\n4\n5\nc", &["- a", "  1", "  2", "  ...", "  4", "  5", "- b", "+ c"]);
    }
}
