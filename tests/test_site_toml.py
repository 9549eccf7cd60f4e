"""What people's editors make of `site.toml`, and what of its values Flower can be told."""

import datetime
import math
import os
import re
import subprocess
import sys

import httpx
import pytest
import tomli_w
from flwr.common.config import parse_config_args
from flwr.common.serde import user_config_from_proto, user_config_to_proto
from hypothesis import given
from hypothesis import strategies as st

from blossomtune_gradio.site.kit import Site, read_site
from blossomtune_gradio.site.node_values import node_config, read_back
from blossomtune_gradio.site.preflight import data
from blossomtune_gradio.site.surroundings import client, mend
from blossomtune_gradio.site.words import Doubt, Fault, Problem

KIT = {
    "site": "Klinik 2",
    "superlink": "127.0.0.1:7861",
    "join_url": "https://127.0.0.1:7861/api/v1/join",
    "ca_fingerprint": "sha256:AB",
    "token": "one-time",
    "partition_id": 1,
    "num_partitions": 10,
    "flwr": "1.41.0",
    "preload": ["torch"],
}
TEXT = tomli_w.dumps(KIT)
LINES = TEXT.count("\n")
ANSWER = {"partition_id": 1, "num_partitions": 10}


def saved(tmp_path, raw):
    (tmp_path / "site.toml").write_bytes(raw)
    return tmp_path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_site_toml_is_read_however_an_editor_saved_it(tmp_path, encoding, ends):
    text = TEXT + '\n[node_config]\ndata = "/srv/größe"\n'
    site = read_site(saved(tmp_path, text.replace("\n", ends).encode(encoding)))
    assert (site.site, site.node_config) == ("Klinik 2", {"data": "/srv/größe"})


TYPED = [  # what somebody adds as the last line, the column of its fault, the words, the advice
    ("data = “/srv/data”", 8, "typographic quotes", 'Use "'),
    ("data = „/srv/data“", 8, "typographic quotes", 'Use "'),
    ("data = \u2018/srv/data\u2019", 8, "typographic quotes", 'Use "'),
    ("data = «/srv»", 8, "typographic quotes", 'Use "'),
    ("data = `/srv`", 8, "typographic quotes", 'Use "'),
    ("“data” = 1", 1, "typographic quotes", 'Use "'),
    ("data\u00a0= 1", 5, r"a blank of another kind \(U\+00A0\)", "plain blank"),
    ("data = /srv/data", 8, "a text without quotation marks", "in quotes"),
    ("data = C:/data", 8, "a text without quotation marks", "in quotes"),
    ("data = hub", 8, "a text without quotation marks", "in quotes"),
    ('data = "/srv/data', 8, "without its second quotation mark", 'End it with "'),
    ("data = '/srv", 8, "without its second quotation mark", "End it with '"),
    ('data = "C:\\data"', None, "a backslash within double quotes", "single quotes"),
    ('data = "C:\\users"', None, "a backslash within double quotes", "single quotes"),
    ("rate = 0,5", 8, "a decimal comma", r"Write 0\.5"),
    ("share = True", 9, "True is no value", "true or false"),
    ("share = yes", 9, "yes is no value", "true or false"),
    ("data: 1", 5, "a colon in place of =", "name = value"),
    ("data", None, "no name and value", "name = value"),
    ("data =", None, "a name without a value", "Write the value"),
    ("a = 1\na = 2", None, "a second time", "Keep one"),
    ("b = 2\n[node_config]", None, "a second time", "Keep one"),
    ("a = 1 2", None, r"\w+", "Correct that line"),
    ("list = [1, 2", None, r"\w+", r"\w+"),
    ('x = """', None, r"\w+", r"\w+"),
]


