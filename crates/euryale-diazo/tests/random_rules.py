"""Random rule files with instructions, on random pages, and what Diazo makes of them: a list as JSON.

    random_rules.py SEED COUNT
"""

import io
import json
import random
import sys
import tempfile

import diazo.compiler
from lxml import etree

THEME = ('<html><head><title>T</title></head><body class="t"><div id="a" class="x">A <b>bold</b></div><ul id="b"><li>1</li>'
         '<li class="x">2</li></ul><p id="c">C</p><div id="d"><span>D</span></div></body></html>')
MARK = "\ue000"
NS = ('xmlns="http://namespaces.plone.org/diazo" xmlns:css="http://namespaces.plone.org/diazo/css" '
      'xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:exsl="http://exslt.org/common" '
      'xmlns:str="http://exslt.org/strings"')
PATHS = ["//p", "//p[1]", "//li", "//*[@class]", "//div[@id='m']", "//div/*", "//b|//i", "//a/@href", "//h1/node()",
         "//li[position() &gt; 1]", "//text()[contains(., 'a')]", "/html/body/*", "//nothing", "//div[p]", "//comment()"]
HERE = [".", "*", "@*", "node()", "..", "text()", "*[1]", "b", "ancestor::div", "following-sibling::*[1]", "@class"]
VALUES = ["count(//p)", "string-length(.)", "position()", "last()", "name()", "concat('x', 'y')", "'a &lt; b'",
          "normalize-space(.)", "1 + 2", "2 div 4", "count(*) &gt; 1", "substring(., 2, 3)", "translate(., 'ab', 'BA')",
          "str:replace(string(.), 'a', 'AA')", "name(current())", "$g", "$h", "string($g)", "1 div 0", "-0.5",
          "generate-id() = generate-id(.)", "sum(//li[number(.) = number(.)])", "count(str:tokenize('a b c'))"]
TESTS = ["//p", "//nothing", "position() = 1", "position() = last()", "self::p", "@class", "count(//li) &gt; 2", "$g = 'G'",
         "not(*)", "contains(., 'a')", "$h", "string($empty)", "boolean($empty)"]
CSS = ["p", "li", ".x", "#m", "#m p", "ul > li", "b, i", "li:first-child", "p + p", "a[href]"]


