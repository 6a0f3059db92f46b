"""Ray's dashboard of a running search: closed without the token, open with it."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(program) -> Iterator[str]:
    """Its address, while a search runs."""
    endless = ("--set", "epochs=4000", "--lr-bounds", "0.01", "0.2")  # a range test would take as long
    running = program.start("--space", str(program.space), "--name", "shown", *endless)
    try:
        program.wait_for(lambda: (program.storage / "shown" / "trials" / "t0001" / "result.json").exists())
        found = re.search(r"dashboard: (http://\S+)", program.output.read_text())
        assert found is not None
        yield found[1]
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=120) == 130


def token() -> str:
    return (Path.home() / ".ray" / "auth_token").read_text().strip()


def test_its_api_wants_the_token(dashboard: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{dashboard}/nodes?view=summary", timeout=30)
    with refused.value as answer:
        assert answer.code == 401
    request = urllib.request.Request(f"{dashboard}/nodes?view=summary", headers={"Authorization": f"Bearer {token()}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_it_opens_with_the_token_and_shows_the_workers(dashboard: str, tab: Any) -> None:
    tab.goto(dashboard)
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("Authentication Token").last.fill(token())
    dialog.get_by_role("button", name="Submit").click()
    dialog.wait_for(state="hidden")
    tab.goto(f"{dashboard}/#/actors")
    tab.get_by_text("TrialTrainable").first.wait_for()
    assert tab.get_by_text("TrialTrainable").count() == 2
    tab.goto(f"{dashboard}/#/cluster")
    tab.get_by_text("Node summary fetched").wait_for()