@pytest.mark.parametrize(("typed", "column", "said", "advice"), TYPED)
def test_a_typing_fault_is_named_by_line_and_never_costs_the_kit(
    tmp_path, typed, column, said, advice
):
    kit = saved(tmp_path, f"{TEXT}\n[node_config]\n{typed}\n".encode())
    with pytest.raises(Problem, match=rf"site\.toml, line \d+, column \d+: .*{said}") as told:
        read_site(kit)
    line = LINES + 3 + typed.count("\n")
    assert f"line {line}, " in told.value.sentence
    if column:
        assert f"column {column}:" in told.value.sentence
    assert re.search(advice, told.value.fix), told.value.fix
    assert "kit" not in told.value.fix
    assert "one-time" not in str(told.value)


def test_a_letter_in_another_encoding_is_named_with_its_line(tmp_path):
    kit = saved(tmp_path, f'{TEXT}\n[node_config]\ndata = "/srv/größe"\n'.encode("latin-1"))
    with pytest.raises(Problem, match=rf"line {LINES + 3}: a letter is not in UTF-8") as told:
        read_site(kit)
    assert "Save the file" in told.value.fix


def test_what_is_missing_is_taken_from_the_same_kit(tmp_path):
    for raw in (b"", b"\n\n", b"\xef\xbb\xbf", b'site = "a"\n'):
        with pytest.raises(Problem, match=r"is empty|lacks ") as told:
            read_site(saved(tmp_path, raw))
        assert "out of the kit's zip again" in told.value.fix
        assert "new kit" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("partition_id", "1", "a whole number"),
        ("partition_id", True, "a whole number"),
        ("free_disk_mb", 1.5, "a whole number"),
        ("report", "no", "true or false"),
        ("share_log", 1, "true or false"),
        ("preload", "torch", "a list"),
        ("preload", [1], "texts only"),
        ("node_config", "x", "a table"),
        ("token", 7, "a text"),
    ],
)
def test_a_value_of_another_kind_is_named_in_words(tmp_path, name, value, said):
    with pytest.raises(Problem, match=rf"{name} in .*{said}") as told:
        read_site(saved(tmp_path, tomli_w.dumps(KIT | {name: value}).encode()))
    assert told.value.fix == "Correct that line."


def site_with(tmp_path, values):
    return Site(tmp_path, "s", "a:1", "https://a", "f", "t", 1, 10, "1.41.0", node_config=values)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.inf, "is inf, which is no finite number"),
        (-math.inf, "is -inf, which is no finite number"),
        (math.nan, "is nan, which is no finite number"),
        (2**63, "is too large a number"),
        (2**64 - 1, "is too large a number"),
        (-(2**63) - 1, "is too large a number"),
        ({"host": "omop"}, "is a table"),
        ({}, "is a table"),
        (["age", "sex"], "is a list"),
        (datetime.date(2024, 1, 1), "is a date"),
        (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "is a date"),
        (datetime.time(8, 30), "is a date or time"),
        ("x" * 200_000, "is too long"),
    ],
)
def test_a_value_that_flower_cannot_be_told_is_refused_with_the_name_of_its_key(
    tmp_path, value, said
):
    with pytest.raises(Problem, match=rf"node_config\.the-key in site\.toml {said}") as told:
        data(site_with(tmp_path, {"fine": 1, "the-key": value}))
    assert told.value.fix
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    "key", ["", "a b", "a.b", "größe", "-x", "--host", "a=b", 'a"b', "k" * 129]
)
def test_a_name_that_flower_cannot_be_told_is_refused(tmp_path, key):
    with pytest.raises(Problem, match="has a name that cannot be used"):
        node_config(site_with(tmp_path, {key: 1}), ANSWER)


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec="utf-8")),
    st.sampled_from(["a=b 'x' \"y\" \\ C:\\data ü", "x.toml", "\x7f", "\r\n", "\u2028", "#", "="]),
)
NAMES = st.text(st.sampled_from("aZ09_-.= é\"'"), max_size=6) | st.sampled_from(["-x", "x.toml"])


