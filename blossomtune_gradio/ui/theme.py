"""Colours, type and spacing of the page, as a Gradio theme; the rest is in `parts/kit/style.css`.

One accent, plum, on paper-like neutrals. Text meets WCAG AA (4.5:1) in both modes. The font is one
that Gradio ships, so no request leaves the server; fixed width is the machine's own, which spares
each page 36 kB. Surprise: only Regular and Bold are whole; SemiBold lacks most letters.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

PLUM = colors.Color(
    name="plum",
    c50="#fcf2f6",
    c100="#f8e3ec",
    c200="#f0c6d9",
    c300="#e6a3c0",
    c400="#dc84aa",
    c500="#c2517f",
    c600="#a33664",
    c700="#8a2852",
    c800="#6f2044",
    c900="#4a1a30",
    c950="#33131f",
)
PETAL = colors.Color(
    name="petal",
    c50="#faf8f9",
    c100="#f3eff1",
    c200="#e6e0e3",
    c300="#d2c9ce",
    c400="#a2969d",
    c500="#766a71",
    c600="#655a61",
    c700="#3a3338",
    c800="#282226",
    c900="#1c181b",
    c950="#131012",
)
_SANS = (fonts.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """The theme of all pages."""
    made = gr.themes.Base(
        primary_hue=PLUM,
        secondary_hue=PLUM,
        neutral_hue=PETAL,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
    )
    return made.set(**_SURFACES, **_INPUTS, **_BUTTONS)


_SURFACES = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color": "#221b20",
    "body_text_color_dark": "#f0eaee",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "#ab9fa7",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": "*neutral_900",
    "background_fill_secondary": "*neutral_50",
    "background_fill_secondary_dark": "*neutral_950",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#352e33",
    "color_accent_soft": "*primary_50",
    "color_accent_soft_dark": "*primary_950",
    "link_text_color": "*primary_700",
    "link_text_color_dark": "*primary_300",
    "link_text_color_hover": "*primary_800",
    "link_text_color_hover_dark": "*primary_200",
    "link_text_color_visited": "*primary_700",
    "link_text_color_visited_dark": "*primary_300",
    "link_text_color_active": "*primary_800",
    "link_text_color_active_dark": "*primary_200",
    "block_background_fill": "transparent",
    "block_background_fill_dark": "transparent",
    "block_border_width": "0px",
    "block_border_width_dark": "0px",
    "block_shadow": "none",
    "block_shadow_dark": "none",
    "block_padding": "0px",
    "block_radius": "0px",
    "block_title_text_color": "*body_text_color",
    "block_title_text_color_dark": "*body_text_color",
    "block_title_text_weight": "600",
    "block_title_text_size": "13px",
    "block_info_text_color": "*body_text_color_subdued",
    "block_info_text_color_dark": "*body_text_color_subdued",
    "block_label_text_color": "*body_text_color_subdued",
    "block_label_text_color_dark": "*body_text_color_subdued",
    "layout_gap": "20px",
    "form_gap_width": "0px",
}
_INPUTS = {
    "input_background_fill": "#ffffff",
    "input_background_fill_dark": "*neutral_950",
    "input_background_fill_focus": "#ffffff",
    "input_background_fill_focus_dark": "*neutral_950",
    "input_border_color": "#8f838a",
    "input_border_color_dark": "#7c7079",
    "input_border_color_focus": "*primary_600",
    "input_border_color_focus_dark": "*primary_400",
    "input_border_width": "1px",
    "input_border_width_dark": "1px",
    "input_radius": "8px",
    "input_shadow": "none",
    "input_shadow_dark": "none",
    "input_shadow_focus": "0 0 0 3px *primary_100",
    "input_shadow_focus_dark": "0 0 0 3px *primary_900",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "#94888f",
    "input_text_size": "15px",
}
_BUTTONS = {
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_small_radius": "6px",
    "button_large_text_weight": "600",
    "button_large_text_size": "15px",
    "button_transform_hover": "none",
    "button_transform_active": "none",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_dark": "*primary_300",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_hover_dark": "*primary_200",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#2b0f1c",
    "button_primary_text_color_hover": "#ffffff",
    "button_primary_text_color_hover_dark": "#2b0f1c",
    "button_primary_border_color": "transparent",
    "button_primary_border_color_dark": "transparent",
    "button_primary_shadow": "none",
    "button_primary_shadow_dark": "none",
    "button_primary_shadow_hover": "none",
    "button_primary_shadow_hover_dark": "none",
    "button_secondary_background_fill": "#ffffff",
    "button_secondary_background_fill_dark": "*neutral_900",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "#28222a",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "#4b424a",
}
