//! The process group of each running launch, for callers that measure its usage.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rustix::process::Pid;

/// The groups by the stage of their launch.
#[derive(Debug, Default)]
pub(super) struct Groups(Rc<RefCell<BTreeMap<String, u32>>>);

/// An entry, for as long as this lives.
pub(super) struct Listed {
    groups: Rc<RefCell<BTreeMap<String, u32>>>,
    stage: String,
}

impl Groups {
    pub(super) fn list(&self, stage: &str, group: Pid) -> Listed {
        self.0.borrow_mut().insert(stage.to_owned(), group.as_raw_nonzero().get().unsigned_abs());
        Listed { groups: Rc::clone(&self.0), stage: stage.to_owned() }
    }

    pub(super) fn all(&self) -> BTreeMap<String, u32> {
        self.0.borrow().clone()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.groups.borrow_mut().remove(&self.stage);
    }
}