@given(values=st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_not_refused_reaches_a_clientapp_as_it_was_written(tmp_path_factory, values):
    site = site_with(tmp_path_factory.getbasetemp(), values)
    try:
        text = node_config(site, ANSWER)
    except Problem as problem:
        refusal = problem.sentence
    else:
        refusal = ""
    if refusal:
        assert re.match(r"node_config\..* in site\.toml ", refusal)
        return
    read_back(site)
    read = parse_config_args([text])  # as flower-supernode does
    expected = values | {"partition-id": 1, "num-partitions": 10}
    assert read == expected
    assert user_config_from_proto(user_config_to_proto(read)) == expected
    assert {key: type(read[key]) for key in values} == {key: type(v) for key, v in values.items()}


def test_a_line_for_us_below_the_heading_for_apps_is_told(tmp_path):
    with pytest.raises(Doubt, match=r"share_log in site\.toml stands below \[node_config\]"):
        data(site_with(tmp_path, {"share_log": True}))


ENTRIES = [
    "localhost",
    "127.0.0.1",
    ".clinic.example",
    "*.clinic.example",
    "10.0.0.0/8",
    "192.168.1.1:8080",
    "host:8080",
    "::1",
    "[::1]",
    "::1/128",
    "fe80::/10",
    "fd07:b51a:cc66:f0::/64",
    "2001:db8::1",
    "[2001:db8::1]",
    "[fe80::]/10",
    "https://clinic.example",
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_usual_entry_of_no_proxy_leaves_a_client_that_can_be_made(monkeypatch, entry):
    environment = {"NO_PROXY": f"a.example, {entry},b.example"}
    mend(environment)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, environment["NO_PROXY"])
    httpx.Client(verify=False).close()
    assert "a.example" in environment["NO_PROXY"]
    assert "b.example" in environment["NO_PROXY"]


def test_what_a_client_can_take_is_left_as_it_is():
    environment = {"NO_PROXY": "10.0.0.0/8,::1", "HTTPS_PROXY": "http://p:3128"}
    assert mend(environment) == []
    assert environment == {"NO_PROXY": "10.0.0.0/8,::1", "HTTPS_PROXY": "http://p:3128"}


def test_a_key_log_that_can_be_written_is_kept(tmp_path):
    for file, kept in (("keys", True), ("no/keys", False), ("", False)):
        environment = {"SSLKEYLOGFILE": str(tmp_path / file)}
        mend(environment)
        assert ("SSLKEYLOGFILE" in environment) is kept
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("variables", "guilty"),
    [
        ({"ALL_PROXY": "socks5://p:1080"}, "ALL_PROXY"),
        ({"all_proxy": "socks5h://p:1080"}, "all_proxy"),
        ({"HTTPS_PROXY": "socks4://p:1080"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://me:secret@[::1"}, "HTTPS_PROXY"),
        ({"http_proxy": "http://proxy:port"}, "http_proxy"),
        ({"HTTPS_PROXY": "proxy.example:3128"}, ""),
        ({"SSL_CERT_FILE": "/no/such/file"}, ""),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, ""),
    ],
)
def test_a_variable_that_stops_flowers_client_is_named_by_making_one(
    tmp_path, app_ca, variables, guilty
):
    site = site_with(tmp_path, {})
    (tmp_path / "ca.pem").write_bytes(app_ca)
    environment = {"PATH": os.defpath, **variables}
    made = subprocess.run(
        [sys.executable, "-c", "import httpx, sys; httpx.Client(verify=sys.argv[1])", site.ca],
        env=environment,
        capture_output=True,
    )
    assert (made.returncode == 0) is (not guilty)
    if not guilty:
        assert client(site, environment)
        return
    with pytest.raises(Fault, match=guilty) as told:
        client(site, environment)
    assert guilty in told.value.fix
    assert "secret" not in str(told.value)


@pytest.fixture(scope="module")
def app_ca(tmp_path_factory):
    from blossomtune_gradio.tls import ensure_server_credentials

    return ensure_server_credentials(tmp_path_factory.mktemp("ca"), []).ca_cert.read_bytes()
