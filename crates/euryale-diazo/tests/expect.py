"""What Diazo makes of the cases.

    expect.py cases/*.case            prints {case: html} as JSON
    expect.py --write cases/*.case    writes the results into the cases, as what is expected

Needs the packages diazo, lxml and cssselect.
"""

import io
import json
import pathlib
import sys
import tempfile

import diazo.compiler
from lxml import etree


def parts(path):
    """Settings, and files by name. A case without a page or a theme of its own has those of `common`."""
    settings, files, name = {}, {}, None
    for line in path.read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            name = line[4:].strip()
            files[name] = ""
        elif name:
            files[name] += line
        elif ":" in line and not line.startswith("#"):
            key, value = line.split(":", 1)
            settings.setdefault(key.strip(), []).append(value.strip())
    for common in (path.parent / "common").glob("*.html"):
        files.setdefault(common.name, common.read_text())
    return settings, files


class Documents(etree.Resolver):
    def __init__(self, folder):
        self.folder = folder

    def resolve(self, url, pubid, context):
        if (self.folder / url).is_file():
            return self.resolve_filename(str(self.folder / url), context)


def themed(path):
    settings, files = parts(path)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, text in files.items():
            (folder / name).write_text(text)
        parameters = dict(value.split("=", 1) for value in settings.get("parameter", []))
        parser = etree.HTMLParser(encoding="utf-8")
        parser.resolvers.add(Documents(folder))
        compiled = diazo.compiler.compile_theme(
            rules=str(folder / "rules.xml"),
            parser=parser,
            absolute_prefix=settings.get("prefix", [None])[0],
            xsl_params=dict(parameters),
        )
        values = {name: etree.XSLT.strparam(value) for name, value in parameters.items()}
        values["path"] = etree.XSLT.strparam(settings.get("path", ["/"])[0])
        page = etree.parse(io.BytesIO(files["content.html"].encode()), parser=etree.HTMLParser(encoding="utf-8"))
        result = etree.XSLT(compiled)(page, **values)
        return etree.tostring(result, method="html", encoding="unicode")


def main(arguments):
    write = "--write" in arguments
    results = {}
    for path in [pathlib.Path(argument) for argument in arguments if argument != "--write"]:
        results[path.stem] = themed(path)
        if write:
            kept = path.read_text().split("=== expected.html\n")[0]
            path.write_text(f"{kept}=== expected.html\n{results[path.stem].rstrip()}\n")
    if not write:
        json.dump(results, sys.stdout, indent=1)


main(sys.argv[1:])
