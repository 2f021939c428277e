//! Reads XSLT instructions.

use roxmltree::Node;

use super::body::Inside;
use super::inline::Inline;
use super::instruction::{Binding, Instruction, NamePattern, Sort};
use super::namespace::is_xslt_named;
use super::reader::Reader;
use super::rule::{DEFAULT_MODE, RAW_MODE};
use crate::error::LoadError;
use crate::xpath::{Axis, Expr, Path, Step, Test, Variable};

type Body = Vec<Inline>;

impl Reader {
    /// Reads an instruction in the body of a rule or template, with its position.
    pub(super) fn instruction(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
        parts: &mut Body,
    ) -> Result<(), LoadError> {
        let instruction = match node.tag_name().name() {
            "value-of" => Instruction::ValueOf {
                select: self.needed(node, "select")?,
                raw: node.attribute("disable-output-escaping") == Some("yes"),
            },
            "copy-of" => Instruction::CopyOf(self.needed(node, "select")?),
            "copy" => Instruction::Copy(self.body(node, inside)?),
            "apply-templates" => self.apply_templates(node, inside)?,
            "call-template" => self.call_template(node, inside)?,
            "for-each" => {
                let select = self.needed(node, "select")?;
                Instruction::ForEach {
                    select,
                    sorts: self.sorts(node)?,
                    body: self.body(node, inside)?,
                }
            }
            "if" => Instruction::Choose {
                arms: vec![(self.needed(node, "test")?, self.body(node, inside)?)],
                otherwise: Body::new(),
                is_if: true,
            },
            "choose" => self.choose(node, inside)?,
            "attribute" => Instruction::Attribute {
                name: self.named(node)?,
                body: self.body(node, inside)?,
            },
            "element" => Instruction::Element {
                name: self.named(node)?,
                attributes: Vec::new(),
                body: self.body(node, inside)?,
            },
            "text" => {
                let raw = node.attribute("disable-output-escaping") == Some("yes");
                let text: String = node.children().filter_map(|child| child.text()).collect();
                Inline::push_text(parts, &text, raw || inside.raw);
                return Ok(());
            }
            "comment" => Instruction::Comment(self.body(node, inside)?),
            "message" => Instruction::Message {
                body: self.body(node, inside)?,
                terminate: node.attribute("terminate") == Some("yes"),
            },
            "variable" => {
                let value = self.binding(node, inside)?;
                Instruction::Set {
                    slot: self.declare(node)?,
                    value,
                }
            }
            "param" => {
                return Err(self.error(
                    node,
                    "<xsl:param> is the first child of a template, or directly under the root \
                     <rules>: here, write <xsl:variable>",
                ));
            }
            // These elements are read together with the instruction around them.
            "sort" | "with-param" => return Ok(()),
            "fallback" => return Ok(()),
            _ => return Err(self.not_supported(node)),
        };
        parts.push(Inline::Do(self.place(node).into(), Box::new(instruction)));
        Ok(())
    }

    pub(super) fn not_supported(&self, node: Node<'_, '_>) -> LoadError {
        let name = node.tag_name().name();
        let advice = match name {
            "number" => "count what is before: <xsl:value-of select=\"position()\"/>",
            "key" => "write the path that the key stands for",
            "decimal-format" => "write numbers in the page as they are to be read",
            "import" | "include" | "stylesheet" | "transform" => {
                "write <xi:include> for rules files"
            }
            "attribute-set" => "write its <xsl:attribute> where they are used",
            "apply-imports" => "give the template a name, and call it",
            "processing-instruction" => "HTML has none",
            "template" => "a template is directly under the root <rules>",
            "when" | "otherwise" => "write it in <xsl:choose>",
            _ => "write it as rules, or change the page",
        };
        self.error(node, format!("<xsl:{name}> is not supported: {advice}"))
    }

    /// Reads the contents of an instruction.
    pub(super) fn body(&mut self, node: Node<'_, '_>, inside: Inside) -> Result<Body, LoadError> {
        let known = self.names.len();
        let mut parts = Body::new();
        for child in node.children() {
            self.inline_node(child, inside.deeper(self, child)?, &mut parts)?;
        }
        self.names.truncate(known);
        Ok(parts)
    }

