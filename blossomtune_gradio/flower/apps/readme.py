"""An app's README as HTML that can be shown: no scripts, no images, nothing that is fetched.

markdown-it reads it, nh3 cleans what came out; both are trusted only together.
"""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

LONGEST = 32 * 1024  # characters; markup can be nested so that more takes long
_TAGS = {
    *("p", "br", "hr", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
_HEADINGS = {"h1": "h4", "h2": "h5", "h3": "h6", "h4": "h6", "h5": "h6"}  # below those of the page


def readme_html(text: str) -> str:
    """Safe HTML of Markdown. Links open elsewhere and only lead to http, https and mail."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.add_render_rule("image", _image)
    tokens = markdown.parse(text[:LONGEST].replace("\0", ""))
    for token in tokens:
        token.tag = _HEADINGS.get(token.tag, token.tag)
    dirty = markdown.renderer.render(tokens, markdown.options, {})
    return nh3.clean(
        dirty,
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_relative="deny",
    )


def _image(_self: object, tokens: list[object], index: int, *_: object) -> str:
    """Its words only: a picture would be fetched from elsewhere."""
    words = escapeHtml(str(getattr(tokens[index], "content", "")))
    return f"<em>{words}</em>" if words else ""
