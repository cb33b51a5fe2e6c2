//! An answer read byte by byte.

use crate::schema::{Field, Grammar, Rule, RuleId};

/// How far an answer has come: what is open, the innermost last. Nothing is open behind a whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    open: Vec<Open>,
}

/// What the next byte belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Open {
    /// A value that has not begun.
    Value(RuleId),
    /// An object between two fields: the next key or the end, of which `at` bytes are there. `alive` are the fields, by bit, that go on
    /// like this; the bit behind the last one is the end.
    Between { object: RuleId, next: usize, at: usize, alive: u64 },
    /// One of some texts, of which `at` bytes are there.
    OneOf { rule: RuleId, at: usize, alive: u64 },
    /// A string.
    Text(Inside),
    /// A number, as far as it is there.
    Number { rule: RuleId, text: String },
    /// A list that has no item yet.
    First(RuleId),
    /// A list behind an item.
    Further(RuleId),
}

/// Where in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Inside {
    Plain,
    /// Behind a backslash.
    Escape,
    /// In `\u00xx`, with so many digits left.
    Unicode(u8),
    /// In a character of UTF-8: how many bytes are left, and between which the next one lies.
    Character {
        left: u8,
        low: u8,
        high: u8,
    },
}

impl State {
    /// Before the first byte.
    pub fn start(grammar: &Grammar) -> State {
        State { open: vec![Open::Value(grammar.root)] }
    }

    /// Whether the answer may end here.
    pub fn is_whole(&self, grammar: &Grammar) -> bool {
        match self.open.as_slice() {
            [] => true,
            [Open::Number { rule, text }] => has(grammar, *rule, text),
            _ => false,
        }
    }

    /// Reads `byte`; false when no answer goes on with it. The state then means nothing.
    pub fn read(&mut self, grammar: &Grammar, byte: u8) -> bool {
        // What ends without a byte of its own gives the byte to what it lies in.
        loop {
            match self.open.pop() {
                None => return false,
                Some(Open::Value(rule)) => match grammar.rule(rule) {
                    Rule::Number(_) => self.open.push(Open::Number { rule, text: String::new() }),
                    Rule::OneOf(texts) => self.open.push(Open::OneOf { rule, at: 0, alive: all(texts.len()) }),
                    other => return self.begin(rule, other, byte),
                },
                Some(Open::Number { rule, mut text }) => {
                    text.push(char::from(byte));
                    if may_begin(grammar, rule, &text) {
                        self.open.push(Open::Number { rule, text });
                        return true;
                    }
                    text.pop();
                    if !has(grammar, rule, &text) {
                        return false;
                    }
                }
                Some(Open::First(item)) if byte != b']' => {
                    self.open.extend([Open::Further(item), Open::Value(item)]);
                }
                Some(Open::First(_)) => return true,
                Some(Open::Further(item)) => {
                    if byte == b',' {
                        self.open.extend([Open::Further(item), Open::Value(item)]);
                    }
                    return matches!(byte, b',' | b']');
                }
                Some(Open::OneOf { rule, at, alive }) => return self.one_of(grammar, (rule, at, alive), byte),
                Some(Open::Between { object, next, at, alive }) => {
                    return self.between(grammar, (object, next, at, alive), byte);
                }
                Some(Open::Text(inside)) => {
                    let further = inside.read(byte);
                    self.open.extend(further.flatten().map(Open::Text));
                    return further.is_some();
                }
            }
        }
    }

    fn begin(&mut self, id: RuleId, rule: &Rule, byte: u8) -> bool {
        match (rule, byte) {
            (Rule::Object(fields), b'{') => {
                self.open.push(Open::Between { object: id, next: 0, at: 0, alive: following(fields, 0) });
            }
            (Rule::List(item), b'[') => self.open.push(Open::First(*item)),
            (Rule::Text, b'"') => self.open.push(Open::Text(Inside::Plain)),
            _ => return false,
        }
        true
    }

    fn one_of(&mut self, grammar: &Grammar, (rule, at, alive): (RuleId, usize, u64), byte: u8) -> bool {
        let Rule::OneOf(texts) = grammar.rule(rule) else { return false };
        let left = alive_with(alive, texts.len(), |place| texts[place].get(at) == Some(&byte));
        // The closing quote ends it: no text is the beginning of another one.
        let ends = bits(left).any(|place| texts[place].len() == at + 1);
        if left != 0 && !ends {
            self.open.push(Open::OneOf { rule, at: at + 1, alive: left });
        }
        left != 0
    }

    fn between(&mut self, grammar: &Grammar, (object, next, at, alive): (RuleId, usize, usize, u64), byte: u8) -> bool {
        let Rule::Object(fields) = grammar.rule(object) else { return false };
        let left = alive_with(alive, fields.len() + 1, |place| lead(fields, place, next).nth(at) == Some(byte));
        if left == 0 {
            return false;
        }
        match bits(left).find(|place| lead(fields, *place, next).count() == at + 1) {
            Some(end) if end == fields.len() => {}
            Some(field) => self.open.extend([
                Open::Between { object, next: field + 1, at: 0, alive: following(fields, field + 1) },
                Open::Value(fields[field].rule),
            ]),
            None => self.open.push(Open::Between { object, next, at: at + 1, alive: left }),
        }
        true
    }