class Random(random.Random):
    def path(self, inside):
        return self.choice(PATHS if not inside or self.random() < 0.4 else HERE)

    def select(self, inside, name="select"):
        if self.random() < 0.3:
            return f'css:{name}="{self.choice(CSS)}"'
        return f'{name}="{self.path(inside)}"'

    def test(self, inside):
        return f'css:test="{self.choice(CSS)}"' if self.random() < 0.2 else f'test="{self.choice(TESTS)}"'

    def attribute(self):
        name = self.choice(["class", "title", "data-a"])
        return f'<xsl:attribute name="{name}">{self.simple()}</xsl:attribute>'

    def simple(self):
        return self.choice(["text", f'<xsl:value-of select="{self.choice(VALUES)}"/>', "a &amp; b"])

    def body(self, depth, inside):
        return "".join(self.instruction(depth, inside) for _ in range(self.randint(1, 3)))

    def element(self, depth, inside):
        name = self.choice(["div", "span", "b", "section"])
        attributes = self.choice(["", ' class="s"', f' title="{{{self.choice(VALUES)}}}"', ' class="a{1 + 1}b {{}}"'])
        first = self.attribute() if self.random() < 0.3 else ""
        return f"<{name}{attributes}>{first}{self.body(depth - 1, inside)}</{name}>"

    def instruction(self, depth, inside):
        if depth <= 0:
            return self.simple()
        kind = self.randrange(14)
        more = lambda inside=inside: self.body(depth - 1, inside)
        if kind == 0:
            return f"<xsl:copy-of {self.select(inside)}/>"
        if kind == 1:
            mode = self.choice(["", "", ' mode="raw"', ' mode="m"'])
            return f"<xsl:apply-templates {self.select(inside)}{mode}/>"
        if kind == 2:
            sort = self.choice(["", "", '<xsl:sort select="."/>', '<xsl:sort select="string-length(.)" data-type="number"/>',
                                '<xsl:sort select="name()" order="descending"/>'])
            return f"<xsl:for-each {self.select(inside)}>{sort}{more(True)}</xsl:for-each>"
        if kind == 3:
            return f"<xsl:if {self.test(inside)}>{more()}</xsl:if>"
        if kind == 4:
            return (f"<xsl:choose><xsl:when {self.test(inside)}>{more()}</xsl:when><xsl:when {self.test(inside)}>{more()}"
                    f"</xsl:when><xsl:otherwise>{more()}</xsl:otherwise></xsl:choose>")
        if kind in (5, 6, 7):
            return self.element(depth, inside)
        if kind == 8:
            self.count = getattr(self, "count", 0) + 1
            name = f"v{self.count}"
            value = (f'<xsl:variable name="{name}" select="{self.choice(VALUES)}"/>' if self.random() < 0.5
                     else f'<xsl:variable name="{name}"><i>{self.simple()}</i>{self.simple()}</xsl:variable>')
            use = self.choice([f'<xsl:value-of select="${name}"/>', f'<xsl:copy-of select="${name}"/>',
                               f'<xsl:if test="${name}">if</xsl:if>'])
            return value + use
        if kind == 9:
            return '<xsl:call-template name="t"><xsl:with-param name="n" select="position()"/></xsl:call-template>'
        if kind == 10:
            return f"<xsl:comment>c {self.choice('xyz')}</xsl:comment>"
        if kind == 11:
            return f'<xsl:element name="h{self.randint(1, 3)}">{self.simple()}</xsl:element>'
        if kind == 12 and inside:
            return f"<xsl:copy>{more()}</xsl:copy>"
        return self.simple()

    def rule(self):
        condition = self.choice(["", "", "", ' if="//p"', ' css:if-content="#m"', ' css:if-not-content=".nothing"'])
        kind = self.randrange(9)
        theme = self.choice(["#a", "#b", "#c", "#d", "li", "span"])
        if kind < 4:
            where = self.choice(["before", "after", "replace"])
            children = self.choice(["theme", "theme-children"])
            if where == "replace" and not condition:
                theme = self.unused.pop() if self.unused else "#none"
            return f'<{where} css:{children}="{theme}"{condition}>{self.body(3, False)}</{where}>'
        if kind == 4:
            return f'<after css:theme-children="{theme}" css:content="{self.choice(CSS)}"{condition}/>'
        if kind == 5:
            # With a group Diazo's condition is about the last: `//b | //i[//p]`.
            one = self.choice([css for css in CSS if not condition or "," not in css])
            return f'<drop css:content="{one}"{condition}/>'
        if kind == 6:
            name = self.choice(["before", "after", "replace"])
            return f'<{name} css:content="{self.choice(CSS)}">{self.element(2, True)}</{name}>'
        if kind == 7:
            # With a group Diazo's expression is about all of the first: `//b | //i/@class`.
            one = self.choice([css for css in CSS if "," not in css])
            return f'<drop attributes="class" css:content="{one}"/>'
        return f'<copy attributes="class title" css:content="#m" css:theme="{theme}"/>'

    def template(self):
        match = self.choice(["p", "li", "*[@class='x']", "b", "ul/li", "text()", "@class", "i | b", "h1"])
        priority = self.choice(["", "", ' priority="2"', ' priority="-1"'])
        mode = self.choice(["", "", "", ' mode="m"'])
        body = self.choice(['<xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>', "[<xsl:value-of select='.'/>]",
                            "<em><xsl:apply-templates select='node()'/></em>", ""])
        if match == "@class":
            body = '<xsl:attribute name="class">t-<xsl:value-of select="."/></xsl:attribute>'
        return f'<xsl:template match="{match}"{priority}{mode}>{body}</xsl:template>'

    def rules(self):
        self.unused = ["#a", "#b", "#c", "#d"]
        self.shuffle(self.unused)
        top = ['<xsl:variable name="g" select="\'G\'"/>', '<xsl:variable name="h"><b>H</b><xsl:value-of select="count(//p)"/>'
               "</xsl:variable>", '<xsl:variable name="empty"/>',
               '<xsl:template name="t"><xsl:param name="n">none</xsl:param><i><xsl:value-of select="$n"/></i></xsl:template>']
        top += [self.template() for _ in range(self.choice([0, 0, 0, 1, 2]))]
        rules = [self.rule() for _ in range(self.randint(1, 5))]
        return f'<rules {NS}>\n<theme href="theme.html"/>\n' + "\n".join(top + rules) + "\n</rules>\n"

    def node(self, depth):
        if depth == 0 or self.random() < 0.3:
            return self.choice(["text", "banana", "7", "3", "a &amp; b", " x "])
        name = self.choice(["div", "section", "ul", "p", "b", "i", "a"] if depth > 1 else ["p", "b", "i", "a"])
        attributes = self.choice(["", "", ' class="x"', ' class="y z" title="q"', ' data-n="1 &lt; 2"'])
        attributes += ' href="/l"' if name == "a" else ""
        if name == "ul":
            inside = "".join(f"<li{self.choice(['', ' class=' + chr(34) + 'x' + chr(34)])}>{self.choice(['one', '2', 'b3', '10'])}</li>"
                             for _ in range(self.randint(1, 4)))
        elif name in ("p", "b", "i", "a"):
            inside = "".join(self.choice(["word", " a b ", "<b>bold</b>", "<i>it</i>", "<!-- c -->", "9"])
                             if name == "p" else self.choice(["t", "u", "5"]) for _ in range(self.randint(1, 3)))
        else:
            inside = "".join(self.node(depth - 1) for _ in range(self.randint(1, 4)))
        return f"<{name}{attributes}>{inside}</{name}>"

    def page(self):
        main = "".join(self.node(3) for _ in range(self.randint(1, 5)))
        return (f'<html lang="en"><head><title>Page</title></head><body class="p"><h1>Head <b>ing</b></h1><div id="m" class="main" '
                f'title="M">{main}</div></body></html>')


def written(page):
    """The page as HTML. libxml2 writes an empty `li` without its end tag, so that what follows would be read into it: a mark keeps it."""
    for element in page.iter("li"):
        if len(element) == 0 and not element.text:
            element.text = MARK
    return etree.tostring(page, method="html", encoding="unicode").replace(MARK, "")


def case(seed):
    chance = Random(seed)
    rules, page = chance.rules(), chance.page()
    made = {"seed": seed, "rules": rules, "theme": THEME, "content": page}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("rules.xml", rules), ("theme.html", THEME)):
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
        try:
            compiled = etree.XSLT(diazo.compiler.compile_theme(rules=f"{folder}/rules.xml"))
            content = etree.parse(io.BytesIO(page.encode()), parser=etree.HTMLParser(encoding="utf-8"))
            made["html"] = written(compiled(content, path="'/'"))
        except Exception as error:
            made["error"] = str(error)
    return made


first, count = int(sys.argv[1]), int(sys.argv[2])
json.dump([case(seed) for seed in range(first, first + count)], sys.stdout)
