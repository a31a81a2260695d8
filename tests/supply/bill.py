"""The software bill of materials: what runs in production, as CycloneDX 1.6 has it, in ``sbom.cdx.json``.

``python -m tests.supply.bill`` writes it out of the lock: each distribution with its version, its licence as its own
metadata tell it, the hashes of its files, and what needs what. Two runs give the same bytes.
"""

import json
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply.locks import LOCK, PROJECT, ROOT, Locked, read, wanted

PLACE = ROOT / "sbom.cdx.json"

# What their metadata do not say as an SPDX expression; looked up in each one's own licence file.
LICENCES = {
    "annotated-types": "MIT",
    "async-timeout": "Apache-2.0",
    "charset-normalizer": "MIT",
    "protobuf": "BSD-3-Clause",
}

# The classifiers that are used, as SPDX has them.
_CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

# What markers see: this interpreter, and the oldest that is supported.
HERE: Mapping[str, str] = {}
OLDEST: Mapping[str, str] = {"python_version": "3.11", "python_full_version": "3.11.0"}

Json = dict[str, Any]


def purl(name: str, version: str) -> str:
    """A package's address without a host (package-url)."""
    return f"pkg:pypi/{name}@{version}"


def licence(name: str) -> str:
    """An SPDX expression; empty where nobody says."""
    if name in LICENCES:
        return LICENCES[name]
    try:
        told = distribution(name).metadata
    except PackageNotFoundError:
        return ""
    if expressions := told.get_all("License-Expression", []):
        return str(expressions[0])
    classified = [_CLASSIFIERS[each] for each in told.get_all("Classifier", []) if each in _CLASSIFIERS]
    return " OR ".join(classified)


def needs(name: str, where: Mapping[str, str] = HERE) -> set[str]:
    """What a distribution needs to run; an extra of its own only where somebody asks for it."""
    try:
        asked = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    found = (Requirement(each) for each in asked)
    extras = ("", *(extra for each in wanted() if canonicalize_name(each.name) == name for extra in each.extras))
    return {
        canonicalize_name(each.name)
        for each in found
        if each.marker is None or any(each.marker.evaluate({**where, "extra": extra}) for extra in extras)
    }


def component(locked: Locked) -> Json:
    """One distribution."""
    address = purl(locked.name, locked.version)
    hashes = [{"alg": "SHA-256", "content": each.removeprefix("sha256:")} for each in locked.hashes]
    return {
        "type": "library",
        "bom-ref": address,
        "name": locked.name,
        "version": locked.version,
        "purl": address,
        "licenses": [{"expression": licence(locked.name)}],
        "externalReferences": [{"type": "distribution", "url": address, "hashes": hashes}],
    }


def bill() -> Json:
    """The whole document."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    locked = {each.name: each for each in read(LOCK)}
    references = {name: purl(name, each.version) for name, each in locked.items()}
    own = purl(project["name"], project["version"])
    direct = {canonicalize_name(each.name) for each in wanted()}
    graph = {own: direct} | {references[name]: needs(name) | needs(name, OLDEST) for name in locked}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "purl": own,
            }
        },
        "components": [component(each) for each in locked.values()],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(references[name] for name in names if name in references)}
            for ref, names in graph.items()
        ],
    }


def text() -> str:
    """As it is written."""
    return json.dumps(bill(), indent=1) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text())
