//! A judgement: what a row of the decision table said of a case, and what that rests on.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::assumes::{self, Assumes};
use super::case::Case;
use super::decided::Way;
use super::finding::{Heard, LastLegal};
use super::labelled::Labelled;
use super::verdict::Verdict;

/// What a row says of a case that it applies to.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// The next hops that make the MAC legal.
    pub(super) legal_for: Vec<IpAddr>,
    pub(super) remarks: Vec<String>,
}

impl Ruling {
    pub(super) fn of(verdict: impl Into<Verdict>) -> Self {
        Self { verdict: verdict.into(), legal_for: Vec::new(), remarks: Vec::new() }
    }

    pub(super) fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    pub(super) fn with_remarks(mut self, remarks: impl IntoIterator<Item = String>) -> Self {
        self.remarks.extend(remarks);
        self
    }

    pub(super) fn legal_for(self, legal_for: Vec<IpAddr>) -> Self {
        Self { legal_for, ..self }
    }
}

/// The routes that a judgement names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shows {
    /// None.
    Nothing,
    /// Those that decide.
    Deciding,
    /// With those that would decide if their next hops were up.
    All,
}

/// A verdict, and what it rests on. There is none before a row has ruled.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) verdict: Verdict,
    /// The routes that decide, with those that would if their next hops were up, and their next hops; `None` where none
    /// do, or where the first of the flows that share the verdict named them.
    pub(super) way: Option<Rc<Way<'a>>>,
    /// The next hops that make the MAC legal.
    pub(super) legal_for: Vec<IpAddr>,
    /// Labelled entries of the flow.
    pub(super) labelled: Vec<Labelled<'a>>,
    pub(super) last_legal: Option<LastLegal>,
    pub(super) heard: Option<Heard>,
    /// Remarks.
    pub(super) remarks: Vec<String>,
    /// What is taken for granted.
    pub(super) assumes: Assumes,
}

impl<'a> Judgement<'a> {
    /// The judgement on `case` that a row's ruling amounts to.
    pub(super) fn new(case: Case<'a, '_>, ruling: Ruling, shows: Shows) -> Self {
        let Ruling { verdict, legal_for, remarks } = ruling;
        let way = match shows {
            Shows::Nothing => None,
            Shows::Deciding => case.routes().map(|routes| Rc::clone(&routes.deciding)),
            Shows::All => case.routes().map(|routes| Rc::clone(&routes.all)),
        };
        let assumes = assumes::of_verdict(&case, verdict);
        let asked = case.into_asked();
        let labelled = if shows == Shows::Nothing { Vec::new() } else { asked.labelled };
        Self { verdict, way, legal_for, labelled, last_legal: asked.last_legal, heard: asked.heard, remarks, assumes }
    }

    /// A verdict that flows share, without the next hops that it rests on.
    pub(super) fn shared(verdict: Verdict, assumes: Assumes) -> Self {
        Self {
            verdict,
            way: None,
            legal_for: Vec::new(),
            labelled: Vec::new(),
            last_legal: None,
            heard: None,
            remarks: Vec::new(),
            assumes,
        }
    }
}
