//! Closes the elements that a tag ends.

use super::name::{
    A, BUTTON, CAPTION, COL, COLGROUP, DD, DT, H1, H2, H3, H4, H5, H6, LI, MATH, OL, OPTGROUP,
    OPTION, P, RP, RT, SELECT, SVG, TABLE, TBODY, TD, TEMPLATE, TFOOT, TH, THEAD, TR, UL,
};
use super::parse::{Open, Parser};
use super::{Id, Name, Traits};

impl Parser<'_> {
    /// Removes the innermost open element, whose positions are complete.
    pub(super) fn leave(&mut self) {
        let Some(top) = self.open.pop() else { return };
        match top.name {
            SVG | MATH => self.foreign -= 1,
            P => self.paragraphs -= 1,
            _ => {}
        }
        let after = self.dom.nodes.len() as Id;
        let node = &mut self.dom.nodes[top.id as usize];
        node.after = after;
        if !node.tidy {
            self.disturb();
        }
    }

    /// Removes the innermost open element without its own end tag.
    pub(super) fn leave_implied(&mut self, at: usize) {
        let Some(top) = self.open.last().copied() else {
            return;
        };
        let node = &mut self.dom.nodes[top.id as usize];
        node.end = at as u32;
        let optional = matches!(
            top.name,
            P | LI
                | DD
                | DT
                | OPTION
                | OPTGROUP
                | RP
                | RT
                | TR
                | TD
                | TH
                | TBODY
                | THEAD
                | TFOOT
                | COLGROUP
        );
        let subtree_is_tidy = node.tidy;
        self.leave();
        let node = &mut self.dom.nodes[top.id as usize];
        node.tidy = false;
        if !(optional && subtree_is_tidy) {
            self.disturb();
        }
    }

    /// Closes the innermost open element that `is_it`, unless `stops` comes first.
    pub(super) fn close_in_scope(
        &mut self,
        at: usize,
        is_it: impl Fn(Name) -> bool,
        stops: impl Fn(&Open) -> bool,
    ) {
        for index in (3..self.open.len()).rev() {
            if is_it(self.open[index].name) {
                while self.open.len() > index {
                    self.leave_implied(at);
                }
                return;
            }
            if stops(&self.open[index]) {
                return;
            }
        }
    }

    /// Closes the elements of the same kind that a start tag ends (HTML §13.1.2.4, optional tags).
    pub(super) fn close_kin(&mut self, name: Name, at: usize) {
        let scope = |open: &Open| open.traits.has(Traits::SCOPE);
        let table = |open: &Open| matches!(open.name, TABLE | TEMPLATE);
        match name {
            LI => self.close_in_scope(
                at,
                |n| n == LI,
                |open| scope(open) || matches!(open.name, UL | OL),
            ),
            DD | DT => self.close_in_scope(at, |n| matches!(n, DD | DT), scope),
            H1 | H2 | H3 | H4 | H5 | H6
                if self
                    .open
                    .last()
                    .is_some_and(|top| matches!(top.name, H1 | H2 | H3 | H4 | H5 | H6)) =>
            {
                self.leave_implied(at);
            }
            OPTION => self.close_in_scope(
                at,
                |n| n == OPTION,
                |open| matches!(open.name, SELECT | OPTGROUP),
            ),
            OPTGROUP => self.close_in_scope(at, |n| n == OPTGROUP, |open| open.name == SELECT),
            RP | RT => {
                self.close_in_scope(
                    at,
                    |n| matches!(n, RP | RT),
                    |open| open.traits.has(Traits::SPECIAL),
                );
            }
            A => self.close_in_scope(at, |n| n == A, |open| open.traits.has(Traits::SPECIAL)),
            BUTTON => self.close_in_scope(at, |n| n == BUTTON, scope),
            TD | TH => self.close_in_scope(at, |n| matches!(n, TD | TH), table),
            TR => self.close_in_scope(at, |n| matches!(n, TR | CAPTION | COLGROUP), table),
            TBODY | THEAD | TFOOT => {
                let sections = |n| matches!(n, TBODY | THEAD | TFOOT | CAPTION | COLGROUP);
                self.close_in_scope(at, sections, table);
            }
            COL | COLGROUP | CAPTION => {
                self.close_in_scope(
                    at,
                    |n| matches!(n, CAPTION) || (n == COLGROUP && name != COL),
                    table,
                );
            }
            _ => {}
        }
    }

    /// Closes the innermost open element by its own end tag.
    pub(super) fn close_last(&mut self, start: usize, end: usize) {
        if let Some(open) = self.open.last() {
            let node = &mut self.dom.nodes[open.id as usize];
            (node.closing, node.end) = (start as u32, end as u32);
            self.leave();
        }
    }

    /// Closes the innermost element of this name. Some elements stop an end tag.
    pub(super) fn close(&mut self, name: Name, start: usize, end: usize) -> bool {
        let special = Traits::of(name).has(Traits::SPECIAL);
        let of_table = matches!(
            name,
            TABLE | TBODY | THEAD | TFOOT | TR | TD | TH | CAPTION | COLGROUP
        );
        for index in (3..self.open.len()).rev() {
            let open = self.open[index];
            if open.name == name {
                while self.open.len() > index + 1 {
                    self.leave_implied(start);
                }
                self.close_last(start, end);
                return true;
            }
            let stops = match (of_table, special) {
                (true, _) => matches!(open.name, TABLE | TEMPLATE),
                (false, true) => open.traits.has(Traits::SCOPE),
                (false, false) => open.traits.has(Traits::SPECIAL),
            };
            if stops {
                return false;
            }
        }
        false
    }
}
