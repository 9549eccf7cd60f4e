"""Where data and model come from when the run says "auto": the hub if it answers, else made here.

Asked once, on the server; the sites are told the outcome, so that nobody guesses differently.
Surprise: the question runs in a daemon thread, because a name server that never answers cannot
be timed out in Python and must not hold up the run.
"""

from threading import Thread

MODEL = "prajjwal1/bert-tiny"
DATA = "stanfordnlp/imdb"
FRESH = "fresh"  # random weights, vocabulary of the server's own texts
SAMPLE = "sample"
HUB = "hub"
PATIENCE = 5.0  # seconds


def resolve(data: str, model: str, endpoint: str | None = None) -> tuple[str, str, str]:
    """Replace "auto" in both; the third value is a line for the log, empty if nothing was open.

    `endpoint` is the hub's address, None for the usual one.
    """
    undecided = [name for name, value in (("data", data), ("model", model)) if value == "auto"]
    if data == SAMPLE and model == "auto":
        return data, FRESH, "Made-up reviews were asked for, so the model starts from scratch."
    if not undecided:
        return data, model, ""
    trouble = hub_trouble(endpoint=endpoint)
    if trouble:
        data = SAMPLE if data == "auto" else data
        model = FRESH if model == "auto" else model
        line = f"The Hugging Face hub cannot be used ({trouble}), so {_substitute(undecided)}."
    else:
        data = HUB if data == "auto" else data
        model = MODEL if model == "auto" else model
        line = f"The Hugging Face hub answers: data={data} model={model}."
    return data, model, line


def hub_trouble(endpoint: str | None = None, seconds: float = PATIENCE) -> str:
    """Why model and data cannot be had from the hub right now; empty if they can.

    Returns within `seconds`, whatever the network does.
    """
    answer: list[str] = []

    def ask() -> None:
        try:
            from huggingface_hub import HfApi

            hub = HfApi(endpoint=endpoint)
            hub.model_info(MODEL, timeout=seconds)
            hub.dataset_info(DATA, timeout=seconds)
            answer.append("")
        except Exception as error:  # noqa: BLE001 (whatever it is: go on without the hub)
            answer.append(_first_sentence(error))

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else f"no answer within {seconds:g} s"


def _substitute(undecided: list[str]) -> str:
    if "data" in undecided:
        return "this run uses the embedded sample: made-up reviews, small but learnable"
    return "the model starts from scratch, with random weights"


def _first_sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(". ")[0][:160].rstrip(".")
