"""Made-up movie reviews with labels, so that the app runs without any download.

Each review is two to four remarks, some negated ("not at all dull"), some in favour and some
against; the one that stands last after "but" or "overall" is the verdict. Common words teach
quickly, rare ones late, and one label in twenty-five is wrong, so that a model improves over
several rounds and never reaches 100 %. Pure: the same seed gives the same reviews on any machine.
"""

import random

# ruff: noqa: SIM905 (words are easier to read in a row)
GOOD = (
    "great wonderful funny moving clever charming beautiful gripping fresh honest warm superb "
    "touching brilliant elegant thrilling tender witty inspired delightful radiant masterful "
    "hypnotic luminous"
).split(" ")
BAD = (
    "bad boring dull awful weak clumsy lazy ugly tedious fake cold terrible shallow stupid "
    "messy lifeless bland noisy pointless dreadful wooden hollow sluggish incoherent"
).split(" ")
SUBJECTS = (
    "the plot|the acting|the ending|the music|the script|the camera work|the lead|the dialogue|"
    "the first half|the humour|the pace|the villain|the story|the cast|the second act|the editing"
).split("|")
OPENINGS = (
    "i saw this on a rainy sunday|my friends had warned me|we went with the whole family|"
    "i knew nothing about it|this one took me two evenings|i watched it twice|"
    "the cinema was half empty|everybody talks about it"
).split("|")
STRENGTHS = ("", "", "", "very", "really", "quite", "truly")
NEGATIONS = ("not", "never", "hardly", "not at all", "far from")
TURNS = ("but", "yet", "still , overall", "in the end")

WRONG_LABELS = 0.04
NEGATED = 0.15
MIXED = 0.25


def reviews(count: int, seed: int) -> tuple[list[str], list[int]]:
    """`count` reviews and their labels (0 against, 1 in favour), both classes equally likely."""
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = rng.randrange(2)
        texts.append(_review(rng, bool(label)))
        labels.append(1 - label if rng.random() < WRONG_LABELS else label)
    return texts, labels


def _review(rng: random.Random, in_favour: bool) -> str:
    opening = [rng.choice(OPENINGS), "."] if rng.random() < 0.5 else []
    if rng.random() < MIXED:
        before = _remark(rng, not in_favour)
        body = [*before, ",", rng.choice(TURNS), *_remark(rng, in_favour)]
    else:
        body = _remark(rng, in_favour)
        for _ in range(rng.randint(1, 2)):
            body += ["and", *_remark(rng, in_favour)]
    return " ".join([*opening, *body, "."])


def _remark(rng: random.Random, in_favour: bool) -> list[str]:
    negated = rng.random() < NEGATED
    word = _pick(rng, GOOD if in_favour != negated else BAD)
    strength = rng.choice(NEGATIONS) if negated else rng.choice(STRENGTHS)
    return [*f"{rng.choice(SUBJECTS)} was {strength} {word}".split()]


def _pick(rng: random.Random, words: list[str]) -> str:
    """Early words often, late words rarely, as in any language."""
    return rng.choices(words, weights=[1 / (place + 3) for place in range(len(words))])[0]
