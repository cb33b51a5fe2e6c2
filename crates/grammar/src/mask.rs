//! The tokens that may come next.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::machine::State;
use crate::schema::Grammar;
use crate::vocabulary::Vocabulary;

/// Follows one answer and says what may come next in it.
pub trait Mask {
    /// Marks the tokens that may come next, when `left` may be written, that one included and the one that ends the answer not.
    fn mark(&mut self, left: usize, allowed: &mut [bool]);

    /// Whether the answer may end here.
    fn may_end(&self) -> bool;

    /// The answer goes on with `token`.
    fn push(&mut self, token: i64);
}

/// A grammar over the tokens of a model, with what has been found out about it: many answers share it.
#[derive(Debug)]
pub struct Constraint {
    grammar: Grammar,
    vocabulary: Rc<Vocabulary>,
    bytes: HashMap<u32, usize>,
    tables: RefCell<HashMap<State, Rc<Vec<Next>>>>,
    /// Tokens of the ends of answers.
    ends: RefCell<HashMap<Vec<u8>, usize>>,
}

/// A token that may come next.
#[derive(Debug)]
struct Next {
    place: usize,
    /// Bytes of the shortest end behind it: it has no more tokens than that.
    end: usize,
}

impl Constraint {
    /// Of a grammar and the tokens of a model.
    pub fn new(grammar: Grammar, vocabulary: Rc<Vocabulary>) -> Constraint {
        let bytes = vocabulary.sorted.iter().enumerate().map(|(place, spelled)| (spelled.token, place)).collect();
        Constraint { grammar, vocabulary, bytes, tables: RefCell::default(), ends: RefCell::default() }
    }

    /// A new answer.
    pub fn walk(&self) -> Walk<'_> {
        Walk { constraint: self, state: Some(State::start(&self.grammar)) }
    }

    /// What may come at `state`.
    fn table(&self, state: &State) -> Rc<Vec<Next>> {
        if let Some(known) = self.tables.borrow().get(state) {
            return Rc::clone(known);
        }
        let table = Rc::new(self.read_all(state));
        self.tables.borrow_mut().insert(state.clone(), Rc::clone(&table));
        table
    }

    /// Reads every token, shared beginnings once.
    fn read_all(&self, state: &State) -> Vec<Next> {
        let (mut behind, mut found) = (vec![state.clone()], Vec::new());
        // Bytes at which the last one that was read failed.
        let mut failed = usize::MAX;
        for (place, spelled) in self.vocabulary.sorted.iter().enumerate() {
            if spelled.shared > failed {
                continue;
            }
            failed = usize::MAX;
            behind.truncate(spelled.shared + 1);
            for (at, byte) in spelled.bytes.iter().enumerate().skip(behind.len() - 1) {
                let mut next = behind[at].clone();
                if !next.read(&self.grammar, *byte) {
                    failed = at;
                    break;
                }
                behind.push(next);
            }
            if failed == usize::MAX {
                let end = behind[spelled.bytes.len()].shortest_end(&self.grammar).len();
                found.push(Next { place, end });
            }
        }
        found
    }

    /// Tokens of the shortest end behind `state` and the token at `place`.
    fn end_tokens(&self, state: &State, place: usize) -> usize {
        let mut state = state.clone();
        let read = self.vocabulary.sorted[place].bytes.iter().all(|byte| state.read(&self.grammar, *byte));
        let end = if read { state.shortest_end(&self.grammar) } else { return usize::MAX };
        if let Some(known) = self.ends.borrow().get(&end) {
            return *known;
        }
        let tokens = self.vocabulary.spell(&end).map_or(usize::MAX, |tokens| tokens.len());
        self.ends.borrow_mut().insert(end, tokens);
        tokens
    }
}

/// One answer on its way.
#[derive(Debug)]
pub struct Walk<'a> {
    constraint: &'a Constraint,
    /// None behind a token that may not come.
    state: Option<State>,
}

impl Mask for Walk<'_> {
    fn mark(&mut self, left: usize, allowed: &mut [bool]) {
        let (Some(state), Some(room)) = (&self.state, left.checked_sub(1)) else { return };
        for next in self.constraint.table(state).iter() {
            if next.end <= room || self.constraint.end_tokens(state, next.place) <= room {
                let token = self.constraint.vocabulary.sorted[next.place].token as usize;
                allowed.get_mut(token).into_iter().for_each(|allowed| *allowed = true);
            }
        }
    }

    fn may_end(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_whole(&self.constraint.grammar))
    }

    fn push(&mut self, token: i64) {
        let Constraint { grammar, vocabulary, bytes, .. } = self.constraint;
        let place = u32::try_from(token).ok().and_then(|token| bytes.get(&token));
        self.state = self.state.take().zip(place).and_then(|(mut state, place)| {
            vocabulary.sorted[*place].bytes.iter().all(|byte| state.read(grammar, *byte)).then_some(state)
        });
    }
}
