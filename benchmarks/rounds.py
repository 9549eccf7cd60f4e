"""Seconds per round of quickstart_huggingface against the same task in plain Flower.

Two federations of two sites stand side by side, each with its own SuperLink: one runs
quickstart_huggingface on sites as our kit starts them (warm executor), the other `plain_app`
(state dict as ArrayRecord, train and evaluate as two messages, stock FedAvg) under plain
`flower-supernode`. Same reviews, same model of bert-tiny's full size (17.5 MB, 39 arrays), so few
reviews that the training itself takes about a second: what is compared is everything around it.
They take turns; a figure is the time of one run's strategy, divided by its rounds. Limits: all on
this machine and without the gateway (which has its own benchmark).
"""

import re
import secrets
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import parquet

from benchmarks.report import Report
from blossomtune_gradio.settings import Settings
from tests.flower_stack import FlowerStack, make_private_key
from tests.support import free_port, wait_for

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "flower_apps" / "quickstart_huggingface"
PLAIN = Path(__file__).parent / "plain_app"
EXECUTOR = ROOT / "blossomtune_gradio" / "site" / "executor.py"
EXAMPLES = 128
WORDS = 30522  # rows of bert-tiny's embedding
TARGET = 3.0
_FINISHED = re.compile(r"Strategy execution finished in ([\d.]+)s")


def kit_node(stack: FlowerStack, partition: int, partitions: int) -> None:
    """A site as `join.py` starts it: a SuperNode whose tasks a warm executor forks."""
    folder, port = stack.folder, free_port()
    private, secret = folder / f"site-{partition}.key", folder / f"site-{partition}.secret"
    secret.write_text(secrets.token_hex(32))
    node = stack.control.register(make_private_key(private).pem, f"site-{partition}")
    argv = [
        str(Path(sys.executable).parent / "flower-supernode"),
        *("--root-certificates", str(stack.credentials.ca_cert)),
        *("--superlink", stack.address),
        *("--auth-supernode-private-key", str(private)),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--node-config", f"partition-id={partition} num-partitions={partitions}"),
        *("--isolation", "process", "--superexec-auth-secret-file", str(secret)),
    ]
    stack.spawn(f"site-{partition}", argv)
    modules = Settings(data_dir=folder).site_preload.split(",")
    argv = [
        *(sys.executable, str(EXECUTOR), "--runtime", f"127.0.0.1:{port}"),
        *("--secret-file", str(secret)),
        *(f"--preload={module}" for module in modules),
    ]
    executor = f"executor-{partition}"
    stack.spawn(executor, argv)
    wait_for(lambda: stack.status(node) == "online", 90)
    wait_for(lambda: "executor: ready" in stack.log(executor), 90)


def plain_node(stack: FlowerStack, partition: int, partitions: int) -> None:
    """A site as Flower's documentation starts it."""
    stack.add_node(partition, partitions)


def seconds_per_round(stack: FlowerStack, app: Path, config: dict[str, object]) -> float:
    """Run `app` once."""
    log = run(stack, app, config)
    found = _FINISHED.search(log)
    assert found, log
    return float(found[1]) / int(str(config["num-server-rounds"]))


def run(stack: FlowerStack, app: Path, config: dict[str, object]) -> str:
    """The log of a run that must complete."""
    file = stack.folder / "config.toml"
    lines = [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in config.items()]
    file.write_text("\n".join(lines))
    number = stack.submit(app, file)
    fact = stack.wait_for_end(number, seconds=3600)
    assert fact.sub_status == "completed", stack.run_log(number)
    return stack.run_log(number)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    turns: int = 3
    rounds: int = 3
    sites: int = 2
    words: int = WORDS


SMOKE = Size(turns=1, rounds=1, sites=1, words=2000)


def make_material(folder: Path, words: int) -> dict[str, object]:
    """Reviews and a random model that both apps can read; the run configuration that names them."""
    from quickstart_huggingface import model, sample
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    for split, seed in (("train", 1), ("test", 2)):
        texts, labels = sample.reviews(EXAMPLES, seed)
        parquet.write_table(pa.table({"text": texts, "label": labels}), folder / f"{split}.parquet")
    shape = BertConfig(
        vocab_size=words,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
    )
    BertForSequenceClassification(shape).save_pretrained(folder)
    tokenizer = model.word_tokenizer(sample.reviews(2000, seed=3)[0])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    return {"data": str(folder), "model": str(folder), "max-examples": EXAMPLES}


def memory_mb(stack: FlowerStack) -> float:
    """Memory of all processes of a federation, shared pages counted once (PSS)."""
    family = [
        process
        for child in stack.started
        for process in (psutil.Process(child.pid), *psutil.Process(child.pid).children(True))
    ]
    return sum(process.memory_full_info().pss for process in family) / 1e6


def measure(report: Report, folder: Path, size: Size) -> None:
    """Both ways in turns."""
    material = folder / "material"
    material.mkdir()
    config = {**make_material(material, size.words), "num-server-rounds": size.rounds}
    config["min-sites"] = size.sites
    ours = {**config, "max-test-examples": EXAMPLES // 2}
    seconds: dict[str, list[float]] = {"quickstart_huggingface": [], "plain Flower": []}
    with ExitStack() as cleanup:
        kit = cleanup.enter_context(FlowerStack(folder / "kit", poll=1))
        plain = cleanup.enter_context(FlowerStack(folder / "plain", poll=1))
        for partition in range(size.sites):
            kit_node(kit, partition, size.sites)
            plain_node(plain, partition, size.sites)
        for _ in range(size.turns):
            seconds["quickstart_huggingface"].append(seconds_per_round(kit, QUICKSTART, ours))
            seconds["plain Flower"].append(seconds_per_round(plain, PLAIN, config))
        report.add("idle federation, kit", [memory_mb(kit)], "MB")
        report.add("idle federation, plain", [memory_mb(plain)], "MB")
    for name, values in seconds.items():
        report.add(f"round, {name}", values, "s")
    ratio = report.median("round, plain Flower") / report.median("round, quickstart_huggingface")
    report.target("plain / ours, seconds per round", round(ratio, 2), TARGET, ratio >= TARGET)


def main(arguments: list[str]) -> int:
    """`--smoke`: one run of one round each, of one site with a small model."""
    size = SMOKE if "--smoke" in arguments else Size()
    sys.path.insert(0, str(QUICKSTART))
    report = Report("rounds")
    with tempfile.TemporaryDirectory(prefix="blossomtune-bench-") as folder:
        measure(report, Path(folder), size)
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
