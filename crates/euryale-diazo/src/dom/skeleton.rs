//! `html`, `head` and `body`, written or implied (HTML §13.2.6.4.1 to 7).

use super::name::{BODY, BUTTON, HEAD, HTML, P};
use super::parse::{Parser, Phase};
use super::{Excess, Id, Kind, NONE, Name, Node, Traits};

impl Parser<'_> {
    pub(super) fn implied(&mut self, name: Name, at: usize) -> Result<(), Excess> {
        let id = self.push_element(name, at, at)?;
        self.dom.nodes[id as usize].tidy = false;
        self.enter(id, name, Traits::of(name))
    }

    pub(super) fn ensure_head(&mut self, at: usize) -> Result<(), Excess> {
        if self.phase == Phase::BeforeHtml {
            self.implied(HTML, at)?;
        }
        if self.phase < Phase::InHead {
            self.implied(HEAD, at)?;
            self.phase = Phase::InHead;
        }
        Ok(())
    }

    pub(super) fn ensure_body(&mut self, at: usize) -> Result<(), Excess> {
        if self.phase < Phase::InBody {
            self.end_head(at)?;
            self.implied(BODY, at)?;
            self.phase = Phase::InBody;
        }
        Ok(())
    }

    pub(super) fn end_head(&mut self, at: usize) -> Result<(), Excess> {
        self.ensure_head(at)?;
        while self.open.len() > 3 {
            self.leave_implied(at);
        }
        if self.open.len() == 3 {
            match self.phase {
                Phase::AfterHead => self.leave(),
                _ => self.leave_implied(at),
            }
        }
        Ok(())
    }

    /// Closes and opens the elements that a start tag closes and implies. Returns whether it opens
    /// an element itself.
    pub(super) fn prepare(
        &mut self,
        name: Name,
        traits: Traits,
        at: usize,
    ) -> Result<bool, Excess> {
        match name {
            HTML => return Ok(self.phase == Phase::BeforeHtml),
            HEAD => {
                if self.phase == Phase::BeforeHtml {
                    self.implied(HTML, at)?;
                    self.phase = Phase::BeforeHead;
                }
                return Ok(self.phase == Phase::BeforeHead);
            }
            BODY => {
                if self.phase >= Phase::InBody {
                    return Ok(false);
                }
                self.end_head(at)?;
                return Ok(true);
            }
            _ => {}
        }
        if self.is_inside_head_element() {
            return Ok(true);
        }
        if self.phase < Phase::InBody {
            if traits.has(Traits::HEAD) {
                self.ensure_head(at)?;
                if self.phase == Phase::AfterHead {
                    self.disturb();
                }
            } else {
                self.ensure_body(at)?;
            }
        } else if self.phase == Phase::AfterBody {
            self.trailing = NONE;
            self.disturb();
        }
        if self.foreign == 0 {
            if self.paragraphs > 0 && traits.has(Traits::CLOSES_P) {
                self.close_in_scope(
                    at,
                    |name| name == P,
                    |open| open.traits.has(Traits::SCOPE) || open.name == BUTTON,
                );
            }
            if traits.has(Traits::CLOSES_KIN) {
                self.close_kin(name, at);
            }
        }
        Ok(true)
    }

    /// Handles the end tag of `html`, `head` or `body`, which stays open.
    pub(super) fn set_end(&mut self, index: usize, start: usize, end: usize) {
        if let Some(open) = self.open.get(index) {
            let node = &mut self.dom.nodes[open.id as usize];
            (node.closing, node.end) = (start as u32, end as u32);
        }
    }

    /// Records a comment after the body. Returns whether it may belong to an element around the
    /// body.
    pub(super) fn is_trailing(&mut self, comment: Id) -> bool {
        if self.phase != Phase::AfterBody || self.is_fragment || self.open.len() != 3 {
            return false;
        }
        if self.trailing == NONE {
            self.trailing = comment;
        }
        true
    }

    /// Moves the comments after the body out of it (HTML §13.2.6.4.19 and 22). White space between
    /// them is dropped.
    pub(super) fn take_trailing(&mut self) -> Vec<Node> {
        if self.trailing == NONE {
            return Vec::new();
        }
        let mut nodes = self.dom.nodes.split_off(self.trailing as usize);
        nodes.retain(|node| node.kind == Kind::Comment);
        nodes
    }

    /// Puts one of them into the innermost open element.
    pub(super) fn push_again(&mut self, comment: Node) -> Result<(), Excess> {
        let start = comment.start as usize;
        let id = self.push(Kind::Comment, comment.name, start, comment.end as usize)?;
        self.dom.nodes[id as usize].tidy = comment.tidy;
        if !comment.tidy {
            self.disturb();
        }
        Ok(())
    }
}
