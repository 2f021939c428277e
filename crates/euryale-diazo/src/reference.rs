//! The supported rules of Diazo, and the differences. This module has no code.
//!
//! Compared with Diazo 2.0.6 on lxml: each case in `tests/cases`, Diazo's own cases, pages of a
//! Plone 6 in its default theme, and random rules with instructions are themed by both, and the
//! trees are the same.
//!
//! # Rules
//!
//! | rule | of the theme | of the content |
//! |---|---|---|
//! | `<theme href prefix>`, `<theme>` with HTML in it, several with conditions | yes | |
//! | `<notheme>` with a condition | yes | |
//! | `<replace>` | `theme`, `theme-children` | `content`, `content-children` |
//! | `<before>`, `<after>` | `theme`, `theme-children` | `content`, `content-children` |
//! | `<drop>`, with `attributes` or without | `theme`, `theme-children` | `content`, `content-children` |
//! | `<strip>` | `theme` | `content`, `content-children` |
//! | `<copy attributes>`, `<merge attributes separator>` | `theme` | |
//! | `<prepend>`, `<append>`, `<copy>` of older rules | `theme` | |
//! | HTML in a rule, with `<include>` in it | yes | yes |
//! | `<include content>` in HTML | yes | yes |
//! | `<rules>` in `<rules>`, with conditions | yes | yes |
//! | `<xi:include href>` of rules, or of a part of a rule; `parse="text"`, fallback | yes | yes |
//! | `<xi:include xpointer>` | an error | an error |
//!
//! Selectors are XPath, or CSS in attributes of the namespace
//! `http://namespaces.plone.org/diazo/css`.
//!
//! | attribute | |
//! |---|---|
//! | `theme`, `theme-children` | supported |
//! | `content`, `content-children` | supported |
//! | `attributes`, `separator` | supported |
//! | `href`, `prefix` of `<theme>` | supported |
//! | `href` of a rule | different: of this site |
//! | `method="document"`, `"transform"`, `"raw"` | supported |
//! | `method="ssi"`, `"ssiwait"`, `"esi"` | an error, unless the program declares such a cache |
//! | `mode` | supported |
//! | `if`, `if-not`, `if-content`, `if-not-content` | supported |
//! | `if-path`, `if-not-path` | supported; in CSS an error |
//! | `css:` in front of a selector, `css:prefix` | supported |
//! | all others | a warning |
//!
//! Conditions are `if-content`, `if-not-content` (empty: the rule's own content), `if-path`,
//! `if-not-path`, `if` and `if-not`, on rules, themes, `<rules>` and `<include>`. All conditions of
//! an element must hold. An `if-path` of `/a` means that the path begins with it, `a/` that it ends
//! with it, `/a/` that it equals it, and `a` that it contains it, always in whole segments. Several
//! are separated by spaces, and one must match.
//!
//! # Order
//!
//! The order of the file decides only between rules of one kind. For each node of the theme:
//!
//! 1. `before` comes in front of it;
//! 2. `drop` removes it; else
//! 3. `replace` exchanges it: the first whose condition holds, else the one without a condition;
//!    else
//! 4. `strip` removes its tags;
//! 5. its attributes are dropped, copied, merged, in that order;
//! 6. inside it, `before` with `theme-children`, then `replace` with `theme-children` or what it
//!    has, then `after` with `theme-children`;
//! 7. `after` comes behind it.
//!
//! Rules about the content apply wherever a node of it is copied, also on pages without a theme. If
//! there are several for one node, only one applies, as with templates in XSLT: `content-children`
//! before `before`, `replace` and `after`, these before `strip`, and this before `drop`; of one
//! kind the later. Content that is taken with `method="raw"`, and what comes from another document,
//! is copied as it is, unless that has `method="transform"`.
//!
//! # Instructions
//!
//! Instructions of XSLT may be written in the HTML of a rule, in a template, and in each other. A
//! rule about the theme runs at the top of the content, a rule about the content at its own node.
//!
//! | instruction | |
//! |---|---|
//! | `value-of`, `text` | supported, with `disable-output-escaping` |
//! | `copy-of` | supported: it ignores all rules about the content |
//! | `copy` | supported, without `use-attribute-sets` |
//! | `apply-templates` | supported: it obeys rules about the content; with `mode` those of it |
//! | `for-each`, `sort` | supported; texts are compared by code points, `lang` is ignored |
//! | `if`, `choose`, `when`, `otherwise` | supported |
//! | `attribute`, `element`, `comment` | supported; an attribute after content is left out |
//! | `variable` | different: a variable of a rule ends with the rule, where Diazo's goes on |
//! | `param`, `with-param` | supported; under the root `<rules>`, a page's parameter is first |
//! | `call-template` | supported |
//! | `template` | supported under the root `<rules>`; elsewhere a warning |
//! | `message` | supported: it is logged; with `terminate="yes"` the page is unthemed |
//! | `fallback` | supported: it is never needed |
//! | `output`, `strip-space`, `preserve-space` | different: a warning, they change nothing |
//! | `apply-imports`, `attribute-set`, `decimal-format`, `import`, `include` | an error |
//! | `key`, `namespace-alias`, `number`, `processing-instruction` | an error |
//! | `stylesheet`, `transform` | an error |
//!
//! An error names file and line, and says what to write instead.
//!
//! Attributes of HTML in rules are attribute value templates: `class="n{position()}"`; a literal
//! brace is written twice. A template with `match` is a rule about the content. Among all rules
//! that match a node its priority decides; with equal priority it comes after `drop`, `strip`,
//! content around the node, and `replace` with `content-children`.
//!
//! Work is limited: 20 million steps for a page, and 600 templates and copies in each other. A
//! step is an instruction, a node that is looked at, an attribute that a search compares, or 16
//! bytes of text. If a function reads each byte, as `contains` does, two bytes are a step. A byte
//! takes a step where texts are joined, two in `translate` and `str:tokenize`, and six in
//! `exsl:node-set`. A page cannot end a comment: `xsl:comment` puts a space between two hyphens,
//! and before a `>` or a hyphen at the start.
//!
//! # XPath and CSS
//!
//! XPath 1.0: all axes but `namespace`, all operators, and the functions `boolean`, `ceiling`,
//! `concat`, `contains`, `count`, `current`, `document`, `exsl:node-set`, `false`, `floor`,
//! `generate-id`, `id`, `lang`, `last`, `local-name`, `name`, `normalize-space`, `not`, `number`,
//! `position`, `round`, `starts-with`, `str:replace`, `str:tokenize`, `string`, `string-length`,
//! `substring`, `substring-after`, `substring-before`, `sum`, `translate` and `true`. `document()`
//! takes an address in quotes. `format-number` and all other functions are errors. `$name` is a
//! variable, or a parameter of the page; a parameter that is not set is an empty string, where
//! Diazo refuses the page.
//!
//! CSS: types, `*`, `#id`, `.class`, attributes with all operators, the four combinators,
//! `:first-child`, `:last-child`, `:only-child`, `:first-of-type`, `:last-of-type`,
//! `:only-of-type`, `:nth-child()` and its kin, `:empty`, `:root`, `:not()`, `:contains()`. In
//! rules, and in `css:match`, a selector looks in the whole document. In instructions
//! (`css:select`, `css:test`) it looks from the context node on, which may be selected itself.
//! `css:prefix` replaces what is in front of each selector.
//!
//! # In Plone
//!
//! plone.app.theming adds to Diazo what is in this table. Under the Python package, with `themes =
//! on`, Plone itself decides about it; `euryale-theme` has what is said here for all programs.
//!
//! | of plone.app.theming | under the Python package | elsewhere |
//! |---|---|---|
//! | `++theme++NAME/FILE` in rules | in the database or on the disk | [mounted] |
//! | `manifest.cfg` | read by Plone when the theme is applied | not read: name rules and prefix |
//! | `url`, `path`, `base`, `scheme`, `host` | those that Plone computes | set by `euryale-theme` |
//! | `portal_url`, `ajax_load` | if the manifest has them | set by `euryale-theme` |
//! | other parameters of a manifest, in TALES | evaluated by Plone in the worker | set by the program |
//! | `X-Theme-Disabled`, the list of host names | as in Plone | the field |
//! | `diazo.debug` | in debug mode, themed by Plone | [explained] |
//! | `diazo.off` | in debug mode | not read |
//! | rules and themes from the network | an error | an error |
//!
//! [mounted]: crate::Loader::mount
//! [explained]: crate::Theme::explain
//!
//! # What differs
//!
//! * **`method="ssi"`, `"ssiwait"` and `"esi"`** are errors unless the program declares that a
//!   cache in front understands them ([`Loader::ssi`](crate::Loader::ssi),
//!   [`Loader::esi`](crate::Loader::esi)). Their content is selected in XPath, or in CSS without
//!   pseudo-classes. An `<esi:include/>` has no end tag. An `xsl:comment` that a cache obeys is
//!   begun by text of the rules. Computed text in it is inside a quoted value, or between the tags
//!   of ESI, and has none of the characters `"`, `'`, `` ` ``, `\`, `<`, `>` and `$`; otherwise the
//!   comment begins with a space, so that no cache executes it.
//! * **In an inline theme**, rules find what is written in the HTML, and not what is inside an
//!   instruction. Its addresses get no prefix, as in Diazo.
//! * **`xpointer`** of `<xi:include>` is an error in each of its forms, and so is an `<xi:include>`
//!   without `href`: whole files are included. A part is written into a file of its own.
//! * **A `theme` selector whose quote is not closed** is a warning, and the rule matches nothing;
//!   any other mistake in a selector is an error.
//! * **Pages are read as HTML**, not by libxml2, which knows HTML 4. Well-formed pages have the
//!   same tree. As in libxml2, no `tbody` is implied, and `<div/>` has no children: it is written
//!   as `<div></div>`, because a browser would read an open element. In a page, but not in a
//!   theme, elements whose content is text are an exception, such as `<script/>`. Parts without
//!   rules are passed on byte for byte. Crossed tags are left for browsers to repair, and closed
//!   where they are taken out. A reference without its semicolon (`&gt`) is text.
//! * **HTML is written,** with the doctype of the theme (`<!DOCTYPE html>` if it has none), and not
//!   XHTML.
//! * **Comments after `</body>`** stay in the body if more content follows.
//! * **A second theme or `replace` without a condition** for one thing is an error. Diazo writes
//!   both themes.
//! * **`drop attributes` with a group of selectors** drops the attributes of all of them. Diazo's
//!   expression for `b, i` is about all of `b`.
//! * **A condition of a rule about the content with a group of selectors** is about all of them.
//!   Diazo drops each `b` for `b, i`, and tests its condition for `i` only.
//! * **`href` must be within this site.** Documents are requested before the page is themed, and
//!   only if path and parameters allow that a rule needs them. A missing document contributes
//!   nothing.
//! * **Unknown attributes**, and rules that match nothing in any theme, are warnings. Only
//!   selectors can be written in CSS: `css:if-path` is an error.
