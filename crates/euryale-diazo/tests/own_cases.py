"""What Diazo makes of its own cases, which it has with it: a list as JSON.

Each is the folder, the theme that is not in the rules, the prefix, the parameters, and Diazo's page or error.
"""

import configparser
import json
import pathlib
import sys

import diazo
import diazo.compiler
import diazo.run
from diazo.utils import quote_param
from lxml import etree

TESTS = pathlib.Path(diazo.__file__).parent / "tests"


def themed(folder):
    config = configparser.ConfigParser()
    config.read([TESTS / "default-options.cfg", folder / "options.cfg"])
    options = config["diazotest"]
    theme = str(folder / options["theme"]) if options["theme"] else None
    known = {}
    for token in (options["extra-params"] or "").split():
        name, _, value = token.partition(":")
        known[name] = value or None
    given = {name: options[name] for name in ["path", *known] if options.get(name)}
    case = {"name": folder.name, "folder": str(folder), "theme": options["theme"] or None,
            "prefix": options["absolute-prefix"] or None, "known": known, "given": given}
    try:
        parser = etree.HTMLParser()
        compiled = diazo.compiler.compile_theme(rules=str(folder / "rules.xml"), theme=theme, parser=parser,
                                                absolute_prefix=options["absolute-prefix"], xsl_params=known)
        parser.resolvers.add(diazo.run.RunResolver(str(folder)))
        content = etree.parse(str(folder / "content.html"), base_url=str(folder / "content.html"),
                              parser=etree.HTMLParser())
        values = {name: quote_param(value) for name, value in given.items()}
        result = etree.XSLT(compiled)(content, **values)
        case["html"] = etree.tostring(result, method="html", encoding="unicode")
    except Exception as error:
        case["error"] = str(error)
    return case


folders = sorted(path.parent for path in TESTS.glob("*/content.html") if (path.parent / "rules.xml").exists())
json.dump([themed(folder) for folder in folders], sys.stdout)
