"""The styles of all parts are one stylesheet: a class of one part must not dress another's."""

import re
from collections import defaultdict

from blossomtune_gradio.ui.parts.carrier import FOLDER

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{};]+)\{[^{}]*\}")
# The class that a selector begins with: the rule holds wherever that class is used.
_LEADS = re.compile(r"(?:\.dark |\.gradio-container )?[a-z]*\.(bt-[\w-]+)")


def test_the_look_of_a_class_stands_in_one_file():
    dressed = defaultdict(set)
    for file in FOLDER.glob("*/*.css"):
        for selectors in _RULE.findall(_COMMENT.sub("", file.read_text("utf-8"))):
            for selector in re.split(r",(?![^(]*\))", selectors):
                if leads := _LEADS.match(selector.strip()):
                    dressed[leads[1]].add(file.relative_to(FOLDER).as_posix())
    assert {name: files for name, files in dressed.items() if len(files) > 1} == {}
