"""The name under which one installs what a program imports: `sklearn` is scikit-learn.

The app's own dependencies know best, then the packages that are installed here, then the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_PACKAGES: dict[str, tuple[str, ...]] = {  # by module; only what is named otherwise
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "Crypto": ("pycryptodome",),
    "dateutil": ("python-dateutil",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "google": ("protobuf",),
    "keras": ("keras", "tensorflow"),
    "lightning_fabric": ("lightning",),
    "mpl_toolkits": ("matplotlib",),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow",),
    "pl_bolts": ("lightning-bolts",),
    "psycopg2": ("psycopg2-binary", "psycopg2"),
    "pytorch_lightning": ("pytorch-lightning", "lightning"),
    "serial": ("pyserial",),
    "SimpleITK": ("simpleitk",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "sksurv": ("scikit-survival",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "tflite_runtime": ("tflite-runtime",),
    "torch_geometric": ("torch-geometric",),
    "umap": ("umap-learn",),
    "usb": ("pyusb",),
    "wx": ("wxpython",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}


def packages_here(top: str) -> Sequence[str]:
    """The installed packages that have a top-level module; takes a third of a second."""
    return metadata.packages_distributions().get(top, [])


def package_of(
    module: str,
    dependencies: Sequence[str] = (),
    here: Callable[[str], Sequence[str]] = packages_here,
) -> tuple[str, str]:
    """Name of the package that has `module`, and what to give to pip: with the app's version.

    `dependencies` are lines of the app's pyproject.toml.
    """
    top = module.partition(".")[0]
    usual = (*_PACKAGES.get(top, ()), top)
    if found := _declared(usual, dependencies):
        return found
    if top in _PACKAGES:
        return usual[0], usual[0]
    there = here(top)
    if found := _declared(there, dependencies):
        return found
    name = there[0] if there else top.replace("_", "-")
    return name, name


def _declared(names: Iterable[str], dependencies: Sequence[str]) -> tuple[str, str] | None:
    """The first of the app's dependencies that has one of these names."""
    wanted_names = set(map(canonicalize_name, names))
    for line in dependencies:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) in wanted_names:
            return wanted.name, f"{wanted.name}{wanted.specifier}"
    return None
