"""The version is stated once, and what stands around the code agrees with it."""

import re
import tomllib
from pathlib import Path

import yaml

import lth

CHECKOUT = Path(__file__).parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def test_the_version_is_that_of_the_package():
    assert lth.__version__ == PROJECT["version"]


def test_the_citation_and_the_changelog_name_the_version():
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert citation["version"] == lth.__version__
    assert citation["license"] == PROJECT["license"]
    assert {citation["url"], citation["repository-code"]} == {PROJECT["urls"]["Homepage"]}
    assert f"## [{lth.__version__}]" in (CHECKOUT / "CHANGELOG.md").read_text()


def test_every_python_that_is_promised_is_tested():
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text())
    tested = set(workflow["jobs"]["tests"]["strategy"]["matrix"]["python"])
    promised = set(re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"])))
    assert promised and promised <= tested
    assert min(promised, key=lambda version: int(version[2:])) == PROJECT["requires-python"].removeprefix(">=")


def test_the_readme_says_how_to_run_the_tests():
    readme = (CHECKOUT / "README.md").read_text()
    assert len(re.findall(r"^python3 -m venv .* && pip install .*test.* && pytest$", readme, re.MULTILINE)) == 1