    /// The shortest text that makes the answer whole.
    pub fn shortest_end(&self, grammar: &Grammar) -> Vec<u8> {
        let (mut state, mut end) = (self.clone(), Vec::new());
        while !state.is_whole(grammar) {
            let byte = state.shortest_byte(grammar);
            if !state.read(grammar, byte) {
                // A range without numbers: there is no end.
                return vec![0; usize::from(u16::MAX)];
            }
            end.push(byte);
        }
        end
    }

    fn shortest_byte(&self, grammar: &Grammar) -> u8 {
        let inner = self.open.iter().rev().find(|open| match open {
            Open::Number { rule, text } => !has(grammar, *rule, text),
            _ => true,
        });
        match inner {
            None => 0,
            Some(Open::Value(rule)) => match grammar.rule(*rule) {
                Rule::Object(_) => b'{',
                Rule::List(_) => b'[',
                Rule::Text | Rule::OneOf(_) => b'"',
                Rule::Number(_) => digit(grammar, *rule, ""),
            },
            Some(Open::Number { rule, text }) => digit(grammar, *rule, text),
            Some(Open::First(_) | Open::Further(_)) => b']',
            Some(Open::OneOf { rule, at, alive }) => match grammar.rule(*rule) {
                Rule::OneOf(texts) => {
                    bits(*alive).map(|place| &texts[place]).min_by_key(|text| text.len()).map_or(0, |text| text[*at])
                }
                _ => 0,
            },
            Some(Open::Between { object, next, at, alive }) => match grammar.rule(*object) {
                // The end where it may come, else the field that must.
                Rule::Object(fields) => {
                    let last = bits(*alive).last().unwrap_or_default();
                    lead(fields, last, *next).nth(*at).unwrap_or_default()
                }
                _ => 0,
            },
            Some(Open::Text(inside)) => match inside {
                Inside::Plain | Inside::Escape => b'"',
                Inside::Unicode(_) => b'0',
                Inside::Character { low, .. } => *low,
            },
        }
    }
}

impl Inside {
    /// Where `byte` leads; inside none where it ends the string.
    fn read(self, byte: u8) -> Option<Option<Inside>> {
        let character = |left, low, high| Some(Some(Inside::Character { left, low, high }));
        match (self, byte) {
            (Inside::Plain, b'"') => Some(None),
            (Inside::Plain, b'\\') => Some(Some(Inside::Escape)),
            (Inside::Plain, 0x20..=0x7f) => Some(Some(Inside::Plain)),
            (Inside::Plain, 0xc2..=0xdf) => character(1, 0x80, 0xbf),
            (Inside::Plain, 0xe0) => character(2, 0xa0, 0xbf),
            (Inside::Plain, 0xed) => character(2, 0x80, 0x9f),
            (Inside::Plain, 0xe1..=0xef) => character(2, 0x80, 0xbf),
            (Inside::Plain, 0xf0) => character(3, 0x90, 0xbf),
            (Inside::Plain, 0xf1..=0xf3) => character(3, 0x80, 0xbf),
            (Inside::Plain, 0xf4) => character(3, 0x80, 0x8f),
            (Inside::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(Some(Inside::Plain)),
            (Inside::Escape, b'u') => Some(Some(Inside::Unicode(4))),
            // Control characters are all that serde_json writes so; half a pair would be no JSON.
            (Inside::Unicode(left @ 3..), b'0') => Some(Some(Inside::Unicode(left - 1))),
            (Inside::Unicode(2), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Some(Some(Inside::Unicode(1))),
            (Inside::Unicode(1), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Some(Some(Inside::Plain)),
            (Inside::Character { left, low, high }, byte) if low <= byte && byte <= high => match left {
                1 => Some(Some(Inside::Plain)),
                _ => character(left - 1, 0x80, 0xbf),
            },
            _ => None,
        }
    }
}

/// How the field at `place` begins, or how the object ends, when the fields from `next` on are left.
fn lead(fields: &[Field], place: usize, next: usize) -> impl Iterator<Item = u8> {
    let (comma, key): (&[u8], &[u8]) = match fields.get(place) {
        None => (b"", b"}"),
        Some(field) if next == 0 => (b"", &field.key),
        Some(field) => (b",", &field.key),
    };
    comma.iter().chain(key).copied()
}

/// What may come when the fields from `next` on are left: none behind the first that must.
fn following(fields: &[Field], next: usize) -> u64 {
    let required = fields.iter().skip(next).position(|field| field.required).map(|place| next + place);
    let last = required.unwrap_or(fields.len());
    all(last + 1) & !all(next)
}

fn all(count: usize) -> u64 {
    (1 << count) - 1
}

fn bits(of: u64) -> impl DoubleEndedIterator<Item = usize> {
    (0..64).filter(move |place| of >> place & 1 == 1)
}

fn alive_with(alive: u64, count: usize, goes_on: impl Fn(usize) -> bool) -> u64 {
    bits(alive).filter(|place| *place < count && goes_on(*place)).map(|place| 1 << place).sum()
}

fn may_begin(grammar: &Grammar, rule: RuleId, text: &str) -> bool {
    matches!(grammar.rule(rule), Rule::Number(range) if range.may_begin(text))
}

fn has(grammar: &Grammar, rule: RuleId, text: &str) -> bool {
    matches!(grammar.rule(rule), Rule::Number(range) if range.has(text))
}

/// A letter that a number may go on with.
fn digit(grammar: &Grammar, rule: RuleId, text: &str) -> u8 {
    let fits = |byte: &u8| may_begin(grammar, rule, &format!("{text}{}", char::from(*byte)));
    (b'0'..=b'9').find(fits).unwrap_or(b'-')
}