    fn choose(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
    ) -> Result<Instruction<Body>, LoadError> {
        let mut arms = Vec::new();
        let mut otherwise = Body::new();
        for child in node.children().filter(Node::is_element) {
            if is_xslt_named(child, "when") {
                arms.push((self.needed(child, "test")?, self.body(child, inside)?));
            } else if is_xslt_named(child, "otherwise") {
                otherwise = self.body(child, inside)?;
            } else {
                let what = "in <xsl:choose> there are <xsl:when> and <xsl:otherwise> only";
                return Err(self.error(child, what));
            }
        }
        Ok(Instruction::Choose {
            arms,
            otherwise,
            is_if: false,
        })
    }

    fn apply_templates(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
    ) -> Result<Instruction<Body>, LoadError> {
        let select = self.expression(node, "select")?;
        let mode = node.attribute("mode");
        Ok(Instruction::Apply {
            select,
            mode: mode.map_or(DEFAULT_MODE, |mode| self.mode(mode)),
            sorts: self.sorts(node)?,
            arguments: self.arguments(node, inside)?,
            into_raw: inside.raw,
        })
    }

    /// Returns the number of a mode.
    pub(super) fn mode(&mut self, name: &str) -> u32 {
        let modes = &mut self.rules.modes;
        let known = modes.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            modes.push(name.to_owned());
            modes.len() - 1
        });
        index as u32 + RAW_MODE
    }

    fn call_template(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
    ) -> Result<Instruction<Body>, LoadError> {
        let Some(name) = node.attribute("name") else {
            return Err(self.error(node, "<xsl:call-template> needs a name"));
        };
        let known = self.template_names.iter().rposition(|known| known == name);
        let Some(template) = known else {
            let what = format!("no <xsl:template name=\"{name}\"> directly under the root <rules>");
            return Err(self.error(node, what));
        };
        Ok(Instruction::Call {
            template: template as u32,
            arguments: self.arguments(node, inside)?,
        })
    }

    fn arguments(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
    ) -> Result<Vec<(String, Binding<Body>)>, LoadError> {
        let mut arguments = Vec::new();
        for child in node
            .children()
            .filter(|child| is_xslt_named(*child, "with-param"))
        {
            let name = self.name_of(child)?;
            arguments.push((name, self.binding(child, inside)?));
        }
        Ok(arguments)
    }

    fn sorts(&mut self, node: Node<'_, '_>) -> Result<Vec<Sort>, LoadError> {
        let mut sorts = Vec::new();
        for child in node
            .children()
            .filter(|child| is_xslt_named(*child, "sort"))
        {
            let itself = Expr::Path(Path {
                absolute: false,
                steps: vec![Step {
                    axis: Axis::Self_,
                    test: Test::Node,
                    predicates: Vec::new(),
                }],
            });
            sorts.push(Sort {
                select: self.expression(child, "select")?.unwrap_or(itself),
                is_number: self.template(child, child.attribute("data-type").unwrap_or("text"))?,
                order: self.template(child, child.attribute("order").unwrap_or("ascending"))?,
            });
        }
        Ok(sorts)
    }

    /// Reads the value of a variable: its `select`, or its contents.
    pub(super) fn binding(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
    ) -> Result<Binding<Body>, LoadError> {
        if let Some(expr) = self.expression(node, "select")? {
            return Ok(Binding::Select(expr));
        }
        let body = self.body(node, inside)?;
        Ok(if body.is_empty() {
            Binding::Empty
        } else {
            Binding::Body(body)
        })
    }

    pub(super) fn name_of(&self, node: Node<'_, '_>) -> Result<String, LoadError> {
        let name = node.attribute("name").filter(|name| !name.is_empty());
        name.map(str::to_owned).ok_or_else(|| {
            let what = format!("<xsl:{}> needs a name", node.tag_name().name());
            self.error(node, what)
        })
    }

    /// Creates a slot for a local variable, which is visible from here on.
    pub(super) fn declare(&mut self, node: Node<'_, '_>) -> Result<u32, LoadError> {
        let name = self.name_of(node)?;
        let slot = self.slots;
        self.slots += 1;
        self.names.push((name, Variable::Local(slot)));
        Ok(slot)
    }

    fn named(&mut self, node: Node<'_, '_>) -> Result<NamePattern, LoadError> {
        let name = self.name_of(node)?;
        self.template(node, &name).map(NamePattern::new)
    }

    fn needed(&mut self, node: Node<'_, '_>, name: &str) -> Result<Expr, LoadError> {
        self.expression(node, name)?.ok_or_else(|| {
            let what = format!("<xsl:{}> needs {name}", node.tag_name().name());
            self.error(node, what)
        })
    }
}
