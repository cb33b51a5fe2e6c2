//! Numbers, letter by letter: no leading zero, no exponent.

/// Letters of a number at most.
const LETTERS: usize = 18;
/// What a number without a bound of its own stays below.
const FAR: f64 = 1e15;

/// Which numbers may be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    whole: bool,
    least: f64,
    most: f64,
}

impl Range {
    /// Numbers between the bounds, whole ones alone or not.
    pub fn new(whole: bool, least: Option<f64>, most: Option<f64>) -> Range {
        Range { whole, least: least.unwrap_or(-FAR), most: most.unwrap_or(FAR) }
    }

    /// Whether `text` is a number of it.
    pub fn has(self, text: &str) -> bool {
        let digits = text.ends_with(|c: char| c.is_ascii_digit());
        digits
            && self.may_begin(text)
            && text.parse().is_ok_and(|number: f64| self.least <= number && number <= self.most)
    }

    /// Whether a number of it may begin with `text`.
    pub fn may_begin(self, text: &str) -> bool {
        let (sign, size) = match text.strip_prefix('-') {
            Some(size) => (-1.0, size),
            None => (1.0, text),
        };
        let (whole, part) = match size.split_once('.') {
            Some((_, _)) if self.whole => return false,
            Some((whole, part)) => (whole, Some(part)),
            None => (size, None),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let formed = digits(whole)
            && part.is_none_or(digits)
            && (whole.len() < 2 || !whole.starts_with('0'))
            && (part.is_none() || !whole.is_empty())
            && text.len() <= LETTERS;
        formed && self.reaches(sign, size, whole, part)
    }

    /// Whether a number that goes on behind these letters lies between the bounds.
    fn reaches(self, sign: f64, size: &str, whole: &str, part: Option<&str>) -> bool {
        if whole.is_empty() {
            return if sign < 0.0 { self.least < 0.0 } else { true };
        }
        let begun: f64 = size.trim_end_matches('.').parse().unwrap_or(f64::NAN);
        // Sizes from `least`, up to `most` exclusive where a fraction may follow.
        let meets = |least: f64, most: f64| {
            let (low, high) = if sign < 0.0 { (-most, -least) } else { (least, most) };
            low <= self.most && self.least <= high
        };
        let room = LETTERS as i32 - size.len() as i32;
        let fraction = if self.whole { 0.0 } else { 1.0 };
        match part {
            Some(part) => meets(begun, begun + 10_f64.powi(-(part.len() as i32))),
            // Behind a 0 comes no other digit.
            None if whole == "0" => meets(0.0, fraction),
            None => (0..=room.max(0)).any(|more| {
                let scale = 10_f64.powi(more);
                meets(begun * scale, begun * scale + scale - 1.0 + fraction)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_begin_as_one_between_the_bounds_does() {
        let check = |range: Range, begins: &[&str], not: &[&str]| {
            begins.iter().for_each(|text| assert!(range.may_begin(text), "{text}"));
            not.iter().for_each(|text| assert!(!range.may_begin(text), "{text}"));
        };
        let risk = Range::new(true, Some(0.0), Some(100.0));
        check(risk, &["", "0", "7", "10", "100"], &["-", "00", "101", "1.", "1000", "x", "1e"]);
        assert!(risk.has("100") && risk.has("0") && !risk.has("") && !risk.has("101"));
        let share = Range::new(false, Some(0.0), Some(1.0));
        check(share, &["0", "0.", "0.67", "1", "1.", "1.0"], &["2", "1.1", ".5", "-0.5"]);
        assert!(share.has("0.67") && share.has("1") && !share.has("0."));
        check(Range::new(true, Some(20.0), Some(29.0)), &["2", "25"], &["1", "3", "20."]);
        check(Range::new(true, Some(-5.0), None), &["-", "-5", "123456"], &["-6", "-50"]);
    }
}
